// Ends a message's time in the quarantine: it is delivered as if it had come and nobody had objected, or goes for good. One transaction each, with the
// row and the timeline, so that it happens once.

import type { AccountReads } from '../../accounts/index.ts'
import { formatAddress, type Path } from '../../address/index.ts'
import { type Clock, Fault, isFault } from '../../base/index.ts'
import type { MailTx } from '../../mail/index.ts'
import type { QueueTx } from '../../queue/index.ts'
import { quarantineRows, type Store, toBuffer, type Writer } from '../../store/index.ts'
import type { TraceTx } from '../../trace/index.ts'
import type { Rewriter } from '../forward.ts'
import { enqueue } from '../steps/commit.ts'
import { noteLetOut, toPath } from './note.ts'
import type { KeptParams } from './types.ts'

export interface LetOutParts {
  readonly store: Store
  readonly accounts: Pick<AccountReads, 'account'>
  readonly mail: MailTx
  readonly queue: QueueTx
  readonly rewriter: Rewriter
  readonly trace: TraceTx
  readonly clock: Clock
}

const gone = (id: number) => new Fault('not-found', `there is no message ${id} in the quarantine`)

/** Whom it was for. Faults: not-found, over-quota, disabled, conflict (its bytes are gone); it stays where it is then. */
export async function release(parts: LetOutParts, id: number, by: string): Promise<string> {
  const { store } = parts
  const row = await store.read((tx) => quarantineRows.find(tx, id))
  if (!row) throw gone(id)
  const { onward } = JSON.parse(row.params) as KeptParams
  if (row.account === null) {
    if (!onward) throw new Fault('internal', `message ${id} in the quarantine is for nobody`)
    const from = toPath(row.sender)
    const sender = onward.via ? await parts.rewriter.forward(from, onward.via) : from
    await store.write([], (tx) => releaseOnward(parts, tx, id, { onward, from, sender, by }))
    return row.address
  }
  const account = await parts.accounts.account(row.account)
  if (!account) throw new Fault('not-found', `the user of ${row.address} is not there any more`)
  if (account.disabled) throw new Fault('disabled', `${account.email} is disabled and takes no mail`)
  try {
    await store.write(row.account, (tx) => releaseHere(parts, tx, id, by))
  } catch (error) {
    if (isFault(error, 'over-quota'))
      throw new Fault('over-quota', `the mailbox of ${account.email} is full: the message stays in the quarantine`)
    throw error
  }
  return row.address
}

/** Whom it was for. Fault not-found. */
export async function remove({ store, trace, clock }: LetOutParts, id: number, by: string): Promise<string> {
  return store.write([], async (tx) => {
    const row = await take(tx, id)
    await noteLetOut(trace, tx, row, { at: clock.now(), how: 'deleted', by })
    return row.address
  })
}

async function take(tx: Writer, id: number): Promise<quarantineRows.QuarantineRow> {
  const row = await quarantineRows.hold(tx, id)
  if (!row || !(await quarantineRows.remove(tx, id))) throw gone(id)
  return row
}

async function releaseHere({ mail, trace, clock }: LetOutParts, tx: Writer, id: number, by: string): Promise<void> {
  const row = await take(tx, id)
  const { account, content, prefix, received_at: receivedAt } = row
  await mail.deliverStored(tx, account!, { role: 'inbox' }, content, { flags: [], receivedAt, prefix })
  await noteLetOut(trace, tx, row, { at: clock.now(), how: 'released', by, mailbox: 'INBOX' })
}

async function releaseOnward(
  { mail, queue, trace, clock }: LetOutParts,
  tx: Writer,
  id: number,
  {
    onward,
    from,
    sender,
    by,
  }: {
    readonly onward: NonNullable<KeptParams['onward']>
    readonly from: Path
    readonly sender: Path
    readonly by: string
  },
): Promise<void> {
  const row = await take(tx, id)
  const facts = await mail.contentFacts(tx, row.content)
  if (!facts) throw new Fault('conflict', `the bytes of message ${id} are not there`)
  const { via, recipient, lifetime, account, utf8, params } = onward
  const received = toBuffer(row.prefix)
  const shared = { content: row.content, ...facts, sender: from, utf8, received, trace: row.trace }
  const more = { ...(account !== undefined && { account }), ...(params && { params }) }
  const group = { recipients: [recipient], sender, ...(via && { via }), lifetime }
  const queued = await enqueue(queue, tx, { ...shared, ...more }, [group])
  const at = clock.now()
  const timeline = await noteLetOut(trace, tx, row, { at, how: 'released', by })
  for (const { id: number } of queued)
    await trace.add(tx, timeline, {
      at,
      kind: 'queued',
      queue: number,
      to: [formatAddress(recipient.address)],
      count: 1,
    })
}
