// One mailbox as packed arrays, shared by every session of this thread that has it open. A cache of the store's flag blocks:
// it is caught up, never written. Knows no sequence numbers: those are each session's own.

import type { AccountId, MailboxId } from '../../base/index.ts'
import type { FlagBlock, Mailbox, MailReads } from '../../mail/index.ts'
import { flagWords } from '../wire/index.ts'

/** What one catching-up found; appended messages show in the arrays. */
export interface ViewChange {
  /** Ascending. */
  readonly expunged: readonly number[]
  readonly changed: readonly number[]
  /** Flags as before, and yet a new modseq: set and taken back meanwhile. */
  readonly touched: readonly number[]
  readonly keywords: boolean
}

/** Changed blocks of flags, 256 messages each. */
const MANY_BLOCKS = 64
/** Sessions that read slowly are made to take the log when it is this long. */
const LOG_LENGTH = 256
const BYTES_PER_MESSAGE = 20

/** A session that has the mailbox open. */
export interface ViewReader {
  readonly position: number
  absorb(): void
}

export class MailboxView {
  readonly id: MailboxId
  readonly #reads: Pick<MailReads, 'changesSince' | 'version'>
  /** Of the store when it was read last. */
  #version: string | undefined
  uids = new Uint32Array(0)
  lo = new Uint32Array(0)
  hi = new Uint32Array(0)
  modseqs = new Float64Array(0)
  /** Messages in the arrays; what is behind is room to grow. */
  count = 0
  mailbox!: Mailbox
  keywords: readonly string[] = []
  /** Packing of what FETCH shows was asked for once. */
  askedToPack = false
  /** The mailbox was deleted. */
  gone = false
  /** UIDs up to this were shown as \Recent to a session of this thread or claimed in the store. */
  recentUid = 0
  /** Bytes of what others keep for as long as the view lives. */
  cachedBytes = 0
  readonly readers = new Set<ViewReader>()
  readonly watchers = new Set<() => void>()
  #log: ViewChange[] = []
  #logBase = 0
  #running: Promise<void> | undefined
  #again: Promise<void> | undefined
  #words = new Map<number, string>()

  constructor(id: MailboxId, reads: Pick<MailReads, 'changesSince' | 'version'>) {
    this.id = id
    this.#reads = reads
  }

  get account(): AccountId {
    return this.mailbox.account
  }

  get bytes(): number {
    return this.uids.length * BYTES_PER_MESSAGE + 1024 + this.cachedBytes
  }

  get maxUid(): number {
    return this.count === 0 ? 0 : this.uids[this.count - 1]!
  }

  /** Position behind the last change of the log. */
  get position(): number {
    return this.#logBase + this.#log.length
  }

  changesAfter(position: number): readonly ViewChange[] {
    return position === this.position ? [] : this.#log.slice(position - this.#logBase)
  }

  /** Brings the arrays up to what is committed now. Callers that come while it runs share the next run. */
  catchUp(): Promise<void> {
    if (!this.#running) {
      this.#running = this.#load().finally(() => (this.#running = undefined))
      return this.#running
    }
    this.#again ??= this.#running
      .catch(() => {})
      .then(() => {
        this.#again = undefined
        return this.catchUp()
      })
    return this.#again
  }

  async #load(): Promise<void> {
    if (this.gone) return
    const since = this.mailbox ? this.mailbox.modseq : 0
    const version = this.#reads.version()
    if (version !== undefined && version === this.#version) return
    const found = await this.#reads.changesSince(this.id, since)
    // Reading so many was a turn of its own: others come before they are compared.
    if (found && found.blocks.length > MANY_BLOCKS) await new Promise((resolve) => setImmediate(resolve))
    this.#version = version
    if (!found) {
      this.gone = true
      this.#ring()
      return
    }
    const keywords = found.keywords.join(' ') !== this.keywords.join(' ')
    if (keywords) {
      this.keywords = found.keywords
      this.#words.clear()
    }
    const before = this.count
    const first = this.mailbox === undefined
    this.mailbox = found.mailbox
    this.recentUid = Math.max(this.recentUid, found.mailbox.recentUid)
    if (first) this.#reserve(found.mailbox.messages)
    const change = this.#apply(found.blocks)
    if (
      first ||
      (before === this.count &&
        !keywords &&
        change.changed.length + change.touched.length + change.expunged.length === 0)
    )
      return
    this.#note({ ...change, keywords })
    this.#ring()
  }

