// Connections kept open for a few seconds after a message, for the next one that goes the same way. Opens none itself.

import type { Clock } from '../base/index.ts'
import type { SmtpConnection } from '../smtp/client/index.ts'
import type { Target } from './targets.ts'

export interface Pooled {
  readonly connection: SmtpConnection
  readonly target: Target
  /** Messages sent over it. */
  readonly sent: number
}

export interface Pool {
  /** The connection of the lane that was used last, if one is idle; it is the caller's until it is put back. */
  take(lane: string): Pooled | undefined
  /** Keeps a healthy connection for the next, or ends it politely when it has served its time: after `most` messages, if somebody said so. */
  put(lane: string, pooled: Pooled, most?: number): void
  close(): void
}

/** Servers count messages per connection; 100 is what common ones allow. */
const maxMessages = 100
/** Longer would hold a place that the other server could give to somebody else. */
const idleMs = 5_000
const maxIdle = 100

export function createPool(clock: Clock): Pool {
  const lanes = new Map<string, (Pooled & { readonly since: number })[]>()
  let count = 0
  let closed = false
  let sweeping: (() => void) | undefined

  const sweep = () => {
    sweeping = undefined
    const oldest = clock.monotonic() - idleMs
    for (const [lane, idle] of lanes) {
      const fresh = idle.filter(({ since }) => since > oldest)
      for (const pooled of idle) if (pooled.since <= oldest) quit(pooled)
      count -= idle.length - fresh.length
      if (fresh.length > 0) lanes.set(lane, fresh)
      else lanes.delete(lane)
    }
    if (count > 0) sweeping = clock.after(idleMs / 2, sweep)
  }

  return {
    take(lane) {
      const idle = lanes.get(lane)
      const pooled = idle?.pop()
      if (!pooled) return undefined
      count--
      if (idle?.length === 0) lanes.delete(lane)
      return pooled
    },
    put(lane, pooled, most = maxMessages) {
      if (closed || pooled.sent >= Math.min(most, maxMessages) || count >= maxIdle) return quit(pooled)
      const idle = lanes.get(lane)
      const entry = { ...pooled, since: clock.monotonic() }
      if (idle) idle.push(entry)
      else lanes.set(lane, [entry])
      count++
      sweeping ??= clock.after(idleMs, sweep)
    },
    close() {
      closed = true
      sweeping?.()
      for (const idle of lanes.values()) for (const pooled of idle) quit(pooled)
      lanes.clear()
      count = 0
    },
  }
}

/** Nobody waits for the goodbye. */
function quit({ connection }: Pooled): void {
  connection.quit().catch(() => connection.close())
}
