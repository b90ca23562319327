// Remembers for a few minutes that a password was right, so that a busy client costs no hash per login. Holds no password: a keyed digest.

import { createHmac, randomBytes, timingSafeEqual } from 'node:crypto'
import type { AccountId, Clock } from '../base/index.ts'

/** Longer would keep a stolen memory image useful for longer; clients log in every few seconds or not at all. */
const lifeMs = 5 * 60_000
const maxEntries = 10_000

export interface Verified {
  /** Whether this password was verified lately against exactly this stored hash. */
  has(account: AccountId, storedHash: string, prepared: string): boolean
  add(account: AccountId, storedHash: string, prepared: string): void
}

export function createVerified(clock: Clock): Verified {
  // Of this process alone: the digests mean nothing to another.
  const key = randomBytes(32)
  // The digest covers the stored hash: when the password changes, no entry fits any more.
  const digest = (storedHash: string, prepared: string) =>
    createHmac('sha256', key).update(storedHash).update('\0').update(prepared).digest()
  const entries = new Map<AccountId, { readonly digest: Buffer; readonly until: number }>()
  return {
    has(account, storedHash, prepared) {
      const entry = entries.get(account)
      if (!entry) return false
      if (entry.until <= clock.monotonic()) {
        entries.delete(account)
        return false
      }
      return timingSafeEqual(entry.digest, digest(storedHash, prepared))
    },
    add(account, storedHash, prepared) {
      entries.delete(account)
      entries.set(account, { digest: digest(storedHash, prepared), until: clock.monotonic() + lifeMs })
      if (entries.size > maxEntries) entries.delete(entries.keys().next().value!)
    },
  }
}
