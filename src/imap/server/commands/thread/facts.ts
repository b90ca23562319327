// What threading needs of each message, packed and kept with the view: nothing of it ever changes, so that only new messages are read.

import type { Columns } from '../../../../mail/index.ts'
import type { MailboxView } from '../../view.ts'
import type { SearchContext } from '../search/run.ts'
import type { ThreadInput } from './forest.ts'

/** References of all messages together: behind them each message keeps its last only. Mail of ten years in one mailbox has half as many. */
const MAX_REFS = 2_000_000

/** A list that grows. */
class Numbers {
  #all = new Float64Array(64)
  length = 0

  get all(): Float64Array {
    return this.#all.subarray(0, this.length)
  }

  push(values: Float64Array): void {
    const end = this.length + values.length
    if (end > this.#all.length) {
      const wider = new Float64Array(Math.max(end, Math.ceil(this.#all.length * 1.5)))
      wider.set(this.all)
      this.#all = wider
    }
    this.#all.set(values, this.length)
    this.length = end
  }

  get bytes(): number {
    return this.#all.byteLength
  }
}

/** Lists side by side, by ascending UID; the references of message i end at `ends[i]`. */
class Packed {
  readonly uids = new Numbers()
  readonly ids = new Numbers()
  readonly refs = new Numbers()
  readonly ends = new Numbers()
  readonly subjects = new Numbers()
  readonly replies = new Numbers()
  readonly sentAt = new Numbers()

  get lastUid(): number {
    return this.uids.all.at(-1) ?? 0
  }

  /** Those behind the last that is there. */
  add({ uids, values: { threading } }: Columns<'threading'>): void {
    let from = 0
    while (from < uids.length && uids[from]! <= this.lastUid) from++
    const { ids, subjects, replies, sentAt, ends, refs } = threading
    const base = from === 0 ? 0 : ends[from - 1]!
    if (this.refs.length < MAX_REFS) {
      const offset = this.refs.length - base
      this.ends.push(ends.subarray(from).map((end) => end + offset))
      this.refs.push(refs.subarray(base))
    } else for (let i = from; i < uids.length; i++) this.#addLast(refs.subarray(i === 0 ? 0 : ends[i - 1]!, ends[i]!))
    this.uids.push(Float64Array.from(uids.subarray(from)))
    this.ids.push(ids.subarray(from))
    this.subjects.push(subjects.subarray(from))
    this.replies.push(replies.subarray(from))
    this.sentAt.push(sentAt.subarray(from))
  }

  #addLast(refs: Float64Array): void {
    this.refs.push(refs.subarray(-1))
    this.ends.push(Float64Array.of(this.refs.length))
  }

  get bytes(): number {
    const lists = [this.uids, this.ids, this.refs, this.ends, this.subjects, this.replies, this.sentAt]
    return lists.reduce((sum, list) => sum + list.bytes, 0)
  }
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
    await read(context, view, packed, view.uids.slice(view.lowerBound(packed.lastUid + 1), view.count))
    view.cachedBytes += packed.bytes - before
  }
  return select(packed, uids)
}

async function read({ services, out }: SearchContext, view: MailboxView, packed: Packed, uids: Uint32Array) {
  // Another session may read the same meanwhile: `add` passes over what is there.
  for await (const columns of services.reads.columns(view.id, uids, ['threading'])) {
    packed.add(columns)
    await out.pace()
  }
}

/** The chosen messages, in their order. One without facts is gone; it stands alone until it is told as expunged. */
function select(packed: Packed, uids: readonly number[]): ThreadInput {
  const count = uids.length
  const pick = { ids: new Float64Array(count), subjects: new Float64Array(count), replies: new Uint8Array(count) }
  const sentAt = new Float64Array(count)
  const starts = new Uint32Array(count + 1)
  const all = packed.uids.all
  const { ids, subjects, replies, sentAt: sent, ends, refs } = lists(packed)
  const named = new Float64Array(refs.length)
  let size = 0
  for (let i = 0, at = 0; i < count; i++) {
    while (all[at]! < uids[i]!) at++
    if (all[at] === uids[i]) {
      pick.ids[i] = ids[at]!
      pick.subjects[i] = subjects[at]!
      pick.replies[i] = replies[at]!
      sentAt[i] = sent[at]!
      for (let ref = at === 0 ? 0 : ends[at - 1]!; ref < ends[at]!; ref++) named[size++] = refs[ref]!
    }
    starts[i + 1] = size
  }
  return { count, ...pick, refs: named.subarray(0, size), starts, sentAt }
}

const lists = ({ ids, subjects, replies, sentAt, ends, refs }: Packed) => ({
  ids: ids.all,
  subjects: subjects.all,
  replies: replies.all,
  sentAt: sentAt.all,
  ends: ends.all,
  refs: refs.all,
})
