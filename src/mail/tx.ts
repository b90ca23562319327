// Mail written within somebody else's transaction: delivery and provisioning. The account must be in the scope of the write.

import { type AccountId, type ContentId, Fault, type Log, type MailboxId } from '../base/index.ts'
import { type Blobs, contentRows, type Reader, type Store, type Writer } from '../store/index.ts'
import { type Arrival, appendOne, putContent, type StoredContent, sizeOf, takeRoom } from './append.ts'
import { ensureMailboxes, openForDelivery } from './mailboxes.ts'
import { parseRefs } from './thread.ts'
import type { MailTx, NewContent, Role } from './types.ts'

export interface MailTxOptions {
  readonly store: Pick<Store, 'epoch' | 'blobs'>
  readonly log: Log
}

export function createMailTx({ store: { epoch, blobs }, log }: MailTxOptions): MailTx {
  const dropFile = createFileDropper(blobs, log)
  return {
    ensureMailboxes: (tx, account) => ensureMailboxes(tx, epoch, account),
    putContent: (tx, content) => putOnce(tx, content, dropFile),
    deliver: (tx, account, where, id, item) =>
      deliver(tx, epoch, account, where, { id, size: item.content.size, digest: item.content.digest }, item),
    async deliverStored(tx, account, where, id, item) {
      const found = await contentRows.facts(tx, id)
      if (!found) throw new Fault('not-found', `there is no content ${id}`)
      return deliver(tx, epoch, account, where, { id, size: found.size, digest: toThreadFacts(found) }, item)
    },
    contentFacts: (tx, content) => readFacts(tx, content),
  }
}

async function deliver(
  tx: Writer,
  epoch: number,
  account: AccountId,
  where: { readonly role: Role } | { readonly id: MailboxId },
  content: StoredContent,
  item: Arrival,
) {
  // First the room: a refusal must leave nothing behind.
  await takeRoom(tx, account, sizeOf(content, item), 1)
  const mailbox = await openForDelivery(tx, epoch, account, where)
  const { uid, message } = await appendOne(tx, mailbox, content, item)
  await mailbox.save()
  return { mailbox: mailbox.row.id as MailboxId, uid, message }
}

async function readFacts(tx: Reader, content: ContentId) {
  const found = await contentRows.facts(tx, content)
  return found && { size: found.size, has8bit: found.has8bit !== 0 }
}

function toThreadFacts({ messageId, refs, baseSubject }: contentRows.FactsRow): StoredContent['digest'] {
  return { messageId: messageId ?? undefined, references: parseRefs(refs), baseSubject }
}

export type DropFile = (file: string) => void

/** Unlinks files that turned out superfluous. What fails is left to the sweeper. */
export function createFileDropper(blobs: Blobs, log: Log): DropFile {
  return (file) => {
    blobs.remove(file).catch((error) => log.warn({ err: error, file }, 'a superfluous file could not be removed'))
  }
}

/** Puts content and has a superfluous file unlinked once that is certain. */
export async function putOnce(tx: Writer, content: NewContent, dropFile: DropFile): Promise<ContentId> {
  const { id, superfluous } = await putContent(tx, content)
  if (superfluous !== undefined) tx.afterCommit(() => dropFile(superfluous))
  return id
}
