// Takes a message into the queue within somebody's transaction: each recipient gets his lane, his turn and his time. What can be
// sent at once goes into memory after the commit.

import { addressKey, formatAddress } from '../address/index.ts'
import type { QueueId, RecipientId } from '../base/index.ts'
import { queueRows, type Store, type Writer } from '../store/index.ts'
import { type Batch, maxRecipients, type Recipient, refusedLane, senderKey, toMail } from './batch.ts'
import type { Destination } from './destination.ts'
import type { Handover } from './handover.ts'
import { nextAttempt, type Schedule } from './schedule.ts'
import { heldBy, type Scheduler } from './scheduler.ts'
import type { ReturnPathSigner } from './signer.ts'
import type { SuppressionReads } from './suppression.ts'
import type { NewQueueMessage, NewQueueRecipient, QueueMailParams } from './types.ts'

export interface PutOptions {
  readonly store: Store
  readonly schedule: Schedule
  readonly scheduler: Scheduler
  readonly handover: Handover
  readonly signer?: ReturnPathSigner
  readonly suppressions?: SuppressionReads
}

/** One recipient before he has a row. */
interface Planned {
  readonly recipient: NewQueueRecipient
  readonly destination: Destination
  readonly due: number
}
type Row = Parameters<typeof queueRows.insertRecipient>[1]

export async function putMessage(
  { store, schedule, scheduler, handover, signer, suppressions }: PutOptions,
  tx: Writer,
  message: NewQueueMessage,
): Promise<QueueId> {
  const { content, size, prefix, account = null, utf8, body8, trace = '' } = message
  const signed = await signer?.wants(tx, message)
  const params: QueueMailParams = {
    ...message.params,
    ...(signed && { signed: true }),
    ...(message.lifetime !== undefined && { lifetime: message.lifetime }),
  }
  const facts = { content, prefix, size, params: JSON.stringify(params), created_at: tx.now, trace }
  const sender = message.sender === null ? null : formatAddress(message.sender)
  const row = { ...facts, sender, account, utf8: utf8 ? 1 : 0, body8: body8 ? 1 : 0 }
  const id = await queueRows.insertMessage(tx, row)
  if (signed) await signed.remember(id)
  const mail = toMail({ ...row, id })
  const key = senderKey(account, sender)
  const rank = -(params.priority ?? 0)

  const insert = async ({ recipient, destination, due }: Planned, rest: Partial<Row>): Promise<Recipient> => {
    const { address, kind, reason = '', params = {} } = recipient
    const stored = await queueRows.insertRecipient(tx, {
      message: id,
      address: formatAddress(address),
      domain: address.domain,
      kind,
      state: 'waiting',
      owner: null,
      next_at: due,
      reason,
      params: JSON.stringify(params),
      lane: destination.lane,
      rank,
      turn: 0,
      rule: null,
      ...rest,
    })
    return { id: stored, address, kind, warned: false, params }
  }

  const outside = message.recipients.filter(({ kind }) => kind === 'remote').map(({ address }) => address)
  const listed = await suppressions?.within(tx, message.sender, outside)
  const destinationOf = ({ address, kind, params = {} }: NewQueueRecipient): Destination =>
    kind === 'remote' && listed?.has(addressKey(address))
      ? { lane: refusedLane, domain: address.domain, pool: '' }
      : scheduler.destinationOf(message.sender, { address, kind, params })

  const now: Planned[] = []
  let later = false
  for (const recipient of message.recipients) {
    const { address } = recipient
    const destination = destinationOf(recipient)
    const planned = { recipient, destination, due: Math.max(firstAttempt(recipient), mail.params.holdUntil ?? 0) }
    const rule = scheduler.holding(message.sender, address)
    if (rule) await insert(planned, { state: 'held', rule: rule.id, reason: heldBy(rule) })
    else if (planned.due <= tx.now) now.push(planned)
    else {
      later = true
      await insert(planned, {})
    }
  }
  if (later) tx.ring('queue')
  const { bytes } = message
  if (bytes && now.length > 0) tx.afterCommit(() => handover.keep(content, bytes))
  for (const planned of Map.groupBy(now, ({ destination }) => destination.lane).values())
    for (let at = 0; at < planned.length; at += maxRecipients) await ready(planned.slice(at, at + maxRecipients))
  return id

  /** Recipients of one lane, to be sent in one transaction: they share a turn. */
  async function ready(planned: readonly Planned[]): Promise<void> {
    const { lane, domain, route } = planned[0]!.destination
    const turn = await scheduler.turnIn(tx, lane, key)
    // Later than all that has an id.
    const place = { rank, turn, id: Number.MAX_SAFE_INTEGER as RecipientId }
    const claimed = store.dialect === 'postgres' && scheduler.wants(lane, place, key)
    const state = claimed ? { state: 'claimed' as const, owner: store.incarnation } : { state: 'ready' as const }
    const recipients: Recipient[] = []
    for (const one of planned) recipients.push(await insert(one, { ...state, turn }))
    const batch: Batch = {
      mail,
      recipients,
      lane,
      domain,
      ...(route && { route }),
      sender: key,
      rank,
      turn,
      id: recipients[0]!.id,
    }
    tx.afterCommit(() => scheduler.add(batch, claimed))
  }

  /** A copy for a full mailbox was just tried. */
  function firstAttempt({ kind, firstAttemptAt, reason }: NewQueueRecipient): number {
    if (firstAttemptAt !== undefined) return firstAttemptAt
    return kind === 'local' && reason !== undefined ? (nextAttempt(schedule, tx.now, tx.now) ?? tx.now) : tx.now
  }
}
