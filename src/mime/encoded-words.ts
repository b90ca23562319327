// Encoded words in headers (RFC 2047): to text.

import { decodeText } from './charset.ts'
import { decodeBody, hexPair } from './transfer.ts'

interface Word {
  readonly charset: string
  readonly bytes: Buffer
  /** Offset behind the word. */
  readonly end: number
}

/** Charset names are short; a longer one is no encoded word. */
const MAX_CHARSET = 80

/**
 * The value with its encoded words decoded. White space between adjacent words goes (RFC 2047 §6.2); adjacent words of one charset
 * are decoded together, because many programs split in the middle of a character.
 */
export function decodeWords(value: string): string {
  let at = value.indexOf('=?')
  if (at < 0) return value
  let out = value.slice(0, at)
  while (at >= 0) {
    const first = readWord(value, at)
    if (!first) {
      const next = value.indexOf('=?', at + 2)
      out += value.slice(at, next < 0 ? value.length : next)
      at = next
      continue
    }
    const run = [first]
    let last = first
    for (let next = afterSpace(value, last.end); ; next = afterSpace(value, last.end)) {
      const word = value.startsWith('=?', next) ? readWord(value, next) : undefined
      if (!word) break
      run.push(word)
      last = word
    }
    out += decodeRun(run)
    at = value.indexOf('=?', last.end)
    out += value.slice(last.end, at < 0 ? value.length : at)
  }
  return out
}

function decodeRun(run: readonly Word[]): string {
  let out = ''
  for (let i = 0; i < run.length; ) {
    const { charset } = run[i]!
    let end = i + 1
    while (end < run.length && run[end]!.charset === charset) end++
    const words = run.slice(i, end).map((word) => word.bytes)
    out += isStateful(charset)
      ? words.map((bytes) => decodeText(bytes, charset)).join('')
      : decodeText(words.length === 1 ? words[0]! : Buffer.concat(words), charset)
    i = end
  }
  // A decoded line break would forge a header line for whoever prints this.
  return out.includes('\n') || out.includes('\r') ? out.replaceAll('\r', ' ').replaceAll('\n', ' ') : out
}

/** Each word of these begins in the initial state (RFC 2047 §3); joined, a missing return to ASCII would garble the next. */
function isStateful(charset: string): boolean {
  return charset.startsWith('iso-2022-') || charset.includes('utf-7')
}

/** `=?charset*language?encoding?text?=` at `at`. Looks no further than the second-next `?`, so that all calls together are linear. */
function readWord(value: string, at: number): Word | undefined {
  const first = value.indexOf('?', at + 2)
  if (first < 0 || first - at > MAX_CHARSET || value[first + 2] !== '?') return undefined
  const encoding = value[first + 1]!
  const close = value.indexOf('?', first + 3)
  if (close < 0 || value[close + 1] !== '=') return undefined
  const text = value.slice(first + 3, close)
  const name = value.slice(at + 2, first).toLowerCase()
  const star = name.indexOf('*')
  // Raw 8-bit characters were decoded with the header: the charset that the word names is not theirs.
  const charset = Buffer.byteLength(text) !== text.length ? '' : star < 0 ? name : name.slice(0, star)
  if (encoding === 'B' || encoding === 'b')
    return { charset, bytes: decodeBody('base64', Buffer.from(text, 'latin1')), end: close + 2 }
  if (encoding === 'Q' || encoding === 'q') return { charset, bytes: decodeQ(text), end: close + 2 }
  return undefined
}

/** RFC 2047 §4.2. */
function decodeQ(text: string): Buffer {
  const bytes = Buffer.from(text)
  let size = 0
  for (let i = 0; i < bytes.length; i++) {
    const c = bytes[i]!
    const hex = c === 61 ? hexPair(bytes, i + 1) : -1
    if (hex >= 0) i += 2
    bytes[size++] = hex >= 0 ? hex : c === 95 ? 32 : c
  }
  return bytes.subarray(0, size)
}

function afterSpace(value: string, at: number): number {
  let i = at
  while (i < value.length && isSpace(value.charCodeAt(i))) i++
  return i
}

function isSpace(c: number): boolean {
  return c === 32 || c === 9 || c === 10 || c === 13
}
