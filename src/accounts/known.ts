// What the RCPT path asks again and again: where an address leads, and that an account has no quota.

import { type Address, addressKey } from '../address/index.ts'
import type { AccountId, Clock } from '../base/index.ts'
import type { Bell } from '../store/index.ts'
import { createMemory } from './memory.ts'
import type { Resolution } from './types.ts'

export interface Known {
  /**
   * Asks `look` unless the answer is known. Kept are addresses that lead somewhere and domains that are not ours; unknown addresses are not:
   * a new user is there at once.
   */
  resolution(address: Address, look: () => Promise<Resolution>): Promise<Resolution>
  /** Whether the account is known to have no quota; `look` answers whether it has room, and whether it has no quota. */
  room(account: AccountId, look: () => Promise<{ fits: boolean; unlimited: boolean }>): Promise<boolean>
}

export function createKnown(bell: Bell, clock: Clock): Known {
  const resolutions = createMemory<string, Resolution>(bell, clock, ['accounts'])
  const unlimitedAccounts = createMemory<AccountId, true>(bell, clock, ['accounts'])
  return {
    async resolution(address, look) {
      const memory = resolutions()
      const key = addressKey(address)
      // No address has a name without a local part.
      const elsewhere = `@${address.domain}`
      const known = memory.get(key) ?? memory.get(elsewhere)
      if (known) return known
      const found = await look()
      if (found.kind === 'remote') return memory.keep(elsewhere, found)
      return found.kind === 'local' ? memory.keep(key, found) : found
    },
    async room(account, look) {
      const memory = unlimitedAccounts()
      if (memory.get(account)) return true
      const { fits, unlimited } = await look()
      if (unlimited) memory.keep(account, true)
      return fits
    },
  }
}
