// A client for tests that compares servers: sends commands with literals, and reads FETCH answers as values.
// Knows the grammar of responses (RFC 9051 §9) and what is outside it: a quoted string with bytes that may not stand there is told apart.

import { connect } from 'node:net'
import type { Readable, Writable } from 'node:stream'

/** What a response says: strings are bytes, `NIL` is null, everything else that is no list is an atom. */
export type Value = Buffer | null | Atom | readonly Value[]
export interface Atom {
  readonly atom: string
}

/** The items of one message: `BODY[1.MIME]`, `RFC822.SIZE` … in upper case up to the bracket. */
export type Fetched = ReadonlyMap<string, Value>

/** A connection to a server on loopback. */
export function openImap(port: number): ImapTalk {
  const socket = connect(port, '127.0.0.1')
  return new ImapTalk({ readable: socket, writable: socket })
}

export class ImapTalk {
  readonly #writable: Writable
  #pieces: Buffer[] = []
  #size = 0
  #tag = 0
  #wake: (() => void) | undefined
  #ended = false

  constructor({ readable, writable }: { readonly readable: Readable; readonly writable: Writable }) {
    this.#writable = writable
    readable.on('data', (chunk: Buffer) => {
      this.#pieces.push(chunk)
      this.#size += chunk.length
      this.#wake?.()
    })
    const end = () => {
      this.#ended = true
      this.#wake?.()
    }
    readable.on('close', end).on('end', end).on('error', end)
  }

  /** Sends a command; a Buffer among the pieces goes as a non-synchronising literal. Returns its responses, the tagged one last. */
  async command(...pieces: readonly (string | Buffer)[]): Promise<readonly Buffer[]> {
    const tag = `t${++this.#tag}`
    const sent = pieces.flatMap((piece) =>
      typeof piece === 'string' ? [Buffer.from(piece)] : [Buffer.from(`{${piece.length}+}\r\n`), piece],
    )
    this.#writable.write(Buffer.concat([Buffer.from(`${tag} `), ...sent, Buffer.from('\r\n')]))
    const responses: Buffer[] = []
    for (;;) {
      const line = await this.#response()
      responses.push(line)
      if (line.toString('latin1', 0, tag.length + 1) === `${tag} `) return responses
    }
  }

  /** As command; fails unless the answer is OK. */
  async ok(...pieces: readonly (string | Buffer)[]): Promise<readonly Buffer[]> {
    const responses = await this.command(...pieces)
    const last = responses.at(-1)!.toString('latin1')
    if (!/^t\d+ OK/.test(last)) throw new Error(`${String(pieces[0]).slice(0, 200)}: ${last}`)
    return responses
  }

  /** The items of message `number`. */
  async fetch(number: number, items: string): Promise<Fetched> {
    const responses = await this.ok(`FETCH ${number} (${items})`)
    const found = new Map<string, Value>()
    for (const response of responses)
      if (response.toString('latin1', 0, 40).startsWith(`* ${number} FETCH (`)) parseFetch(response, found)
    return found
  }

  /** One response with its literals, without the last line end. */
  async #response(): Promise<Buffer> {
    let searched = 0
    for (;;) {
      const b = this.#joined()
      const lf = b.indexOf('\r\n', searched)
      if (lf < 0) {
        await this.#more()
        continue
      }
      const literal = /\{(\d+)\}$/.exec(b.toString('latin1', Math.max(lf - 20, searched), lf))
      if (!literal) {
        this.#pieces = [b.subarray(lf + 2)]
        this.#size = b.length - lf - 2
        return b.subarray(0, lf)
      }
      searched = lf + 2 + Number(literal[1])
      while (this.#size < searched) await this.#more()
    }
  }

  #joined(): Buffer {
    if (this.#pieces.length !== 1) this.#pieces = [Buffer.concat(this.#pieces)]
    return this.#pieces[0]!
  }

  async #more(): Promise<void> {
    if (this.#ended) throw new Error(`the server hung up: ${this.#joined().toString('latin1').slice(-200)}`)
    await new Promise<void>((done, fail) => {
      const timer = setTimeout(() => fail(new Error('no answer within 30 s')), 30_000)
      this.#wake = () => {
        clearTimeout(timer)
        done()
      }
    })
    this.#wake = undefined
  }

  end(): void {
    this.#writable.end()
  }
}

