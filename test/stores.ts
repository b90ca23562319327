// Runs a test on every database that Posthorn keeps its store in: SQLite always, PostgreSQL when it is installed.

import { mkdtempSync, rmSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { after, type TestContext, test } from 'node:test'
import { type Clock, realClock, silentLog } from '../src/base/index.ts'
import { openStore, type Store, type StoreOptions } from '../src/store/index.ts'
import { type Postgres, startPostgres } from './postgres.ts'

export interface Bench {
  readonly dialect: Store['dialect']
  readonly store: Store
  /** What the store was opened with; its folder is temporary. */
  readonly options: StoreOptions
  /** What was told to onFatal. */
  readonly fatal: readonly Error[]
  /** Opens another store, closed at the end: on the same data unless `options` say otherwise. */
  open(options?: Partial<StoreOptions>): Promise<Store>
  readonly t: TestContext
}

export interface BenchOptions {
  readonly clock?: Clock
  readonly fault?: StoreOptions['fault']
  readonly only?: Store['dialect']
}

let server: Promise<Postgres | { readonly skip: string }> | undefined
after(async () => {
  const started = await server
  if (started && 'stop' in started) await started.stop()
})

export const databases: readonly Store['dialect'][] = ['sqlite', 'postgres']

/** A test that is given what `store` in the configuration says for a new, empty database of this kind. */
export function onDatabase(
  dialect: Store['dialect'],
  name: string,
  run: (t: TestContext, url: string) => Promise<void>,
): void {
  test(name, async (t) => {
    if (dialect === 'sqlite') return run(t, 'sqlite')
    server ??= startPostgres()
    const started = await server
    if ('skip' in started) return t.skip(started.skip)
    await run(t, await started.url())
  })
}

/** One test per database, each with a new empty store. */
export function onEachStore(name: string, run: (bench: Bench) => Promise<void>, options: BenchOptions = {}): void {
  for (const dialect of options.only ? [options.only] : databases)
    onDatabase(dialect, `${name} (${titles[dialect]})`, (t, url) => onStore(t, url, run, options))
}
export const titles = { sqlite: 'SQLite', postgres: 'PostgreSQL' } as const

async function onStore(t: TestContext, url: string, run: (bench: Bench) => Promise<void>, options: BenchOptions) {
  const data = mkdtempSync(join(tmpdir(), 'posthorn-store-'))
  const fatal: Error[] = []
  const storeOptions: StoreOptions = {
    store: url,
    data,
    clock: options.clock ?? realClock,
    log: silentLog,
    onFatal: (error) => fatal.push(error),
    fault: options.fault,
  }
  const opened: Store[] = []
  const open = async (more: Partial<StoreOptions> = {}) => {
    const store = await openStore({ ...storeOptions, ...more })
    opened.push(store)
    return store
  }
  try {
    const store = await open()
    await run({ dialect: store.dialect, store, options: storeOptions, fatal, open, t })
  } finally {
    for (const store of opened.reverse()) await store.close()
    rmSync(data, { recursive: true, force: true })
  }
}
