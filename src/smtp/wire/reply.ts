// Replies (RFC 5321 §4.2, RFC 2034): as a value, as bytes out, and read back line by line. Knows no command.

import { SyntaxFault } from '../../base/index.ts'

export interface Reply {
  readonly code: number
  /** `5.1.1`, when the server gave one. */
  readonly enhanced?: string
  /** Text of each line without code and enhanced code, at most 100 lines of 2,000 characters. */
  readonly lines: readonly string[]
}

/** RFC 5321 §4.5.3.1.5: a reply line has at most 512 octets with code and CRLF; the rest leaves room for an enhanced code. */
const maxText = 490

/** A reply of one line, or of as many as `text` is given. */
export function reply(code: number, enhanced: string | undefined, ...lines: readonly string[]): Reply {
  return enhanced === undefined ? { code, lines } : { code, enhanced, lines }
}

/** The bytes of a reply, one per character. What a line must not hold (controls, non-ASCII) becomes `?`. */
export function formatReply({ code, enhanced, lines }: Reply): string {
  const prefix = enhanced === undefined ? '' : `${enhanced} `
  let out = ''
  for (let i = 0; i < lines.length; i++)
    out += `${code}${i === lines.length - 1 ? ' ' : '-'}${prefix}${toReplyText(lines[i]!)}\r\n`
  return out
}

function toReplyText(text: string): string {
  const end = Math.min(text.length, maxText)
  for (let i = 0; i < end; i++) {
    const code = text.charCodeAt(i)
    if (code < 0x20 || code > 0x7e) return replaceOutsiders(text.slice(0, end))
  }
  return end === text.length ? text : text.slice(0, end)
}

function replaceOutsiders(text: string): string {
  let out = ''
  for (const char of text) out += char >= ' ' && char <= '~' ? char : '?'
  return out
}

/** What a peer may send as one reply. */
export const replyLimits = { line: 2000, lines: 100 } as const

const digit = (text: string, at: number) => text.charCodeAt(at) - 0x30

/** Collects the lines of one reply after the other. */
export class ReplyReader {
  #code = 0
  #enhanced: string | undefined
  #lines: string[] = []

  /** Whether a reply has begun and is not complete. */
  get open(): boolean {
    return this.#lines.length > 0
  }

  /** Takes a line without its line end; the reply when it was the last one. SyntaxFault when this is no SMTP. */
  push(line: string): Reply | undefined {
    const code = digit(line, 0) * 100 + digit(line, 1) * 10 + digit(line, 2)
    const separator = line[3] ?? ' '
    if (
      !(code >= 200 && code <= 599) ||
      digit(line, 1) > 9 ||
      digit(line, 2) > 9 ||
      digit(line, 1) < 0 ||
      digit(line, 2) < 0
    )
      throw new SyntaxFault('a reply code was expected')
    if (separator !== ' ' && separator !== '-') throw new SyntaxFault('a reply code was expected')
    if (this.#lines.length > 0 && code !== this.#code) throw new SyntaxFault('the reply code changes between lines')
    if (this.#lines.length === replyLimits.lines) throw new SyntaxFault('the reply has too many lines')
    this.#code = code
    const text = line.slice(4, replyLimits.line)
    const enhanced = parseEnhanced(text, line[0]!)
    if (this.#lines.length === 0) this.#enhanced = enhanced
    this.#lines.push(enhanced === undefined ? text : text.slice(enhanced.length + 1))
    if (separator === '-') return undefined
    const done = reply(code, this.#enhanced, ...this.#lines)
    this.#lines = []
    this.#enhanced = undefined
    return done
  }
}

/** The enhanced code (RFC 3463 §2) that opens a text, when it belongs to the reply's class. */
function parseEnhanced(text: string, kind: string): string | undefined {
  const space = text.indexOf(' ')
  const word = space < 0 ? text : text.slice(0, space)
  if (word.length < 5 || word.length > 9 || word[0] !== kind || word[1] !== '.') return undefined
  const pieces = word.split('.')
  if (pieces.length !== 3) return undefined
  for (const piece of pieces) {
    if (piece.length < 1 || piece.length > 3) return undefined
    for (let i = 0; i < piece.length; i++) if (!(digit(piece, i) >= 0 && digit(piece, i) <= 9)) return undefined
  }
  return word
}
