// PostgreSQL's way of a statement: numbered parameters, a prepared statement per connection named by the text's identity,
// 64-bit integers as numbers. Turns its errors into the house's.

import pg from 'pg'
import { Fault } from '../../base/index.ts'
import { sql } from '../sql.ts'
import type { Statements } from '../transaction.ts'
import type { Sql, SqlValue } from '../types.ts'

/** What a waiting lock, and a transaction whose process is gone, may take. */
const lockMs = 30_000
const idleMs = 60_000
const connectMs = 10_000

const int8 = 20
const numeric = 1700

const types = {
  getTypeParser: ((oid: number, format?: 'text' | 'binary') =>
    oid === int8 || oid === numeric
      ? Number
      : pg.types.getTypeParser(oid, format as 'text')) as typeof pg.types.getTypeParser,
}

/** How every connection of the house is made. */
export function connectionOptions(url: string): pg.ClientConfig {
  return {
    connectionString: url,
    types,
    keepAlive: true,
    application_name: 'posthorn',
    connectionTimeoutMillis: connectMs,
    lock_timeout: lockMs,
    idle_in_transaction_session_timeout: idleMs,
  }
}

const prepared = new WeakMap<TemplateStringsArray, { readonly name: string; readonly text: string }>()
let count = 0

function prepare(strings: TemplateStringsArray): { readonly name: string; readonly text: string } {
  let known = prepared.get(strings)
  if (!known) {
    const text = strings.reduce((before, piece, i) => `${before}$${i}${piece}`)
    prepared.set(strings, (known = { name: `p${++count}`, text }))
  }
  return known
}

/** The statements of one connection. */
export function statementsOf(client: pg.ClientBase): Statements {
  const query = async (query: Sql) => client.query({ ...prepare(query.strings), values: query.values.map(toParameter) })
  return {
    dialect: 'postgres',
    all: async <R>(q: Sql) => (await query(q)).rows as R[],
    get: async <R>(q: Sql) => (await query(q)).rows[0] as R | undefined,
    run: async (q) => (await query(q)).rowCount ?? 0,
    insert: async (q) => ((await query(sql`${q} RETURNING id`)).rows[0] as { id: number } | undefined)?.id,
  }
}

/** PostgreSQL's text cannot hold NUL, SQLite's can: the replacement character stands for it. */
function toParameter(value: SqlValue): SqlValue {
  return typeof value === 'string' && value.includes('\0') ? value.replaceAll('\0', '\ufffd') : value
}

/** The work was not at fault: run again, it will probably pass. */
export function isRetryable(error: unknown): boolean {
  return error instanceof pg.DatabaseError && (error.code === '40001' || error.code === '40P01')
}

/** SQLSTATE, or its class, to fault. */
const faults: { readonly [code: string]: Fault['code'] } = {
  '23505': 'exists',
  '53100': 'disk-full',
  '53': 'unavailable', // too many connections, out of memory
  '55P03': 'unavailable', // a lock was not given in time
  '40': 'unavailable', // conflicts that did not pass in several tries
  '08': 'unavailable',
  '25P03': 'unavailable', // idle in transaction for too long
  '57': 'unavailable', // the server is stopping or starting
  '58': 'unavailable', // an I/O error of the server
}

/** The house's word for an error of the driver; errors of other origin stay as they are. */
export function toFault(error: unknown): unknown {
  if (!(error instanceof pg.DatabaseError)) return error
  const code = faults[error.code ?? ''] ?? faults[error.code?.slice(0, 2) ?? '']
  return code ? new Fault(code, `PostgreSQL: ${error.message}`) : error
}

/** A connection that cannot be had, or was lost: nobody knows what became of what was asked on it. */
export function lost(error: unknown): Fault {
  return new Fault(
    'unavailable',
    `PostgreSQL cannot be reached: ${error instanceof Error ? error.message : String(error)}`,
  )
}
