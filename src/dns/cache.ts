// Answers kept for as long as their TTL allows, within bounds. The oldest used goes first.

import type { Clock } from '../base/index.ts'

const maxEntries = 5_000
/** Larger answers are asked again: 5,000 × 4 KiB is what the cache may weigh at most. */
const maxWeight = 4_096

export interface Cache<T> {
  get(key: string): T | undefined
  /** `weight` in characters; `ttlMs` 0 keeps nothing. */
  set(key: string, value: T, ttlMs: number, weight: number): void
  clear(): void
}

export function createCache<T>(clock: Clock): Cache<T> {
  const entries = new Map<string, { value: T; until: number }>()
  return {
    get(key) {
      const entry = entries.get(key)
      if (!entry) return undefined
      entries.delete(key)
      if (entry.until <= clock.monotonic()) return undefined
      entries.set(key, entry)
      return entry.value
    },
    set(key, value, ttlMs, weight) {
      if (ttlMs <= 0 || weight > maxWeight) return
      entries.delete(key)
      if (entries.size >= maxEntries) {
        const oldest = entries.keys().next()
        if (!oldest.done) entries.delete(oldest.value)
      }
      entries.set(key, { value, until: clock.monotonic() + ttlMs })
    },
    clear: () => entries.clear(),
  }
}
