// Takes away timelines that are older than is kept, a page at a time.

import { ensureJob, type JobHandlers } from '../jobs/index.ts'
import { type Store, traceRows } from '../store/index.ts'
import { firstTraceId } from './id.ts'
import type { Segments } from './segments.ts'

const sweepEveryMs = 3_600_000
const sweptAtOnce = 500

export interface SweepParts {
  readonly store: Store
  /** Milliseconds; 0: everything goes. */
  readonly keep: () => number
  readonly segments: Segments
}

export function traceHandlers({ store, keep, segments }: SweepParts): Pick<JobHandlers, 'sweep-traces'> {
  return {
    async 'sweep-traces'(_payload, job) {
      await sweepTraces(store, keep())
      await segments.make()
      await store.write([], (tx) => job.again(tx, tx.now + sweepEveryMs))
    },
  }
}

/** Makes sure that the recurring job is there; call once at start. */
export async function scheduleTraceSweep(store: Store): Promise<void> {
  await store.write('server', (tx) => ensureJob(tx, 'sweep-traces', {}, { runAt: tx.now + sweepEveryMs }))
}

/** Deletes timelines that began more than `keep` milliseconds ago. */
export async function sweepTraces(store: Store, keep: number): Promise<number> {
  let swept = 0
  for (let gone = 1; gone > 0; swept += gone)
    gone = await store.write([], (tx) => {
      const before = tx.now - keep
      return traceRows.sweep(tx, before, firstTraceId(before), sweptAtOnce)
    })
  return swept
}
