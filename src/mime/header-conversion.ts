// A part's header for a host that takes less: another Content-Transfer-Encoding, and what is not ASCII as encoded words.

import { isUtf8 } from 'node:buffer'
import type { Limit } from './conversion-plan.ts'
import { parseFields } from './header.ts'
import type { HeaderField } from './types.ts'

export interface HeaderChange {
  readonly label?: string
  /** The header of the message itself: a message without MIME fields gets them, with this charset. */
  readonly top?: { readonly charset: string }
}

/** The header with its empty line, changed. */
export function convertHeader(header: Buffer, { label, top }: HeaderChange, limit: Limit): Buffer {
  const fields = parseFields(header)
  const out: Buffer[] = []
  const put = (bytes: Buffer) => out.push(bytes)
  let labelled = label === undefined
  const putLabel = () => {
    if (!labelled) put(Buffer.from(`Content-Transfer-Encoding: ${label}\r\n`))
    labelled = true
  }
  let at = 0
  for (const field of fields) {
    put(toLimit(header.subarray(at, field.start), limit))
    at = field.end
    if (label !== undefined && isNamed(field, 'content-transfer-encoding')) putLabel()
    else put(convertField(header, field, limit))
  }
  const rest = header.subarray(at)
  if (!labelled) {
    if (top && !fields.some((field) => isNamed(field, 'mime-version'))) put(Buffer.from('MIME-Version: 1.0\r\n'))
    if (top && !fields.some((field) => isNamed(field, 'content-type')))
      put(Buffer.from(`Content-Type: text/plain; charset=${top.charset}\r\n`))
    putLabel()
  }
  put(toLimit(rest, limit))
  return Buffer.concat(out)
}

const isNamed = ({ name }: HeaderField, wanted: string) => name.toLowerCase() === wanted

/** What cannot be there, and is no text that could be encoded, becomes `?`. */
export function toLimit(bytes: Buffer, limit: Limit): Buffer {
  const isBad = (c: number) => c === 0 || (c > 127 && limit === '7bit')
  return bytes.some(isBad) ? Buffer.from(bytes.map((c) => (isBad(c) ? 63 : c))) : bytes
}

/** Fields whose words are separated by marks, where an encoded word may stand only for a word (RFC 2047 §5). */
const free = new Set(['subject', 'comments', 'content-description', 'organization', 'x-mailer', 'user-agent'])

function convertField(header: Buffer, field: HeaderField, limit: Limit): Buffer {
  const bytes = header.subarray(field.start, field.end)
  if (limit !== '7bit' || !bytes.some((c) => c > 127)) return toLimit(bytes, limit)
  const value = header.indexOf(58, field.start + field.name.length) + 1 - field.start
  const charset = isUtf8(bytes) ? 'utf-8' : 'unknown-8bit'
  const text = bytes.toString('latin1', value)
  const words = free.has(field.name.toLowerCase()) ? freeText(text, charset) : structured(text, charset)
  return toLimit(Buffer.from(`${bytes.toString('latin1', 0, value)}${words}`, 'latin1'), limit)
}

const isHigh = (c: number) => c > 127
const isBlank = (c: number) => c === 32 || c === 9 || c === 13 || c === 10

/** All from the first word beyond ASCII to the last, blanks between included. */
function freeText(text: string, charset: string): string {
  let first = -1
  let last = -1
  for (let i = 0; i < text.length; i++) {
    if (!isHigh(text.charCodeAt(i))) continue
    if (first < 0) first = i
    last = i
  }
  while (first > 0 && !isBlank(text.charCodeAt(first - 1))) first--
  while (last + 1 < text.length && !isBlank(text.charCodeAt(last + 1))) last++
  return `${text.slice(0, first)}${encode(unfold(text.slice(first, last + 1)), charset)}${text.slice(last + 1)}`
}

const marks = '()<>[]:;,=@\\'

/** Each word or quoted string beyond ASCII by itself. A value behind `=` keeps its quotes, in which readers decode it all the same. */
function structured(text: string, charset: string): string {
  let out = ''
  for (let i = 0; i < text.length; ) {
    const end = wordEnd(text, i)
    const word = text.slice(i, end)
    if (!beyondAscii(word)) out += word
    else if (word[0] !== '"') out += encode(word, charset)
    else {
      const inner = encode(unfold(unquote(word)), charset)
      out += out.trimEnd().endsWith('=') ? `"${inner}"` : inner
    }
    i = end
  }
  return out
}

function wordEnd(text: string, from: number): number {
  const isMark = (i: number) => isBlank(text.charCodeAt(i)) || marks.includes(text[i]!)
  if (text[from] === '"') {
    let i = from + 1
    while (i < text.length && text[i] !== '"') i += text[i] === '\\' ? 2 : 1
    return Math.min(i + 1, text.length)
  }
  if (isMark(from)) return from + 1
  let i = from
  while (i < text.length && text[i] !== '"' && !isMark(i)) i++
  return i
}

function beyondAscii(text: string): boolean {
  for (let i = 0; i < text.length; i++) if (isHigh(text.charCodeAt(i))) return true
  return false
}

function unquote(word: string): string {
  let out = ''
  const end = word.endsWith('"') && word.length > 1 ? word.length - 1 : word.length
  for (let i = 1; i < end; i++) out += word[i] === '\\' && i + 1 < end ? word[++i] : word[i]
  return out
}

const unfold = (text: string): string => text.replaceAll('\r\n', '').replaceAll('\n', '')

/** An encoded word has at most 75 characters (RFC 2047 §2): 36 bytes in base64 with the longest charset. */
const WORD_BYTES = 36

/** `bytes`: one character each. */
function encode(bytes: string, charset: string): string {
  const words: string[] = []
  for (let at = 0; at < bytes.length; ) {
    let end = Math.min(at + WORD_BYTES, bytes.length)
    // RFC 2047 §5 (3): no character is cut.
    if (charset === 'utf-8') while (end < bytes.length && (bytes.charCodeAt(end) & 0xc0) === 0x80) end--
    words.push(`=?${charset}?B?${Buffer.from(bytes.slice(at, end), 'latin1').toString('base64')}?=`)
    at = end
  }
  return words.join('\r\n ')
}
