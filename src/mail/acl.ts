// The access list of a mailbox: who was given what, and changing it. Accounts only: who an identifier means is the door's to find out.

import { formatAddress } from '../address/index.ts'
import { Fault, type MailboxId } from '../base/index.ts'
import { accountRows, aclRows, type Reader, type Writer } from '../store/index.ts'
import { allRights, assertOwned, joinRights, noMailbox, permit, withoutRights } from './rights.ts'
import type { Access, AclChange, AclEntry } from './types.ts'

/** Of one mailbox: more are a mailing list's work. */
const maxIdentifiers = 1000
/** Shared with one account: its LIST shows them all. */
const maxShared = 10_000

/** The entries as RFC 4314 §3.6 lists them: the owner first; a negative entry of its own for what is denied. */
export async function listAcl(tx: Reader, access: Access): Promise<AclEntry[]> {
  await permit(tx, access, 'a')
  await assertOwned(tx, access)
  const owner = await accountRows.find(tx, access.owner)
  if (!owner) throw noMailbox()
  const entries: AclEntry[] = [{ email: formatAddress(owner), rights: allRights, negative: false }]
  for (const row of await aclRows.list(tx, access.mailbox)) {
    const email = formatAddress(row)
    if (row.rights !== '') entries.push({ email, rights: row.rights, negative: false })
    if (row.denied !== '') entries.push({ email, rights: row.denied, negative: true })
  }
  return entries
}

/** Changes one entry; see MailWrites.setAcl. */
export async function setAcl(tx: Writer, access: Access, change: AclChange): Promise<void> {
  await permit(tx, access, 'a')
  const { owner, mailbox } = access
  await assertOwned(tx, access)
  if (change.account === owner) return assertOwnerKeeps(change)
  if (!(await accountRows.find(tx, change.account))) throw new Fault('not-found', 'there is no such user')
  const before = (await aclRows.get(tx, mailbox, change.account)) ?? { rights: '', denied: '' }
  const part = change.negative ? 'denied' : 'rights'
  const after = { ...before, [part]: modes[change.mode](before[part], change.rights) }
  if (after.rights === before.rights && after.denied === before.denied) return
  if (after.rights === '' && after.denied === '') await aclRows.remove(tx, mailbox, change.account)
  else await aclRows.put(tx, mailbox, { account: change.account, ...after })
  await assertBounded(tx, mailbox, change)
  // The bell: sessions that have it open look again at what they may do.
  tx.changed(owner, { kind: 'mailbox', container: 0, what: 'updated', ids: [[mailbox, mailbox]] })
}

const modes: { readonly [mode in AclChange['mode']]: (before: string, rights: string) => string } = {
  replace: (_, rights) => joinRights('', rights),
  add: joinRights,
  remove: withoutRights,
}

/** The owner has all rights always (RFC 4314 §3.7): what would take one away is refused, the rest is so already. */
function assertOwnerKeeps({ mode, rights, negative }: AclChange): void {
  const keeps = negative
    ? mode === 'remove' || rights === ''
    : mode === 'add' || (mode === 'remove' ? rights === '' : joinRights('', rights) === allRights)
  if (!keeps) throw new Fault('invalid', 'the owner keeps all rights')
}

async function assertBounded(tx: Writer, mailbox: MailboxId, { account, mode }: AclChange): Promise<void> {
  if (mode === 'remove') return
  const { identifiers, mailboxes } = await aclRows.counts(tx, mailbox, account)
  if (identifiers > maxIdentifiers)
    throw new Fault('limit', `a mailbox may be shared with at most ${maxIdentifiers} users`)
  if (mailboxes > maxShared) throw new Fault('limit', `at most ${maxShared} mailboxes may be shared with one user`)
}
