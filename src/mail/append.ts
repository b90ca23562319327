// A message enters a mailbox: content, message, thread, entry, flags, counters and quota in the caller's transaction.

import { type AccountId, type ContentId, Fault, type MessageId } from '../base/index.ts'
import { contentRows, entryRows, mailboxRows, messageRows, type Writer } from '../store/index.ts'
import { resolveFlags } from './flags.ts'
import type { OpenMailbox } from './open-mailbox.ts'
import { findThread, noteThread, type ThreadFacts, threadKeys } from './thread.ts'
import type { AppendItem, NewContent } from './types.ts'

const nothing = new Uint8Array()

/**
 * The row of these bytes: the one that holds them already, or a new one. A file that was written for bytes already known is
 * `superfluous` then: unlink it after the commit.
 */
export async function putContent(
  tx: Writer,
  content: NewContent,
): Promise<{ readonly id: ContentId; readonly superfluous?: string }> {
  // Most bytes are new. What was there already may be swept by another node between the two looks.
  for (let tries = 0; tries < 3; tries++) {
    const id = await contentRows.insert(tx, toContentRow(content))
    if (id !== undefined) return { id: id as ContentId }
    const known = await contentRows.hold(tx, content.hash)
    if (known) return toKnown(known, content)
  }
  throw new Error('content is put and swept again and again')
}

function toKnown(row: { id: number; file: string | null }, { file }: NewContent) {
  const id = row.id as ContentId
  return file === undefined || file === row.file ? { id } : { id, superfluous: file }
}

/** One id a line; behind an empty line those that only In-Reply-To names. */
function joinRefs(ids: readonly string[], own = ids.length): string {
  const head = ids.slice(0, own).join('\n')
  return own < ids.length ? `${head}\n\n${ids.slice(own).join('\n')}` : head
}

function toContentRow({ digest, ...content }: NewContent): contentRows.ContentRow {
  if ((content.bytes === undefined) === (content.file === undefined))
    throw new Error('content has either bytes or a file')
  return {
    ...digest,
    hash: content.hash,
    size: content.size,
    file: content.file ?? null,
    data: content.bytes ?? null,
    structure: content.structure,
    envelope: content.envelope,
    bodystructure: content.bodystructure,
    has8bit: content.has8bit,
    literalEnd: content.literalEnd ?? null,
    messageId: digest.messageId ?? null,
    refs: joinRefs(digest.references, digest.ownReferences),
    sentAt: digest.sentAt ?? null,
  }
}

/** What appending needs to know of content that has a row. */
export interface StoredContent {
  readonly id: ContentId
  readonly size: number
  readonly digest: ThreadFacts
}
/** An AppendItem without its content. */
export type Arrival = Omit<AppendItem, 'content'>

/** Bytes of the message as its owner sees it: what the quota counts. */
export function sizeOf(content: { readonly size: number }, item: Arrival): number {
  return content.size + (item.prefix?.length ?? 0)
}

/** Takes room for so much. Fault `over-quota`, `not-found` when the account is gone; without effect then. */
export async function takeRoom(tx: Writer, account: AccountId, bytes: number, messages: number): Promise<void> {
  if (await tx.takeRoom(account, bytes, messages)) return
  if (!(await mailboxRows.usage(tx, account))) throw new Fault('not-found', 'there is no such account')
  throw new Fault('over-quota', 'the account has no room for this')
}

/** Adds one message. Room for it was taken; `mailbox.save()` is the caller's. */
export async function appendOne(
  tx: Writer,
  mailbox: OpenMailbox,
  content: StoredContent,
  item: Arrival,
): Promise<{ readonly uid: number; readonly message: MessageId }> {
  const bits = await resolveFlags(tx, mailbox.row.id, item.flags, true)
  await mailbox.touch()
  const size = sizeOf(content, item)
  const message = await insertMessage(tx, mailbox.account, content, item, size)
  const uid = await mailbox.add(bits, size)
  await entryRows.insert(tx, mailbox.row.id, uid, message)
  tx.changed(mailbox.account, { kind: 'email', container: mailbox.row.id, what: 'created', ids: [[uid, uid]] })
  return { uid, message: message as MessageId }
}

/** The message's row, in its thread. */
export async function insertMessage(
  tx: Writer,
  account: AccountId,
  content: StoredContent,
  item: Pick<Arrival, 'prefix' | 'receivedAt'>,
  size: number,
): Promise<number> {
  const keys = threadKeys(content.digest)
  const { thread, missing } = await findThread(tx, account, keys)
  const id = await messageRows.insert(tx, {
    account,
    content: content.id,
    prefix: item.prefix ?? nothing,
    size,
    receivedAt: item.receivedAt ?? tx.now,
    thread: thread ?? null,
  })
  await noteThread(tx, account, missing, thread ?? id)
  return id
}
