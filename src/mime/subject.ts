// The base subject (RFC 5256 §2.1): what remains of a subject without Re:, Fwd: and list tags.

import { decodeWords } from './encoded-words.ts'

/** Base subject of a raw (unfolded) Subject value: decoded, white space joined, case kept. */
export function baseSubject(subject: string): string {
  return readSubject(subject).base
}

/** The base subject, and whether something of a reply or a forward was taken off. */
export function readSubject(subject: string): { base: string; isReply: boolean } {
  let text = joinBlanks(decodeWords(subject))
  let isReply = false
  for (;;) {
    const before = text
    const trailer = stripTrailer(text)
    let leader = stripLeader(trailer)
    while (leader !== trailer && stripLeader(leader) !== leader) leader = stripLeader(leader)
    if (trailer !== text || hasReplyMark(trailer)) isReply = true
    text = leader
    const inside = stripForward(text)
    if (inside !== undefined) {
      text = inside
      isReply = true
    }
    if (text === before) return { base: text, isReply }
  }
}

/** Whether a subject, decoded and perhaps folded, is that of a reply or a forward; of several the first. */
export function isReplySubject(subject: string): boolean {
  const first = subject.split('\n', 1)[0]!
  return hasReplyMark(first) || readSubject(first).isReply
}

/** Step 1: tabs and line ends become spaces, several become one. */
function joinBlanks(text: string): string {
  let out = ''
  let blank = false
  let from = 0
  for (let i = 0; i <= text.length; i++) {
    const isBlank = i < text.length && isSpace(text.charCodeAt(i))
    if (!isBlank && i < text.length) {
      if (blank) from = i
      blank = false
      continue
    }
    if (!blank && i > from) out += (out ? ' ' : '') + text.slice(from, i)
    blank = true
    from = i
  }
  return out
}

/** Step 2: `(fwd)` at the end. */
function stripTrailer(text: string): string {
  let out = text.trimEnd()
  while (out.length >= 5 && out.slice(-5).toLowerCase() === '(fwd)') out = out.slice(0, -5).trimEnd()
  return out
}

/** Steps 3 and 4: one `*subj-blob subj-refwd`, or one blob if something remains behind it. */
function stripLeader(text: string): string {
  const start = text.trimStart()
  const refwd = refwdEnd(start)
  if (refwd > 0) return start.slice(refwd).trimStart()
  const blob = blobEnd(start, 0)
  return blob > 0 && blob < start.length ? start.slice(blob).trimStart() : start
}

function hasReplyMark(text: string): boolean {
  return refwdEnd(text.trimStart()) > 0
}

/** Offset behind blobs and `re:`, `fw:`, `fwd:` (each with an optional blob before the colon), or 0. */
function refwdEnd(text: string): number {
  let at = 0
  for (let next = blobEnd(text, at); next > at; next = blobEnd(text, at)) at = next
  const word = ['re', 'fwd', 'fw'].find((w) => text.slice(at, at + w.length).toLowerCase() === w)
  if (!word) return 0
  at += word.length
  while (text[at] === ' ') at++
  at = blobEnd(text, at)
  return text[at] === ':' ? at + 1 : 0
}

/** Offset behind `[…]` and the spaces after it, or `at` itself. */
function blobEnd(text: string, at: number): number {
  if (text[at] !== '[') return at
  let end = at + 1
  while (end < text.length && text[end] !== ']' && text[end] !== '[') end++
  if (text[end] !== ']') return at
  end++
  while (text[end] === ' ') end++
  return end
}

/** Step 6: what stands in `[fwd: … ]`. */
function stripForward(text: string): string | undefined {
  return text.length >= 6 && text.slice(0, 5).toLowerCase() === '[fwd:' && text.endsWith(']')
    ? text.slice(5, -1).trim()
    : undefined
}

function isSpace(c: number): boolean {
  return c === 32 || (c >= 9 && c <= 13)
}
