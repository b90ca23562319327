// Keeps the search index: looks at the start whether it belongs to the store, and starts the thread that fills it when enough has come.

import { randomBytes } from 'node:crypto'
import { Worker } from 'node:worker_threads'
import { indexLag } from '../mail/index.ts'
import { checkSearchFile, indexingRows, type Progress, type Store } from '../store/index.ts'
import type { Config } from './config/index.ts'
import { entry } from './entry.ts'
import type { IndexingReport, IndexingStart } from './indexing.ts'
import type { Surroundings } from './services.ts'

export interface IndexKeeper {
  /** To be awaited before anybody searches. */
  check(): Promise<void>
  /** From now on what comes is indexed. */
  begin(): void
  /** Contents and messages that are not yet in the index. */
  lag(): Promise<number>
  stop(): Promise<void>
}

/** How long after a change the store is looked at. */
const lookMs = 5_000
/** So much waits no longer; less than that every search looks at in a few milliseconds, and a thread costs more. */
const enough = 2_000
const patienceMs = 120_000
/** After a thread that failed. */
const retryMs = 600_000
const stopMs = 2_000

/** Undefined when the configuration wants no index. */
export function createIndexKeeper(config: Config, store: Store, around: Surroundings): IndexKeeper | undefined {
  return config.search.index ? new Keeper(config, store, around) : undefined
}

class Keeper implements IndexKeeper {
  readonly #config: Config
  readonly #store: Store
  readonly #around: Surroundings
  #name = ''
  #cursors: Progress = { contents: 0, messages: 0, packed: 0 }
  #behindSince: number | undefined
  #worker: Worker | undefined
  #cancel: (() => void) | undefined
  #stopHearing = () => {}
  #stopped = false

  constructor(config: Config, store: Store, around: Surroundings) {
    this.#config = config
    this.#store = store
    this.#around = around
  }

  async check(): Promise<void> {
    const store = this.#store
    this.#name = await store.write('server', (tx) => indexingRows.storeName(tx, randomBytes(8).toString('hex')))
    const facts = {
      store: this.#name,
      heights: await store.read(indexingRows.heights),
      hashOf: (content: number) => store.read((tx) => indexingRows.hashOf(tx, content)),
    }
    this.#cursors = await checkSearchFile(this.#config.data, facts, this.#around.log)
    // What was left at the last end has waited long enough.
    if ((await this.lag()) > 0) this.#behindSince = this.#around.clock.monotonic() - patienceMs
  }

  begin(): void {
    this.#stopHearing = this.#store.bell.on((ring) => {
      if ('account' in ring) this.#lookIn(lookMs)
    })
    this.#lookIn(lookMs)
  }

  async lag(): Promise<number> {
    return indexLag(this.#cursors, await this.#store.read(indexingRows.heights))
  }

  async stop(): Promise<void> {
    this.#stopped = true
    this.#stopHearing()
    this.#cancel?.()
    const worker = this.#worker
    if (!worker) return
    const ended = new Promise<void>((resolve) => worker.once('exit', () => resolve()))
    worker.postMessage('stop')
    const cancel = this.#around.clock.after(stopMs, () => void worker.terminate())
    await ended
    cancel()
  }

  #lookIn(ms: number): void {
    if (this.#cancel || this.#worker || this.#stopped) return
    this.#cancel = this.#around.clock.after(ms, () => {
      this.#cancel = undefined
      this.#look().catch((error: unknown) =>
        this.#around.log.error({ err: error }, 'the search index was not looked at'),
      )
    })
  }

  async #look(): Promise<void> {
    const lag = await this.lag()
    if (this.#stopped || this.#worker) return
    const now = this.#around.clock.monotonic()
    this.#behindSince = lag === 0 ? undefined : (this.#behindSince ?? now)
    if (lag === 0) return
    const waited = now - this.#behindSince!
    if (lag >= enough || waited >= patienceMs) this.#start()
    else this.#lookIn(patienceMs - waited)
  }

  #start(): void {
    const worker = new Worker(entry('indexing'), {
      name: 'search',
      // What it needs at most for one long text; a thread that wants more is ended instead of the process.
      resourceLimits: { maxOldGenerationSizeMb: 160, maxYoungGenerationSizeMb: 8 },
    })
    this.#worker = worker
    this.#behindSince = undefined
    worker.unref()
    worker.on('message', (report: IndexingReport) => {
      this.#cursors = report
    })
    let again = lookMs
    worker.on('error', (error) => {
      again = retryMs
      this.#around.log.error({ err: error }, 'the thread of the search index failed')
    })
    worker.once('exit', () => {
      this.#worker = undefined
      // Something may have come while it ended.
      this.#lookIn(again)
    })
    worker.postMessage({ config: this.#config, store: this.#name } satisfies IndexingStart)
  }
}
