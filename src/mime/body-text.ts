// The searchable text of a message's parts, read within a bound. Asks for byte ranges by `yield`, so that the same steps serve
// bytes in memory and bytes on disk.

import { decodeText } from './charset.ts'
import { decodeWords } from './encoded-words.ts'
import { fieldValue, parseFields } from './header.ts'
import { htmlToText } from './html.ts'
import { MAX_TEXT } from './limits.ts'
import { findParam } from './parameters.ts'
import { decodeBody, isIdentity } from './transfer.ts'
import type { Part } from './types.ts'

/** Bytes `start` to `end` (exclusive) of the message are wanted. */
export type Want = readonly [start: number, end: number]
export type Reading<T> = Generator<Want, T, Buffer>

export interface BodyText {
  /** Text of all parts, names of files, headers of messages within, in order; not folded. */
  readonly text: string
  readonly preview: string
  readonly cut: boolean
}

/** Bytes of text that may be needed to see 200 characters of it. */
const PREVIEW_SOURCE = 16 * 1024
const PREVIEW_LENGTH = 200

/** What one message gathers while its parts are walked. */
interface Gathered {
  readonly pieces: string[]
  left: number
  cut: boolean
  plain: string
  html: string
}

export function* readBodyText(root: Part): Reading<BodyText> {
  const gathered: Gathered = { pieces: [], left: MAX_TEXT, cut: false, plain: '', html: '' }
  yield* readPart(root, gathered, true)
  return { text: gathered.pieces.join('\n'), preview: gathered.plain || gathered.html, cut: gathered.cut }
}

/** `visible`: the part belongs to the message itself, so that its text may be the preview. */
function* readPart(part: Part, gathered: Gathered, visible: boolean): Reading<void> {
  const name = fileName(part)
  if (name) gathered.pieces.push(name)
  if (part.message) {
    const { root } = part.message
    yield* readInnerHeader(root, gathered)
    yield* readPart(root, gathered, false)
  } else if (part.parts && part.parts.length > 0) {
    for (const child of part.parts) yield* readPart(child, gathered, visible)
  } else if (isText(part))
    yield* readText(part, gathered, visible && part.disposition?.type !== 'attachment' && (!name || part.start === 0))
}

/** A multipart in which no part was found is shown as text by every mail program. */
function isText(part: Part): boolean {
  return part.type === 'text' || part.type === 'multipart' || part.subtype === 'delivery-status'
}

function* readInnerHeader(root: Part, gathered: Gathered): Reading<void> {
  const end = Math.min(root.body, root.start + gathered.left)
  if (end < root.body) gathered.cut = true
  if (end <= root.start) return
  const header = yield [root.start, end]
  gathered.left -= header.length
  gathered.pieces.push(headerText(decodeFields(header)))
}

/** A field's name as written and its value, unfolded and decoded. */
export type DecodedField = readonly [name: string, value: string]

export function decodeFields(header: Buffer): DecodedField[] {
  return parseFields(header).map((field) => [field.name, decodeWords(fieldValue(header, field))])
}

/** Values of all fields called `name` (lower case), in order. */
export function valuesOf(fields: readonly DecodedField[], name: string): string[] {
  return fields
    .filter((field) => field[0].length === name.length && field[0].toLowerCase() === name)
    .map((field) => field[1])
}

/** All fields as lines `name: value`. */
export function headerText(fields: readonly DecodedField[]): string {
  return fields.map(([name, value]) => `${name}: ${value}`).join('\n')
}

function* readText(part: Part, gathered: Gathered, visible: boolean): Reading<void> {
  const size = part.end - part.body
  if (size === 0) return
  if (gathered.left === 0) {
    gathered.cut = true
    return
  }
  const most = isIdentity(part.encoding) ? gathered.left : gathered.left * 3 + 1024
  let bytes = decodeBody(part.encoding, yield [part.body, part.body + Math.min(size, most)])
  if (size > most || bytes.length > gathered.left) gathered.cut = true
  if (bytes.length > gathered.left) bytes = bytes.subarray(0, gathered.left)
  gathered.left -= bytes.length
  const isHtml = part.subtype === 'html' || part.subtype === 'xhtml'
  const decoded = decodeText(bytes, findParam(part.params, 'charset'))
  const text = isHtml ? htmlToText(decoded) : decoded
  gathered.pieces.push(text)
  if (!visible || gathered.plain) return
  if (!isHtml) gathered.plain = previewOf(text)
  else gathered.html ||= previewOf(text)
}

/** The first words, white space joined, cut between characters. */
function previewOf(text: string): string {
  const source = text.length > PREVIEW_SOURCE ? text.slice(0, PREVIEW_SOURCE) : text
  let out = ''
  let from = -1
  for (let i = 0; i <= source.length && out.length <= PREVIEW_LENGTH; i++) {
    const blank = i === source.length || isBlank(source.charCodeAt(i))
    if (!blank && from < 0) from = i
    // A word without end is cut like a text without end.
    if (from >= 0 && (blank || i - from > PREVIEW_LENGTH)) {
      out += (out ? ' ' : '') + source.slice(from, i)
      from = blank ? -1 : i
    }
  }
  if (out.length <= PREVIEW_LENGTH) return out
  const last = out.charCodeAt(PREVIEW_LENGTH - 1)
  return out.slice(0, last >= 0xd800 && last < 0xdc00 ? PREVIEW_LENGTH - 1 : PREVIEW_LENGTH).trimEnd()
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

/** Name of the file that a part carries, decoded; '' when it has none. Never a path (RFC 2183 §2.3 leaves that to the reader). */
export function fileName(part: Part): string {
  const name = findParam(part.disposition?.params ?? [], 'filename') ?? findParam(part.params, 'name')
  return name === undefined ? '' : decodeWords(name)
}
