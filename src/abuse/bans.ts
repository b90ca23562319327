// Who is shut out: looked up in any thread, and how long a ban lasts. Knows no door.

import type { Clock } from '../base/index.ts'
import { abuseBanRows, type Bell, type Reader, type ReadStore, type Topic } from '../store/index.ts'
import { banMs } from './limits.ts'
import { networksAround } from './networks.ts'
import type { Ban, BanScope } from './types.ts'

/** A bell of another node may be lost: no longer than this is a "there is none" believed. */
const believedMs = 5_000

/** Whether there is anything at all to look for: mostly there is not, and then nothing is read. */
export interface Presence {
  any(): Promise<boolean>
  /** What was known may have changed. */
  forget(): void
}

export function createPresence(
  { store, clock }: { readonly store: ReadStore & { readonly bell: Bell }; readonly clock: Clock },
  topic: Topic,
  hasAny: (tx: Reader) => Promise<boolean>,
): Presence {
  let known: Promise<boolean> | undefined
  let until = 0
  const forget = () => {
    known = undefined
  }
  store.bell.on((ring) => {
    if ('topic' in ring && ring.topic === topic) forget()
  })
  return {
    forget,
    any() {
      if (known && clock.monotonic() < until) return known
      until = clock.monotonic() + believedMs
      const asked = store.read(hasAny)
      known = asked
      asked.catch(forget)
      return asked
    },
  }
}

export interface BanReads {
  /** The ban that keeps the address from signing in. */
  ofSignIn(ip: string): Promise<Ban | undefined>
  /** The ban that closes every door to it. */
  ofAll(ip: string): Promise<Ban | undefined>
  /** Somebody was banned just now. */
  forget(): void
}

export function createBanReads(parts: { readonly store: ReadStore; readonly clock: Clock }): BanReads {
  const { store, clock } = parts
  const presence = createPresence(parts, 'abuse', abuseBanRows.hasAny)
  const look = async (ip: string, find: typeof abuseBanRows.inForce) => {
    if (!(await presence.any())) return undefined
    const networks = spellings(ip)
    const row = await store.read((tx) => find(tx, networks, clock.now()))
    return row && toBan(row)
  }
  return {
    ofSignIn: (ip) => look(ip, abuseBanRows.inForce),
    ofAll: (ip) => look(ip, abuseBanRows.inForceAtAll),
    forget: presence.forget,
  }
}

/** An address that is none (of a socket that is gone) has its own spelling. */
export function spellings(ip: string): string[] {
  const networks = networksAround(ip)
  return networks.length === 0 ? [ip] : networks
}

export function toBan(row: abuseBanRows.BanRow): Ban {
  const { network, scope, reason, created_by: by, created_at: since, until, times } = row
  return { network, scope: scope as BanScope, reason, by, since, ...(until > 0 && { until }), times }
}

/** The next ban of who failed too often; `before`: its last one. Undefined: what holds is more, and stays. */
export function nextBan(
  before: abuseBanRows.BanRow | undefined,
  now: number,
): { readonly until: number; readonly times: number } | undefined {
  if (before && (before.until === 0 || before.until > now)) return undefined
  const times = before && now - before.until < banMs.forgottenAfter ? before.times + 1 : 1
  return { until: now + Math.min(banMs.first * 2 ** Math.min(times - 1, 30), banMs.most), times }
}
