// What a mailbox is for, in IMAP's words (RFC 6154 §2). \All and \Flagged are not offered: no mailbox here shows what others hold.

import type { Role } from '../../mail/index.ts'

const attributes: { readonly [role in Role]: string | undefined } = {
  // INBOX has no attribute.
  inbox: undefined,
  drafts: '\\Drafts',
  sent: '\\Sent',
  junk: '\\Junk',
  trash: '\\Trash',
  archive: '\\Archive',
}
const roles = new Map(Object.entries(attributes).map(([role, use]) => [use?.toLowerCase(), role as Role]))

export const specialUseOf = (role: Role | undefined): string | undefined => role && attributes[role]

/** The role of an attribute in any case; undefined when no mailbox can have it. */
export const roleOf = (use: string): Role | undefined => roles.get(use.toLowerCase())
