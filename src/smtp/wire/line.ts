// One command line as text and a cursor over it, with one method per production of RFC 5321 §4.1.2. Knows no state and no verb.

import { type Path, parsePath } from '../../address/index.ts'
import { SyntaxFault } from '../../base/index.ts'

const utf8 = new TextDecoder('utf-8', { fatal: true, ignoreBOM: true })
const CR = 13
const LF = 10

/** ESMTP parameters by upper-case keyword; the value is the empty string when there is none. */
export type Params = ReadonlyMap<string, string>

/** The most parameters one command may carry: all that RFCs define, twice over. */
const maxParams = 20

/**
 * The text of a received line without its CRLF. SyntaxFault when the line does not end with CRLF, holds another control
 * character or is neither ASCII nor UTF-8.
 */
export function parseLine(line: Buffer): string {
  const end = line.length - 2
  if (end < 0 || line[end] !== CR || line[end + 1] !== LF) throw new SyntaxFault('lines end with CR LF')
  let ascii = true
  for (let i = 0; i < end; i++) {
    const byte = line[i]!
    if (byte < 0x20 && byte !== 9) throw new SyntaxFault('control character in a command', i)
    if (byte === 0x7f) throw new SyntaxFault('control character in a command', i)
    if (byte >= 0x80) ascii = false
  }
  if (ascii) return line.toString('latin1', 0, end)
  try {
    return utf8.decode(line.subarray(0, end))
  } catch {
    throw new SyntaxFault('the command is not UTF-8')
  }
}

/** Reads one command line from left to right; every method throws SyntaxFault where the grammar ends. */
export class Cursor {
  readonly text: string
  #at = 0

  constructor(text: string) {
    this.text = text
  }

  /** Whether the line holds no character outside ASCII. */
  get isAscii(): boolean {
    for (let i = 0; i < this.text.length; i++) if (this.text.charCodeAt(i) > 0x7e) return false
    return true
  }

  /** The verb in upper case; the empty string for an empty line. */
  verb(): string {
    const space = this.text.indexOf(' ')
    this.#at = space < 0 ? this.text.length : space
    return this.text.slice(0, this.#at).toUpperCase()
  }

  /** At least one SP. */
  sp(): this {
    if (this.text.charCodeAt(this.#at) !== 0x20) this.fail('a space was expected')
    this.#skipSpaces()
    return this
  }

  /** Whether nothing but spaces is left. */
  atEnd(): boolean {
    for (let i = this.#at; i < this.text.length; i++) if (this.text.charCodeAt(i) !== 0x20) return false
    return true
  }

  /** The end of the line; trailing spaces are forgiven (RFC 5321 §4.1.1). */
  end(): void {
    if (!this.atEnd()) this.fail('nothing more was expected')
  }

  /** `FROM:` or `TO:`, any case. A space after the colon is forgiven: old Outlook and many devices send it. */
  word(word: string): this {
    const found = this.text.slice(this.#at, this.#at + word.length)
    if (found.toUpperCase() !== word) this.fail(`${word} was expected`)
    this.#at += word.length
    this.#skipSpaces()
    return this
  }

  /** The rest of the line without surrounding spaces, possibly empty. */
  rest(): string {
    const rest = this.text.slice(this.#at).trim()
    this.#at = this.text.length
    return rest
  }

  /** Characters up to the next space, at least one. */
  token(): string {
    const space = this.text.indexOf(' ', this.#at)
    const end = space < 0 ? this.text.length : space
    if (end === this.#at) this.fail('an argument was expected')
    const token = this.text.slice(this.#at, end)
    this.#at = end
    return token
  }

  /** A decimal number of at most 15 digits. */
  number(): number {
    return parseNumber(this.token()) ?? this.fail('a number was expected')
  }

  /** Domain or address-literal as an EHLO argument: lenient in what it names, strict in its characters, since it is written into headers. */
  helo(): string {
    const token = this.token()
    if (token.length > 255) this.fail('the name is too long')
    for (let i = 0; i < token.length; i++)
      if (!isHeloChar(token.charCodeAt(i))) this.fail('a domain or address literal was expected')
    return token
  }

  /** Reverse-path or Forward-path with its angle brackets; null is `<>`. */
  path(): Path {
    const found = parsePath(this.text, this.#at)
    if (!found) return this.fail('an address in angle brackets was expected')
    this.#at = found.end
    return found.path
  }

  /** `*(SP esmtp-param)` up to the end of the line; a keyword may stand once. */
  params(): Params {
    if (this.#at === this.text.length) return noParams
    const params = new Map<string, string>()
    while (!this.atEnd()) {
      this.sp()
      const token = this.token()
      const equals = token.indexOf('=')
      const keyword = (equals < 0 ? token : token.slice(0, equals)).toUpperCase()
      const value = equals < 0 ? '' : token.slice(equals + 1)
      if (!isKeyword(keyword) || (equals >= 0 && value === '')) this.fail('a parameter was expected')
      // RFC 5321 §4.1.2: an esmtp-value holds no equals sign.
      if (value.includes('=')) this.fail(`the value of ${keyword} holds an equals sign`)
      if (params.has(keyword)) this.fail(`${keyword} stands twice`)
      if (params.size === maxParams) this.fail('too many parameters')
      params.set(keyword, value)
    }
    return params
  }

  fail(message: string): never {
    throw new SyntaxFault(message, this.#at)
  }

  #skipSpaces(): void {
    while (this.text.charCodeAt(this.#at) === 0x20) this.#at++
  }
}

const noParams: Params = new Map()

/** Digits only, at most 15 of them; undefined otherwise. */
export function parseNumber(text: string): number | undefined {
  if (text.length === 0 || text.length > 15) return undefined
  let value = 0
  for (let i = 0; i < text.length; i++) {
    const digit = text.charCodeAt(i) - 0x30
    if (digit < 0 || digit > 9) return undefined
    value = value * 10 + digit
  }
  return value
}

const isAlnum = (code: number) =>
  (code >= 0x30 && code <= 0x39) || (code >= 0x41 && code <= 0x5a) || (code >= 0x61 && code <= 0x7a)

// Letters, digits, `-` `.` `_` (Windows machine names), `:` `[` `]` of address literals.
const isHeloChar = (code: number) => isAlnum(code) || '-._:[]'.includes(String.fromCharCode(code))

function isKeyword(text: string): boolean {
  if (text.length === 0 || !isAlnum(text.charCodeAt(0))) return false
  for (let i = 1; i < text.length; i++) if (!isAlnum(text.charCodeAt(i)) && text[i] !== '-') return false
  return true
}
