// Transactions on PostgreSQL: a connection of the pool each, account rows locked in ascending order until the commit.

import pg from 'pg'
import { type Clock, Fault, isFault, type Log } from '../../base/index.ts'
import type { RingingBell } from '../bell.ts'
import type { FaultPoint } from '../fault-points.ts'
import { oneOf, sql } from '../sql.ts'
import { type Aftermath, accountsOf, type Statements, Transaction } from '../transaction.ts'
import type { Reader, Scope, Writer } from '../types.ts'
import { isRetryable, lost, statementsOf, toFault } from './connection.ts'

/** A work is run again after a deadlock or a serialization failure, so many times in all. */
const tries = 5
/** Key of the advisory lock of scope `server`. */
const serverLock = 0x706f7374
const slowMs = 250

export interface TransactOptions {
  readonly reads: pg.Pool
  readonly writes: pg.Pool
  readonly clock: Clock
  readonly log: Log
  readonly bell: Pick<RingingBell, 'ring'>
  readonly fault?: (point: FaultPoint) => void
}

export type Transact = ReturnType<typeof createTransact>

export function createTransact({ reads, writes, clock, log, bell, fault }: TransactOptions) {
  /** One try; resolves after the commit. */
  const writeOnce = async <T>(scope: Scope, work: (tx: Writer) => Promise<T>, durable: boolean) => {
    const { value, aftermath } = await onClient(writes, async (client) => {
      fault?.('write.begin')
      await client.query(durable ? 'BEGIN' : 'BEGIN; SET LOCAL synchronous_commit TO off')
      const statements = statementsOf(client)
      await lockScope(statements, scope)
      const tx = new Transaction(statements, scope, clock.now())
      let worked: { value: T; aftermath: Aftermath }
      try {
        worked = { value: await work(tx), aftermath: await tx.finish() }
      } finally {
        tx.end()
      }
      fault?.('write.worked')
      fault?.('write.before-commit')
      await commit(client)
      fault?.('write.committed')
      return worked
    })
    bell.ring(aftermath.rings)
    for (const run of aftermath.after) {
      try {
        run()
      } catch (error) {
        log.error({ err: error }, 'what was to run after a commit failed')
      }
    }
    return value
  }

  return {
    async write<T>(scope: Scope, work: (tx: Writer) => Promise<T>, durable: boolean): Promise<T> {
      for (let attempt = 1; ; attempt++) {
        try {
          return await writeOnce(scope, work, durable)
        } catch (error) {
          if (!isRetryable(error) || attempt === tries) throw toFault(error)
        }
        // Apart, so that those who met do not meet again.
        await new Promise<void>((resolve) => clock.after(Math.random() * 20 * attempt, resolve))
      }
    },

    async read<T>(work: (tx: Reader) => Promise<T>): Promise<T> {
      const start = clock.monotonic()
      try {
        return await onClient(reads, async (client) => {
          await client.query('BEGIN ISOLATION LEVEL REPEATABLE READ READ ONLY')
          const value = await work(statementsOf(client))
          await client.query('COMMIT')
          return value
        })
      } catch (error) {
        throw toFault(error)
      } finally {
        const took = clock.monotonic() - start
        if (took > slowMs) log.warn({ ms: Math.round(took) }, 'a read held its snapshot too long')
      }
    },
  }
}

/** Runs `work` on a connection; afterwards the connection is clean, or thrown away. */
async function onClient<T>(pool: pg.Pool, work: (client: pg.PoolClient) => Promise<T>): Promise<T> {
  const client = await pool.connect().catch((error: unknown) => {
    throw error instanceof pg.DatabaseError ? toFault(error) : lost(error)
  })
  let broken: Error | undefined
  const onError = (error: Error) => {
    broken = error
  }
  client.on('error', onError)
  try {
    const value = await work(client)
    client.off('error', onError)
    client.release()
    return value
  } catch (error) {
    const clean = await client.query('ROLLBACK').then(
      () => true,
      (reason: Error) => {
        broken ??= reason
        return false
      },
    )
    client.off('error', onError)
    client.release(!clean)
    throw broken && !isFault(error) ? lost(broken) : error
  }
}

async function lockScope(statements: Statements, scope: Scope): Promise<void> {
  if (scope === 'server') {
    await statements.get(sql`SELECT pg_advisory_xact_lock(${serverLock})`)
    return
  }
  const accounts = accountsOf(scope)
  if (accounts.length === 0) return
  await statements.all(
    sql`SELECT id FROM account WHERE id ${oneOf(statements, accounts)} ORDER BY id LIMIT ${accounts.length} FOR UPDATE`,
  )
}

/** PostgreSQL answers the COMMIT of a failed transaction with ROLLBACK and no error. */
async function commit(client: pg.ClientBase): Promise<void> {
  const { command } = await client.query('COMMIT')
  if (command !== 'COMMIT')
    throw new Fault('internal', 'a statement of this write failed, and the work went on regardless')
}
