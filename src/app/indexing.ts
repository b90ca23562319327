// The thread that fills the search index: lives while there is something to do, gives way to everything else, and ends by itself.
// Knows its configuration and nothing of the rest of the server; what it writes may be lost at any time.

import { setPriority } from 'node:os'
import { parentPort } from 'node:worker_threads'
import { createLog, realClock } from '../base/index.ts'
import { createIndexer } from '../mail/index.ts'
import { openReadStore, openSearchWriter, type Progress } from '../store/index.ts'
import type { Config } from './config/index.ts'
import { storeOptions } from './services.ts'

/** What the thread is told first. */
export interface IndexingStart {
  readonly config: Config
  readonly store: string
}
/** What it tells: how far the index is. */
export type IndexingReport = Progress

/** Share of a core that the rest of the process takes when it is busy: then one step in so many milliseconds must do. */
const busy = 0.25
const busyStepMs = 5_000
/** Of the time that is left: so much rest for each millisecond of work. */
const rest = 0.25
const waitMs = 1_000
/** A thread takes a fifth of a second to start: it waits that long for more before it ends. */
const lingerMs = 10_000

let stopping = false
let wake = () => {}
parentPort!.on('message', (said: IndexingStart | 'stop') => {
  if (said !== 'stop') {
    void run(said)
    return
  }
  stopping = true
  wake()
})

async function run({ config, store: name }: IndexingStart): Promise<void> {
  // On Linux this is the thread's own niceness; elsewhere it would be the whole server's.
  if (process.platform === 'linux') setPriority(19)
  const log = createLog(config.log.level).child({ part: 'search' })
  const surroundings = { clock: realClock, log }
  const store = await openReadStore({ ...storeOptions(config, surroundings), poolSize: 1 })
  const index = await openSearchWriter({ data: config.data, store: name, log })
  const indexer = createIndexer({ store, index, ...surroundings })
  const others = createLoad()
  let idleSince: number | undefined
  let steppedAt = 0
  while (!stopping) {
    if (others() > busy && realClock.monotonic() - steppedAt < busyStepMs) {
      await sleep(waitMs)
      continue
    }
    const began = realClock.monotonic()
    const step = await indexer.step()
    steppedAt = realClock.monotonic()
    parentPort!.postMessage({ ...index.cursors } satisfies IndexingReport)
    idleSince = step === 'done' ? (idleSince ?? began) : undefined
    if (idleSince !== undefined && steppedAt - idleSince > lingerMs) break
    await sleep(step === 'more' ? (steppedAt - began) * rest : waitMs)
  }
  await index.close()
  await store.close()
  // The way out of a thread; the process goes on.
  process.exit()
}

/** Cut short by `stop`. */
function sleep(ms: number): Promise<void> {
  return new Promise((resolve) => {
    const timer = setTimeout(resolve, stopping ? 0 : ms)
    wake = () => {
      clearTimeout(timer)
      resolve()
    }
  })
}

/** Share of a core that the other threads of the process took since the last look. */
function createLoad(): () => number {
  const look = () => {
    const [all, own] = [process.cpuUsage(), process.threadCpuUsage()]
    return { at: performance.now(), others: all.user + all.system - own.user - own.system }
  }
  let last = look()
  let share = 0
  return () => {
    const now = look()
    // Times of threads are counted in ticks: a short while says nothing.
    if (now.at - last.at < 50) return share
    share = (now.others - last.others) / 1000 / (now.at - last.at)
    last = now
    return share
  }
}
