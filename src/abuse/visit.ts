// One connection of a stranger: what it did, what it may do now, and how long its answers wait. Counts nothing by itself.

import type { Address } from '../address/index.ts'
import type { AccountId, Clock } from '../base/index.ts'
import { type LimitKind, tarpit } from './limits.ts'
import type { AbuseCounts, Claim, Deeds } from './types.ts'

export interface Visit {
  readonly ok: true
  /** Whether nothing good is known of the address: such a client is let wait before the greeting. */
  readonly unknown: boolean
  /** Takes one recipient from what the client may have; why not, in words. `account`: who signed in. */
  recipient(to: Address, account: AccountId | undefined): Promise<string | undefined>
  /** So many recipients have their mail. */
  good(recipients: number): void
  /** What it says of itself cannot be true: what it brings earns it nothing. */
  doubt(): void
  /** It did what no good client does; each further answer waits longer. */
  bad(): void
  /** Waits as long as its errors ask for, unless too many wait already; `until` is given what ends the wait. */
  pause(until: (end: () => void) => void): Promise<void>
  /** The client is somebody: its place among the strangers is free. */
  signedIn(): void
  leave(): void
}

export interface VisitParts {
  readonly clock: Clock
  readonly take: AbuseCounts['take']
  readonly claims: (to: Address, account: AccountId | undefined) => Promise<readonly Claim[]>
  /** Visits that wait now, of all that share it. */
  readonly waiting: { count: number }
  /** Frees the place; called once. */
  readonly unseat: () => void
  readonly remember: (deeds: Deeds) => void
}

export class StrangersVisit implements Visit {
  readonly ok = true
  readonly unknown: boolean
  readonly #parts: VisitParts
  #good = 0
  #bad = 0
  #errors = 0
  #seated = true
  #somebody = false
  #doubted = false
  /** The limit that had nothing left, and until when. */
  #limited: { readonly kind: LimitKind; readonly until: number } | undefined

  constructor(unknown: boolean, parts: VisitParts) {
    this.unknown = unknown
    this.#parts = parts
  }

  async recipient(to: Address, account: AccountId | undefined): Promise<string | undefined> {
    const { clock, claims, take } = this.#parts
    const limited = this.#limited
    const wait = limited ? limited.until - clock.monotonic() : 0
    if (limited && wait > 0) return limitedWords(limited.kind, wait)
    const wanted = await claims(to, account)
    if (wanted.length === 0) return undefined
    const taken = await take(wanted)
    if (taken.ok) return undefined
    // Until then it need not be asked again.
    this.#limited = { kind: taken.kind, until: clock.monotonic() + taken.retryMs }
    return limitedWords(taken.kind, taken.retryMs)
  }

  good(recipients: number): void {
    if (!this.#somebody && !this.#doubted) this.#good += recipients
  }

  doubt(): void {
    this.#doubted = true
  }

  bad(): void {
    this.#errors++
    // What a user does wrong is no matter of the address that he has today.
    if (!this.#somebody) this.#bad++
  }

  async pause(until: (end: () => void) => void): Promise<void> {
    const { waiting, clock } = this.#parts
    const over = this.#errors - tarpit.free
    if (over <= 0 || waiting.count >= tarpit.atOnce) return
    waiting.count++
    const ms = Math.min(tarpit.firstMs * 2 ** Math.min(over - 1, 16), tarpit.mostMs)
    await new Promise<void>((resolve) => {
      const cancel = clock.after(ms, resolve)
      until(() => {
        cancel()
        resolve()
      })
    })
    waiting.count--
  }

  signedIn(): void {
    this.#somebody = true
    this.#limited = undefined
    this.#unseat()
  }

  leave(): void {
    this.#unseat()
    const [good, bad] = [this.#good, this.#bad]
    this.#good = 0
    this.#bad = 0
    if (good + bad > 0) this.#parts.remember({ good, bad })
  }

  #unseat(): void {
    if (this.#seated) this.#parts.unseat()
    this.#seated = false
  }
}

const whose: Readonly<Record<LimitKind, string>> = {
  user: 'you have written to too many recipients in this hour',
  domain: 'your domain has written to too many recipients in this hour',
  address: 'too many recipients from your address',
  network: 'too many recipients from your network',
  'sign-in': 'too many failed sign-ins from your address',
  'sign-in-network': 'too many failed sign-ins from your network',
  'api-token': 'too many requests with this token',
  'api-guest': 'too many requests from your address',
}

/** For the person at the other end. */
export function limitedWords(kind: LimitKind, retryMs: number): string {
  const seconds = Math.max(1, Math.ceil(retryMs / 1000))
  return `${whose[kind]}; try again in ${seconds < 120 ? `${seconds} s` : `${Math.ceil(seconds / 60)} min`}`
}
