// Opens the SQLite file of a data folder: for the one process that writes, or for reading.

import { closeSync, existsSync, openSync } from 'node:fs'
import { join, resolve } from 'node:path'
import { Fault } from '../../base/index.ts'
import { createBell, listenBell } from '../bell.ts'
import { makeFolder } from '../folder.ts'
import { type Migration, migrate, namesOfSteps, noteStep, type Schema } from '../migrations/migrate.ts'
import type { Engine, ReadEngine } from '../open.ts'
import type { ReadStoreOptions, StoreOptions } from '../types.ts'
import { Connection } from './connection.ts'
import { lockFolder } from './lock.ts'
import { ReadPool } from './read.ts'
import { GroupWriter } from './write.ts'

const cacheKiB = 16_384
/** What the WAL file keeps on disk after a rush. */
const walKeptBytes = 64 * 1024 * 1024

export async function openSqlite(options: StoreOptions, steps?: readonly Migration[]): Promise<Engine> {
  const data = resolve(options.data)
  await makeFolder(data)
  const unlock = lockFolder(data)
  try {
    const path = fileOf(data)
    // Made here, so that nobody else may read it: SQLite would leave it to the umask.
    if (!existsSync(path)) closeSync(openSync(path, 'a', 0o600))
    const connection = openWriter(path)
    await migrate(schemaOf(connection, options.clock.now), steps)
    const bell = createBell(bellName(data), options.log)
    const writer = new GroupWriter({ ...options, connection, bell })
    const pool = new ReadPool(path, options.clock, options.log)
    return {
      dialect: 'sqlite',
      bell,
      read: (work) => pool.read(work),
      version: () => pool.version(),
      write: (scope, work, durable, patient) => writer.write(scope, work, durable, patient),
      integrity: async () => inspect(path),
      async close() {
        await writer.close()
        pool.close()
        bell.close()
        connection.checkpoint('TRUNCATE')
        connection.close()
        unlock()
      },
    }
  } catch (error) {
    unlock()
    throw error
  }
}

export async function openSqliteReader(options: ReadStoreOptions): Promise<ReadEngine> {
  const data = resolve(options.data)
  if (!existsSync(fileOf(data))) throw new Fault('unavailable', `there is no store in ${data} yet`)
  const pool = new ReadPool(fileOf(data), options.clock, options.log)
  const bell = listenBell(bellName(data), options.log)
  return {
    dialect: 'sqlite',
    bell,
    read: (work) => pool.read(work),
    version: () => pool.version(),
    async close() {
      pool.close()
      bell.close()
    },
  }
}

const fileOf = (data: string) => join(data, 'posthorn.db')
const bellName = (data: string) => `posthorn:${data}`

function openWriter(path: string): Connection {
  const connection = new Connection(path, { readOnly: false, cacheKiB })
  const mode = connection.pragma('journal_mode = WAL')
  if (mode !== 'wal')
    throw new Fault('unsupported', `the file system of ${path} cannot hold a write-ahead log (journal_mode is ${mode})`)
  connection.exec('PRAGMA synchronous = FULL; PRAGMA foreign_keys = ON; PRAGMA wal_autocheckpoint = 0')
  // A savepoint keeps the pages that it changes again in a journal of its own: in memory, for it is never needed after a crash.
  connection.exec('PRAGMA temp_store = MEMORY')
  connection.exec(`PRAGMA journal_size_limit = ${walKeptBytes}`)
  if (connection.pragma('synchronous') !== 2) throw new Fault('unsupported', 'SQLite does not take synchronous = FULL')
  return connection
}

function schemaOf(connection: Connection, now: () => number): Schema {
  return {
    // AUTOINCREMENT: an id that was seen outside (EMAILID, THREADID) is never given to another thing.
    words: {
      id: 'INTEGER PRIMARY KEY AUTOINCREMENT',
      serial: 'INTEGER PRIMARY KEY',
      int: 'INTEGER',
      bytes: 'BLOB',
      rowless: 'WITHOUT ROWID',
    },
    async applied() {
      connection.exec('CREATE TABLE IF NOT EXISTS migration (name TEXT PRIMARY KEY, applied_at INTEGER NOT NULL)')
      const rows = await connection.all<{ name: string }>(namesOfSteps)
      return rows.map(({ name }) => name)
    },
    async apply(name, statements) {
      connection.exec('BEGIN IMMEDIATE')
      try {
        for (const statement of statements) connection.exec(statement)
        await connection.run(noteStep(name, now()))
        connection.exec('COMMIT')
      } catch (error) {
        connection.exec('ROLLBACK')
        throw error
      }
    },
  }
}

/** What SQLite itself finds wrong. */
function inspect(path: string): string[] {
  const connection = new Connection(path, { readOnly: true, cacheKiB })
  try {
    const pages = connection.pragmaRows('integrity_check(100)').map((row) => String(Object.values(row)[0]))
    const keys = connection
      .pragmaRows('foreign_key_check')
      .map((row) => `a row of ${row['table']} refers to a missing row of ${row['parent']}`)
    return [...pages.filter((line) => line !== 'ok'), ...keys]
  } finally {
    connection.close()
  }
}
