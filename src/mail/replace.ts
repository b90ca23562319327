// REPLACE (RFC 8508): a message takes a place in a mailbox and an older one loses its own, in one transaction.

import { Fault } from '../base/index.ts'
import { entryRows, mailboxRows, type Writer } from '../store/index.ts'
import { appendOne, sizeOf, takeRoom } from './append.ts'
import { removeEntries } from './copy.ts'
import { OpenMailbox, vacate } from './open-mailbox.ts'
import { changeableNames, permit } from './rights.ts'
import { type DropFile, putOnce } from './tx.ts'
import type { Access, AppendItem } from './types.ts'

/** Fault `conflict` when there is no message with the UID (any longer); see MailWrites.replace. */
export async function replace(
  tx: Writer,
  epoch: number,
  from: Access,
  uid: number,
  to: Access,
  item: AppendItem,
  dropFile: DropFile,
): Promise<{ uidValidity: number; uid: number; modseq: number }> {
  await permit(tx, from, 't')
  await permit(tx, from, 'e')
  const rights = await permit(tx, to, 'i')
  const source = await OpenMailbox.open(tx, epoch, from.owner, from.mailbox)
  const target = from.mailbox === to.mailbox ? source : await OpenMailbox.open(tx, epoch, to.owner, to.mailbox)
  let found = false
  await source.visit([[uid, uid]], (block, slot) => {
    found = true
    vacate(block, slot)
    return true
  })
  if (!found) throw new Fault('conflict', 'the message to be replaced no longer exists')
  const { bytes } = await entryRows.measure(tx, from.mailbox, [uid])
  await changeRoom(tx, from, bytes, to, sizeOf(item.content, item))
  const id = await putOnce(tx, item.content, dropFile)
  const flags = changeableNames(rights, item.flags)
  const added = await appendOne(tx, target, { ...item.content, id }, { ...item, flags })
  await removeEntries(tx, from.mailbox, [uid])
  source.row.size -= bytes
  await source.forget([uid])
  tx.changed(from.owner, { kind: 'email', container: from.mailbox, what: 'destroyed', ids: [[uid, uid]] })
  await target.save()
  if (source !== target) await source.save()
  return { uidValidity: target.row.uidValidity, uid: added.uid, modseq: target.row.modseq }
}

/** Only what it grows by needs room: a full account may still replace a draft by a shorter one. */
async function changeRoom(tx: Writer, from: Access, old: number, to: Access, size: number): Promise<void> {
  if (from.owner !== to.owner) {
    await takeRoom(tx, to.owner, size, 1)
    await mailboxRows.giveRoom(tx, from.owner, old, 1)
  } else if (size > old) await takeRoom(tx, to.owner, size - old, 0)
  else await mailboxRows.giveRoom(tx, to.owner, old - size, 0)
}
