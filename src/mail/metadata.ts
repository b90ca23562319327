// Annotations of mailboxes and of the server (RFC 5464): `/private/…` is each account's own, `/shared/…` everybody's who may see it.

import { type AccountId, Fault, type MailboxId } from '../base/index.ts'
import { accountRows, annotationRows, mailboxRows, type Reader, type Writer } from '../store/index.ts'
import { assertOwned, noMailbox, permit } from './rights.ts'
import type { Access, Annotation, AnnotationChange } from './types.ts'

export const metadataLimits = {
  /** Bytes of one value: notes and settings of clients, not files. */
  value: 16_384,
  /** Entries of one account, or of everybody, on one mailbox. */
  entries: 100,
}

/** Stands for the server itself, as one account sees it. */
export const serverAccess = (account: AccountId): Access => ({
  actor: account,
  owner: account,
  mailbox: 0 as MailboxId,
  prefix: '',
  rights: '',
})

export const isServer = ({ mailbox }: Access): boolean => mailbox === 0

/** RFC 5464 §3.3: "l" and one of these; to write for everybody "w" as well. */
async function permitMetadata(tx: Reader, access: Access, writesShared = false): Promise<void> {
  if (isServer(access)) return
  await assertOwned(tx, access)
  const rights = await permit(tx, access, writesShared ? 'w' : 'l')
  if (!rights.includes('l')) throw noMailbox()
  if (![...'rswip'].some((right) => rights.includes(right)))
    throw new Fault('denied', 'you may not see the annotations of this mailbox')
}

export async function listAnnotations(tx: Reader, access: Access): Promise<{ entry: string; size: number }[]> {
  await permitMetadata(tx, access)
  return annotationRows.list(tx, access.mailbox, access.actor)
}

export async function readAnnotations(tx: Reader, access: Access, entries: readonly string[]): Promise<Annotation[]> {
  await permitMetadata(tx, access)
  return annotationRows.values(tx, access.mailbox, access.actor, entries)
}

/** All or none; see MailWrites.setMetadata. */
export async function setMetadata(tx: Writer, access: Access, changes: readonly AnnotationChange[]): Promise<void> {
  const shared = changes.some(({ entry }) => isShared(entry))
  await permitMetadata(tx, access, shared)
  if (shared && isServer(access) && (await accountRows.find(tx, access.actor))?.admin !== 1)
    throw new Fault('denied', 'what everybody sees is written by an administrator')
  for (const { entry, value } of changes) {
    const account = isShared(entry) ? 0 : access.actor
    if (value === null) {
      await annotationRows.remove(tx, access.mailbox, account, entry)
      continue
    }
    if (value.length > metadataLimits.value)
      throw new Fault('too-large', `a value has at most ${metadataLimits.value} bytes`)
    await annotationRows.put(tx, access.mailbox, account, entry, value)
  }
  tx.changed(access.owner, { kind: 'annotation', container: access.mailbox, what: 'updated', ids: [] })
  // RFC 7162 §3.2: for who resynchronises by modseq this is a change of the mailbox.
  if (!isServer(access)) await mailboxRows.setModseq(tx, access.mailbox, await tx.modseq(access.owner))
  for (const account of [0, access.actor])
    if ((await annotationRows.count(tx, access.mailbox, account)) > metadataLimits.entries)
      throw new Fault('limit', `at most ${metadataLimits.entries} entries`)
}

const isShared = (entry: string): boolean => entry.startsWith('/shared/')
