// Message ids (RFC 5322 §3.6.4), and the numbers by which messages find their thread.

import { hash } from 'node:crypto'
import { MAX_REFERENCE_CHARS, MAX_REFERENCES } from './limits.ts'
import type { Digest } from './types.ts'

/** Longest id that is kept: a line's length (RFC 5322 §2.1.1). */
const MAX_ID = 998

/** The ids in a Message-ID, In-Reply-To or References value, without brackets and inner white space, in order, each once. */
export function messageIds(value: string): string[] {
  const ids = new Set<string>()
  let at = value.indexOf('<')
  while (at >= 0) {
    const close = value.indexOf('>', at)
    if (close < 0) break
    // An id that lost its end must not swallow the next one.
    const start = value.lastIndexOf('<', close)
    const id = removeBlanks(value.slice(start + 1, close))
    if (id !== '' && id.length <= MAX_ID) ids.add(id)
    at = value.indexOf('<', close)
  }
  return [...ids]
}

/** The Message-ID; programs that leave out the brackets are taken by their word. */
export function messageId(value: string): string | undefined {
  const bare = value.trim()
  const [first] = messageIds(value)
  if (first !== undefined) return first
  return bare !== '' && bare.length <= MAX_ID && !bare.includes(' ') && !bare.includes('<') ? bare : undefined
}

export interface References {
  /** Ids of References, oldest first, then those that only In-Reply-To names; the newest when there are more than the limit. */
  readonly ids: readonly string[]
  /** How many of them References has. */
  readonly own: number
}

export function readReferences(references: string | undefined, inReplyTo: string | undefined): References {
  const ids = new Set(references === undefined ? [] : messageIds(references))
  const own = ids.size
  for (const id of inReplyTo === undefined ? [] : messageIds(inReplyTo)) ids.add(id)
  const kept = keepLast([...ids])
  return { ids: kept, own: Math.max(0, own - (ids.size - kept.length)) }
}

/** The last ids, within the limits of their number and of their characters. */
function keepLast(ids: readonly string[]): readonly string[] {
  let from = ids.length
  let room = MAX_REFERENCE_CHARS
  while (from > 0 && ids.length - from < MAX_REFERENCES && (room -= ids[from - 1]!.length) >= 0) from--
  return ids.slice(from)
}

export interface ThreadKeys {
  /** One number for each id that the message has or refers to: messages that share one belong together. */
  readonly ids: readonly number[]
  /** Number of the base subject, absent when that is empty. A message is found by it only if it `isReply` and has no references. */
  readonly subject?: number
  readonly isReply: boolean
}

/** Keys for threading by References, In-Reply-To and subject (RFC 5256 §3, REFERENCES). Positive integers up to 2^48. */
export function threadKeys(digest: Pick<Digest, 'messageId' | 'references' | 'baseSubject' | 'isReply'>): ThreadKeys {
  const ids = new Set(digest.references)
  if (digest.messageId !== undefined) ids.add(digest.messageId)
  const keys = { ids: [...ids].map((id) => toKey('<', id)), isReply: digest.isReply }
  return digest.baseSubject === '' ? keys : { ...keys, subject: toKey('"', digest.baseSubject) }
}

/** A strong hash: whoever could make two ids meet could put mail into another's thread. */
function toKey(kind: string, text: string): number {
  return hash('sha256', kind + text, 'buffer').readUIntBE(0, 6) + 1
}

function removeBlanks(text: string): string {
  if (!text.includes(' ') && !text.includes('\t')) return text
  return text.replaceAll(' ', '').replaceAll('\t', '')
}
