// Structured MIME headers: tokens, comments, parameters with their continuations and charsets (RFC 2045 §5.1, RFC 2231).
// One cursor over one unfolded value; reads what is there and never throws.

import { decodeText } from './charset.ts'
import { MAX_PARAMS, MAX_VALUE } from './limits.ts'
import { hexPair } from './transfer.ts'
import type { ContentType } from './types.ts'

type Params = ContentType['params']

const tspecials = '()<>@,;:\\"/[]?='
/** 1 for each character of a token: ASCII without spaces, controls and tspecials. */
const tokenChar = new Uint8Array(128)
for (let c = 33; c < 127; c++) if (!tspecials.includes(String.fromCharCode(c))) tokenChar[c] = 1

export class FieldCursor {
  readonly #text: string
  at = 0

  constructor(text: string) {
    this.#text = text
  }

  get done(): boolean {
    return this.at >= this.#text.length
  }

  /** White space and comments, which may nest (RFC 5322 §3.2.2). An open comment reaches to the end. */
  skip(): void {
    const text = this.#text
    for (let depth = 0; this.at < text.length; this.at++) {
      const c = text.charCodeAt(this.at)
      if (c === 40) depth++
      else if (depth > 0 && c === 41) depth--
      else if (depth > 0 && c === 92) this.at++
      else if (depth === 0 && c !== 32 && c !== 9 && c !== 13 && c !== 10) return
    }
  }

