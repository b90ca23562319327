// COPY, MOVE and EXPUNGE: entries come and go, messages stay while one entry names them.

import {
  type AccountId,
  type ContentId,
  type MailboxId,
  normaliseRanges,
  type Ranges,
  toRanges,
} from '../base/index.ts'
import { entryRows, mailboxRows, messageRows, type Writer } from '../store/index.ts'
import { insertMessage, type StoredContent, takeRoom } from './append.ts'
import { createKeywordMap, deleted } from './flags.ts'
import { OpenMailbox, vacate } from './open-mailbox.ts'
import { changeableFlags, permit } from './rights.ts'
import { parseRefs } from './thread.ts'
import type { Access, HookMailbox, MailHooks, Role } from './types.ts'

const uidLimit = 0xffff_ffff
/** All UIDs that there may be. */
export const everything: Ranges = [[1, uidLimit]]

/** UIDs with the flags that they have. */
interface Selection {
  readonly uids: number[]
  readonly lo: number[]
  readonly hi: number[]
}

const createSelection = (): Selection => ({ uids: [], lo: [], hi: [] })

/** A command on many messages that may be done in pieces, so that others are served between them. */
export interface Piece {
  /** What is left to do; empty at the end. */
  readonly left: Ranges
}

/** Copies the first `most` or a few more; see MailWrites.copy. */
export async function copy(
  tx: Writer,
  epoch: number,
  from: Access,
  uids: Ranges,
  to: Access,
  most: number,
  placed?: MailHooks['placed'],
): Promise<{ uidValidity: number; source: number[]; target: number[] } & Piece> {
  await permit(tx, from, 'r')
  const may = changeableFlags(await permit(tx, to, 'i'))
  const source = await OpenMailbox.open(tx, epoch, from.owner, from.mailbox)
  const target = from.mailbox === to.mailbox ? source : await OpenMailbox.open(tx, epoch, to.owner, to.mailbox)
  const chosen = createSelection()
  // Not what comes meanwhile, be it by this very copy.
  const asked = within(normaliseRanges(uids), 1, source.row.uidNext - 1)
  const next = await source.visit(
    asked,
    (block, slot, uid) => {
      choose(chosen, uid, block.lo[slot]! & may.lo, block.hi[slot]! & may.hi)
      return false
    },
    () => chosen.uids.length >= most,
  )
  const left = next === undefined ? [] : within(asked, next, uidLimit)
  const uidValidity = target.row.uidValidity
  if (chosen.uids.length === 0) return { uidValidity, source: [], target: [], left }
  const sizes = await measure(tx, from.mailbox, chosen.uids)
  await takeRoom(tx, to.owner, sizes, chosen.uids.length)
  const there = await place(tx, source, target, chosen, sizes)
  await target.save()
  await placed?.(tx, toHooked(source), toHooked(target), there)
  return { uidValidity, source: chosen.uids, target: there, left }
}

/** Takes back what the first pieces of a COPY put there when a later one failed, whatever has become of its flags. */
export async function withdraw(tx: Writer, epoch: number, { owner, mailbox: id }: Access, uids: Ranges): Promise<void> {
  const mailbox = await OpenMailbox.open(tx, epoch, owner, id)
  await destroy(tx, mailbox, uids, uidLimit, () => true)
}

