// Statements as values: constant text with values between. The text's identity keys the prepared statement of each connection.
// What both databases say differently in one statement has a fragment here. Knows no table.

import type { Reader, Sql, SqlValue } from './types.ts'

/** What a composed statement is made of, piece by piece: the same pieces always give the same identity. The pieces are constants: their number is bounded. */
interface Composed {
  readonly next: Map<TemplateStringsArray, Composed>
  identity?: TemplateStringsArray
}
const composed: Composed = { next: new Map() }
/** Stands for a value among the pieces. */
const valueMark = Object.assign([], { raw: [] })

/** A statement or a fragment of one. Fragments may stand where values stand: ``sql`SELECT … ${fragment}` ``. */
export function sql(strings: TemplateStringsArray, ...values: readonly (SqlValue | Sql)[]): Sql {
  for (const value of values) if (isSql(value)) return compose(strings, values)
  return { strings, values: values as readonly SqlValue[] }
}

function isSql(value: SqlValue | Sql): value is Sql {
  return typeof value === 'object' && value !== null && 'strings' in value
}

function compose(strings: TemplateStringsArray, values: readonly (SqlValue | Sql)[]): Sql {
  const flat: SqlValue[] = []
  let at = follow(composed, strings)
  for (const value of values) {
    at = follow(at, isSql(value) ? value.strings : valueMark)
    if (isSql(value)) flat.push(...value.values)
    else flat.push(value)
  }
  at.identity ??= join(strings, values)
  return { strings: at.identity, values: flat }
}

function follow({ next }: Composed, piece: TemplateStringsArray): Composed {
  let found = next.get(piece)
  if (!found) next.set(piece, (found = { next: new Map() }))
  return found
}

/** The text of a statement with the texts of its fragments in their places. */
function join(strings: TemplateStringsArray, values: readonly (SqlValue | Sql)[]): TemplateStringsArray {
  const texts = [strings[0]!]
  values.forEach((value, i) => {
    if (isSql(value)) {
      texts[texts.length - 1] += value.strings[0]!
      texts.push(...value.strings.slice(1))
      texts[texts.length - 1] += strings[i + 1]!
    } else texts.push(strings[i + 1]!)
  })
  return Object.assign(texts, { raw: texts })
}

/** ``sql`… WHERE id ${oneOf(tx, ids)}` ``: one of the given values, as one parameter. The list is bounded by the caller (≤ 1,000). */
export function oneOf(tx: Pick<Reader, 'dialect'>, list: readonly number[] | readonly string[]): Sql {
  const json = JSON.stringify(list)
  if (tx.dialect === 'sqlite') return sql`IN (SELECT value FROM json_each(${json}))`
  if (list.length === 0) return sql`= ANY('{}')`
  if (typeof list[0] === 'string') return sql`= ANY(ARRAY(SELECT jsonb_array_elements_text(${json}::jsonb)))`
  return sql`= ANY(${`{${list.join(',')}}`}::bigint[])`
}

/** Ends a SELECT that claims rows: rows that another transaction holds are passed over. On SQLite the only writer needs no lock. */
export function skipLocked(tx: Pick<Reader, 'dialect'>): Sql {
  return tx.dialect === 'sqlite' ? sql`` : sql`FOR UPDATE SKIP LOCKED`
}

/** Ends a SELECT whose rows must not be deleted before this transaction ends. */
export function keepLocked(tx: Pick<Reader, 'dialect'>): Sql {
  return tx.dialect === 'sqlite' ? sql`` : sql`FOR KEY SHARE`
}

/** Nobody else reads the row in this way, or changes it, until the transaction ends. */
export function lockRow(tx: Pick<Reader, 'dialect'>): Sql {
  return tx.dialect === 'sqlite' ? sql`` : sql`FOR UPDATE`
}

/** Bytes of a row as a Buffer on the same memory: SQLite hands out plain Uint8Arrays. */
export function toBuffer(bytes: Uint8Array): Buffer {
  return Buffer.isBuffer(bytes) ? bytes : Buffer.from(bytes.buffer, bytes.byteOffset, bytes.byteLength)
}
