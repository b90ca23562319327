// Which messages say what they say literally: every word that a search looks for in them stands in their bytes as it is, in ASCII. Such a
// message can be searched without being decoded. Knows no needle.

import { isAscii } from 'node:buffer'
import { isLiteralHtml } from './html.ts'
import { findParam } from './parameters.ts'
import { fileName, isHtml, isText } from './text-parts.ts'
import { decodeBody, isIdentity } from './transfer.ts'
import type { Part } from './types.ts'

/** In these an ASCII byte is that character, whatever stands before it; without a charset it is guessed among them. */
const plainCharset = (label: string): boolean =>
  label === '' ||
  label === 'utf-8' ||
  label === 'us-ascii' ||
  label.startsWith('iso-8859-') ||
  label.startsWith('windows-125')

/**
 * The offset behind all texts of the message, when each word of them (what stands between white space and colons) stands literally
 * before it: in searchHeader's text of the header and in searchBody's, folded, there is no other. Undefined when that is not so, or not
 * certain. `bytes` is the whole message.
 */
export function literalEnd(root: Part, bytes: Buffer): number | undefined {
  const end = endOfTexts(root, bytes, root.body)
  if (end === undefined) return undefined
  const read = bytes.subarray(0, end)
  // Encoded words are decoded in headers; whoever reads bytes as text stops at a NUL.
  return isAscii(read) && !read.includes('=?') && !read.includes(0) ? end : undefined
}

/** The higher of `end` and where the texts of the part end. */
function endOfTexts(part: Part, bytes: Buffer, end: number): number | undefined {
  let last = end
  const name = fileName(part)
  if (name !== '') {
    if (!bytes.toString('latin1', part.start, part.body).includes(name)) return undefined
    last = Math.max(last, part.body)
  }
  if (part.message) return endOfTexts(part.message.root, bytes, Math.max(last, part.message.root.body))
  if (part.parts && part.parts.length > 0) {
    for (const child of part.parts) {
      const next = endOfTexts(child, bytes, last)
      if (next === undefined) return undefined
      last = next
    }
    return last
  }
  if (!isText(part) || part.end <= part.body) return last
  return isLiteral(part, bytes) ? Math.max(last, part.end) : undefined
}

function isLiteral(part: Part, bytes: Buffer): boolean {
  const { encoding } = part
  if (!isIdentity(encoding) && encoding !== 'quoted-printable') return false
  if (!plainCharset((findParam(part.params, 'charset') ?? '').trim().toLowerCase())) return false
  const body = bytes.subarray(part.body, part.end)
  if (decodeBody(encoding, body) !== body) return false
  return !isHtml(part) || isLiteralHtml(body.toString('latin1'))
}

/** Of a longer word the beginning is looked for: a search that takes long for each place at which it fails is no quick look. */
const maxWord = 32

/**
 * What of a folded needle stands literally in a literal message that holds it: a word of it or a part of one, '' when it has none.
 * Undefined: no literal message holds it.
 */
export function literalWord(needle: string): string | undefined {
  if (!isAscii(Buffer.from(needle))) return undefined
  let longest = ''
  let from = 0
  for (let i = 0; i <= needle.length; i++) {
    const c = needle.charCodeAt(i)
    if (i < needle.length && c > 32 && c !== 58) continue
    if (i - from > longest.length) longest = needle.slice(from, i)
    from = i + 1
  }
  return longest.slice(0, maxWord)
}
