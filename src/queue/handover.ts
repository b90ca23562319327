// Small contents that were just taken in, in memory until they are first tried: most mail leaves at once, and need not be read again.

import type { ContentId } from '../base/index.ts'

export interface Handover {
  /** Keeps the bytes until they are taken, or until others need the room. */
  keep(content: ContentId, bytes: Uint8Array): void
  /** Gives them once: who comes later reads the store. */
  take(content: ContentId): Uint8Array | undefined
}

/** Some 2,000 messages of the usual size: more than wait while the next hop keeps up, and when it does not they are read again. */
const roomBytes = 8_388_608

export function createHandover(room = roomBytes): Handover {
  const kept = new Map<ContentId, Uint8Array>()
  let used = 0
  const take = (content: ContentId) => {
    const bytes = kept.get(content)
    if (!bytes) return undefined
    kept.delete(content)
    used -= bytes.length
    return bytes
  }
  return {
    keep(content, bytes) {
      take(content)
      kept.set(content, bytes)
      used += bytes.length
      for (const oldest of kept.keys()) {
        if (used <= room) return
        take(oldest)
      }
    },
    take,
  }
}
