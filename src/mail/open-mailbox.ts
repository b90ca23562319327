// A mailbox within one write: its counters and flag blocks as they will be. Everything that changes messages goes through here, so that
// counters, blocks and modseqs never disagree. Lives no longer than its transaction, under the account's lock.

import { type AccountId, Fault, type MailboxId, type Range, type Ranges } from '../base/index.ts'
import { blockSize, createBlock, flagRows, mailboxRows, type PackedBlock, type Writer } from '../store/index.ts'
import { fetchBlockSize } from './fetch-block.ts'
import { deleted, seen } from './flags.ts'
import { askForPacking } from './pack.ts'
import type { FlagBits } from './types.ts'

/** How far numbers jump in a mailbox that is older than the store's epoch: beyond what may have been given since its last backup. */
const leap = { uid: 65_536, modseq: 1_000_000 }
/** UIDs have 32 bits (RFC 9051 §2.3.1.1); the last block is never begun. */
const lastBlock = 0xff_ffff

type Row = { -readonly [K in keyof mailboxRows.MailboxRow]: mailboxRows.MailboxRow[K] }

/** Looks at one present UID; true when it changed its flags. */
export type Visit = (block: PackedBlock, slot: number, uid: number) => boolean

export class OpenMailbox {
  readonly row: Row
  readonly #tx: Writer
  #modseq: number | undefined
  /** The block that UIDs are added to. */
  #tail: PackedBlock | undefined

  private constructor(tx: Writer, row: Row) {
    this.#tx = tx
    this.row = row
  }

  /** Fault `not-found` when the account has no such mailbox. */
  static async open(tx: Writer, epoch: number, account: AccountId, id: MailboxId): Promise<OpenMailbox> {
    const row = await mailboxRows.find(tx, id)
    if (!row || row.account !== account) throw new Fault('not-found', 'there is no such mailbox')
    return OpenMailbox.of(tx, epoch, row)
  }

  /** From a row that was just read in this transaction, and is its own from now on. */
  static async of(tx: Writer, epoch: number, row: Row): Promise<OpenMailbox> {
    const mailbox = new OpenMailbox(tx, row)
    if (row.epoch < epoch) await mailbox.#advance(epoch)
    return mailbox
  }