/** Moves the first `most` or a few more; the messages themselves stay what they are. See MailWrites.move. */
export async function move(
  tx: Writer,
  epoch: number,
  from: Access,
  uids: Ranges,
  to: Access,
  most: number,
  placed?: MailHooks['placed'],
): Promise<{ uidValidity: number; source: number[]; target: number[]; modseq: number } & Piece> {
  // RFC 6851 §3.3: it is COPY, STORE +FLAGS \\Deleted and EXPUNGE at once, and needs the rights of all three.
  for (const right of ['r', 't', 'e'] as const) await permit(tx, from, right)
  const may = changeableFlags(await permit(tx, to, 'i'))
  const source = await OpenMailbox.open(tx, epoch, from.owner, from.mailbox)
  const target = from.mailbox === to.mailbox ? source : await OpenMailbox.open(tx, epoch, to.owner, to.mailbox)
  const chosen = createSelection()
  // Not what comes meanwhile, be it by this very move.
  const asked = within(normaliseRanges(uids), 1, source.row.uidNext - 1)
  const next = await source.visit(
    asked,
    (block, slot, uid) => {
      choose(chosen, uid, block.lo[slot]! & may.lo, block.hi[slot]! & may.hi)
      vacate(block, slot)
      return true
    },
    () => chosen.uids.length >= most,
  )
  const left = next === undefined ? [] : within(asked, next, uidLimit)
  const uidValidity = target.row.uidValidity
  if (chosen.uids.length === 0) return { uidValidity, source: [], target: [], modseq: source.row.modseq, left }
  const sizes = await measure(tx, from.mailbox, chosen.uids)
  const leaves = source.account !== target.account
  if (leaves) await takeRoom(tx, to.owner, sizes, chosen.uids.length)
  const there = await place(tx, source, target, chosen, sizes)
  for (const chunk of chunks(chosen.uids))
    await (leaves ? removeEntries(tx, from.mailbox, chunk) : entryRows.remove(tx, from.mailbox, chunk))
  source.row.size -= sizes
  if (leaves) await mailboxRows.giveRoom(tx, from.owner, sizes, chosen.uids.length)
  await source.forget(chosen.uids)
  tx.changed(from.owner, { kind: 'email', container: from.mailbox, what: 'destroyed', ids: toRanges(chosen.uids) })
  await target.save()
  if (source !== target) await source.save()
  await placed?.(tx, toHooked(source), toHooked(target), there)
  return { uidValidity, source: chosen.uids, target: there, modseq: source.row.modseq, left }
}

/** Removes the first `most`, or a few more, of what is marked \Deleted; see MailWrites.expunge. */
export async function expunge(
  tx: Writer,
  epoch: number,
  access: Access,
  uids: Ranges,
  most: number,
): Promise<{ uids: Ranges; modseq: number } & Piece> {
  await permit(tx, access, 'e')
  const mailbox = await OpenMailbox.open(tx, epoch, access.owner, access.mailbox)
  if (mailbox.row.deleted === 0) return { uids: [], modseq: mailbox.row.modseq, left: [] }
  const asked = normaliseRanges(uids)
  const { gone, next } = await destroy(tx, mailbox, asked, most, (lo) => (lo & deleted) !== 0)
  const left = next === undefined || mailbox.row.deleted === 0 ? [] : within(asked, next, uidLimit)
  return { uids: toRanges(gone), modseq: mailbox.row.modseq, left }
}

/** Removes the first `most`, or a few more, of the messages that are `condemned` by their flags; `next` is where it goes on. */
async function destroy(
  tx: Writer,
  mailbox: OpenMailbox,
  uids: Ranges,
  most: number,
  condemned: (lo: number) => boolean,
): Promise<{ gone: number[]; next: number | undefined }> {
  const gone: number[] = []
  const next = await mailbox.visit(
    uids,
    (block, slot, uid) => {
      if (!condemned(block.lo[slot]!)) return false
      gone.push(uid)
      vacate(block, slot)
      return true
    },
    () => gone.length >= most,
  )
  if (gone.length === 0) return { gone, next }
  const { account } = mailbox
  const id = mailbox.row.id
  const bytes = await measure(tx, id, gone)
  for (const chunk of chunks(gone)) await removeEntries(tx, id, chunk)
  mailbox.row.size -= bytes
  await mailboxRows.giveRoom(tx, account, bytes, gone.length)
  await mailbox.forget(gone)
  await mailbox.save()
  tx.changed(account, { kind: 'email', container: id as MailboxId, what: 'destroyed', ids: toRanges(gone) })
  return { gone, next }
}

