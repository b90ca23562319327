// The core's side of what doors note: messages that were refused or withdrawn before anybody took them. Not worth a sync.

import type { Store } from '../store/index.ts'
import type { Segments } from './segments.ts'
import type { TraceNotes } from './types.ts'
import { writeEntry } from './write.ts'

const entriesAtOnce = 100

export interface TraceNotesParts {
  readonly store: Store
  readonly keep: () => number
  readonly segments?: Segments
}

export function createTraceNotes({ store, keep, segments }: TraceNotesParts): TraceNotes {
  return {
    async note(entries) {
      if (keep() <= 0) return
      for (let at = 0; at < entries.length; at += entriesAtOnce)
        await store.write(
          [],
          async (tx) => {
            for (const entry of entries.slice(at, at + entriesAtOnce)) await writeEntry(tx, entry, segments)
          },
          { durable: false },
        )
    },
  }
}
