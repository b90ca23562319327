// What the RCPT path asks again and again: where an address leads, and that an account has no quota. Forgotten as soon as anything
// about accounts changes; on PostgreSQL another node's bell may come late, so nothing is believed for more than a moment.

import { type Address, addressKey } from '../address/index.ts'
import type { AccountId, Clock } from '../base/index.ts'
import type { Bell } from '../store/index.ts'
import type { Resolution } from './types.ts'

const maxKnown = 10_000
const maxAgeMs = 5_000

export class Known {
  readonly #clock: Clock
  readonly #resolutions = new Map<string, Resolution>()
  readonly #unlimited = new Set<AccountId>()
  /** Rises with every change: an answer that was read before it is not kept. */
  #generation = 0
  #since: number

  constructor(bell: Bell, clock: Clock) {
    this.#clock = clock
    this.#since = clock.monotonic()
    bell.on((ring) => {
      if ('topic' in ring && ring.topic === 'accounts') this.#forget()
    })
  }

  /** Asks `look` unless the answer is known. Only addresses that lead somewhere are kept: a new user is there at once. */
  async resolution(address: Address, look: () => Promise<Resolution>): Promise<Resolution> {
    this.#age()
    const key = addressKey(address)
    const known = this.#resolutions.get(key)
    if (known) return known
    const generation = this.#generation
    const found = await look()
    if (found.kind === 'local' && generation === this.#generation && this.#resolutions.size < maxKnown)
      this.#resolutions.set(key, found)
    return found
  }

  /** Whether the account is known to have no quota; `look` answers whether it has room, and whether it has no quota. */
  async room(account: AccountId, look: () => Promise<{ fits: boolean; unlimited: boolean }>): Promise<boolean> {
    this.#age()
    if (this.#unlimited.has(account)) return true
    const generation = this.#generation
    const { fits, unlimited } = await look()
    if (unlimited && generation === this.#generation && this.#unlimited.size < maxKnown) this.#unlimited.add(account)
    return fits
  }

  #age(): void {
    if (this.#clock.monotonic() - this.#since > maxAgeMs) this.#forget()
  }

  #forget(): void {
    this.#generation++
    this.#since = this.#clock.monotonic()
    this.#resolutions.clear()
    this.#unlimited.clear()
  }
}