  /** UIDs and modseqs that were told to clients and then lost are not given again. */
  async #advance(epoch: number): Promise<void> {
    this.#modseq = this.row.modseq = await this.#tx.leapModseq(this.account, leap.modseq)
    this.row.uidNext += leap.uid
    this.row.epoch = epoch
  }

  get account(): AccountId {
    return this.row.account as AccountId
  }

  /** This transaction's modseq, now also the mailbox's. */
  async touch(): Promise<number> {
    this.#modseq ??= await this.#tx.modseq(this.account)
    this.row.modseq = this.#modseq
    return this.#modseq
  }

  /** Gives the next UID to a message of `size` bytes. Its entry is the caller's. `touch` must have been awaited. */
  add(bits: FlagBits, size: number): number | Promise<number> {
    const block = this.#tail
    return block && block.block === this.row.uidNext >>> 8 ? this.#place(block, bits, size) : this.#addNext(bits, size)
  }

  async #addNext(bits: FlagBits, size: number): Promise<number> {
    const number = Math.floor(this.row.uidNext / 256)
    if (number >= lastBlock) throw new Fault('limit', 'this mailbox has given all its UIDs')
    await this.#saveTail()
    // The block before is complete.
    if ((this.row.uidNext & (blockSize - 1)) === 0 && number > 0) await askForPacking(this.#tx, this.row)
    this.#tail = (await flagRows.load(this.#tx, this.row.id, number)) ?? createBlock(number)
    return this.#place(this.#tail, bits, size)
  }

  #place(block: PackedBlock, { lo, hi }: FlagBits, size: number): number {
    const { row } = this
    const uid = row.uidNext++
    const slot = uid & 255
    block.count = slot + 1
    block.present[slot] = 1
    block.lo[slot] = lo
    block.hi[slot] = hi
    block.modseqs[slot] = block.modseq = row.modseq
    row.messages++
    row.size += size
    if (!(lo & seen)) row.unseen++
    if (lo & deleted) row.deleted++
    return uid
  }

  /**
   * Looks at every present UID of the (normalised) ranges, ascending, and writes the blocks in which something changed. Stops behind
   * the block in which `enough` became true: the first UID that was not looked at, or undefined.
   */
  async visit(uids: Ranges, visit: Visit, enough: () => boolean = () => false): Promise<number | undefined> {
    for (const [first, last] of blockSpans(uids, this.row.uidNext - 1)) {
      for (let next = first; next <= last; ) {
        const page = await flagRows.range(this.#tx, this.row.id, next, last)
        for (const block of page) {
          if (visitBlock(block, uids, visit, this.row)) await this.#saveBlock(block)
          if (enough()) return (block.block + 1) * 256
        }
        if (page.length < flagRows.blocksPerPage) break
        next = page[page.length - 1]!.block + 1
      }
    }
    return undefined
  }

  async #saveBlock(block: PackedBlock): Promise<void> {
    const modseq = await this.touch()
    for (let slot = 0; slot < block.count; slot++) if (block.modseqs[slot] === touched) block.modseqs[slot] = modseq
    block.modseq = modseq
    await flagRows.save(this.#tx, this.row.id, block)
  }

  async #saveTail(): Promise<void> {
    if (this.#tail) await flagRows.save(this.#tx, this.row.id, this.#tail)
    this.#tail = undefined
  }

  /** These are gone: a block that tells of them is packed anew. Before `save`. */
  async forget(uids: readonly number[]): Promise<void> {
    if (uids[0]! < this.row.uidNext - fetchBlockSize) await askForPacking(this.#tx, this.row)
  }

  /** Writes what was added and the counters. */
  async save(): Promise<void> {
    await this.#saveTail()
    await mailboxRows.save(this.#tx, this.row)
  }
}

/** Stands for the modseq of this transaction until it is known: it is taken only when something changed. */
const touched = -1

function visitBlock(block: PackedBlock, uids: Ranges, visit: Visit, row: Row): boolean {
  const base = block.block * 256
  let changed = false
  for (const [from, to] of rangesWithin(uids, base, base + block.count - 1)) {
    for (let uid = from; uid <= to; uid++) {
      const slot = uid - base
      if (!block.present[slot]) continue
      const before = block.lo[slot]!
      if (!visit(block, slot, uid)) continue
      changed = true
      block.modseqs[slot] = touched
      count(row, before, block.present[slot] ? block.lo[slot]! : undefined)
    }
  }
  return changed
}

/** What a change of flags (or removal: `after` undefined) does to the counters. */
function count(row: Row, before: number, after: number | undefined): void {
  if (after === undefined) {
    row.messages--
    if (!(before & seen)) row.unseen--
    if (before & deleted) row.deleted--
    return
  }
  if ((before ^ after) & seen) row.unseen += after & seen ? -1 : 1
  if ((before ^ after) & deleted) row.deleted += after & deleted ? 1 : -1
}

/** Marks the UID as expunged. */
export function vacate(block: PackedBlock, slot: number): void {
  block.present[slot] = 0
  block.lo[slot] = 0
  block.hi[slot] = 0
}

/** The parts of the ranges between `from` and `to`. */
function* rangesWithin(ranges: Ranges, from: number, to: number): Generator<Range> {
  let lo = 0
  let hi = ranges.length
  while (lo < hi) {
    const mid = (lo + hi) >> 1
    if (ranges[mid]![1] < from) lo = mid + 1
    else hi = mid
  }
  for (let i = lo; i < ranges.length && ranges[i]![0] <= to; i++)
    yield [Math.max(from, ranges[i]![0]), Math.min(to, ranges[i]![1])]
}

/** Blocks that the ranges touch, up to the UID `last`; neighbours joined. */
function blockSpans(uids: Ranges, last: number): Range[] {
  const spans: [number, number][] = []
  for (const [from, to] of uids) {
    if (from > last) break
    const first = from >>> 8
    const end = Math.min(to, last) >>> 8
    const previous = spans[spans.length - 1]
    if (previous && first <= previous[1] + 1) previous[1] = Math.max(previous[1], end)
    else spans.push([first, end])
  }
  return spans
}

/** Collects ascending numbers as ranges. */
export function createRangeList(): { add(n: number): void; readonly ranges: [number, number][] } {
  const ranges: [number, number][] = []
  return {
    ranges,
    add(n) {
      const last = ranges[ranges.length - 1]
      if (last && n === last[1] + 1) last[1] = n
      else ranges.push([n, n])
    },
  }
}