function parseFetch(response: Buffer, into: Map<string, Value>): void {
  const reader = new ValueReader(response, response.indexOf('(') + 1)
  while (reader.peek() !== ')') {
    const name = reader.itemName()
    reader.skip(' ')
    into.set(name, reader.value())
    if (reader.peek() === ' ') reader.skip(' ')
  }
  reader.skip(')')
  if (!reader.done) throw new Error(`more behind the items: ${response.toString('latin1').slice(0, 300)}`)
}

/** Reads one value from `text`, strictly: anything outside the grammar throws. */
export function parseValue(text: string): Value {
  const reader = new ValueReader(Buffer.from(text), 0)
  const value = reader.value()
  if (!reader.done) throw new Error(`more behind the value: ${text.slice(0, 200)}`)
  return value
}

class ValueReader {
  readonly #b: Buffer
  #at: number

  constructor(b: Buffer, at: number) {
    this.#b = b
    this.#at = at
  }

  get done(): boolean {
    return this.#at >= this.#b.length
  }

  peek(): string {
    return String.fromCharCode(this.#b[this.#at] ?? 0)
  }

  skip(char: string): void {
    if (this.peek() !== char) this.#fail(`expected '${char}'`)
    this.#at++
  }

  itemName(): string {
    const start = this.#at
    while (!' [('.includes(this.peek())) this.#at++
    let name = this.#b.toString('latin1', start, this.#at).toUpperCase()
    if (this.peek() !== '[') return name
    const close = this.#b.indexOf(']', this.#at) + 1
    name += this.#b.toString('latin1', this.#at, close)
    this.#at = close
    if (this.peek() !== '<') return name
    const end = this.#b.indexOf('>', this.#at) + 1
    name += this.#b.toString('latin1', this.#at, end)
    this.#at = end
    return name
  }

  value(): Value {
    const c = this.peek()
    if (c === '(') return this.#list()
    if (c === '"') return this.#quoted()
    if (c === '{') return this.#literal()
    const start = this.#at
    while (!this.done && !' ()"{'.includes(this.peek())) this.#at++
    if (this.#at === start) this.#fail('expected a value')
    const atom = this.#b.toString('latin1', start, this.#at)
    return atom.toUpperCase() === 'NIL' ? null : { atom }
  }

  /** Items stand apart by one space; addresses and body structures follow one another without. */
  #list(): Value[] {
    this.skip('(')
    const list: Value[] = []
    while (this.peek() !== ')') {
      if (list.length > 0 && this.peek() === ' ') this.#at++
      list.push(this.value())
    }
    this.#at++
    return list
  }

  #quoted(): Buffer {
    const bytes: number[] = []
    for (this.#at++; this.peek() !== '"'; this.#at++) {
      if (this.done) this.#fail('a quoted string has no end')
      if (this.peek() === '\\') this.#at++
      const c = this.#b[this.#at]!
      if (c === 0 || c === 13 || c === 10) this.#fail(`byte ${c} in a quoted string`)
      bytes.push(c)
    }
    this.#at++
    return Buffer.from(bytes)
  }

  #literal(): Buffer {
    const close = this.#b.indexOf('}\r\n', this.#at)
    const start = close + 3
    const size = Number(this.#b.toString('latin1', this.#at + 1, close))
    this.#at = start + size
    return this.#b.subarray(start, this.#at)
  }

  #fail(what: string): never {
    throw new Error(`${what} at ${this.#at}: ${this.#b.toString('latin1', Math.max(0, this.#at - 80), this.#at + 40)}`)
  }
}

/** A value as text, for comparing and showing: strings quoted with escapes. */
export function showValue(value: Value): string {
  if (value === null) return 'NIL'
  if (Buffer.isBuffer(value)) return JSON.stringify(value.toString('latin1'))
  if (Array.isArray(value)) return `(${value.map(showValue).join(' ')})`
  return (value as Atom).atom
}
