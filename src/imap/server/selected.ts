// A mailbox as one session has been told of it: sequence numbers that stay until EXPUNGE is said, and what is still to be said.
// A message's number is its place among the view's messages and those expunged but not yet told.

import { type Range, type Ranges, SyntaxFault, toRanges } from '../../base/index.ts'
import type { Access, Right } from '../../mail/index.ts'
import { type SequenceSet, SYSTEM_FLAGS, savedResult } from '../wire/index.ts'
import { countBelow, mergeSorted, normalise } from './ascending.ts'
import { Bulk } from './bulk.ts'
import { type Interest, usualInterest } from './interest.ts'
import type { Output } from './output.ts'
import { sayVanished } from './replies.ts'
import type { MailboxView, ViewReader } from './view.ts'

/** Messages of a command: numbers and UIDs side by side, ascending. */
export interface Picked {
  readonly count: number
  /** Numbers of the set whose messages are expunged, which the client was not told yet. */
  readonly missing: number
  readonly numbers: Uint32Array
  readonly uids: Uint32Array
}

/** Messages that a session changed by its own command, and the modseq that they got. */
export interface OwnChange {
  readonly uids: Uint32Array
  readonly modseq: number
}

/** Hears what the client is told. */
export interface TellingListener {
  /** These will be told as expunged; numbers are still as they were. */
  expunging(uids: readonly number[], out: Output): void
  /** These are new to the client, or changed. */
  touched(uids: Iterable<number>): void
  /** Says what follows from it. */
  settle(): Promise<void>
}

const star = Buffer.from('* ')
const expunge = Buffer.from(' EXPUNGE\r\n')

export class SelectedMailbox implements ViewReader {
  readonly view: MailboxView
  /** Opened by EXAMINE. */
  readonly examined: boolean
  #access: Access
  /** The owner shares it no longer. */
  lost = false
  position: number
  /** Expunged in the view, still counted by the client; ascending. */
  #pending: number[] = []
  /** Sequence numbers of `#pending`, computed when needed. */
  #pendingNumbers: Uint32Array | undefined
  readonly #changed = new Set<number>()
  #flagsChanged = false
  /** The highest UID that the client may know of. */
  #toldUid: number
  #toldCount: number
  #recent: Range[] = []
  #recentTold = 0
  /** UIDs that the last SEARCH with SAVE found, ascending: `$`. What is expunged since is passed over when it is used. */
  saved: readonly number[] = []
  listener: TellingListener | undefined
  /** Everything up to this modseq was told. */
  #toldModseq: number
  /** The modseq that the client will resynchronise from, as it was last said. */
  #saidModseq: number
  readonly #enabled: ReadonlySet<string>
  /** What of it the client wants to hear. */
  interest: Interest = usualInterest
  /** UIDs of messages that were told and are still to be fetched for the client. */
  #fresh: Range[] = []

