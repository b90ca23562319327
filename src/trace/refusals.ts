// The door's side: gathers timelines of messages that were not taken, and hands them to the core now and then. A flood of refusals
// does not flood the store: each client has a few timelines at once and then one in a while, and so have all together; the rest is counted.

import { type Clock, type Log, networkOf } from '../base/index.ts'
import type { TraceEntry, TraceNotes } from './types.ts'

/** Timelines that may come at once, and in how many milliseconds one more may come. */
interface Allowance {
  readonly most: number
  readonly refillMs: number
}
const perClient: Allowance = { most: 20, refillMs: 30_000 }
/** Of one thread: 86,400 a day are some 40 MB. */
const together: Allowance = { most: 500, refillMs: 1_000 }
const maxClients = 10_000
const flushMs = 1_000
const flushAt = 100
/** How often the log says how many were left out. */
const tellMs = 60_000

export interface RefusalsParts {
  readonly notes: TraceNotes
  readonly clock: Clock
  readonly log: Log
}

export interface Refusals {
  /** Keeps the timeline, or counts it when this client or all together had too many. */
  offer(ip: string, entry: TraceEntry): void
  /** Hands over what was gathered. */
  stop(): Promise<void>
}

/** A bucket that fills by itself; `missed` counts those who found it empty. */
interface Bucket {
  left: number
  filledAt: number
  missed: number
  missedSince: number
}

export function createRefusals({ notes, clock, log }: RefusalsParts): Refusals {
  const clients = new Map<string, Bucket>()
  const everybody = fresh(together, clock)
  let gathered: TraceEntry[] = []
  let cancelFlush: (() => void) | undefined
  let leftOut = 0
  let toldAt = clock.monotonic()

  const clientOf = (ip: string): Bucket => {
    const key = networkOf(ip)
    const bucket = clients.get(key) ?? fresh(perClient, clock)
    // The one not heard of for longest is forgotten first.
    clients.delete(key)
    clients.set(key, bucket)
    if (clients.size > maxClients) clients.delete(clients.keys().next().value!)
    return bucket
  }
  const flush = async () => {
    cancelFlush?.()
    cancelFlush = undefined
    const entries = gathered
    gathered = []
    tell()
    if (entries.length === 0) return
    try {
      await notes.note(entries)
    } catch (error) {
      log.warn({ err: error, timelines: entries.length }, 'timelines of refused messages could not be kept')
    }
  }
  const tell = () => {
    if (leftOut === 0 || clock.monotonic() - toldAt < tellMs) return
    log.info({ refusals: leftOut, clients: clients.size }, 'many refusals: these have no timeline')
    leftOut = 0
    toldAt = clock.monotonic()
  }
  const plan = () => {
    cancelFlush ??= clock.after(flushMs, () => void flush())
  }

  return {
    offer(ip, entry) {
      const client = clientOf(ip)
      plan()
      if (!take(client, perClient, clock) || !take(everybody, together, clock)) {
        if (client.missed++ === 0) client.missedSince = clock.now()
        leftOut++
        return
      }
      gathered.push(client.missed === 0 ? entry : withMissed(entry, client, clock.now()))
      client.missed = 0
      if (gathered.length >= flushAt) void flush()
    },
    stop: flush,
  }
}

const fresh = ({ most }: Allowance, clock: Clock): Bucket => ({
  left: most,
  filledAt: clock.monotonic(),
  missed: 0,
  missedSince: 0,
})

function take(bucket: Bucket, { most, refillMs }: Allowance, clock: Clock): boolean {
  const more = Math.floor((clock.monotonic() - bucket.filledAt) / refillMs)
  if (more > 0) {
    bucket.left = Math.min(most, bucket.left + more)
    bucket.filledAt += more * refillMs
  }
  if (bucket.left === 0) return false
  bucket.left--
  return true
}

function withMissed(entry: TraceEntry, { missed, missedSince }: Bucket, now: number): TraceEntry {
  return { ...entry, events: [...entry.events, { at: now, kind: 'not kept', count: missed, since: missedSince }] }
}
