// Rows of the store as the values that mail hands out. No decision is made here.

import type { AccountId, MailboxId } from '../base/index.ts'
import type { mailboxRows } from '../store/index.ts'
import type { Mailbox, Role } from './types.ts'

export function toMailbox(row: mailboxRows.MailboxRow): Mailbox {
  // Field by field: copying a row whole costs several times as much, and every command asks for one.
  return {
    id: row.id as MailboxId,
    account: row.account as AccountId,
    name: row.name,
    role: (row.role as Role | null) ?? undefined,
    uidValidity: row.uidValidity,
    uidNext: row.uidNext,
    modseq: row.modseq,
    messages: row.messages,
    unseen: row.unseen,
    deleted: row.deleted,
    size: row.size,
    recentUid: row.recentUid,
  }
}
