// A cursor over one command with one method per ABNF production (RFC 9051 §9), named after it. Sync and pure: text in, values out.

import { Fault, SyntaxFault } from '../../base/index.ts'
import { calendarDay, parseDateTime } from './dates.ts'
import { decodeModifiedUtf7 } from './modified-utf7.ts'
import type { CommandText, LiteralSink } from './reader.ts'

/** Ranges as written; `*` is Infinity. */
export type SequenceSet = readonly (readonly [number, number])[]

/** `$`: the messages that the last search with SAVE found (RFC 5182 §2.1). A set of its own: it is known by its identity. */
export const savedResult: SequenceSet = []

const MAX_NUMBER = 4_294_967_295
const MAX_MODSEQ = 9_223_372_036_854_775_807n
/** Far beyond what a client writes, and few enough for the stack. */
const MAX_DEPTH = 64

/** Characters that end an atom: controls, space, `(`, `)`, `{`, `%`, `*`, `"`, `\`, `]`, and all beyond ASCII. */
function charTable(specials: string): Uint8Array {
  const table = new Uint8Array(256)
  for (let c = 0x21; c < 0x7f; c++) table[c] = specials.includes(String.fromCharCode(c)) ? 0 : 1
  return table
}
const atomChars = charTable('(){%*"\\]')
const astringChars = charTable('(){%*"\\')
const tagChars = charTable('(){%*"\\+')
const listChars = charTable('(){"\\')

export class Cursor {
  readonly #text: CommandText
  readonly #rawNames: boolean
  #segment = 0
  #at = 0
  #line: string
  #depth = 0

  /** `rawNames`: mailbox names are as they stand, a `&` included. */
  constructor(text: CommandText, rawNames = false) {
    this.#text = text
    this.#rawNames = rawNames
    this.#line = text.segments[0] ?? ''
  }

  /** The next character, or the empty string at the end of the line. */
  peek(): string {
    return this.#line[this.#at] ?? ''
  }

  /** The character behind the next. */
  peekSecond(): string {
    return this.#line[this.#at + 1] ?? ''
  }

