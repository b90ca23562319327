// The tree of mailboxes of an account: create, rename, delete, subscribe, and the six that everybody has.

import { type AccountId, Fault, type MailboxId } from '../base/index.ts'
import { enqueueJob } from '../jobs/index.ts'
import { mailboxRows, type Reader, subscriptionRows, type Writer } from '../store/index.ts'
import { everything, move } from './copy.ts'
import { isInferior, parseMailboxName, superiors } from './names.ts'
import { OpenMailbox } from './open-mailbox.ts'
import type { Mailbox, Role } from './types.ts'

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

/** Creates the mailbox and those above it that are missing (RFC 9051 §6.3.4). */
export async function createMailbox(
  tx: Writer,
  epoch: number,
  account: AccountId,
  given: string,
  role: Role | null,
): Promise<Mailbox> {
  const name = parseMailboxName(given)
  if (await mailboxRows.findByName(tx, account, name)) throw new Fault('exists', `there is a mailbox ${name} already`)
  if (role && (await mailboxRows.findByRole(tx, account, role)).length > 0)
    throw new Fault('exists', `there is a mailbox for ${role} already`)
  await createSuperiors(tx, epoch, account, name)
  const id = await insertMailbox(tx, epoch, account, name, role)
  if ((await mailboxRows.count(tx, account)) > maxMailboxes)
    throw new Fault('limit', `an account may have at most ${maxMailboxes} mailboxes`)
  return toMailbox((await mailboxRows.find(tx, id))!)
}

async function createSuperiors(tx: Writer, epoch: number, account: AccountId, name: string): Promise<void> {
  for (const above of superiors(name))
    if (!(await mailboxRows.findByName(tx, account, above))) await insertMailbox(tx, epoch, account, above, null)
}

/** Renames with all that stand below; see MailWrites.renameMailbox. */
export async function renameMailbox(
  tx: Writer,
  epoch: number,
  account: AccountId,
  givenFrom: string,
  givenTo: string,
): Promise<void> {
  const from = parseMailboxName(givenFrom)
  const to = parseMailboxName(givenTo)
  const row = await mailboxRows.findByName(tx, account, from)
  if (!row) throw new Fault('not-found', `there is no mailbox ${from}`)
  if (from === 'INBOX') return emptyInbox(tx, epoch, account, row, to)
  if (isInferior(to, from)) throw new Fault('invalid', 'a mailbox cannot be moved below itself')
  const rows = await listMailboxes(tx, account)
  const moving = rows.filter(({ name }) => name === from || isInferior(name, from))
  const renamed = moving.map(({ id, name }) => ({ id, name: parseMailboxName(to + name.slice(from.length)) }))
  const staying = new Set(rows.filter((other) => !moving.includes(other)).map(({ name }) => name))
  for (const { name } of renamed)
    if (staying.has(name) || name === from) throw new Fault('exists', `there is a mailbox ${name} already`)
  await createSuperiors(tx, epoch, account, to)
  const modseq = await tx.modseq(account)
  for (const { id, name } of renamed) {
    await mailboxRows.rename(tx, id, name, modseq)
    tx.changed(account, { kind: 'mailbox', container: 0, what: 'updated', ids: [[id, id]] })
  }
}

/** Renaming INBOX moves its messages to a new mailbox; INBOX and what is below it stay (RFC 9051 §6.3.6). */
async function emptyInbox(
  tx: Writer,
  epoch: number,
  account: AccountId,
  inbox: mailboxRows.MailboxRow,
  to: string,
): Promise<void> {
  const target = await createMailbox(tx, epoch, account, to, null)
  await move(tx, epoch, account, inbox.id as MailboxId, everything, target.id, Number.POSITIVE_INFINITY)
}

/** Hides the mailbox and gives its room back at once; its rows are swept by a job. */
export async function deleteMailbox(tx: Writer, account: AccountId, given: string): Promise<void> {
  const name = parseMailboxName(given)
  if (name === 'INBOX') throw new Fault('denied', 'INBOX cannot be deleted')
  const row = await mailboxRows.findByName(tx, account, name)
  if (!row) throw new Fault('not-found', `there is no mailbox ${name}`)
  const rows = await listMailboxes(tx, account)
  if (rows.some((other) => isInferior(other.name, name)))
    throw new Fault('in-use', `${name} has mailboxes below it: delete these first`)
  await mailboxRows.giveRoom(tx, account, row.size, row.messages)
  await mailboxRows.bury(tx, row.id, await tx.modseq(account))
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
