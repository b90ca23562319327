// Makes guessing passwords slow without ever locking the owner out: failures cost the next attempts time, by address and by account.
// Knows no password. Each door thread counts for itself.

import { type Clock, Fault, networkOf } from '../base/index.ts'

/** A failure is forgotten after this time; until then it adds to the delay. */
const memoryMs = 10 * 60_000
/** Mistakes that cost nothing: a mistyped password, a client with two stale copies of it. */
const free = 3
const firstDelayMs = 250
/** An address may be an office: its delay grows further than an account's, which strangers could drive up for its owner. */
const maxDelayMs = { ip: 8_000, account: 2_000 } as const
/** Attempts of one address that wait at the same time; all others are refused at once. */
const maxWaiting = 16
const maxEntries = 20_000
const maxNameLength = 320

interface Failures {
  count: number
  last: number
}

export interface Guessing {
  /** Waits as long as earlier failures ask for. Fault `limit`: this client tries too much at once. */
  admit(ip: string, user: string): Promise<void>
  failed(ip: string, user: string): void
  /** From now on this client is known to be the user's own: it waits no more for that name until it fails. */
  succeeded(ip: string, user: string): void
}

export function createGuessing(clock: Clock): Guessing {
  const failures = new Map<string, Failures>()
  const known = new Map<string, true>()
  const waiting = new Map<string, number>()
  const count = (key: string) => {
    const entry = failures.get(key)
    return entry && clock.monotonic() - entry.last < memoryMs ? entry.count : 0
  }
  const delayOf = (key: string, max: number) => {
    const above = count(key) - free
    return above < 0 ? 0 : Math.min(firstDelayMs * 2 ** Math.min(above, 16), max)
  }
  const note = (key: string) => put(failures, key, { count: count(key) + 1, last: clock.monotonic() })
  return {
    async admit(address, name) {
      const [ip, user] = [networkOf(address), name.slice(0, maxNameLength)]
      if (known.has(`${ip} ${user}`)) return
      const delay = Math.max(delayOf(`ip ${ip}`, maxDelayMs.ip), delayOf(`user ${user}`, maxDelayMs.account))
      if (delay === 0) return
      const others = waiting.get(ip) ?? 0
      if (others >= maxWaiting) throw new Fault('limit', 'too many failed logins; try again later')
      waiting.set(ip, others + 1)
      await new Promise<void>((resolve) => clock.after(delay, resolve))
      const left = waiting.get(ip)! - 1
      if (left > 0) waiting.set(ip, left)
      else waiting.delete(ip)
    },
    failed(address, name) {
      const [ip, user] = [networkOf(address), name.slice(0, maxNameLength)]
      known.delete(`${ip} ${user}`)
      note(`ip ${ip}`)
      note(`user ${user}`)
    },
    succeeded(address, name) {
      const [ip, user] = [networkOf(address), name.slice(0, maxNameLength)]
      // The address keeps its failures: else an attacker with an account of his own would wash them off with it.
      put(known, `${ip} ${user}`, true)
    },
  }
}

/** Sets as the newest and drops the oldest beyond the limit: a flood of names forgets, it does not grow. */
function put<V>(map: Map<string, V>, key: string, value: V): void {
  map.delete(key)
  map.set(key, value)
  if (map.size > maxEntries) map.delete(map.keys().next().value!)
}
