// What doors ask the core to do with mail: one transaction each, under the account's lock.

import { type AccountId, type Log, type MailboxId, normaliseRanges, type Ranges } from '../base/index.ts'
import type { Store, Writer } from '../store/index.ts'
import { appendOne, sizeOf, takeRoom } from './append.ts'
import { type Appended, AppendQueue } from './append-queue.ts'
import { copy, everything, expunge, move, type Piece } from './copy.ts'
import { claimRecent, createMailbox, deleteMailbox, renameMailbox, subscribe } from './mailboxes.ts'
import { OpenMailbox } from './open-mailbox.ts'
import { setFlags } from './set-flags.ts'
import { createFileDropper, type DropFile, putOnce } from './tx.ts'
import type { AppendItem, MailWrites } from './types.ts'

export interface MailWritesOptions {
  readonly store: Store
  readonly log: Log
}

export function createMailWrites({ store, log }: MailWritesOptions): MailWrites {
  const { epoch } = store
  const dropFile = createFileDropper(store.blobs, log)
  const appends = new AppendQueue((account, mailbox, items) =>
    store.write(account, (tx) => append(tx, epoch, account, mailbox, items(), dropFile)),
  )
  return {
    append: (account, mailbox, items) => appends.append(account, mailbox, items),
    setFlags: (account, mailbox, uids, change) =>
      store.write(account, (tx) => setFlags(tx, epoch, account, mailbox, uids, change)),
    copy: (account, from, uids, to) => store.write(account, (tx) => copy(tx, epoch, account, from, uids, to)),
    async move(account, from, uids, to) {
      const moved = await inPieces(uids, (left) =>
        store.write(account, (tx) => move(tx, epoch, account, from, left, to, pieceSize)),
      )
      return {
        uidValidity: moved[0]!.uidValidity,
        source: moved.flatMap((piece) => piece.source),
        target: moved.flatMap((piece) => piece.target),
        modseq: moved.at(-1)!.modseq,
      }
    },
    async expunge(account, mailbox, uids = everything) {
      const gone = await inPieces(uids, (left) =>
        store.write(account, (tx) => expunge(tx, epoch, account, mailbox, left, pieceSize)),
      )
      return { uids: normaliseRanges(gone.flatMap((piece) => piece.uids)), modseq: gone.at(-1)!.modseq }
    },
    createMailbox: (account, name, role) =>
      store.write(account, (tx) => createMailbox(tx, epoch, account, name, role ?? null)),
    renameMailbox: (account, from, to) => store.write(account, (tx) => renameMailbox(tx, epoch, account, from, to)),
    deleteMailbox: (account, name) => store.write(account, (tx) => deleteMailbox(tx, account, name)),
    subscribe: (account, name, on) => store.write(account, (tx) => subscribe(tx, account, name, on)),
    // Forgotten in a crash, it shows a message as recent twice: no harm.
    claimRecent: (account, mailbox) =>
      store.write(account, (tx) => claimRecent(tx, account, mailbox), { durable: false }),
  }
}

/** Messages of one transaction of a MOVE or EXPUNGE, which may be done in pieces (RFC 6851 §3.3): so many take some 20 ms. */
const pieceSize = 4096

/** Does first what is asked, then what each piece has left. */
async function inPieces<P extends Piece>(uids: Ranges, run: (left: Ranges) => Promise<P>): Promise<P[]> {
  const pieces = [await run(uids)]
  for (let { left } = pieces[0]!; left.length > 0; left = pieces.at(-1)!.left) pieces.push(await run(left))
  return pieces
}

async function append(
  tx: Writer,
  epoch: number,
  account: AccountId,
  id: MailboxId,
  items: readonly AppendItem[],
  dropFile: DropFile,
): Promise<Appended> {
  const mailbox = await OpenMailbox.open(tx, epoch, account, id)
  const bytes = items.reduce((sum, item) => sum + sizeOf(item.content, item), 0)
  await takeRoom(tx, account, bytes, items.length)
  const uids: number[] = []
  for (const item of items) {
    const id = await putOnce(tx, item.content, dropFile)
    uids.push((await appendOne(tx, mailbox, { ...item.content, id }, item)).uid)
  }
  if (uids.length > 0) await mailbox.save()
  return { uidValidity: mailbox.row.uidValidity, uids, modseq: mailbox.row.modseq }
}
