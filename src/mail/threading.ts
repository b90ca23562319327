// What threading compares of messages (RFC 5256 §3): ids and subjects as numbers that are equal for equal texts.

import { isReplySubject } from '../mime/index.ts'
import type { Fact, MessageFacts } from './types.ts'

/** Messages side by side. */
export interface Threading {
  /** The message's own id, 0 without one. */
  readonly ids: Float64Array
  /** The base subject, 0 when it is empty. */
  readonly subjects: Float64Array
  /** When it was sent, or came when it says nothing of that. */
  readonly sentAt: Float64Array
  /** 1: a mark of a reply or a forward was taken off the subject. */
  readonly replies: Float64Array
  /** Where the references of each message end. */
  readonly ends: Float64Array
  /** Ids that the messages refer to, oldest first. */
  readonly refs: Float64Array
}

export const threadingFacts: readonly Fact[] = ['sentAt', 'receivedAt', 'messageId', 'refs', 'baseSubject', 'subject']

/** `seed`: eight bytes that nobody outside knows. Who could make ids meet would give threads to others. */
export function toThreading(rows: readonly MessageFacts[], seed: Uint8Array): Threading {
  const hash = hashWith(seed)
  const refs: number[] = []
  const ends = new Float64Array(rows.length)
  for (const [i, row] of rows.entries()) {
    for (const id of parents(row.refs!)) refs.push(hash(bareId(id)))
    ends[i] = refs.length
  }
  return {
    ids: Float64Array.from(rows, ({ messageId }) => (messageId ? hash(bareId(messageId)) : 0)),
    subjects: Float64Array.from(rows, ({ baseSubject }) => (baseSubject === '' ? 0 : hash(baseSubject!))),
    sentAt: Float64Array.from(rows, ({ sentAt, receivedAt }) => sentAt ?? receivedAt!),
    replies: Float64Array.from(rows, (row) =>
      row.subject !== row.baseSubject && isReplySubject(row.subject!) ? 1 : 0,
    ),
    ends,
    refs: Float64Array.from(refs),
  }
}

/** In-Reply-To counts, and its first id only, where References has none (RFC 5256 §3, step 1). */
function parents(refs: string): readonly string[] {
  const gap = refs.indexOf('\n\n')
  const own = gap < 0 ? refs : refs.slice(0, gap)
  if (own !== '') return own.split('\n')
  return gap < 0 ? [] : [refs.slice(gap + 2).split('\n')[0]!]
}

/** A quoted local part is the same as it would be bare (RFC 5256 §3, step 1). */
function bareId(id: string): string {
  if (id[0] !== '"') return id
  const end = id.lastIndexOf('"@')
  return end < 1 ? id : id.slice(1, end).replaceAll('\\', '') + id.slice(end + 1)
}

/** 53 bits, never 0. */
function hashWith(seed: Uint8Array): (text: string) => number {
  const view = new DataView(seed.buffer, seed.byteOffset, 8)
  const [first, second] = [view.getInt32(0), view.getInt32(4)]
  return (text) => {
    let a = first
    let b = second
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
}

/** One after the other, the references last. */
export function encodeThreading({ ids, subjects, sentAt, replies, ends, refs }: Threading): Float64Array {
  const count = ids.length
  const out = new Float64Array(5 * count + refs.length)
  for (const [i, list] of [ids, subjects, sentAt, replies, ends, refs].entries()) out.set(list, i * count)
  return out
}

export function decodeThreading(data: Float64Array, count: number): Threading {
  const part = (i: number) => data.subarray(i * count, (i + 1) * count)
  return {
    ids: part(0),
    subjects: part(1),
    sentAt: part(2),
    replies: part(3),
    ends: part(4),
    refs: data.subarray(5 * count),
  }
}

export function joinNumbers(lists: readonly Float64Array[]): Float64Array {
  const out = new Float64Array(lists.reduce((sum, { length }) => sum + length, 0))
  let at = 0
  for (const list of lists) {
    out.set(list, at)
    at += list.length
  }
  return out
}

export function joinThreading(pieces: readonly Threading[]): Threading {
  const join = (name: keyof Threading) => joinNumbers(pieces.map((piece) => piece[name]))
  let base = 0
  const ends = pieces.map((piece) => {
    const shifted = piece.ends.map((end) => end + base)
    base += piece.refs.length
    return shifted
  })
  return {
    ids: join('ids'),
    subjects: join('subjects'),
    sentAt: join('sentAt'),
    replies: join('replies'),
    ends: joinNumbers(ends),
    refs: join('refs'),
  }
}
