// Answers that the way of each message asks for again and again. Forgotten as soon as the bell says that they may have changed; on
// PostgreSQL another node's bell may come late, so nothing is believed for more than a moment.

import type { Clock } from '../base/index.ts'
import type { Bell, Topic } from '../store/index.ts'

/** Keys are strangers' text: more than these are looked up each time. */
const maxKnown = 10_000
const maxAgeMs = 5_000

export interface Memory<K, V> {
  get(key: K): V | undefined
  /** Returns the value. What was read before a change must not be kept after it: it goes into a memory that is forgotten. */
  keep(key: K, value: V): V
}

/** A memory that ends with a change in one of these topics. Ask for it before the look, and keep what was found in that same one. */
export function createMemory<K, V>(bell: Bell, clock: Clock, topics: readonly Topic[]): () => Memory<K, V> {
  let known = new Map<K, V>()
  let since = clock.monotonic()
  const forget = () => {
    known = new Map()
    since = clock.monotonic()
  }
  bell.on((ring) => {
    if ('topic' in ring && topics.includes(ring.topic)) forget()
  })
  return () => {
    if (clock.monotonic() - since > maxAgeMs) forget()
    const kept = known
    return {
      get: (key) => kept.get(key),
      keep(key, value) {
        if (kept.size < maxKnown) kept.set(key, value)
        return value
      },
    }
  }
}
