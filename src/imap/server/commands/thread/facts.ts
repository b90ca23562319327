// What threading needs of each message, packed and kept with the view: nothing of it ever changes, so that only new messages are read.

import { randomBytes } from 'node:crypto'
import { toRanges } from '../../../../base/index.ts'
import type { Fact, MessageFacts } from '../../../../mail/index.ts'
import { isReplySubject } from '../../../../mime/index.ts'
import type { MailboxView } from '../../view.ts'
import type { SearchContext } from '../search/run.ts'
import type { ThreadInput } from './forest.ts'

const PAGE = 500
/** References of all messages together: behind them each message keeps its last only. Mail of ten years in one mailbox has half as many. */
const MAX_REFS = 2_000_000
const BYTES_PER_MESSAGE = 56

const facts: readonly Fact[] = ['sentAt', 'receivedAt', 'messageId', 'refs', 'baseSubject', 'subject']

/** Lists side by side, by ascending UID; `refs` of message i end at `ends[i]`. */
class Packed {
  readonly uids: number[] = []
  readonly ids: number[] = []
  readonly refs: number[] = []
  readonly ends: number[] = []
  readonly subjects: number[] = []
  readonly replies: number[] = []
  readonly sentAt: number[] = []

  add(row: MessageFacts): void {
    this.uids.push(row.uid)
    this.ids.push(row.messageId ? hashId(row.messageId) : 0)
    const refs = parents(row.refs!)
    for (const id of this.refs.length < MAX_REFS ? refs : refs.slice(-1)) this.refs.push(hashId(id))
    this.ends.push(this.refs.length)
    this.subjects.push(row.baseSubject === '' ? 0 : hashText(row.baseSubject!))
    this.replies.push(row.subject !== row.baseSubject && isReplySubject(row.subject!) ? 1 : 0)
    this.sentAt.push(row.sentAt ?? row.receivedAt!)
  }

  get bytes(): number {
    return this.uids.length * BYTES_PER_MESSAGE + this.refs.length * 8
  }
}

/** In-Reply-To counts, and its first id only, where References has none (RFC 5256 §3, step 1). */
function parents(refs: string): readonly string[] {
  const gap = refs.indexOf('\n\n')
  const own = gap < 0 ? refs : refs.slice(0, gap)
  if (own !== '') return own.split('\n')
  return gap < 0 ? [] : [refs.slice(gap + 2).split('\n')[0]!]
}

const kept = new WeakMap<MailboxView, Packed>()

/** The messages with these UIDs (ascending). Few of many are read for themselves; else the mailbox is read, and kept. */
export async function readThreadInput(
  context: SearchContext,
  view: MailboxView,
  uids: readonly number[],
): Promise<ThreadInput> {
  let packed = kept.get(view)
  if (!packed && uids.length * 4 < view.count) {
    packed = new Packed()
    await read(context, view, packed, Uint32Array.from(uids))
  } else {
    if (!packed) kept.set(view, (packed = new Packed()))
    const before = packed.bytes
    const last = packed.uids[packed.uids.length - 1] ?? 0
    await read(context, view, packed, view.uids.slice(view.lowerBound(last + 1), view.count))
    view.cachedBytes += packed.bytes - before
  }
  return select(packed, uids)
}

async function read({ services, out }: SearchContext, view: MailboxView, packed: Packed, uids: Uint32Array) {
  for (let at = 0; at < uids.length; at += PAGE) {
    const rows = await services.reads.facts(view.id, toRanges(uids.subarray(at, at + PAGE)), facts)
    // Another session may have read the same meanwhile.
    for (const row of rows) if (row.uid > (packed.uids[packed.uids.length - 1] ?? 0)) packed.add(row)
    await out.pace()
  }
}

/** The chosen messages, in their order. One without facts is gone; it stands alone until it is told as expunged. */
function select(packed: Packed, uids: readonly number[]): ThreadInput {
  const count = uids.length
  const pick = { ids: new Float64Array(count), subjects: new Float64Array(count), replies: new Uint8Array(count) }
  const sentAt = new Float64Array(count)
  const starts = new Uint32Array(count + 1)
  const refs: number[] = []
  for (let i = 0, at = 0; i < count; i++) {
    while (packed.uids[at]! < uids[i]!) at++
    if (packed.uids[at] === uids[i]) {
      pick.ids[i] = packed.ids[at]!
      pick.subjects[i] = packed.subjects[at]!
      pick.replies[i] = packed.replies[at]!
      sentAt[i] = packed.sentAt[at]!
      for (let ref = at === 0 ? 0 : packed.ends[at - 1]!; ref < packed.ends[at]!; ref++) refs.push(packed.refs[ref]!)
    }
    starts[i + 1] = refs.length
  }
  return { count, ...pick, refs: Float64Array.from(refs), starts, sentAt }
}

/** A quoted local part is the same as it would be bare (RFC 5256 §3, step 1). */
function hashId(id: string): number {
  if (id[0] !== '"') return hashText(id)
  const end = id.lastIndexOf('"@')
  return hashText(end < 1 ? id : id.slice(1, end).replaceAll('\\', '') + id.slice(end + 1))
}

/** Not to be foreseen from outside: who could make ids meet would give threads to others. */
const seed = randomBytes(8)

/** 53 bits, never 0. */
function hashText(text: string): number {
  let a = seed.readInt32LE(0)
  let b = seed.readInt32LE(4)
  for (let i = 0; i < text.length; i++) {
    const c = text.charCodeAt(i)
    a = Math.imul(a ^ c, 0x9e3779b1)
    b = Math.imul(b ^ c, 0x5f356495)
    a ^= b >>> 15
    b ^= a >>> 13
  }
  a = Math.imul(a ^ (a >>> 16), 0x85ebca6b) ^ Math.imul(b ^ (b >>> 13), 0xc2b2ae35)
  b = Math.imul(b ^ (b >>> 16), 0x85ebca6b) ^ Math.imul(a ^ (a >>> 13), 0xc2b2ae35)
  return (b & 0x1fffff) * 4_294_967_296 + (a >>> 0) || 1
}
