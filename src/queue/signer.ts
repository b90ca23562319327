// Which mail leaves under a signed return path, and under which: what the domain of its sender wants.

import type { DomainPolicies } from '../accounts/index.ts'
import { formatAddress, isRewritten, type Path } from '../address/index.ts'
import type { QueueId } from '../base/index.ts'
import { sentRows, type Writer } from '../store/index.ts'
import type { Batch } from './batch.ts'
import { dayOf, formatReturnPath, looksSigned, markOf } from './return-path.ts'
import type { NewQueueMessage } from './types.ts'

export interface ReturnPathSigner {
  /** Whether the message is to leave under a signed return path, and how it is remembered once it has its number. */
  wants(tx: Writer, message: NewQueueMessage): Promise<{ remember(id: QueueId): Promise<void> } | undefined>
  /** The reverse-path of a transaction: the same at each attempt, so that who greylists knows it again. */
  pathOf(batch: Batch, lifetimeMs: number): Path
}

/** A server may keep a message for days after it took it, and its report may be slow. */
const lateMs = 30 * 86_400_000

/** How long after its arrival something may come back for a message; so long it is remembered. */
export const returnableMs = (lifetimeMs: number): number => lifetimeMs + lateMs

/** `key`: that of `returnPathKey`. */
export function createReturnPathSigner({
  policies,
  key,
}: {
  readonly policies: DomainPolicies
  readonly key: Buffer
}): ReturnPathSigner {
  return {
    async wants(tx, { sender, recipients, trace = '' }) {
      // What is forwarded may be signed already, by us or for another purpose.
      if (sender === null || looksSigned(sender) || isRewritten(sender.local)) return undefined
      const policy = await policies.of(tx, sender.domain)
      if (!policy?.settings.returnPath) return undefined
      const remote = recipients.filter(({ kind }) => kind === 'remote').map(({ address }) => formatAddress(address))
      if (remote.length === 0) return undefined
      const facts = { domain: policy.id, sender: formatAddress(sender), recipients: JSON.stringify(remote), trace }
      return { remember: (message) => sentRows.insert(tx, { message, ...facts, created_at: tx.now }) }
    },
    pathOf({ mail, recipients }, lifetimeMs) {
      const { sender, params, id, arrived } = mail
      if (sender === null || !params.signed) return sender
      const start = Math.max(arrived, params.holdUntil ?? arrived)
      const mark = markOf(recipients.map(({ address }) => address))
      return formatReturnPath(key, { message: id, until: dayOf(start + returnableMs(lifetimeMs)), mark }, sender.domain)
    },
  }
}
