// The first words of a message, as lists of messages show them. Reads no more of the text than it takes to see them.

import { decodeText, openText } from './charset.ts'
import { htmlToText } from './html.ts'
import { findParam } from './parameters.ts'
import { fileName, isHtml, isText, type Reading } from './text-parts.ts'
import { decodeBody, openTransfer } from './transfer.ts'
import type { Part } from './types.ts'

const PREVIEW_LENGTH = 200
/** Bytes of a part that are read, and once more when they hold too few words: style sheets come first in HTML. */
const READ_SIZES = [2048, 65_536]
/** Parts that are looked into: a message may have thousands of empty ones. */
const MAX_TRIED = 20

/** At most 200 characters, white space joined; from the first text that is not HTML if there is one. */
export function* readPreview(root: Part): Reading<string> {
  const parts = visibleTexts(root, [])
  for (const html of [false, true])
    for (const part of parts) {
      if (isHtml(part) !== html) continue
      const preview = yield* readPart(part)
      if (preview) return preview
    }
  return ''
}

/** The message's own texts, as far as they are no files. */
export function visibleTexts(part: Part, found: Part[]): Part[] {
  if (part.message || found.length === MAX_TRIED) return found
  if (part.parts && part.parts.length > 0) for (const child of part.parts) visibleTexts(child, found)
  else if (isText(part) && part.end > part.body && part.disposition?.type !== 'attachment')
    if (part.start === 0 || !fileName(part)) found.push(part)
  return found
}

function* readPart(part: Part): Reading<string> {
  let preview = ''
  for (const size of READ_SIZES) {
    const end = Math.min(part.end, part.body + size)
    const bytes = yield [part.body, end]
    const text = decodePart(part, bytes, end === part.end)
    const words = firstWords(isHtml(part) ? htmlToText(text) : text)
    preview = cutWords(words)
    if (words.length > PREVIEW_LENGTH || end === part.end) break
  }
  return preview
}

/** Of a part that was read to its middle, a character or a code that was cut is left out. */
export function decodePart(part: Part, bytes: Buffer, whole: boolean): string {
  const charset = findParam(part.params, 'charset')
  if (whole) return decodeText(decodeBody(part.encoding, bytes), charset)
  return openText(charset).write(openTransfer(part.encoding).write(bytes))
}

/** Words from the start, joined by single blanks, until there are more characters than are wanted. */
function firstWords(text: string): string {
  let out = ''
  let from = -1
  for (let i = 0; i <= text.length && out.length <= PREVIEW_LENGTH; i++) {
    const blank = i === text.length || isBlank(text.charCodeAt(i))
    if (!blank && from < 0) from = i
    // A word without end is cut like a text without end.
    if (from >= 0 && (blank || i - from > PREVIEW_LENGTH)) {
      out += (out ? ' ' : '') + text.slice(from, i)
      from = blank ? -1 : i
    }
  }
  return out
}

/** Cut between characters. */
function cutWords(words: string): string {
  if (words.length <= PREVIEW_LENGTH) return words
  const last = words.charCodeAt(PREVIEW_LENGTH - 1)
  return words.slice(0, last >= 0xd800 && last < 0xdc00 ? PREVIEW_LENGTH - 1 : PREVIEW_LENGTH).trimEnd()
}

/** White space of Unicode, control characters, and the invisible marks with which newsletters pad their preview. */
function isBlank(c: number): boolean {
  if (c <= 32 || (c >= 127 && c <= 160)) return true
  return (
    c > 160 &&
    (c === 0xad ||
      c === 0x34f ||
      (c >= 0x2000 && c <= 0x200f) ||
      (c >= 0x2028 && c <= 0x202f) ||
      c === 0x3000 ||
      c === 0xfeff)
  )
}
