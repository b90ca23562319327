// Statements as values: constant text with values between. The text's identity keys the prepared statement of each connection.
// What both databases say differently in one statement has a fragment here. Knows no table.

import type { Reader, Sql, SqlValue } from './types.ts'

/** Texts of composed statements, so that the same pieces always give the same identity. The pieces are constants: their number is bounded. */
const composed = new Map<string, TemplateStringsArray>()

/** A statement or a fragment of one. Fragments may stand where values stand: ``sql`SELECT … ${fragment}` ``. */
export function sql(strings: TemplateStringsArray, ...values: readonly (SqlValue | Sql)[]): Sql {
  for (const value of values) if (isSql(value)) return compose(strings, values)
  return { strings, values: values as readonly SqlValue[] }
}

function isSql(value: SqlValue | Sql): value is Sql {
  return typeof value === 'object' && value !== null && 'strings' in value
}

function compose(strings: TemplateStringsArray, values: readonly (SqlValue | Sql)[]): Sql {
  const texts = [strings[0]!]
  const flat: SqlValue[] = []
  values.forEach((value, i) => {
    const rest = strings[i + 1]!
    if (!isSql(value)) {
      flat.push(value)
      texts.push(rest)
      return
    }
    texts[texts.length - 1] += value.strings[0]!
    texts.push(...value.strings.slice(1))
    texts[texts.length - 1] += rest
    flat.push(...value.values)
  })
  const key = texts.join('\0')
  let identity = composed.get(key)
  if (!identity) composed.set(key, (identity = Object.assign(texts, { raw: texts })))
  return { strings: identity, values: flat }
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

/** Bytes of a row as a Buffer on the same memory: SQLite hands out plain Uint8Arrays. */
export function toBuffer(bytes: Uint8Array): Buffer {
  return Buffer.isBuffer(bytes) ? bytes : Buffer.from(bytes.buffer, bytes.byteOffset, bytes.byteLength)
}
