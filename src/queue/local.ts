// Copies that had no room in a mailbox when they arrived: tried again through the mailbox, on the same schedule.

import type { Address, Path } from '../address/index.ts'
import type { AccountId, ContentId, Log } from '../base/index.ts'
import { queueRows, type Store, type Writer } from '../store/index.ts'
import type { Batch, Outcome, Recipient } from './batch.ts'
import type { Witness } from './record.ts'
import { isWanted } from './report.ts'
import type { Reporter } from './reporter.ts'
import type { QueueParams } from './types.ts'

/** Given by delivery, through app/compose. */
export interface LocalRetry {
  /** Whose copy it is; undefined: nobody has the address any more. */
  find(recipient: { readonly address: Address; readonly params?: QueueParams }): Promise<AccountId | undefined>
  /** In the caller's transaction, whose scope is the account. */
  deliver(
    tx: Writer,
    account: AccountId,
    copy: {
      readonly content: ContentId
      readonly prefix: Uint8Array
      readonly sender: Path
      readonly address: Address
      readonly receivedAt: number
      readonly junk?: boolean
    },
  ): Promise<'delivered' | { readonly retry: string } | { readonly fail: string }>
}

export interface LocalOptions {
  readonly store: Store
  readonly local?: LocalRetry
  readonly log: Log
  readonly reporter: Reporter
  readonly witness?: Witness
}

/** Tries each recipient in a transaction of its own, which also takes out its row when it is delivered. Never rejects. */
export async function deliverLocally(options: LocalOptions, batch: Batch): Promise<readonly Outcome[]> {
  const outcomes: Outcome[] = []
  for (const recipient of batch.recipients) {
    try {
      outcomes.push(await deliverOne(options, batch, recipient))
    } catch (error) {
      options.log.error({ err: error, queueId: batch.mail.id }, 'a local delivery failed in this server')
      outcomes.push({
        recipient,
        result: 'retry',
        status: '4.3.0',
        reason: 'internal error, see the log of this server',
      })
    }
  }
  return outcomes
}

async function deliverOne(
  { store, local, reporter, witness }: LocalOptions,
  { mail }: Batch,
  recipient: Recipient,
): Promise<Outcome> {
  if (!local) return { recipient, result: 'retry', status: '4.3.2', reason: 'local delivery is not running' }
  const account = await local.find(recipient)
  if (account === undefined)
    return { recipient, result: 'fail', status: '5.1.1', reason: '550 5.1.1 nobody has this address' }
  const { content, prefix, sender, arrived, params } = mail
  // What was held for a time of its own stands in the mailbox where its reader looks for new mail.
  const receivedAt = Math.max(arrived, params.holdUntil ?? 0)
  const { address, params: own } = recipient
  const copy = { content, prefix, sender, address, receivedAt, junk: own?.junk === true }
  const delivered: Outcome = { recipient, ...inMailbox, recorded: true }
  const report = isWanted(recipient.params, 'delivered', mail)
    ? await reporter.compose(mail, 'delivered', [delivered])
    : undefined
  return store.write(account, async (tx): Promise<Outcome> => {
    const result = await local.deliver(tx, account, copy)
    if (result === 'delivered') {
      if (report) await reporter.post(tx, report)
      await queueRows.deleteRecipients(tx, [recipient.id], [mail.id])
      await witness?.(tx, [{ mail, outcome: delivered, state: 'delivered', ...(report && { report: 'delivered' }) }])
      return delivered
    }
    if ('retry' in result) return { recipient, result: 'retry', ...words(result.retry, '4.2.2') }
    return { recipient, result: 'fail', ...words(result.fail, '5.2.1') }
  })
}

/** What is said of a copy that its mailbox took. */
export const inMailbox = {
  result: 'delivered',
  status: '2.1.5',
  reason: 'delivered to the mailbox',
  relay: 'mailbox',
} as const

/** `452 4.2.2 text` or `4.2.2 text`: the enhanced code is taken from the words when they have one. */
function words(text: string, usual: string): { status: string; reason: string } {
  const found = text.split(' ', 2).find((word) => word[0] === usual[0] && word.split('.').length === 3)
  return { status: found ?? usual, reason: text }
}