  /** Takes `char` if it is next. */
  has(char: string): boolean {
    if (this.#line[this.#at] !== char) return false
    this.#at++
    return true
  }

  /** Whether `text` (capitals) stands next, in any case; takes nothing. */
  hasNext(text: string): boolean {
    return this.#line.slice(this.#at, this.#at + text.length).toUpperCase() === text
  }

  expect(char: string): this {
    if (!this.has(char)) this.fail(`expected "${char}"`)
    return this
  }

  sp(): this {
    if (!this.has(' ')) this.fail('expected a space')
    return this
  }

  /** The command ends here. Trailing spaces are let through: some clients send them. */
  end(): void {
    while (this.has(' '));
    if (this.#at < this.#line.length) this.fail('unexpected text after the command')
  }

  atEnd(): boolean {
    return this.#at >= this.#line.length
  }

  fail(message: string): never {
    throw new SyntaxFault(`${message} at column ${this.#at + 1}`, this.#at)
  }

  /** Runs `inner` one level deeper. */
  nested<T>(inner: () => T): T {
    if (++this.#depth > MAX_DEPTH) this.fail(`more than ${MAX_DEPTH} levels`)
    const value = inner()
    this.#depth--
    return value
  }

  #run(table: Uint8Array, what: string): string {
    const start = this.#at
    let c = this.#line.charCodeAt(this.#at)
    while (c < 256 && table[c] === 1) c = this.#line.charCodeAt(++this.#at)
    if (this.#at === start) this.fail(`expected ${what}`)
    return this.#line.slice(start, this.#at)
  }

  tag(): string {
    return this.#run(tagChars, 'a tag')
  }

  atom(): string {
    return this.#run(atomChars, 'a word')
  }

  /** An atom in capitals: a keyword of the protocol. */
  word(): string {
    return this.atom().toUpperCase()
  }

  /** Takes `word` (capitals) if the next atom is it, in any case. */
  hasWord(word: string): boolean {
    const end = this.#at + word.length
    if (this.#line.slice(this.#at, end).toUpperCase() !== word) return false
    const next = this.#line.charCodeAt(end)
    if (next < 256 && atomChars[next] === 1) return false
    this.#at = end
    return true
  }

  /** 63 bits (RFC 7162 §7). Beyond what a number holds exactly there is no modseq here, and none needs to be told from another. */
  modSequenceValzer(): number {
    const start = this.#at
    let value = 0n
    for (let c = this.#line.charCodeAt(this.#at); c >= 48 && c <= 57; c = this.#line.charCodeAt(++this.#at)) {
      value = value * 10n + BigInt(c - 48)
      if (value > MAX_MODSEQ) this.fail('the modseq is too large')
    }
    if (this.#at === start) this.fail('expected a modseq')
    return Number(value)
  }

  /** `(`, one or more items with a space between, `)`. */
  list<T>(item: () => T): T[] {
    this.expect('(')
    const items = [item()]
    while (this.has(' ')) items.push(item())
    this.expect(')')
    return items
  }

  number(): number {
    const start = this.#at
    let value = 0
    for (let c = this.#line.charCodeAt(this.#at); c >= 48 && c <= 57; c = this.#line.charCodeAt(++this.#at)) {
      value = value * 10 + c - 48
      if (value > MAX_NUMBER) this.fail('the number is too large')
    }
    if (this.#at === start) this.fail('expected a number')
    return value
  }

  /** Up to 2^53: beyond it nothing is counted exactly. */
  number64(): number {
    const start = this.#at
    let value = 0
    for (let c = this.#line.charCodeAt(this.#at); c >= 48 && c <= 57; c = this.#line.charCodeAt(++this.#at)) {
      value = value * 10 + c - 48
      if (value > Number.MAX_SAFE_INTEGER) this.fail('the number is too large')
    }
    if (this.#at === start) this.fail('expected a number')
    return value
  }

  nzNumber(): number {
    const value = this.number()
    if (value === 0) this.fail('expected a number above 0')
    return value
  }

  /** A set without `*`: its writer knows what he names. */
  knownSet(): SequenceSet {
    if (this.peek() === '$') this.fail('$ is not allowed here')
    const set = this.sequenceSet()
    for (const [from, to] of set) if (!Number.isFinite(from + to)) this.fail('* is not allowed here')
    return set
  }

  sequenceSet(): SequenceSet {
    if (this.has('$')) return savedResult
    const set = [this.#seqItem()]
    while (this.has(',')) set.push(this.#seqItem())
    return set
  }

  #seqItem(): readonly [number, number] {
    const from = this.#seqNumber()
    return this.has(':') ? [from, this.#seqNumber()] : [from, from]
  }

  #seqNumber(): number {
    return this.has('*') ? Number.POSITIVE_INFINITY : this.nzNumber()
  }

  /** Bytes of a quoted string or an inline literal. */
  string(): Buffer {
    if (this.peek() === '"') return Buffer.from(this.quoted(), 'latin1')
    if (this.peek() === '{') return this.#literal()
    this.fail('expected a string')
  }

  astring(): Buffer {
    const next = this.peek()
    return next === '"' || next === '{' ? this.string() : Buffer.from(this.#run(astringChars, 'a string'), 'latin1')
  }

  nstring(): Buffer | undefined {
    return this.hasWord('NIL') ? undefined : this.string()
  }

  /** An astring that must be UTF-8 (of which ASCII is a part). */
  astringText(): string {
    return this.#utf8(this.astring())
  }

  #utf8(bytes: Buffer): string {
    const text = bytes.toString('utf8')
    if (text.includes('\ufffd')) this.fail('the string is not UTF-8')
    return text
  }

  quoted(): string {
    this.expect('"')
    let out = ''
    let from = this.#at
    for (; ; this.#at++) {
      const c = this.#line.charCodeAt(this.#at)
      if (Number.isNaN(c) || c === 0 || c === 13) this.fail('the quoted string does not end')
      if (c === 0x22) break
      if (c !== 0x5c) continue
      out += this.#line.slice(from, this.#at)
      from = ++this.#at
      const escaped = this.#line[this.#at]
      if (escaped !== '"' && escaped !== '\\') this.fail('only " and \\ may follow a backslash')
    }
    out += this.#line.slice(from, this.#at)
    this.#at++
    return out
  }

  #nextLiteral(): Buffer | LiteralSink {
    const literal = this.#text.literals[this.#segment]
    this.expect('{').number()
    this.has('+')
    this.expect('}')
    if (!literal || this.#at < this.#line.length) this.fail('a literal ends its line')
    this.#line = this.#text.segments[++this.#segment] ?? ''
    this.#at = 0
    return literal
  }

  #literal(): Buffer {
    const literal = this.#nextLiteral()
    if (!Buffer.isBuffer(literal)) this.fail('no message belongs here')
    if (literal.includes(0)) this.fail('a literal holds no NUL')
    return literal
  }

  /** A value of SETMETADATA (RFC 5464 §5): NIL, a string, or a literal8, which may hold any byte. */
  nvalue(): Buffer | undefined {
    if (!this.has('~')) return this.nstring()
    const literal = this.#nextLiteral()
    if (!Buffer.isBuffer(literal)) this.fail('no message belongs here')
    return literal
  }

  /**
   * The message of an APPEND: a literal, usually one that was not kept in memory; as literal8 (RFC 3516 §4.4) and as `UTF8 (literal8)`
   * (RFC 6855 §4) too. What the bytes are, they say themselves.
   */
  messageLiteral(): Buffer | LiteralSink {
    if (!this.hasWord('UTF8')) {
      this.has('~')
      return this.#nextLiteral()
    }
    this.sp().expect('(').expect('~')
    const literal = this.#nextLiteral()
    this.expect(')')
    return literal
  }

  /** A mailbox name in Unicode: modified UTF-7, or UTF-8 when that is enabled or it holds bytes beyond ASCII; INBOX in capitals. */
  mailbox(): string {
    return this.#mailboxName(this.astring())
  }

  /** As `mailbox`, with the name as it was written. */
  writtenMailbox(): { readonly name: string; readonly written: string } {
    const bytes = this.astring()
    return { name: this.#mailboxName(bytes), written: this.#decodedName(bytes) }
  }

  /** A mailbox name that may hold the wildcards `%` and `*`. */
  listMailbox(): string {
    const next = this.peek()
    const bytes =
      next === '"' || next === '{' ? this.string() : Buffer.from(this.#run(listChars, 'a pattern'), 'latin1')
    return this.#mailboxName(bytes)
  }

  #decodedName(bytes: Buffer): string {
    const text = this.#utf8(bytes)
    const name = text.length === bytes.length && !this.#rawNames ? decodeModifiedUtf7(text) : text
    if (name === undefined) throw new Fault('invalid', 'the mailbox name is not modified UTF-7')
    return name
  }

  #mailboxName(bytes: Buffer): string {
    const name = this.#decodedName(bytes)
    return name.toUpperCase() === 'INBOX' ? 'INBOX' : normaliseInbox(name.normalize('NFC'))
  }

  /** A flag or keyword; system flags in their canonical case. */
  flag(): string {
    if (!this.has('\\')) return this.atom()
    const name = this.atom()
    return systemFlags.get(name.toLowerCase()) ?? `\\${name}`
  }

  /** `(flag flag …)`, possibly empty. */
  flagList(): string[] {
    this.expect('(')
    if (this.has(')')) return []
    const flags = [this.flag()]
    while (this.has(' ')) flags.push(this.flag())
    this.expect(')')
    return flags
  }

  /** Milliseconds since 1970 of `"dd-Mon-yyyy hh:mm:ss +zzzz"`. */
  dateTime(): number {
    const at = parseDateTime(this.quoted())
    return at ?? this.fail('expected a date and time as "01-Jan-2024 12:00:00 +0000"')
  }

  /** A day as a number that compares like the calendar (see calendarDay). */
  date(): number {
    const text = this.peek() === '"' ? this.quoted() : this.atom()
    const [day = '', month = '', year = ''] = text.split('-')
    return calendarDay(day, month, year) ?? this.fail('expected a date as 1-Jan-2024')
  }

  /** Base64, or `=` for an empty response (RFC 4959 §3). */
  initialResponse(): string {
    return this.#run(base64Chars, 'base64')
  }
}

const base64Chars = charTable('(){%*"\\]!#$&\',-.:;<>?@[^_`|~')

const systemFlags = new Map(
  ['\\Seen', '\\Answered', '\\Flagged', '\\Deleted', '\\Draft', '\\Recent'].map((flag) => [
    flag.slice(1).toLowerCase(),
    flag,
  ]),
)

/** INBOX is INBOX in any case, also as the parent of a name (RFC 9051 §5.1). */
function normaliseInbox(name: string): string {
  return name.length > 6 && name.slice(0, 6).toUpperCase() === 'INBOX/' ? `INBOX/${name.slice(6)}` : name
}
