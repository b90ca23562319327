// Opens the store that the configuration names. What is the same on every database is joined here: blobs, epoch, incarnation, check.

import { randomBytes } from 'node:crypto'
import { readFileSync } from 'node:fs'
import { join, resolve } from 'node:path'
import { openDiskBlobs } from './blobs/disk.ts'
import { contentsWithFile } from './rows/blob.ts'
import { beat, closeEpoch, endBeat, openEpoch } from './rows/meta.ts'
import { openSqlite, openSqliteReader } from './sqlite/open.ts'
import type { Bell, Blobs, Reader, ReadStore, ReadStoreOptions, Scope, Store, StoreOptions, Writer } from './types.ts'

/** What a database offers for reading. */
export interface ReadEngine {
  readonly dialect: Reader['dialect']
  readonly bell: Bell
  read<T>(work: (tx: Reader) => Promise<T>): Promise<T>
  /** See ReadStore. */
  version(): string | undefined
  close(): Promise<void>
}
/** What a database offers to the core. */
export interface Engine extends ReadEngine {
  write<T>(scope: Scope, work: (tx: Writer) => Promise<T>, durable: boolean, patient?: boolean): Promise<T>
  /** What the database itself finds wrong. */
  integrity(): Promise<string[]>
}

const defaultInlineLimit = 65_536

/** Opens the store for writing, its schema brought up to date. Fault `in-use` when another process has it, `unsupported` when it cannot be durable. */
export async function openStore(options: StoreOptions): Promise<Store> {
  const incarnation = randomBytes(8).toString('hex')
  const engine = await openEngine(options, incarnation)
  try {
    const blobs = await openBlobs(options)
    const epoch = await engine.write('server', (tx) => openEpochAndBeat(tx, incarnation), true)
    return {
      dialect: engine.dialect,
      bell: engine.bell,
      blobs,
      epoch,
      incarnation,
      read: (work) => engine.read(work),
      version: () => engine.version(),
      write: (scope, work, { durable = true, patient } = {}) => engine.write(scope, work, durable, patient),
      check: async () => [...(await engine.integrity()), ...(await missingFiles(engine, blobs))],
      close: once(async () => {
        await engine
          .write('server', (tx) => closeEpochAndBeat(tx, incarnation), true)
          .catch((error) => {
            options.log.warn({ err: error }, 'the store could not note that it was closed in order')
          })
        await engine.close()
      }),
    }
  } catch (error) {
    await engine.close()
    throw error
  }
}

/** Opens the store for reading, in any thread. It hears the bell of the writing store of the same process. */
export async function openReadStore(options: ReadStoreOptions): Promise<ReadStore> {
  const engine = await openReadEngine(options)
  const blobs = await openBlobs(options)
  return { ...engine, blobs, close: once(engine.close) }
}

async function openEngine(options: StoreOptions, incarnation: string): Promise<Engine> {
  if (options.store === 'sqlite') return openSqlite(options)
  // Only who uses PostgreSQL loads its driver.
  const { openPostgres } = await import('./postgres/open.ts')
  return openPostgres(options, incarnation)
}

async function openReadEngine(options: ReadStoreOptions): Promise<ReadEngine> {
  if (options.store === 'sqlite') return openSqliteReader(options)
  const { openPostgresReader } = await import('./postgres/open.ts')
  return openPostgresReader(options)
}

/** Closing twice is closing once. */
function once(run: () => Promise<void>): () => Promise<void> {
  let running: Promise<void> | undefined
  return () => (running ??= run())
}

function openBlobs(options: ReadStoreOptions & Pick<StoreOptions, 'fault'>): Promise<Blobs> {
  return openDiskBlobs({
    folder: resolve(options.blobs ?? join(options.data, 'blobs')),
    inlineLimit: options.inlineLimit ?? defaultInlineLimit,
    log: options.log,
    now: options.clock.now,
    fault: options.fault,
  })
}

async function openEpochAndBeat(tx: Writer, incarnation: string): Promise<number> {
  await beat(tx, incarnation)
  return openEpoch(tx, tx.dialect === 'sqlite' ? bootId() : '')
}

async function closeEpochAndBeat(tx: Writer, incarnation: string): Promise<void> {
  await endBeat(tx, incarnation)
  await closeEpoch(tx)
}

/** Changes with every start of the machine; where it cannot be told, every unclean start counts as one. */
function bootId(): string {
  try {
    return readFileSync('/proc/sys/kernel/random/boot_id', 'utf8').trim()
  } catch {
    return randomBytes(8).toString('hex')
  }
}

async function missingFiles(engine: ReadEngine, blobs: Blobs): Promise<string[]> {
  const missing: string[] = []
  for (let after = 0; ; ) {
    const page = await engine.read((tx) => contentsWithFile(tx, after))
    for (const { id, file } of page) {
      const there = await blobs.read(file, 0, 0).catch(() => undefined)
      if (!there) missing.push(`content ${id} has lost its file ${file}`)
      after = id
    }
    if (page.length === 0) return missing
  }
}
