// What doors ask the core to do with mail: one transaction each, under the account's lock.

import { type AccountId, Fault, type Log, normaliseRanges, type Ranges, toRanges } from '../base/index.ts'
import type { Store, Writer } from '../store/index.ts'
import { setAcl } from './acl.ts'
import { appendOne, sizeOf, takeRoom } from './append.ts'
import { type Appended, AppendQueue } from './append-queue.ts'
import { copy, everything, expunge, move, type Piece, withdraw } from './copy.ts'
import { claimRecent, createMailbox, deleteMailbox, noPlace, renameMailbox, subscribe } from './mailboxes.ts'
import { isServer, setMetadata } from './metadata.ts'
import { OpenMailbox } from './open-mailbox.ts'
import { requestPacking } from './pack.ts'
import { setQuota } from './quota.ts'
import { replace } from './replace.ts'
import { changeableNames, noMailbox, permit } from './rights.ts'
import { setFlags } from './set-flags.ts'
import { findNamespace } from './shared.ts'
import { createFileDropper, type DropFile, putOnce } from './tx.ts'
import type { Access, AppendItem, MailHooks, MailWrites } from './types.ts'

export interface MailWritesOptions {
  readonly store: Store
  readonly log: Log
  /** What others do when mail was moved or marked: filters learn. */
  readonly after?: MailHooks
}

export function createMailWrites({ store, log, after = {} }: MailWritesOptions): MailWrites {
  const { epoch } = store
  const dropFile = createFileDropper(store.blobs, log)
  const appends = new AppendQueue((to, items) =>
    store.write(to.owner, (tx) => append(tx, epoch, to, items(), dropFile)),
  )
  /** Runs on the owner of a name as the actor sees it; a name of nobody's is as one that does not exist. */
  const inTree = async <T>(
    actor: AccountId,
    name: string,
    run: (tx: Writer, space: Namespace) => Promise<T>,
    nowhere = noMailbox,
  ) => {
    const space = await store.read((tx) => findNamespace(tx, actor, name))
    if (!space) throw nowhere()
    return store.write(space.owner, (tx) => run(tx, space))
  }
  return {
    append: (to, items) => appends.append(to, items),
    setFlags: (mailbox, uids, change) =>
      store.write(mailbox.owner, (tx) => setFlags(tx, epoch, mailbox, uids, change, after.flagged)),
    async copy(from, uids, to) {
      const copied: Awaited<ReturnType<typeof copy>>[] = []
      try {
        await inPieces(uids, async (left) => {
          const piece = await store.write([from.owner, to.owner], (tx) =>
            copy(tx, epoch, from, left, to, pieceSize, after.placed),
          )
          copied.push(piece)
          return piece
        })
      } catch (error) {
        // RFC 9051 §6.4.7: what fails leaves the target as it was.
        for (const { target } of copied) await store.write(to.owner, (tx) => withdraw(tx, epoch, to, toRanges(target)))
        throw error
      }
      return {
        uidValidity: copied[0]!.uidValidity,
        source: copied.flatMap((piece) => piece.source),
        target: copied.flatMap((piece) => piece.target),
      }
    },
    replace: (from, uid, to, item) =>
      store.write([from.owner, to.owner], (tx) => replace(tx, epoch, from, uid, to, item, dropFile)),
    async move(from, uids, to) {
      const moved = await inPieces(uids, (left) =>
        store.write([from.owner, to.owner], (tx) => move(tx, epoch, from, left, to, pieceSize, after.placed)),
      )
      return {
        uidValidity: moved[0]!.uidValidity,
        source: moved.flatMap((piece) => piece.source),
        target: moved.flatMap((piece) => piece.target),
        modseq: moved.at(-1)!.modseq,
      }
    },
    async expunge(mailbox, uids = everything) {
      const gone = await inPieces(uids, (left) =>
        store.write(mailbox.owner, (tx) => expunge(tx, epoch, mailbox, left, pieceSize)),
      )
      return { uids: normaliseRanges(gone.flatMap((piece) => piece.uids)), modseq: gone.at(-1)!.modseq }
    },
    createMailbox: (actor, name, role) =>
      inTree(
        actor,
        name,
        (tx, space) => createMailbox(tx, epoch, actor, space.owner, space.name, role ?? null),
        noPlace,
      ),
    async renameMailbox(actor, from, to) {
      const target = await store.read((tx) => findNamespace(tx, actor, to))
      await inTree(actor, from, async (tx, { owner, name }) => {
        if (target?.owner !== owner) throw new Fault('invalid', 'a mailbox stays with its owner')
        await renameMailbox(tx, epoch, actor, owner, name, target.name)
      })
    },
    deleteMailbox: (actor, name) =>
      inTree(actor, name, (tx, space) => deleteMailbox(tx, actor, space.owner, space.name)),
    subscribe: (account, name, on) => store.write(account, (tx) => subscribe(tx, account, name, on)),
    setMetadata: (mailbox, changes) =>
      store.write(isServer(mailbox) ? 'server' : mailbox.owner, (tx) => setMetadata(tx, mailbox, changes)),
    setQuota: (actor, owner, limits) => store.write('server', (tx) => setQuota(tx, actor, owner, limits)),
    setAcl: (mailbox, change) => store.write(mailbox.owner, (tx) => setAcl(tx, mailbox, change)),
    pack: (account, mailbox) => store.write(account, (tx) => requestPacking(tx, mailbox)),
    // Forgotten in a crash, it shows a message as recent twice: no harm.
    claimRecent: (account, mailbox) =>
      store.write(account, (tx) => claimRecent(tx, account, mailbox), { durable: false }),
  }
}

type Namespace = NonNullable<Awaited<ReturnType<typeof findNamespace>>>

/** Messages of one transaction of a COPY, MOVE or EXPUNGE, so that the writes of others get between (RFC 6851 §3.3): so many take some 20 ms. */
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
  to: Access,
  items: readonly AppendItem[],
  dropFile: DropFile,
): Promise<Appended> {
  const rights = await permit(tx, to, 'i')
  const mailbox = await OpenMailbox.open(tx, epoch, to.owner, to.mailbox)
  const bytes = items.reduce((sum, item) => sum + sizeOf(item.content, item), 0)
  await takeRoom(tx, to.owner, bytes, items.length)
  const uids: number[] = []
  for (const item of items) {
    const id = await putOnce(tx, item.content, dropFile)
    const flags = changeableNames(rights, item.flags)
    uids.push((await appendOne(tx, mailbox, { ...item.content, id }, { ...item, flags })).uid)
  }
  if (uids.length > 0) await mailbox.save()
  return { uidValidity: mailbox.row.uidValidity, uids, modseq: mailbox.row.modseq }
}
