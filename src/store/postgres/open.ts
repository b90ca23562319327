// Opens a PostgreSQL database: refuses one that does not keep what it acknowledged. Any number of nodes may share it.

import { createHash } from 'node:crypto'
import pg from 'pg'
import { Fault } from '../../base/index.ts'
import { createBell, listenBell } from '../bell.ts'
import { type Migration, migrate, namesOfSteps, noteStep, type Schema } from '../migrations/migrate.ts'
import type { Engine, ReadEngine } from '../open.ts'
import { beat, nodeLifeMs } from '../rows/meta.ts'
import type { ReadStoreOptions, StoreOptions } from '../types.ts'
import { connectionOptions, lost, statementsOf, toFault } from './connection.ts'
import { startNotifier } from './notify.ts'
import { createTransact, type Transact } from './transact.ts'

const oldestVersion = 130_000
const defaultPool = 10
/** Reads never wait for the connections of writes that wait for a lock. */
const readPool = 4
const migrateLock = 0x706f7375

export async function openPostgres(
  options: StoreOptions,
  incarnation: string,
  steps?: readonly Migration[],
): Promise<Engine> {
  const { store: url, clock, log } = options
  await prepareDatabase(url, clock.now, steps)
  const bell = createBell(bellName(url), log)
  const notifier = await startNotifier(url, clock, log, (rings) => bell.ring(rings))
  const writes = createPool(url, options.poolSize ?? defaultPool, options)
  const reads = createPool(url, readPool, options)
  const transact = createTransact({
    ...options,
    reads,
    writes,
    bell: {
      ring(rings) {
        if (rings.length === 0) return
        bell.ring(rings)
        notifier.send(rings)
      },
    },
  })
  const stopBeating = keepBeating(transact, incarnation, options)
  return {
    dialect: 'postgres',
    bell,
    ...transact,
    version: () => undefined,
    // PostgreSQL checks its pages as it reads them and its keys as they are written.
    integrity: async () => [],
    async close() {
      stopBeating()
      await Promise.all([writes.end(), reads.end(), notifier.close()])
      bell.close()
    },
  }
}

export async function openPostgresReader(options: ReadStoreOptions): Promise<ReadEngine> {
  const reads = createPool(options.store, options.poolSize ?? readPool, options)
  const bell = listenBell(bellName(options.store), options.log)
  const { read } = createTransact({ ...options, reads, writes: reads, bell: { ring() {} } })
  return {
    dialect: 'postgres',
    bell,
    read,
    version: () => undefined,
    async close() {
      await reads.end()
      bell.close()
    },
  }
}

/** The channel's name must not show the password. */
const bellName = (url: string) => `posthorn:${createHash('sha256').update(url).digest('hex')}`

function createPool(url: string, max: number, { log }: Pick<StoreOptions, 'log'>): pg.Pool {
  const pool = new pg.Pool({ ...connectionOptions(url), max, idleTimeoutMillis: 60_000 })
  pool.on('error', (error) => log.warn({ err: error }, 'an idle connection to PostgreSQL was lost'))
  return pool
}

/** Says again and again that this node lives, so that its claims hold. */
function keepBeating(transact: Transact, incarnation: string, { clock, log }: StoreOptions): () => void {
  let stopped = false
  let cancel = () => {}
  const next = () => {
    cancel = clock.after(nodeLifeMs / 10, () => {
      transact
        .write([], (tx) => beat(tx, incarnation), false)
        .catch((error) => log.warn({ err: error }, 'the node could not say that it lives'))
        .finally(() => {
          if (!stopped) next()
        })
    })
  }
  next()
  return () => {
    stopped = true
    cancel()
  }
}

/** Checks the server and brings the schema up to date, one node at a time. */
async function prepareDatabase(url: string, now: () => number, steps?: readonly Migration[]): Promise<void> {
  const client = new pg.Client(connectionOptions(url))
  client.on('error', () => {})
  await client.connect().catch((error: unknown) => {
    throw error instanceof pg.DatabaseError ? toFault(error) : lost(error)
  })
  try {
    await checkServer(client)
    await client.query(`SELECT pg_advisory_lock(${migrateLock})`)
    await migrate(schemaOf(client, now), steps)
  } finally {
    await client.end()
  }
}

async function checkServer(client: pg.Client): Promise<void> {
  const setting = async (name: string) => {
    const { rows } = await client.query<{ value: string }>('SELECT current_setting($1) AS value', [name])
    return rows[0]!.value
  }
  const refuse = (reason: string) => {
    throw new Fault(
      'unsupported',
      `PostgreSQL ${reason}: Posthorn keeps what it has acknowledged and does not start so`,
    )
  }
  if (Number(await setting('server_version_num')) < oldestVersion) refuse('is older than 13')
  for (const name of ['fsync', 'synchronous_commit', 'full_page_writes'])
    if ((await setting(name)) === 'off') refuse(`runs with ${name} = off`)
  if ((await setting('server_encoding')) !== 'UTF8') refuse('holds a database whose encoding is not UTF8')
}

function schemaOf(client: pg.Client, now: () => number): Schema {
  const statements = statementsOf(client)
  return {
    words: {
      id: 'BIGINT GENERATED BY DEFAULT AS IDENTITY PRIMARY KEY',
      serial: 'BIGINT GENERATED BY DEFAULT AS IDENTITY PRIMARY KEY',
      int: 'BIGINT',
      bytes: 'BYTEA',
      rowless: '',
    },
    async applied() {
      await client.query('CREATE TABLE IF NOT EXISTS migration (name TEXT PRIMARY KEY, applied_at BIGINT NOT NULL)')
      return (await statements.all<{ name: string }>(namesOfSteps)).map(({ name }) => name)
    },
    async apply(name, texts) {
      await client.query('BEGIN')
      try {
        for (const text of texts) await client.query(text)
        await statements.run(noteStep(name, now()))
        await client.query('COMMIT')
      } catch (error) {
        await client.query('ROLLBACK')
        throw error
      }
    },
  }
}