  #ring(): void {
    for (const heard of [...this.watchers]) heard()
  }

  #note(change: ViewChange): void {
    this.#log.push(change)
    if (this.#log.length < LOG_LENGTH) return
    for (const reader of this.readers) reader.absorb()
    this.#logBase += this.#log.length
    this.#log = []
  }

  #apply(blocks: readonly FlagBlock[]): Omit<ViewChange, 'keywords'> {
    const expunged: number[] = []
    const changed: number[] = []
    const touched: number[] = []
    for (const block of [...blocks].sort((a, b) => a.block - b.block))
      this.#applyBlock(block, expunged, changed, touched)
    if (expunged.length > 0) this.#remove(expunged)
    return { expunged, changed, touched }
  }

  #applyBlock(block: FlagBlock, expunged: number[], changed: number[], touched: number[]): void {
    const base = block.block * 256
    if (this.maxUid < base && !block.present.includes(0)) {
      this.#appendWhole(base, block)
      return
    }
    let at = this.lowerBound(base)
    for (let slot = 0; slot < block.count; slot++) {
      const uid = base + slot
      const known = at < this.count && this.uids[at] === uid
      if (block.present[slot] !== 1) {
        if (known) expunged.push(uid)
      } else if (!known) {
        // A UID is given under the account's lock, so that a new one is always the highest.
        this.#push(uid, block, slot)
        at = this.count
        continue
      } else if (this.modseqs[at] !== block.modseqs[slot]) {
        const same = this.lo[at] === block.lo[slot] && this.hi[at] === block.hi[slot]
        ;(same ? touched : changed).push(uid)
        this.lo[at] = block.lo[slot]!
        this.hi[at] = block.hi[slot]!
        this.modseqs[at] = block.modseqs[slot]!
      }
      if (known) at++
    }
    for (; at < this.count && this.uids[at]! < base + 256; at++) expunged.push(this.uids[at]!)
  }

  /** A block of which nothing was known and nothing is missing. */
  #appendWhole(base: number, { count, lo, hi, modseqs }: FlagBlock): void {
    this.#reserve(this.count + count)
    for (let slot = 0; slot < count; slot++) this.uids[this.count + slot] = base + slot
    this.lo.set(lo, this.count)
    this.hi.set(hi, this.count)
    this.modseqs.set(modseqs, this.count)
    this.count += count
  }

  #push(uid: number, block: FlagBlock, slot: number): void {
    this.#reserve(this.count + 1)
    const at = this.count++
    this.uids[at] = uid
    this.lo[at] = block.lo[slot]!
    this.hi[at] = block.hi[slot]!
    this.modseqs[at] = block.modseqs[slot]!
  }

  #reserve(count: number): void {
    if (count <= this.uids.length) return
    const size = Math.max(64, count, Math.ceil(this.uids.length * 1.5))
    const wider = <T extends Uint32Array | Float64Array>(old: T, fresh: T): T => {
      fresh.set(old)
      return fresh
    }
    this.uids = wider(this.uids, new Uint32Array(size))
    this.lo = wider(this.lo, new Uint32Array(size))
    this.hi = wider(this.hi, new Uint32Array(size))
    this.modseqs = wider(this.modseqs, new Float64Array(size))
  }

  /** One pass over the arrays, however many go. */
  #remove(expunged: readonly number[]): void {
    let next = 0
    let to = this.lowerBound(expunged[0]!)
    for (let from = to; from < this.count; from++) {
      if (this.uids[from] === expunged[next]) {
        next++
        continue
      }
      this.uids[to] = this.uids[from]!
      this.lo[to] = this.lo[from]!
      this.hi[to] = this.hi[from]!
      this.modseqs[to] = this.modseqs[from]!
      to++
    }
    this.count = to
  }

  /** Index of the first message with a UID of at least `uid`. */
  lowerBound(uid: number): number {
    let lo = 0
    let hi = this.count
    while (lo < hi) {
      const mid = (lo + hi) >>> 1
      if (this.uids[mid]! < uid) lo = mid + 1
      else hi = mid
    }
    return lo
  }

  /** Index of `uid`, or -1. */
  indexOf(uid: number): number {
    const at = this.lowerBound(uid)
    return at < this.count && this.uids[at] === uid ? at : -1
  }

  /** The flags of the message at `index` as FETCH lists them, without \Recent. */
  words(index: number): string {
    const lo = this.lo[index]!
    const hi = this.hi[index]!
    if (hi !== 0) return flagWords(lo, hi, this.keywords)
    let words = this.#words.get(lo)
    if (words === undefined) {
      words = flagWords(lo, 0, this.keywords)
      if (this.#words.size < 1000) this.#words.set(lo, words)
    }
    return words
  }

  /** Bits of a flag or keyword in this mailbox; undefined when no message can have it. */
  flagBits(flag: string): { readonly lo: number; readonly hi: number } | undefined {
    const system = systemBits[flag]
    if (system) return { lo: system, hi: 0 }
    const folded = flag.toLowerCase()
    const n = this.keywords.findIndex((keyword) => keyword.toLowerCase() === folded)
    if (n < 0) return undefined
    return n + 5 < 32 ? { lo: (1 << (n + 5)) >>> 0, hi: 0 } : { lo: 0, hi: (1 << (n + 5 - 32)) >>> 0 }
  }
}

export const SEEN = 1
export const DELETED = 8
const systemBits: { readonly [flag: string]: number } = {
  '\\Seen': SEEN,
  '\\Answered': 2,
  '\\Flagged': 4,
  '\\Deleted': 8,
  '\\Draft': 16,
}
