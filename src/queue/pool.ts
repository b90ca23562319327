// Connections kept open for a few seconds after a message, for the next one that goes the same way. Opens none itself. One that
// waits counts in the limits of connections at once, and makes room for one that is needed.

import type { Clock } from '../base/index.ts'
import type { SmtpConnection } from '../smtp/client/index.ts'
import type { Limit } from './limit.ts'
import type { Target } from './targets.ts'

export interface Pooled {
  readonly connection: SmtpConnection
  readonly target: Target
  /** Messages sent over it. */
  readonly sent: number
  /** The TLSA records that its certificate was judged by, and whether that was under another name than the host's. */
  readonly records?: string
  readonly renamed?: boolean
  /** What its certificate was checked by, where the message at hand demands that: a word for the timeline. */
  readonly proof?: string
}

/** What somebody said of the connections to a destination. */
export interface Bounds {
  /** Messages over one connection. */
  readonly perConnection?: number
  /** Limits of connections at once that count it. */
  readonly atOnce?: readonly Limit[] | undefined
}

export interface Pool {
  /** The connection of the lane that was used last, if one is idle; it is the caller's until it is put back. */
  take(lane: string): Pooled | undefined
  /** Resolves when there is room for what these limits count as active: idle connections are ended for it. */
  makeRoom(limits: readonly Limit[]): Promise<void>
  /** Keeps a healthy connection for the next, or ends it politely when it has served its time. */
  put(lane: string, pooled: Pooled, bounds: Bounds): void
  /** Ends a connection politely; nobody waits for the goodbye but who needs its room. */
  end(pooled: Pooled, bounds: Bounds): void
  close(): void
}

/** Servers count messages per connection; 100 is what common ones allow. */
const maxMessages = 100
/** Longer would hold a place that the other server could give to somebody else. */
const idleMs = 5_000
const maxIdle = 100

interface Idle extends Pooled {
  readonly since: number
  readonly bounds: Bounds
}
interface Ending {
  readonly bounds: Bounds
  readonly done: Promise<void>
}

export function createPool(clock: Clock): Pool {
  const lanes = new Map<string, Idle[]>()
  /** Those that limits count. */
  const ending = new Set<Ending>()
  let count = 0
  let closed = false
  let sweeping: (() => void) | undefined

  const end = ({ connection }: Pooled, bounds: Bounds) => {
    const done = connection.quit().catch(() => connection.close())
    if (!bounds.atOnce) return
    const entry = { bounds, done }
    ending.add(entry)
    void done.finally(() => ending.delete(entry))
  }
  /** Ends the idle ones that are named. */
  const drop = (which: (idle: Idle) => boolean) => {
    for (const [lane, all] of lanes) {
      const kept = all.filter((idle) => !which(idle))
      for (const idle of all) if (!kept.includes(idle)) end(idle, idle.bounds)
      count -= all.length - kept.length
      if (kept.length > 0) lanes.set(lane, kept)
      else lanes.delete(lane)
    }
  }
  const sweep = () => {
    sweeping = undefined
    const oldest = clock.monotonic() - idleMs
    drop(({ since }) => since <= oldest)
    if (count > 0) sweeping = clock.after(idleMs / 2, sweep)
  }
  const isIn = (limit: Limit) => (one: { readonly bounds: Bounds }) => one.bounds.atOnce?.includes(limit) === true

  return {
    take(lane) {
      const idle = lanes.get(lane)
      const pooled = idle?.pop()
      if (!pooled) return undefined
      count--
      if (idle?.length === 0) lanes.delete(lane)
      return pooled
    },
    async makeRoom(limits) {
      for (const limit of limits)
        for (;;) {
          const idle = [...lanes.values()].flat().filter(isIn(limit))
          const goodbyes = [...ending].filter(isIn(limit))
          const over = idle.length + goodbyes.length - limit.free
          if (over <= 0) break
          const needless = idle.sort((a, b) => a.since - b.since).slice(0, Math.max(0, over - goodbyes.length))
          drop((one) => needless.includes(one))
          // None is left: those who are at work are no business of ours.
          if (goodbyes.length + needless.length === 0) break
          await Promise.race([...ending].filter(isIn(limit)).map(({ done }) => done))
        }
    },
    put(lane, pooled, bounds) {
      const { perConnection = maxMessages } = bounds
      if (closed || pooled.sent >= Math.min(perConnection, maxMessages) || count >= maxIdle) return end(pooled, bounds)
      const entry: Idle = { ...pooled, bounds: { atOnce: bounds.atOnce }, since: clock.monotonic() }
      const idle = lanes.get(lane)
      if (idle) idle.push(entry)
      else lanes.set(lane, [entry])
      count++
      sweeping ??= clock.after(idleMs, sweep)
    },
    end,
    close() {
      closed = true
      sweeping?.()
      drop(() => true)
    },
  }
}