/** Removes at most 1,000 entries, and the messages that no other entry names. */
export async function removeEntries(tx: Writer, mailbox: number, uids: readonly number[]): Promise<void> {
  await messageRows.removeOnlyIn(tx, mailbox, uids)
  await entryRows.remove(tx, mailbox, uids)
}

/** A mailbox as hooks are told of it. */
export const toHooked = ({ account, row }: OpenMailbox): HookMailbox => ({
  owner: account,
  mailbox: row.id as MailboxId,
  ...(row.role !== null && { role: row.role as Role }),
})

/** The part of the ranges from … to. */
function within(ranges: Ranges, from: number, to: number): Ranges {
  return ranges.map(([a, b]) => [Math.max(a, from), Math.min(b, to)] as const).filter(([a, b]) => a <= b)
}

function choose(chosen: Selection, uid: number, lo: number, hi: number): void {
  chosen.uids.push(uid)
  chosen.lo.push(lo)
  chosen.hi.push(hi)
}

/** The bytes of these messages together. */
async function measure(tx: Writer, mailbox: number, uids: readonly number[]): Promise<number> {
  let bytes = 0
  for (const chunk of chunks(uids)) {
    const found = await entryRows.measure(tx, mailbox, chunk)
    if (found.messages !== chunk.length)
      throw new Error(`mailbox ${mailbox}: ${chunk.length} UIDs are present, ${found.messages} entries were found`)
    bytes += found.bytes
  }
  return bytes
}

/** Gives the chosen messages their places at the end of the target. */
async function place(
  tx: Writer,
  source: OpenMailbox,
  target: OpenMailbox,
  chosen: Selection,
  bytes: number,
): Promise<number[]> {
  const from = source.row.id as MailboxId
  const translate = await createKeywordMap(tx, from, target.row.id)
  await target.touch()
  const first = target.row.uidNext
  for (let i = 0; i < chosen.uids.length; i++) {
    const bits = translate({ lo: chosen.lo[i]!, hi: chosen.hi[i]! })
    const added = target.add(bits instanceof Promise ? await bits : bits, 0)
    if (added instanceof Promise) await added
  }
  target.row.size += bytes
  const enter = source.account === target.account ? entryRows.copy : copyMessages(target.account)
  let next = first
  for (const chunk of chunks(chosen.uids)) {
    const copied = await enter(tx, from, chunk, target.row.id, next)
    if (copied !== chunk.length) throw new Error(`mailbox ${from}: ${copied} of ${chunk.length} entries were copied`)
    next += chunk.length
  }
  const last = next - 1
  tx.changed(target.account, { kind: 'email', container: target.row.id, what: 'created', ids: [[first, last]] })
  return chosen.uids.map((_, i) => first + i)
}

/** As `entryRows.copy`, into another account: there each is a message of its own on the same content. */
const copyMessages =
  (account: AccountId) =>
  async (tx: Writer, from: number, uids: readonly number[], to: number, firstUid: number): Promise<number> => {
    let uid = firstUid
    for (let i = 0; i < uids.length; i += pageOfMessages) {
      for (const row of await messageRows.forCopy(tx, from, uids.slice(i, i + pageOfMessages))) {
        const message = await insertMessage(tx, account, toStored(row), row, row.size)
        await entryRows.insert(tx, to, uid++, message)
      }
    }
    return uid - firstUid
  }

/** Their References may be long. */
const pageOfMessages = 100

const toStored = ({ content, contentSize, messageId, refs, baseSubject }: messageRows.CopyRow): StoredContent => ({
  id: content as ContentId,
  size: contentSize,
  digest: { messageId: messageId ?? undefined, references: parseRefs(refs), baseSubject },
})

function* chunks(uids: readonly number[]): Generator<readonly number[]> {
  for (let i = 0; i < uids.length; i += entryRows.uidsPerStatement) yield uids.slice(i, i + entryRows.uidsPerStatement)
}
