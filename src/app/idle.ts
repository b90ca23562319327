// Gives memory back once after work: V8 keeps the nursery that a rush has grown, and collects nothing while nothing is allocated.
// Knows its own thread only.

import { watchLoop } from '../base/index.ts'
import { lendCollector } from './heap.ts'

const lookEveryMs = 2_000
/** Shares of the time that the loop works: above the first there was work; below the second nobody waits for it. */
const busy = 0.1
const idle = 0.02
/** The collection takes a tenth of a second: so many looks must have been idle before. */
const quietLooks = 3
/**
 * It also throws away compiled code, and the next rush would run at half its speed: a thread that has worked for longer than this
 * keeps it until a minute was quiet.
 */
const warmMs = 2_000
const warmLooks = 30
/** Loading the program leaves much behind; it goes so soon, unless somebody is waiting already. */
const startMs = 200

/** Watches the loop of this thread for as long as the process lives; after `beginWork` (heap.ts). */
export function tidyWhenIdle(): void {
  lendCollector()
  const collect = globalThis.gc
  if (!collect) return
  const sinceStart = watchLoop()
  const sinceLook = watchLoop()
  let worked = true
  let workedMs = 0
  let quiet = 0
  // Only this flavour also gives back the pages that V8 keeps for later.
  const tidy = () => collect({ type: 'major', execution: 'sync', flavor: 'last-resort' })
  setTimeout(() => {
    if (sinceStart() < busy) tidy()
  }, startMs).unref()
  setInterval(() => {
    const utilization = sinceLook()
    if (utilization > busy) worked = true
    workedMs += utilization * lookEveryMs
    quiet = utilization < idle ? quiet + 1 : 0
    if (!worked || quiet < (workedMs > warmMs ? warmLooks : quietLooks)) return
    worked = false
    workedMs = 0
    tidy()
  }, lookEveryMs).unref()
}
