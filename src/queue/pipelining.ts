// Hosts that offer PIPELINING and lose what is sent ahead of its answer: to those, commands go one by one for a while. Only a
// table and a clock.

import type { Clock } from '../base/index.ts'
import type { Target } from './targets.ts'

export interface Pipelining {
  /** Whether commands may be sent ahead to the host, if it offers that. */
  may(target: Target): boolean
  /** A connection broke while answers to commands sent ahead were missing. */
  suspect(target: Target): void
  /** Commands were sent ahead and answered. */
  trust(target: Target): void
}

const hour = 3_600_000
/** A break may have been chance: the first costs the host's mail round trips for an hour, one more after that for a day. */
const waits = [hour, 24 * hour] as const
const maxHosts = 1_000

interface Doubt {
  until: number
  times: number
}

export function createPipelining(clock: Clock): Pipelining {
  const doubts = new Map<string, Doubt>()
  return {
    may(target) {
      const doubt = doubts.get(nameOf(target))
      return !doubt || clock.monotonic() >= doubt.until
    },
    suspect(target) {
      const name = nameOf(target)
      const now = clock.monotonic()
      const known = doubts.get(name)
      // It was sent before the first of them broke.
      if (known && now < known.until) return
      const times = (known?.times ?? 0) + 1
      doubts.delete(name)
      doubts.set(name, { times, until: now + waits[Math.min(times, waits.length) - 1]! })
      // The oldest stand first.
      if (doubts.size > maxHosts) for (const oldest of doubts.keys()) return void doubts.delete(oldest)
    },
    trust(target) {
      doubts.delete(nameOf(target))
    },
  }
}

/** A host's addresses are of one make. */
const nameOf = ({ host, port, path }: Target): string => path ?? `${host}:${port}`
