// One command line and its arguments, and a message on its way out line by line. Pure: knows no socket.

import { SyntaxFault } from '../base/index.ts'

const CR = 13
const LF = 10
const DOT = 46

const utf8 = new TextDecoder('utf-8', { fatal: true, ignoreBOM: true })

/** A line without its end: CRLF, or a bare LF as some write by hand. SyntaxFault: control characters, or not UTF-8. */
export function parseLine(line: Buffer): string {
  const end = line.length - (line[line.length - 2] === CR ? 2 : 1)
  for (let i = 0; i < end; i++)
    if ((line[i]! < 0x20 && line[i] !== 9) || line[i] === 0x7f) throw new SyntaxFault('a control character', i)
  try {
    return utf8.decode(line.subarray(0, end))
  } catch {
    throw new SyntaxFault('the line is not UTF-8')
  }
}

/** The keyword in capitals and what follows its space (RFC 1939 §3). */
export function splitCommand(text: string): { readonly name: string; readonly rest: string | undefined } {
  const space = text.indexOf(' ')
  if (space < 0) return { name: text.toUpperCase(), rest: undefined }
  return { name: text.slice(0, space).toUpperCase(), rest: text.slice(space + 1) }
}

/** The words of what follows a keyword; spaces at the end are let pass. */
export function words(rest: string | undefined): string[] {
  const text = rest?.trimEnd() ?? ''
  return text === '' ? [] : text.split(' ')
}

export function noArguments(rest: string | undefined): undefined {
  if (words(rest).length > 0) throw new SyntaxFault('this command has no arguments')
}

/** A message number; whether there is such a message is another question. */
export function parseNumber(text: string | undefined): number {
  if (text === undefined || text === '' || text.length > 10) throw new SyntaxFault('a message number was expected')
  for (let i = 0; i < text.length; i++) {
    const c = text.charCodeAt(i)
    if (c < 0x30 || c > 0x39) throw new SyntaxFault('a message number was expected')
  }
  return Number(text)
}

export function oneNumber(rest: string | undefined): number {
  const [number, ...more] = words(rest)
  if (more.length > 0) throw new SyntaxFault('one message number was expected')
  return parseNumber(number)
}

export function optionalNumber(rest: string | undefined): number | undefined {
  return words(rest).length === 0 ? undefined : oneNumber(rest)
}

/**
 * Writes a message as a multi-line answer (RFC 1939 §3): a dot before each line that begins with one, and at the end the line of one dot.
 * A line begins after a bare LF too: readers that end lines there would take such a dot for the end of the answer.
 */
export class DotWriter {
  /** The last two bytes: whether a line begins, and whether the message ended with CRLF. */
  #previous = LF
  #beforePrevious = CR

  /** What goes out for the next piece. */
  piece(bytes: Buffer): Buffer {
    const starts: number[] = []
    for (let at = bytes.indexOf(DOT); at >= 0; at = bytes.indexOf(DOT, at + 1))
      if ((at === 0 ? this.#previous : bytes[at - 1]) === LF) starts.push(at)
    if (bytes.length > 0) {
      this.#beforePrevious = bytes.length > 1 ? bytes[bytes.length - 2]! : this.#previous
      this.#previous = bytes[bytes.length - 1]!
    }
    if (starts.length === 0) return bytes
    const out = Buffer.allocUnsafe(bytes.length + starts.length)
    let from = 0
    let to = 0
    for (const at of starts) {
      to += bytes.copy(out, to, from, at)
      out[to++] = DOT
      from = at
    }
    bytes.copy(out, to, from)
    return out
  }

  /** The end of the answer; a message whose last line has no end gets one, which its octets do not count. */
  end(): Buffer {
    const complete = this.#beforePrevious === CR && this.#previous === LF
    return Buffer.from(complete ? '.\r\n' : '\r\n.\r\n')
  }
}

/** The header, the empty line and the first `lines` lines of the body (RFC 1939 §7, TOP), as the pieces of the message come. */
export class TopCutter {
  #left: number
  #inBody = false
  #lineLength = 0
  /** Nothing more is wanted. */
  done = false

  constructor(lines: number) {
    this.#left = lines
  }

  piece(bytes: Buffer): Buffer {
    for (let at = 0; at < bytes.length; ) {
      const lf = bytes.indexOf(LF, at)
      if (lf < 0) {
        this.#lineLength += bytes.length - at
        return bytes
      }
      const length = this.#lineLength + lf - at
      this.#lineLength = 0
      const empty = length === 0 || (length === 1 && (lf === 0 || bytes[lf - 1] === CR))
      if (this.#inBody) this.#left--
      else if (empty) this.#inBody = true
      at = lf + 1
      if (this.#inBody && this.#left <= 0) {
        this.done = true
        return bytes.subarray(0, at)
      }
    }
    return bytes
  }
}
