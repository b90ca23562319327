// The first lines of a message as text, for who must judge it without opening it. Markup is not shown but what a reader would see of it.

import { htmlToText } from './html.ts'
import { decodePart, visibleTexts } from './preview.ts'
import { isHtml, type Reading } from './text-parts.ts'
import type { Part } from './types.ts'

/** Bytes of a part that are read: style sheets come first in HTML. */
const READ_SIZE = 65_536

/** At most `most` lines of at most `width` characters, from the first text that is not HTML if there is one; empty lines once. Asks for bytes by `yield`. */
export function* readFirstLines(root: Part, most: number, width: number): Reading<string[]> {
  const parts = visibleTexts(root, [])
  for (const html of [false, true])
    for (const part of parts) {
      if (isHtml(part) !== html) continue
      const end = Math.min(part.end, part.body + READ_SIZE)
      const text = decodePart(part, yield [part.body, end], end === part.end)
      const lines = cutLines(html ? htmlToText(text) : text, most, width)
      if (lines.some((line) => line !== '')) return lines
    }
  return []
}

function cutLines(text: string, most: number, width: number): string[] {
  const lines: string[] = []
  for (let from = 0; from < text.length && lines.length < most; ) {
    const feed = text.indexOf('\n', from)
    const end = feed < 0 ? text.length : feed
    const line = toLine(text.slice(from, Math.min(end, from + 4 * width)), width)
    if (line !== '' || (lines.length > 0 && lines.at(-1) !== '')) lines.push(line)
    from = end + 1
  }
  while (lines.at(-1) === '') lines.pop()
  return lines
}

/** Without what moves a cursor, turns writing round or hides: what stands there is what is seen. */
function toLine(text: string, width: number): string {
  let out = ''
  let count = 0
  for (const char of text) {
    if (count >= width) break
    const code = char.codePointAt(0)!
    if (code === 9) out += ' '
    else if (isHidden(code)) continue
    else out += char
    count++
  }
  return out.trimEnd()
}

function isHidden(code: number): boolean {
  return (
    code < 32 ||
    (code >= 127 && code < 160) ||
    code === 0xad ||
    code === 0x61c ||
    (code >= 0x200b && code <= 0x200f) ||
    (code >= 0x2028 && code <= 0x202e) ||
    (code >= 0x2060 && code <= 0x206f) ||
    (code >= 0xd800 && code <= 0xdfff) ||
    code === 0xfeff ||
    (code >= 0xfff9 && code <= 0xfffb)
  )
}
