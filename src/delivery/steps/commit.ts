// Last step: everything that an accepted message changes, within one transaction. What has no room in a mailbox waits in the queue.

import { type Address, needsUtf8, type Path } from '../../address/index.ts'
import { type AccountId, type ContentId, isFault, type QueueId } from '../../base/index.ts'
import type { Role } from '../../mail/index.ts'
import type { NewQueueMessage, NewQueueRecipient, QueueTx } from '../../queue/index.ts'
import type { Writer } from '../../store/index.ts'
import { formatDeliveredTo, formatFinal } from '../prefix.ts'
import type { LocalCopy, Outgoing } from './expand.ts'

/** How the message itself is written into a mailbox: new content, or content that is stored already. */
export type PutCopy = (copy: Pick<LocalCopy, 'account' | 'junk'>, prefix: Uint8Array) => Promise<unknown>

/** The reason that people see while a copy waits. */
export const mailboxFull = '4.2.2 the mailbox is full'

/** Puts a copy into each mailbox; the result are those that had no room. */
export async function deliverCopies(
  copies: readonly LocalCopy[],
  sender: Path,
  received: Uint8Array,
  put: PutCopy,
): Promise<LocalCopy[]> {
  const full: LocalCopy[] = []
  for (const copy of copies) {
    try {
      const fields = copy.fields ? [copy.fields] : []
      await put(copy, Buffer.concat([Buffer.from(formatFinal(sender, copy.address)), ...fields, received]))
    } catch (error) {
      // Only this fault leaves nothing behind; any other ends the transaction.
      if (!isFault(error, 'over-quota')) throw error
      full.push(copy)
    }
  }
  return full
}

/** A copy that waits for room in its mailbox. */
export function waitingCopy(copy: LocalCopy): Waiting {
  const { address, fields } = copy
  return { address, kind: 'local', reason: mailboxFull, params: paramsOf(copy), fields }
}

/** A copy that waits for its time (RFC 4865 §4): it is addressed now, and put into the mailbox then. */
export function heldCopy(copy: LocalCopy, until: number): Waiting {
  const { address, fields } = copy
  const reason = 'held until its time'
  return { address, kind: 'local', firstAttemptAt: until, reason, params: paramsOf(copy), fields }
}

function paramsOf({ account, params, asked, junk }: LocalCopy): NewQueueRecipient['params'] {
  return { ...(asked?.[0]?.params ?? params), account, ...(junk && { junk }) }
}

/** Where a copy stands in its mailbox, and with what. */
export const placeOf = (junk = false): { readonly where: { readonly role: Role }; readonly flags: string[] } =>
  junk ? { where: { role: 'junk' }, flags: ['$Junk'] } : { where: { role: 'inbox' }, flags: [] }

/** What all queued parts of one message share. */
export interface QueuedContent {
  readonly content: ContentId
  readonly bytes?: Uint8Array | undefined
  readonly size: number
  readonly has8bit: boolean
  readonly sender: Path
  readonly account?: AccountId
  readonly utf8: boolean
  readonly params?: NewQueueMessage['params']
  readonly received: Uint8Array
  /** Id of the message's timeline. */
  readonly trace: string
}

/** A part of the message that was queued. */
export interface Queued {
  readonly id: QueueId
  readonly recipients: readonly NewQueueRecipient[]
  /** The reverse-path under which it leaves, when that is not the sender's. */
  readonly sender?: Path
}

/** Queues each group with its own prefix. */
export async function enqueue(
  queue: QueueTx,
  tx: Writer,
  mail: QueuedContent,
  groups: readonly Outgoing[],
): Promise<readonly Queued[]> {
  const { content, bytes, has8bit, account, params, received, trace } = mail
  const queued: Queued[] = []
  for (const group of groups) {
    const { via, recipients, seal, fields, lifetime } = group
    if (recipients.length === 0) continue
    const sender = group.sender === undefined ? mail.sender : group.sender
    const delivered = via ? Buffer.from(formatDeliveredTo(via)) : undefined
    const pieces = [seal, delivered, fields, received].filter((piece) => piece !== undefined)
    const prefix = pieces.length > 1 ? Buffer.concat(pieces) : received
    const size = mail.size + prefix.length
    // A client may ask for SMTPUTF8 for a message that does not need it: the next hop is not asked without need.
    const utf8 = mail.utf8 && (has8bit || [sender, ...recipients.map(({ address }) => address)].some(isUtf8Path))
    const shared = { content, bytes, size, prefix, sender, account, utf8, body8: has8bit, params, lifetime, trace }
    const id = await queue.put(tx, { ...shared, recipients })
    queued.push(sender === mail.sender ? { id, recipients } : { id, recipients, sender })
  }
  return queued
}

function isUtf8Path(path: Address | null): boolean {
  return path !== null && needsUtf8(path)
}

/** One that waits, with the header fields of its copy. */
export type Waiting = NewQueueRecipient & { readonly fields?: Uint8Array | undefined }

/** Those who leave and those who wait, by the way they go and the fields that stand above them. */
export function toGroups(outgoing: readonly Outgoing[], waiting: readonly Waiting[]): readonly Outgoing[] {
  let groups = outgoing
  for (const [fields, some] of Map.groupBy(waiting, (one) => (one.fields?.length ? one.fields : undefined))) {
    const recipients = some.map(({ fields: _, ...recipient }) => recipient)
    groups = fields ? [...groups, { recipients, fields }] : withWaiting(groups, recipients)
  }
  return groups
}

function withWaiting(outgoing: readonly Outgoing[], waiting: readonly NewQueueRecipient[]): readonly Outgoing[] {
  const direct = outgoing.find(({ via, lifetime, fields }) => (via ?? lifetime ?? fields) === undefined)
  const rest = outgoing.filter((group) => group !== direct)
  return [{ recipients: [...(direct?.recipients ?? []), ...waiting] }, ...rest]
}
