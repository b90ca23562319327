// Who may do what with a mailbox (RFC 4314). Every write of a mailbox goes through `permit`; every look at one through `MailReads.resolve`.

import { type AccountId, Fault, type MailboxId } from '../base/index.ts'
import { aclRows, mailboxRows, type Reader } from '../store/index.ts'
import { systemFlags } from './flags.ts'
import type { Access, FlagBits, Right } from './types.ts'

/** All of them, in the order of RFC 4314 §2.1. */
export const allRights = 'lrswipkxtea'

/** The owner's own access: he may do everything, and nobody can take that away. */
export const ownAccess = (account: AccountId, mailbox: MailboxId): Access => ({
  actor: account,
  owner: account,
  mailbox,
  prefix: '',
  rights: allRights,
})

/** What is left of the granted rights without those denied (RFC 4314 §2: negative rights). */
export function effectiveRights({ rights, denied }: { readonly rights: string; readonly denied: string }): string {
  return [...allRights].filter((right) => rights.includes(right) && !denied.includes(right)).join('')
}

/** The letters of both, in their order. */
export const joinRights = (a: string, b: string): string =>
  [...allRights].filter((right) => a.includes(right) || b.includes(right)).join('')

/** `from` without the letters of `letters`. */
export const withoutRights = (from: string, letters: string): string =>
  [...allRights].filter((right) => from.includes(right) && !letters.includes(right)).join('')

/** Whether the actor may know that the mailbox is there (RFC 4314 §4, "Any"). */
export const isKnownWith = (rights: string): boolean => [...'lrikxa'].some((right) => rights.includes(right))

export const noMailbox = () => new Fault('not-found', 'there is no such mailbox')

/** Fault `denied`; without the right to look the mailbox up it is as if there were none. */
export function assertRight(rights: string, needed: Right): void {
  if (rights.includes(needed)) return
  if (!rights.includes('l')) throw noMailbox()
  throw new Fault('denied', `you have not the right "${needed}" on this mailbox`)
}

/**
 * The one check of every write: what the actor may do with the mailbox now, read in the write's own transaction. Faults `denied`,
 * `not-found`.
 */
export async function permit(tx: Reader, access: Access, needed?: Right): Promise<string> {
  // That the mailbox is the account's own is compared where its row is read.
  if (access.actor === access.owner) return allRights
  const row = await aclRows.find(tx, access.mailbox, access.actor)
  if (!row || row.owner !== access.owner) throw noMailbox()
  const rights = effectiveRights(row)
  if (needed) assertRight(rights, needed)
  else if (!isKnownWith(rights)) throw noMailbox()
  return rights
}

/** The mailbox is there, and whose the access says. */
export async function assertOwned(tx: Reader, { owner, mailbox }: Access): Promise<void> {
  if ((await mailboxRows.find(tx, mailbox))?.account !== owner) throw noMailbox()
}

/** What the actor may do with a row of the owner's tree, for commands that name several. */
export async function rightsOn(tx: Reader, actor: AccountId, row: { readonly id: number; readonly account: number }) {
  if (row.account === actor) return allRights
  const given = await aclRows.find(tx, row.id, actor)
  return given ? effectiveRights(given) : ''
}

const all = 0xffff_ffff

/** The flags that these rights let one change (RFC 4314 §4): "s" \Seen, "t" \Deleted, "w" all others. */
export function changeableFlags(rights: string): FlagBits {
  const { '\\Seen': seen, '\\Deleted': deleted } = systemFlags
  const others = rights.includes('w') ? { lo: (all & ~(seen | deleted)) >>> 0, hi: all } : { lo: 0, hi: 0 }
  const lo = others.lo | (rights.includes('s') ? seen : 0) | (rights.includes('t') ? deleted : 0)
  return { lo: lo >>> 0, hi: others.hi }
}

/** Those of the named flags that these rights let one set. */
export function changeableNames(rights: string, flags: readonly string[]): readonly string[] {
  if (rights === allRights) return flags
  return flags.filter((flag) => rights.includes(rightFor(flag)))
}

function rightFor(flag: string): Right {
  const folded = flag.toLowerCase()
  return folded === '\\seen' ? 's' : folded === '\\deleted' ? 't' : 'w'
}
