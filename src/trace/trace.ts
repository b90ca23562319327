// The timelines of one store: everything that writes, finds and sweeps them, made of its parts.

import type { AccountReads } from '../accounts/index.ts'
import type { Clock, Log } from '../base/index.ts'
import type { JobHandlers } from '../jobs/index.ts'
import type { Store } from '../store/index.ts'
import { createTraceNotes } from './notes.ts'
import { createTraceReads } from './read.ts'
import { createSegments } from './segments.ts'
import { scheduleTraceSweep, traceHandlers } from './sweep.ts'
import type { TraceNotes, TraceReads, TraceTx } from './types.ts'
import { createTraceTx } from './write.ts'

export interface TraceOptions {
  readonly store: Store
  readonly accounts: Pick<AccountReads, 'findUser'>
  readonly clock: Clock
  readonly log: Log
  /** Milliseconds that timelines are kept; 0: none are. */
  readonly keep: number
}

export interface Trace {
  readonly tx: TraceTx
  readonly notes: TraceNotes
  readonly reads: TraceReads
  readonly handlers: Pick<JobHandlers, 'sweep-traces'>
  /** From now on things happen by themselves. */
  begin(): Promise<void>
  /** Configuration was read again. */
  setKeep(keep: number): void
}

export function createTrace(options: TraceOptions): Trace {
  let { keep } = options
  const segments = createSegments(options)
  const parts = { ...options, segments, keep: () => keep }
  return {
    tx: createTraceTx(parts),
    notes: createTraceNotes(parts),
    reads: createTraceReads(parts),
    handlers: traceHandlers(parts),
    async begin() {
      await scheduleTraceSweep(options.store)
      await segments.make()
    },
    setKeep(next) {
      keep = next
    },
  }
}