  take(char: string): boolean {
    if (this.#text[this.at] !== char) return false
    this.at++
    return true
  }

  /** A token, lower case; '' when none stands here. */
  token(): string {
    const start = this.at
    while (this.at < this.#text.length && tokenChar[this.#text.charCodeAt(this.at)] === 1) this.at++
    return this.#text.slice(start, this.at).toLowerCase()
  }

  /** What a quoted string means, from its opening quote on; an open one reaches to the end. */
  quoted(): string {
    const text = this.#text
    let out = ''
    let from = ++this.at
    for (; this.at < text.length; this.at++) {
      const c = text.charCodeAt(this.at)
      if (c === 34) break
      if (c !== 92) continue
      out += text.slice(from, this.at)
      from = ++this.at
    }
    out += text.slice(from, this.at)
    this.at++
    return out
  }

  /** A value without quotes, taken as broad as programs write it: up to a blank, a comment or the next parameter. */
  bareValue(): string {
    const start = this.at
    while (!this.done) {
      const c = this.#text.charCodeAt(this.at)
      if (c === 59 || c === 32 || c === 9 || c === 40) break
      this.at++
    }
    return this.#text.slice(start, this.at)
  }

  /** The rest up to the next semicolon, without outer blanks. */
  rest(): string {
    const semicolon = this.#text.indexOf(';', this.at)
    const end = semicolon < 0 ? this.#text.length : semicolon
    const out = this.#text.slice(this.at, end).trim()
    this.at = end
    return out
  }

  /** Moves to the next semicolon or the end. */
  skipToSemicolon(): void {
    this.rest()
  }

  peek(): string {
    return this.#text[this.at] ?? ''
  }
}

/** Reads `;name=value` to the end of the field. */
export function readParams(cursor: FieldCursor): Params {
  const raw: [string, string][] = []
  while (raw.length < MAX_PARAMS) {
    cursor.skip()
    while (cursor.take(';')) cursor.skip()
    if (cursor.done) break
    const name = cursor.token()
    cursor.skip()
    if (name === '' || !cursor.take('=')) {
      if (name === '') cursor.skipToSemicolon()
      continue
    }
    cursor.skip()
    raw.push([name, readValue(cursor, name).slice(0, MAX_VALUE)])
  }
  return joinContinuations(raw)
}

function readValue(cursor: FieldCursor, name: string): string {
  if (cursor.peek() === '"') return cursor.quoted()
  const value = cursor.bareValue()
  // Some programs write names of files with blanks and no quotes.
  if (name !== 'name' && name !== 'filename') return value
  const at = cursor.at
  cursor.skip()
  if (cursor.done || cursor.peek() === ';') return value
  cursor.at = at
  const more = cursor.rest()
  return more.includes('=') ? value : `${value} ${more}`
}

interface Extended {
  /** Where the joined parameter stands in the list. */
  readonly index: number
  readonly pieces: { readonly order: number; readonly encoded: boolean; readonly value: string }[]
}

/** RFC 2231 §3, §4: `name*0*=`, `name*1=`, `name*=` become one `name`, which replaces a plain one written for older programs. */
function joinContinuations(raw: readonly [string, string][]): Params {
  if (!raw.some(([name]) => name.includes('*'))) return raw
  const out: (readonly [string, string] | undefined)[] = []
  const extended = new Map<string, Extended>()
  for (const [name, value] of raw) {
    const section = parseSection(name)
    if (!section) {
      out.push([name, value])
      continue
    }
    let entry = extended.get(section.name)
    if (!entry) {
      entry = { index: out.length, pieces: [] }
      extended.set(section.name, entry)
      out.push(undefined)
    }
    entry.pieces.push({ order: section.order, encoded: section.encoded, value })
  }
  for (const [name, { index, pieces }] of extended) out[index] = [name, decodePieces(pieces)]
  return out.filter((param, i): param is readonly [string, string] => {
    const entry = param && extended.get(param[0])
    return param !== undefined && (!entry || entry.index === i)
  })
}

/** `name*1*` → name, 1, encoded. Undefined for a plain name. */
function parseSection(text: string): { name: string; order: number; encoded: boolean } | undefined {
  const star = text.indexOf('*')
  if (star <= 0) return undefined
  const name = text.slice(0, star)
  const rest = text.slice(star + 1)
  if (rest === '') return { name, order: 0, encoded: true }
  const encoded = rest.endsWith('*')
  const digits = encoded ? rest.slice(0, -1) : rest
  const order = Number(digits)
  return digits !== '' && Number.isInteger(order) && order >= 0 ? { name, order, encoded } : undefined
}

/** Joins the pieces in order from the first one there up to the first gap. */
function decodePieces(pieces: Extended['pieces']): string {
  const sorted = [...pieces].sort((a, b) => a.order - b.order)
  const bytes: Buffer[] = []
  let charset: string | undefined
  const first = sorted[0]!.order
  let order = first
  for (const piece of sorted) {
    if (piece.order !== order) {
      if (piece.order < order) continue
      break
    }
    let { value } = piece
    if (order === first && piece.encoded) {
      const quote = value.indexOf("'")
      const second = quote < 0 ? -1 : value.indexOf("'", quote + 1)
      if (second >= 0) {
        charset = value.slice(0, quote)
        value = value.slice(second + 1)
      }
    }
    bytes.push(piece.encoded ? decodePercent(value) : Buffer.from(value))
    order++
  }
  return decodeText(Buffer.concat(bytes), charset)
}

function decodePercent(text: string): Buffer {
  const bytes = Buffer.from(text)
  let size = 0
  for (let i = 0; i < bytes.length; i++) {
    const hex = bytes[i] === 37 ? hexPair(bytes, i + 1) : -1
    bytes[size++] = hex >= 0 ? hex : bytes[i]!
    if (hex >= 0) i += 2
  }
  return bytes.subarray(0, size)
}

/** RFC 2045 §5.1; undefined when the value is outside the grammar (then the default holds, §5.2). */
export function parseContentType(value: string): ContentType | undefined {
  const cursor = new FieldCursor(value)
  cursor.skip()
  const type = cursor.token()
  cursor.skip()
  if (type === '' || !cursor.take('/')) return undefined
  cursor.skip()
  const subtype = cursor.token()
  return subtype === '' ? undefined : { type, subtype, params: readParams(cursor) }
}

/** RFC 2183 §2; a type that is quoted is read, and one that is missing before a name of a file counts as unknown: an attachment (RFC 2183 §2.8). */
export function parseDisposition(value: string): { type: string; params: Params } | undefined {
  const cursor = new FieldCursor(value)
  cursor.skip()
  cursor.take('"')
  const type = cursor.token()
  cursor.take('"')
  const params = readParams(cursor)
  return type === '' && params.length === 0 ? undefined : { type: type || 'attachment', params }
}

/** Content-Transfer-Encoding: one token, which some programs quote (RFC 2045 §6.1). `7bit` when there is none. */
export function parseEncoding(value: string): string {
  const cursor = new FieldCursor(value)
  cursor.skip()
  cursor.take('"')
  return cursor.token() || '7bit'
}

/** Content-Language: tags between commas (RFC 3282 §2); undefined when there is none. */
export function parseLanguage(value: string): string[] | undefined {
  const cursor = new FieldCursor(value)
  const tags: string[] = []
  while (tags.length < MAX_PARAMS) {
    cursor.skip()
    const start = cursor.at
    const tag = cursor.token()
    if (tag) tags.push(value.slice(start, cursor.at))
    cursor.skip()
    if (!cursor.take(',')) break
  }
  return tags.length > 0 ? tags : undefined
}

/** Value of the parameter `name` (lower case), the first when it stands twice. */
export function findParam(params: Params, name: string): string | undefined {
  for (const [key, value] of params) if (key === name) return value
  return undefined
}
