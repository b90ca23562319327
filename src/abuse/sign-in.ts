// The guard of signing in, for one thread of doors: who is banned may not try, unless the address is known as the owner's own.
// Counting is the core's. Knows no password.

import type { SignInGuard } from '../accounts/index.ts'
import { type Clock, Fault, type Log } from '../base/index.ts'
import { acquaintanceRows, type ReadStore } from '../store/index.ts'
import type { BanReads } from './bans.ts'
import { toClient } from './networks.ts'
import type { AbuseCounts } from './types.ts'

export interface SignInGuardParts {
  readonly store: ReadStore
  readonly bans: BanReads
  readonly counts: Pick<AbuseCounts, 'signInFailed' | 'signedIn'>
  /** This machine, and the operator's trusted networks. */
  readonly isExempt: (ip: string) => boolean
  readonly clock: Clock
  readonly log: Log
}

export function createSignInGuard({ store, bans, counts, isExempt, clock, log }: SignInGuardParts): SignInGuard {
  return {
    async admit(ip, account) {
      if (isExempt(ip)) return
      const ban = await bans.ofSignIn(ip)
      if (!ban) return
      // No lockout by strangers: from where the owner has signed in before he may always try, as slowly as his failures ask for.
      const own = ban.scope === 'sign-in' && account !== undefined
      if (own && (await store.read((tx) => acquaintanceRows.knowsAddress(tx, account, toClient(ip))))) return
      throw new Fault('limit', bannedWords(ban.until, clock.now()))
    },
    async failed(ip, name) {
      if (isExempt(ip)) return
      const { banned } = await counts.signInFailed(ip, name)
      if (banned !== undefined) bans.forget()
    },
    succeeded(ip, name, account) {
      if (isExempt(ip)) return
      // Nobody waits for it: what is lost is an address that becomes known the next time.
      counts.signedIn(ip, name, account).catch((error: unknown) => log.warn({ err: error }, 'a sign-in was not noted'))
    },
  }
}

function bannedWords(until: number | undefined, now: number): string {
  if (until === undefined) return 'your address is banned here'
  const minutes = Math.max(1, Math.ceil((until - now) / 60_000))
  return `too many failed sign-ins from your address; try again in ${minutes} min`
}