  /** `enabled`: what ENABLE put in force for the session, as it will grow. */
  constructor(view: MailboxView, access: Access, examined: boolean, recentFrom: number, enabled: ReadonlySet<string>) {
    this.view = view
    this.#access = access
    this.examined = examined
    this.#enabled = enabled
    this.#toldModseq = this.#saidModseq = view.mailbox.modseq
    this.position = view.position
    this.#toldUid = view.maxUid
    this.#toldCount = view.count
    if (recentFrom <= this.#toldUid) this.#recent.push([recentFrom, this.#toldUid])
    this.#recentTold = this.recentCount()
    view.readers.add(this)
  }

  get access(): Access {
    return this.#access
  }

  /** What the session may do has been looked up again. */
  set access(access: Access) {
    if (access.rights !== this.#access.rights) this.#flagsChanged = true
    this.#access = access
  }

  /** It is the session's own account's, not one that is shared with it. */
  get isOwn(): boolean {
    return this.#access.actor === this.#access.owner
  }

  /** As the session's account calls it. */
  get name(): string {
    return this.#access.prefix + this.view.mailbox.name
  }

  /** RFC 4314 §5.2: nothing in it may be changed. */
  get readOnly(): boolean {
    return this.examined || ![...'swtei'].some((right) => this.#access.rights.includes(right))
  }

  /** Whether the session may do this now. */
  may(right: Right): boolean {
    return !this.examined && this.#access.rights.includes(right)
  }

  /** Why it cannot stay open; undefined while it can. */
  get gone(): string | undefined {
    if (this.lost) return 'the selected mailbox is no longer shared with you'
    return this.view.gone ? 'the selected mailbox was deleted' : undefined
  }

  /** The client wants modseqs (RFC 7162 §3.1). */
  get condstore(): boolean {
    return this.#enabled.has('CONDSTORE')
  }

  /** \Recent is known no more (RFC 9051 §2.3.2), and a FETCH that nobody asked for names the UID (RFC 9051 §7.5.2). */
  get rev2(): boolean {
    return this.#enabled.has('IMAP4REV2')
  }

  /** Numbers are never said (RFC 9586 §3). */
  get uidOnly(): boolean {
    return this.#enabled.has('UIDONLY')
  }

  release(): void {
    this.view.readers.delete(this)
  }

  /** Takes the view's changes since last time into what is to be told, but what the session itself changed in silence. */
  absorb(own?: OwnChange): void {
    if (this.position === this.view.position) return
    for (const change of this.view.changesAfter(this.position)) {
      this.#take(own ? this.#withoutOwn(change.changed, own) : change.changed)
      if (this.condstore) this.#take(change.touched)
      this.listener?.touched(change.changed)
      this.listener?.touched(change.touched)
      const expunged = change.expunged.filter((uid) => uid <= this.#toldUid)
      if (this.#changed.size > 0) for (const uid of expunged) this.#changed.delete(uid)
      if (expunged.length > 0) this.#pending = mergeSorted(this.#pending, expunged)
      if (change.keywords) this.#flagsChanged = true
    }
    this.position = this.view.position
    this.#pendingNumbers = undefined
  }

  #take(changed: readonly number[]): void {
    for (const uid of changed) if (uid <= this.#toldUid) this.#changed.add(uid)
  }

  /** All three lists are in order: one pass, because a STORE of everything must not keep others waiting. */
  #withoutOwn(changed: readonly number[], { uids, modseq }: OwnChange): number[] {
    const { view } = this
    let at = 0
    let index = 0
    return changed.filter((uid) => {
      while (at < uids.length && uids[at]! < uid) at++
      if (uids[at] !== uid) return true
      while (index < view.count && view.uids[index]! < uid) index++
      return view.modseqs[index]! > modseq
    })
  }

  /** Messages that the client counts. */
  get exists(): number {
    this.absorb()
    return this.#toldCount
  }

  /** UIDs that the client still counts and the store no longer has. */
  get hasPendingExpunges(): boolean {
    this.absorb()
    return this.#pending.length > 0
  }

  #numbersOfPending(): Uint32Array {
    if (!this.#pendingNumbers) {
      const numbers = new Uint32Array(this.#pending.length)
      for (let i = 0; i < numbers.length; i++) numbers[i] = this.view.lowerBound(this.#pending[i]!) + i + 1
      this.#pendingNumbers = numbers
    }
    return this.#pendingNumbers
  }

  get toldModseq(): number {
    return this.#toldModseq
  }

  /** The UIDs without those that the client still counts although they are expunged. */
  withoutPending(uids: Ranges): Ranges {
    this.absorb()
    const out: Range[] = []
    for (const [from, to] of uids) {
      let next = from
      for (let at = countBelow(this.#pending, from); at < this.#pending.length && this.#pending[at]! <= to; at++) {
        if (this.#pending[at]! > next) out.push([next, this.#pending[at]! - 1])
        next = this.#pending[at]! + 1
      }
      if (next <= to) out.push([next, to])
    }
    return out
  }

  /** The number of a message that the client counts. */
  numberOf(uid: number): number {
    return this.view.lowerBound(uid) + countBelow(this.#pending, uid) + 1
  }

  /** The number of the view's message at `index`. */
  numberAt(index: number): number {
    if (this.#pending.length === 0) return index + 1
    return index + 1 + countBelow(this.#pending, this.view.uids[index]!)
  }

  /**
   * The messages of `set` that still exist, ascending. Numbers beyond the last are the client's error (RFC 9051 §6.4.8);
   * UIDs that are not there are left out.
   */
  pick(set: SequenceSet, byUid: boolean): Picked {
    this.absorb()
    if (set === savedResult) return this.#pickSaved()
    return byUid ? this.#pickUids(set) : this.#pickNumbers(set)
  }

  #known(): number {
    return this.view.lowerBound(this.#toldUid + 1)
  }

  /** The UID that `*` stands for. */
  get lastUid(): number {
    this.absorb()
    const known = this.#known()
    return Math.max(known === 0 ? 0 : this.view.uids[known - 1]!, this.#pending.at(-1) ?? 0)
  }

  #pickUids(set: SequenceSet): Picked {
    const known = this.#known()
    const spans = normalise(set, this.lastUid).map(([from, to]): Range => {
      const end = Math.min(this.view.lowerBound(to + 1), known)
      return [this.view.lowerBound(from), end]
    })
    return this.#pickIndexes(spans)
  }

  #pickNumbers(set: SequenceSet): Picked {
    const count = this.#toldCount
    for (const [a, b] of set) {
      const high = Math.max(Number.isFinite(a) ? a : 0, Number.isFinite(b) ? b : 0)
      // Clients ask an empty mailbox for 1:*.
      if (high > count && !(count === 0 && high === 1 && a !== b)) throw new SyntaxFault(`there is no message ${high}`)
    }
    if (count === 0) return this.#pickIndexes([])
    const pendingNumbers = this.#numbersOfPending()
    let missing = 0
    const spans = normalise(set, count).map(([from, to]): Range => {
      const before = countBelow(pendingNumbers, from)
      const through = countBelow(pendingNumbers, to + 1)
      missing += through - before
      return [from - 1 - before, to - through]
    })
    return { ...this.#pickIndexes(spans), missing }
  }

  #pickSaved(): Picked {
    const spans: [number, number][] = []
    for (const uid of this.saved) {
      const index = this.view.indexOf(uid)
      const last = spans[spans.length - 1]
      if (last && last[1] === index) last[1]++
      else if (index >= 0) spans.push([index, index + 1])
    }
    return this.#pickIndexes(spans)
  }

  /** `spans` are half-open index ranges. */
  #pickIndexes(spans: readonly Range[]): Picked {
    let count = 0
    for (const [from, to] of spans) count += Math.max(0, to - from)
    const numbers = new Uint32Array(count)
    const uids = new Uint32Array(count)
    let at = 0
    for (const [from, to] of spans) {
      for (let index = from; index < to; index++) {
        uids[at] = this.view.uids[index]!
        numbers[at++] = this.numberAt(index)
      }
    }
    return { count, missing: 0, numbers, uids }
  }

  /** All messages that the client counts and that still exist. */
  pickAll(): Picked {
    this.absorb()
    return this.#pickIndexes([[0, this.#known()]])
  }

  isRecent(uid: number): boolean {
    for (const [from, to] of this.#recent) if (uid >= from && uid <= to) return true
    return false
  }

  /** As the client counts: expunged messages until it is told. */
  recentCount(): number {
    let count = this.#recent.length === 0 ? 0 : this.#pending.filter((uid) => this.isRecent(uid)).length
    for (const [from, to] of this.#recent) count += this.view.lowerBound(to + 1) - this.view.lowerBound(from)
    return count
  }

  /** `(FLAGS …)` words of the message at `index`. */
  flagWords(index: number): string {
    const words = this.view.words(index)
    if (this.rev2 || this.#recent.length === 0 || !this.isRecent(this.view.uids[index]!)) return words
    return words === '' ? '\\Recent' : `${words} \\Recent`
  }

  /** `* 1 FETCH (`, or `* 17 UIDFETCH (` in a session without numbers (RFC 9586 §3.3). */
  head(number: number, uid: number): string {
    return this.uidOnly ? `* ${uid} UIDFETCH (` : `* ${number} FETCH (`
  }

  /** What an untagged FETCH tells of a change: with UID and MODSEQ to who wants modseqs (RFC 7162 §3.2.4). */
  changeKinds(withUid: boolean): ('uid' | 'flags' | 'modseq')[] {
    const uid = (withUid || this.condstore || this.rev2) && !this.uidOnly
    return [...(uid ? ['uid' as const] : []), 'flags', ...(this.condstore ? ['modseq' as const] : [])]
  }

  /** The untagged FETCH that tells the flags of the message at `index`; see `changeKinds`. */
  formatChange(index: number, withUid: boolean, withFlags = true): string {
    const uid = this.view.uids[index]!
    const items: string[] = []
    for (const kind of this.changeKinds(withUid)) {
      if (kind === 'uid') items.push(`UID ${uid}`)
      else if (kind === 'modseq') items.push(`MODSEQ (${this.view.modseqs[index]})`)
      else if (withFlags) items.push(`FLAGS (${this.flagWords(index)})`)
    }
    return `${this.head(this.numberAt(index), uid)}${items.join(' ')})\r\n`
  }

  /** This change was already told, as the answer to the command that made it. */
  told(uid: number): void {
    if (this.#changed.size > 0) this.#changed.delete(uid)
  }

  formatFlags(): string {
    this.#flagsChanged = false
    return `* FLAGS (${[...SYSTEM_FLAGS, ...this.view.keywords].join(' ')})`
  }

  formatPermanentFlags(): string {
    const flags = [...SYSTEM_FLAGS, ...this.view.keywords, '\\*'].filter((flag) => this.may(rightFor(flag)))
    return `* OK [PERMANENTFLAGS (${flags.join(' ')})] Flags that are kept`
  }

  /**
   * Says everything that may be said now; EXPUNGE only when numbers may change (RFC 9051 §7.5.1). `asked`: the client itself took
   * messages away, and hears of it whatever NOTIFY says.
   */
  tell(out: Output, mayExpunge: boolean, withUid = false, asked = false): void {
    this.absorb()
    const { messages, flags } = this.interest
    if (mayExpunge && (messages || asked)) this.#tellExpunges(out)
    if (messages) this.#tellNew(out)
    this.tellKeywords(out)
    if (flags) this.#tellChanged(out, withUid)
    // What was not told has to be found when the client comes back.
    if (this.#pending.length === 0 && messages && flags) this.#toldModseq = this.view.mailbox.modseq
  }

  /** The messages that were told of since the last time, if the client wants something fetched of them. */
  takeFresh(): Picked | undefined {
    if (this.#fresh.length === 0) return undefined
    const spans = this.#fresh.map(([from, to]): Range => [this.view.lowerBound(from), this.view.lowerBound(to + 1)])
    this.#fresh = []
    return this.#pickIndexes(spans)
  }

  /**
   * The modseq to resynchronise from, when it is other than the client would compute itself. While an expunge waits it is a lower one
   * than those of messages already told, or the expunge would be lost with the connection (RFC 7162 §3.2).
   */
  takeModseq(): number | undefined {
    if (!this.condstore || (this.#pending.length === 0 && this.#toldModseq === this.#saidModseq)) return undefined
    this.#saidModseq = this.#toldModseq
    return this.#toldModseq
  }

  /** New keywords are named before a FETCH shows them. */
  tellKeywords(out: Output): void {
    if (!this.#flagsChanged) return
    out.line(this.formatFlags())
    out.line(this.formatPermanentFlags())
  }

  /** From the last to the first, so that each number is right when it is read; as UIDs to who asked for that (RFC 7162 §3.2.10). */
  #tellExpunges(out: Output): void {
    if (this.#pending.length === 0) return
    const numbers = this.#numbersOfPending()
    this.listener?.expunging(this.#pending, out)
    if (this.#enabled.has('QRESYNC') || this.uidOnly) sayVanished(out, toRanges(this.#pending), false)
    else {
      const bulk = new Bulk(out)
      for (let i = numbers.length - 1; i >= 0; i--) {
        bulk.bytes(star)
        bulk.number(numbers[i]!)
        bulk.bytes(expunge)
      }
      bulk.flush()
    }
    this.#toldCount -= numbers.length
    this.#pending = []
    this.#pendingNumbers = undefined
  }

  #tellNew(out: Output): void {
    const { view } = this
    if (view.maxUid > this.#toldUid) {
      const first = this.#toldUid + 1
      this.#toldUid = view.maxUid
      this.#toldCount = view.count + this.#pending.length
      this.#claimRecent(Math.max(first, view.recentUid + 1))
      out.line(`* ${this.#toldCount} EXISTS`)
      this.listener?.touched(view.uids.subarray(view.lowerBound(first), view.count))
      if (this.interest.fetch) this.#fresh.push([first, this.#toldUid])
    }
    const recent = this.recentCount()
    if (recent !== this.#recentTold && !this.rev2) out.line(`* ${recent} RECENT`)
    this.#recentTold = recent
  }

  /** The owner's first session of this thread that is told of a message has it as \Recent. */
  #claimRecent(from: number): void {
    if (from > this.#toldUid || !this.isOwn) return
    this.#recent.push([from, this.#toldUid])
    if (!this.examined) this.view.recentUid = this.#toldUid
  }

  #tellChanged(out: Output, withUid: boolean): void {
    if (this.#changed.size === 0) return
    for (const uid of [...this.#changed].sort((a, b) => a - b)) {
      const index = this.view.indexOf(uid)
      if (index >= 0) out.text(this.formatChange(index, withUid))
    }
    this.#changed.clear()
  }
}

/** RFC 4314 §4. */
const rightFor = (flag: string): Right => (flag === '\\Seen' ? 's' : flag === '\\Deleted' ? 't' : 'w')
