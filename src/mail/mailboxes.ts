// The tree of mailboxes of an account: create, rename, delete, subscribe, and the six that everybody has.

import { type AccountId, Fault, type MailboxId } from '../base/index.ts'
import { enqueueJob } from '../jobs/index.ts'
import { aclRows, mailboxRows, type Reader, subscriptionRows, type Writer } from '../store/index.ts'
import { everything, move } from './copy.ts'
import { isInferior, isSharedName, parseMailboxName, sharedPrefix, superiors } from './names.ts'
import { OpenMailbox } from './open-mailbox.ts'
import { assertRight, noMailbox, ownAccess, rightsOn } from './rights.ts'
import type { Mailbox, Right, Role } from './types.ts'
import { toMailbox } from './values.ts'

/** Of one account; more are a mistake or an attack on those who list them. */
const maxMailboxes = 10_000
const maxSubscriptions = 20_000

/** What a new user finds. */
const initial: readonly (readonly [name: string, role: Role])[] = [
  ['INBOX', 'inbox'],
  ['Drafts', 'drafts'],
  ['Sent', 'sent'],
  ['Junk', 'junk'],
  ['Trash', 'trash'],
  ['Archive', 'archive'],
]

/** All mailboxes of the account, the oldest first. */
export async function listMailboxes(tx: Reader, account: AccountId): Promise<mailboxRows.MailboxRow[]> {
  const rows: mailboxRows.MailboxRow[] = []
  for (let after = ''; ; ) {
    const page = await mailboxRows.list(tx, account, after)
    rows.push(...page)
    if (page.length < 1000) return rows.sort((a, b) => a.id - b.id)
    after = page[page.length - 1]!.name
  }
}

/** Makes what is missing of the six mailboxes, subscribed. */
export async function ensureMailboxes(tx: Writer, epoch: number, account: AccountId): Promise<void> {
  const rows = await listMailboxes(tx, account)
  for (const [name, role] of initial) {
    if (rows.some((row) => row.role === role || row.name === name)) continue
    await insertMailbox(tx, epoch, account, name, role)
    await subscriptionRows.add(tx, account, name)
  }
}

async function insertMailbox(
  tx: Writer,
  epoch: number,
  account: AccountId,
  name: string,
  role: Role | null,
): Promise<MailboxId> {
  const uidValidity = await mailboxRows.takeUidValidity(tx, account)
  const modseq = await tx.modseq(account)
  const id = await mailboxRows.insert(tx, { account, name, role, uidValidity, modseq, epoch })
  tx.changed(account, { kind: 'mailbox', container: 0, what: 'created', ids: [[id, id]] })
  return id as MailboxId
}

/**
 * Creates the mailbox and those above it that are missing (RFC 9051 §6.3.4), each with the access list of the one above it
 * (RFC 4314 §4). `actor` needs "k" on the nearest one that exists.
 */
export async function createMailbox(
  tx: Writer,
  epoch: number,
  actor: AccountId,
  owner: AccountId,
  given: string,
  role: Role | null,
): Promise<Mailbox> {
  const name = parseMailboxName(given)
  if (actor === owner && isSharedName(name))
    throw new Fault('invalid', `below ${sharedPrefix.slice(0, -1)} stand the mailboxes of others`)
  await assertMayCreate(tx, actor, owner, name)
  if (await mailboxRows.findByName(tx, owner, name)) throw new Fault('exists', `there is a mailbox ${name} already`)
  if (role && (await mailboxRows.findByRole(tx, owner, role)).length > 0)
    throw new Fault('conflict', `there is a mailbox for ${role} already`)
  await createSuperiors(tx, epoch, owner, name)
  const id = await insertBelow(tx, epoch, owner, name, role)
  if ((await mailboxRows.count(tx, owner)) > maxMailboxes)
    throw new Fault('limit', `an account may have at most ${maxMailboxes} mailboxes`)
  return toMailbox((await mailboxRows.find(tx, id))!)
}

/** In the tree of another account one needs "k" on the nearest mailbox above that exists. */
async function assertMayCreate(tx: Writer, actor: AccountId, owner: AccountId, name: string): Promise<void> {
  if (actor === owner) return
  for (const above of superiors(name).reverse()) {
    const row = await mailboxRows.findByName(tx, owner, above)
    if (!row) continue
    if ((await rightsOn(tx, actor, row)).includes('k')) return
    break
  }
  throw noPlace()
}

/** The same where somebody shares nothing and where there is nobody. */
export const noPlace = () => new Fault('denied', 'you may not create a mailbox there')

async function createSuperiors(tx: Writer, epoch: number, account: AccountId, name: string): Promise<void> {
  for (const above of superiors(name))
    if (!(await mailboxRows.findByName(tx, account, above))) await insertBelow(tx, epoch, account, above, null)
}

/** A new mailbox, shared as the one above it is. */
async function insertBelow(tx: Writer, epoch: number, account: AccountId, name: string, role: Role | null) {
  const id = await insertMailbox(tx, epoch, account, name, role)
  const above = superiors(name).at(-1)
  const parent = above === undefined ? undefined : await mailboxRows.findByName(tx, account, above)
  if (parent) await aclRows.inherit(tx, parent.id, id)
  return id
}

