// Builds header fields for mail that we write. What it returns cannot hold a CR, LF or NUL that was not meant as a fold.

import { formatDate } from './date.ts'

/** RFC 5322 §2.1.1: lines should keep 78 characters and must keep 998. */
const SOFT_LINE = 78
const HARD_LINE = 998
/** An encoded word has at most 75 characters (RFC 2047 §2); of these `=?utf-8?B?` and `?=` take 12: 45 bytes in base64 take 60. */
const WORD_BYTES = 45

export interface NamedAddress {
  readonly name?: string
  /** As formatAddress writes it. */
  readonly address: string
}

export interface HeaderBlock {
  /** A field of free text: encoded words where the text is not ASCII, unless UTF-8 was asked for. */
  text(name: string, value: string): HeaderBlock
  /** A structured field that the caller has formatted; blanks are where it may be folded. */
  structured(name: string, value: string): HeaderBlock
  addresses(name: string, list: readonly NamedAddress[]): HeaderBlock
  date(name: string, ms: number): HeaderBlock
  /** All fields so far, each with CRLF; without the empty line. */
  build(): Buffer
}

/**
 * An empty header. `utf8`: values stay in UTF-8 (RFC 6532 §3.1); otherwise a structured value that is not ASCII is refused.
 * Every method throws RangeError for what could break the header: CR, LF or NUL in a value, or a name outside RFC 5322 §2.2.
 */
export function headerBlock(options: { readonly utf8?: boolean } = {}): HeaderBlock {
  const utf8 = options.utf8 ?? false
  let out = ''
  const add = (name: string, value: string) => {
    out += fieldLines(name, value)
    return block
  }
  const block: HeaderBlock = {
    text: (name, value) => add(name, needsWords(clean(value), utf8) ? encodeWords(value) : value),
    structured(name, value) {
      if (!utf8 && !isAscii(value)) throw new RangeError(`the field ${name} must be ASCII`)
      return add(name, clean(value))
    },
    addresses: (name, list) => add(name, list.map((entry) => formatNamed(entry, utf8)).join(', ')),
    date: (name, ms) => add(name, formatDate(ms)),
    build: () => Buffer.from(out),
  }
  return block
}

function formatNamed({ name, address }: NamedAddress, utf8: boolean): string {
  if (!utf8 && !isAscii(address)) throw new RangeError('the address must be ASCII')
  if (!name) return clean(address)
  return `${formatPhrase(clean(name), utf8)} <${clean(address)}>`
}

/** A display name: quoted, or as encoded words (RFC 2047 §5 (3)). */
function formatPhrase(name: string, utf8: boolean): string {
  if (needsWords(name, utf8)) return encodeWords(name)
  return `"${name.replaceAll('\\', '\\\\').replaceAll('"', '\\"')}"`
}

/** Whether a text cannot stand as it is: it is not ASCII, would be decoded into something else, or leaves no place to fold. */
function needsWords(text: string, utf8: boolean): boolean {
  return (!utf8 && !isAscii(text)) || text.includes('=?') || text.includes(manyBlanks) || longestWord(text) > MAX_WORD
}
const manyBlanks = ' '.repeat(20)
const MAX_WORD = 200

/** The text as encoded words of whole characters (RFC 2047 §5 (3)), one blank between them. */
export function encodeWords(text: string): string {
  const words: string[] = []
  let piece = ''
  let size = 0
  for (const char of text.toWellFormed()) {
    const bytes = Buffer.byteLength(char)
    if (size + bytes > WORD_BYTES) {
      words.push(piece)
      piece = ''
      size = 0
    }
    piece += char
    size += bytes
  }
  if (piece) words.push(piece)
  return words.map((word) => `=?utf-8?B?${Buffer.from(word).toString('base64')}?=`).join(' ')
}

/** `name: value` folded at blanks, with CRLF. A fold stands before the blank, so that unfolding gives the value back. */
function fieldLines(name: string, value: string): string {
  if (!isFieldName(name)) throw new RangeError('not the name of a header field')
  const lines: string[] = []
  let line = `${name}:`
  let blank = true
  for (const word of value.split(' ')) {
    const longer = Buffer.byteLength(line) + 1 + Buffer.byteLength(word) > SOFT_LINE
    // A line of nothing but blanks would be taken for the end of the header by some readers.
    if (longer && !blank && word !== '') {
      lines.push(line)
      line = ` ${word}`
    } else line += ` ${word}`
    blank = blank && word === ''
    if (Buffer.byteLength(line) > HARD_LINE) throw new RangeError(`a line of the field ${name} would be too long`)
  }
  lines.push(line.trimEnd())
  return `${lines.join('\r\n')}\r\n`
}

function isFieldName(name: string): boolean {
  for (let i = 0; i < name.length; i++) {
    const c = name.charCodeAt(i)
    if (c < 33 || c > 126 || c === 58) return false
  }
  return name.length > 0 && name.length <= 76
}

function clean(value: string): string {
  for (let i = 0; i < value.length; i++) {
    const c = value.charCodeAt(i)
    if (c === 13 || c === 10 || c === 0) throw new RangeError('a header value must not hold CR, LF or NUL')
  }
  return value
}

function longestWord(text: string): number {
  let longest = 0
  let from = 0
  for (let at = text.indexOf(' '); at >= 0; at = text.indexOf(' ', from)) {
    longest = Math.max(longest, at - from)
    from = at + 1
  }
  return Math.max(longest, text.length - from)
}

function isAscii(text: string): boolean {
  return Buffer.byteLength(text) === text.length
}
