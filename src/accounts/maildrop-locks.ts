// Who has a maildrop open: one session of POP3 at a time (RFC 1939 §3), in all threads of the process. The locks guard against nothing worse
// than two programs that fetch the same mail at once: what is removed is named by UID.

import type { AccountId } from '../base/index.ts'

export interface MaildropLocks {
  /** False: somebody has it. */
  enter(account: AccountId): Promise<boolean>
  leave(account: AccountId): Promise<void>
}

export function createMaildropLocks(): MaildropLocks {
  const open = new Set<AccountId>()
  return {
    async enter(account) {
      if (open.has(account)) return false
      open.add(account)
      return true
    },
    async leave(account) {
      open.delete(account)
    },
  }
}
