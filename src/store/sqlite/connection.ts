// One connection to the SQLite file with its prepared statements, keyed by the identity of their text.

import { DatabaseSync, type StatementSync } from 'node:sqlite'
import { Fault } from '../../base/index.ts'
import { sql } from '../sql.ts'
import type { Sql } from '../types.ts'

const walState = sql`PRAGMA wal_checkpoint(NOOP)`
const dataVersion = sql`PRAGMA data_version`

/** What begins and ends transactions: run so often that its text is parsed once. */
type Control =
  | 'BEGIN'
  | 'BEGIN IMMEDIATE'
  | 'COMMIT'
  | 'ROLLBACK'
  | 'SAVEPOINT work'
  | 'RELEASE work'
  | 'ROLLBACK TO work'

type Bound = Parameters<StatementSync['all']>

/** A statement that gives arrays, and what makes the row of one. */
interface Prepared {
  readonly statement: StatementSync
  readonly toRow: (values: unknown) => unknown
}

export class Connection {
  readonly dialect = 'sqlite'
  readonly #db: DatabaseSync
  readonly #statements = new Map<TemplateStringsArray, Prepared>()
  readonly #controls = new Map<Control, StatementSync>()

  /** `cacheKiB` is the most that the page cache takes; pages are allocated as they are used. */
  constructor(path: string, options: { readonly readOnly: boolean; readonly cacheKiB: number }) {
    this.#db = new DatabaseSync(path, { readOnly: options.readOnly, timeout: 5_000 })
    this.#db.exec(`PRAGMA cache_size = -${options.cacheKiB}`)
  }

  // SQLite has answered when it returns: what is handed out is a promise only because other databases have not.
  all<R>(query: Sql): Promise<R[]> {
    return settle(() => {
      const { statement, toRow } = this.#prepare(query)
      const rows: unknown[] = statement.all(...(query.values as Bound))
      for (let i = 0; i < rows.length; i++) rows[i] = toRow(rows[i])
      return rows as R[]
    })
  }

  get<R>(query: Sql): Promise<R | undefined> {
    return settle(() => this.#get(query) as R | undefined)
  }

  run(query: Sql): Promise<number> {
    return settle(() => Number(this.#prepare(query).statement.run(...(query.values as Bound)).changes))
  }

  insert(query: Sql): Promise<number | undefined> {
    return settle(() => {
      const { changes, lastInsertRowid } = this.#prepare(query).statement.run(...(query.values as Bound))
      return changes === 0 ? undefined : Number(lastInsertRowid)
    })
  }

  control(text: Control): void {
    let statement = this.#controls.get(text)
    if (!statement) this.#controls.set(text, (statement = this.#db.prepare(text)))
    statement.run()
  }

  /** Text without values, run now: pragmas, schema. */
  exec(text: string): void {
    this.#db.exec(text)
  }

  /** The first column of the first row of a pragma. */
  pragma(text: string): unknown {
    const row = this.#db.prepare(`PRAGMA ${text}`).get()
    return row && Object.values(row)[0]
  }

  /** All rows of a pragma. */
  pragmaRows(text: string): Record<string, unknown>[] {
    return this.#db.prepare(`PRAGMA ${text}`).all()
  }

  /** Changes when another connection has committed something. */
  version(): number {
    return (this.#get(dataVersion) as { data_version: number }).data_version
  }

  /** Frames of the write-ahead log that are not yet copied back to the database. */
  walFrames(): number {
    const { log, checkpointed } = this.#get(walState) as { log: number; checkpointed: number }
    return log - checkpointed
  }

  /** Copies the WAL back to the database. False when the disk is full: the WAL then goes on holding what it holds, and nothing is lost. */
  checkpoint(mode: 'PASSIVE' | 'TRUNCATE'): boolean {
    try {
      this.exec(`PRAGMA wal_checkpoint(${mode})`)
      return true
    } catch (error) {
      if (primaryCode(error) === noSpace) return false
      throw error
    }
  }

  get inTransaction(): boolean {
    return this.#db.isTransaction
  }

  close(): void {
    this.#statements.clear()
    this.#controls.clear()
    this.#db.close()
  }

  #get(query: Sql): unknown {
    const { statement, toRow } = this.#prepare(query)
    const row: unknown = statement.get(...(query.values as Bound))
    return row === undefined ? undefined : toRow(row)
  }

  #prepare({ strings }: Sql): Prepared {
    const found = this.#statements.get(strings)
    if (found) return found
    const statement = this.#db.prepare(strings.join('?'))
    statement.setReturnArrays(true)
    const prepared = { statement, toRow: rowMaker(statement.columns().map(({ name }) => name)) }
    this.#statements.set(strings, prepared)
    return prepared
  }
}

/**
 * What makes a row of the values of these columns. Node's own rows are dictionaries: making one and reading its fields takes twice as
 * long as an array and an object whose shape V8 knows, which only a literal gives.
 */
function rowMaker(columns: readonly string[]): Prepared['toRow'] {
  const fields = columns.map((name, i) => `${JSON.stringify(name)}: values[${i}]`)
  // The names are those of our own statements.
  return new Function('values', `return { ${fields.join(', ')} }`) as Prepared['toRow']
}

/** One promise instead of the three that an async function on top of another makes: there are twenty statements to a message. */
function settle<T>(run: () => T): Promise<T> {
  try {
    return Promise.resolve(run())
  } catch (error) {
    return Promise.reject(error)
  }
}

// Primary result codes of SQLite (the low byte of errcode).
const noSpace = 13
const constraint = new Set([1555, 2067]) // primary key, unique: extended codes
const broken = new Set([
  8, // read-only
  10, // I/O error
  11, // the file is corrupt
  14, // cannot open
  15, // locking protocol
  26, // not a database
])

function primaryCode(error: unknown): number {
  const code = (error as { errcode?: unknown } | undefined)?.errcode
  return typeof code === 'number' ? code & 0xff : 0
}

/** Storage itself failed: what was written is not certain any more. */
export function isBroken(error: unknown): boolean {
  return broken.has(primaryCode(error))
}

/** The house's word for an error of SQLite. A full disk is the operator's to mend: the transaction is undone, and the process goes on. */
export function toFault(error: unknown): unknown {
  if (primaryCode(error) === noSpace) return new Fault('disk-full', 'the disk of the data folder is full')
  if (constraint.has((error as { errcode?: number } | undefined)?.errcode ?? 0))
    return new Fault('exists', `SQLite: ${(error as Error).message}`)
  return error
}