/** Renames with all that stand below; see MailWrites.renameMailbox. */
export async function renameMailbox(
  tx: Writer,
  epoch: number,
  actor: AccountId,
  owner: AccountId,
  givenFrom: string,
  givenTo: string,
): Promise<void> {
  const from = parseMailboxName(givenFrom)
  const to = parseMailboxName(givenTo)
  const row = await findFor(tx, actor, owner, from, 'x')
  if (actor === owner && isSharedName(to))
    throw new Fault('invalid', `below ${sharedPrefix.slice(0, -1)} stand the mailboxes of others`)
  await assertMayCreate(tx, actor, owner, to)
  if (from === 'INBOX') {
    if (actor !== owner) throw new Fault('denied', 'INBOX is moved by its owner alone')
    return emptyInbox(tx, epoch, owner, row, to)
  }
  if (isInferior(to, from)) throw new Fault('invalid', 'a mailbox cannot be moved below itself')
  const rows = await listMailboxes(tx, owner)
  const moving = rows.filter(({ name }) => name === from || isInferior(name, from))
  // What stands below moves too: for that, too, one must have been given the right.
  for (const one of moving) assertRight(await rightsOn(tx, actor, one), 'x')
  const renamed = moving.map(({ id, name }) => ({ id, name: parseMailboxName(to + name.slice(from.length)) }))
  const staying = new Set(rows.filter((other) => !moving.includes(other)).map(({ name }) => name))
  for (const { name } of renamed)
    if (staying.has(name) || name === from) throw new Fault('exists', `there is a mailbox ${name} already`)
  await createSuperiors(tx, epoch, owner, to)
  const modseq = await tx.modseq(owner)
  for (const { id, name } of renamed) {
    await mailboxRows.rename(tx, id, name, modseq)
    tx.changed(owner, { kind: 'mailbox', container: 0, what: 'updated', ids: [[id, id]] })
  }
}

/** The owner's mailbox of that (parsed) name, on which the actor has the right. */
async function findFor(tx: Writer, actor: AccountId, owner: AccountId, name: string, right: Right) {
  const row = await mailboxRows.findByName(tx, owner, name)
  if (!row) throw noMailbox()
  assertRight(await rightsOn(tx, actor, row), right)
  return row
}

/** Renaming INBOX moves its messages to a new mailbox; INBOX and what is below it stay (RFC 9051 §6.3.6). */
async function emptyInbox(
  tx: Writer,
  epoch: number,
  account: AccountId,
  inbox: mailboxRows.MailboxRow,
  to: string,
): Promise<void> {
  const target = await createMailbox(tx, epoch, account, account, to, null)
  const here = ownAccess(account, inbox.id as MailboxId)
  await move(tx, epoch, here, everything, ownAccess(account, target.id), Number.POSITIVE_INFINITY)
}

/** Hides the mailbox and gives its room back at once; its rows are swept by a job. */
export async function deleteMailbox(tx: Writer, actor: AccountId, account: AccountId, given: string): Promise<void> {
  const name = parseMailboxName(given)
  const row = await findFor(tx, actor, account, name, 'x')
  if (name === 'INBOX') throw new Fault('denied', 'INBOX cannot be deleted')
  const rows = await listMailboxes(tx, account)
  if (rows.some((other) => isInferior(other.name, name)))
    throw new Fault('in-use', `${name} has mailboxes below it: delete these first`)
  await mailboxRows.giveRoom(tx, account, row.size, row.messages)
  await mailboxRows.bury(tx, row.id, await tx.modseq(account))
  // RFC 4314 §4: the list goes with the mailbox.
  await aclRows.removeAll(tx, row.id)
  tx.changed(account, { kind: 'mailbox', container: 0, what: 'destroyed', ids: [[row.id, row.id]] })
  await enqueueJob(tx, 'sweep-mailbox', { mailbox: row.id as MailboxId })
}

/** Subscriptions are names: no mailbox need stand behind them (RFC 9051 §6.3.7). */
export async function subscribe(tx: Writer, account: AccountId, given: string, on: boolean): Promise<void> {
  const name = parseMailboxName(given)
  const changed = on ? await subscriptionRows.add(tx, account, name) : await subscriptionRows.remove(tx, account, name)
  if (on && changed && (await subscriptionRows.count(tx, account)) > maxSubscriptions)
    throw new Fault('limit', `an account may have at most ${maxSubscriptions} subscriptions`)
  if (changed) tx.changed(account, { kind: 'subscription', container: 0, what: 'updated', ids: [] })
}

/** Takes the messages that nobody was shown as \Recent; see MailWrites.claimRecent. */
export async function claimRecent(tx: Writer, account: AccountId, id: MailboxId): Promise<number> {
  const row = await mailboxRows.find(tx, id)
  if (!row || row.account !== account) throw new Fault('not-found', 'there is no such mailbox')
  if (row.recentUid < row.uidNext - 1) await mailboxRows.setRecent(tx, id, row.uidNext - 1)
  return row.recentUid + 1
}

/** Where delivery puts a message: the mailbox with that role, else INBOX. */
export async function openForDelivery(
  tx: Writer,
  epoch: number,
  account: AccountId,
  where: { readonly role: Role } | { readonly id: MailboxId },
): Promise<OpenMailbox> {
  if ('id' in where) return OpenMailbox.open(tx, epoch, account, where.id)
  // The inbox is always INBOX (RFC 9051 §5.1): found by its key.
  let row = where.role === 'inbox' ? undefined : (await mailboxRows.findByRole(tx, account, where.role))[0]
  row ??= await mailboxRows.findByName(tx, account, 'INBOX')
  if (!row) {
    await ensureMailboxes(tx, epoch, account)
    row = await mailboxRows.findByName(tx, account, 'INBOX')
  }
  if (!row) throw new Fault('not-found', 'there is no such account')
  return OpenMailbox.of(tx, epoch, row)
}
