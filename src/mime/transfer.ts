// Content transfer encodings (RFC 2045 §6), read tolerantly: whatever can be decoded is, and nothing throws.

import type { PieceReader } from './charset.ts'

const CR = 13
const LF = 10
const EQUALS = 61

/** Decodes a body. `encoding` as in Part (lower case); identity and unknown encodings return the bytes themselves. */
export function decodeBody(encoding: string, bytes: Buffer): Buffer {
  return decoders.get(encoding)?.(bytes) ?? bytes
}

/** Whether `encoding` leaves the bytes as they are (RFC 2045 §6.2). */
export function isIdentity(encoding: string): boolean {
  return encoding === '7bit' || encoding === '8bit' || encoding === 'binary'
}

/** As decodeBody, for a body that comes in pieces. */
export function openTransfer(encoding: string): PieceReader<Buffer> {
  if (encoding === 'base64') return new Base64Body()
  if (encoding === 'quoted-printable') return new SeamedBody(decodeQuotedPrintable, quotedPrintableSeam)
  return decoders.has(encoding) ? new UuencodedBody() : { write: (bytes) => bytes, end: () => nothing }
}

const nothing = Buffer.alloc(0)

/** How many of the bytes can be decoded without those that follow. */
type Seam = (bytes: Buffer) => number

class SeamedBody implements PieceReader<Buffer> {
  readonly #decode: (bytes: Buffer) => Buffer
  readonly #seam: Seam
  #rest: Buffer = nothing

  constructor(decode: (bytes: Buffer) => Buffer, seam: Seam) {
    this.#decode = decode
    this.#seam = seam
  }

  write(bytes: Buffer): Buffer {
    const all = this.#rest.length > 0 ? Buffer.concat([this.#rest, bytes]) : bytes
    const seam = this.#seam(all)
    this.#rest = Buffer.from(all.subarray(seam))
    return this.#decode(all.subarray(0, seam))
  }

  end(): Buffer {
    return this.#decode(this.#rest)
  }
}

/** Holds at most three characters back, whatever else stands between them: a body of blanks alone would be copied for each piece. */
class Base64Body implements PieceReader<Buffer> {
  #rest: Buffer = nothing

  write(bytes: Buffer): Buffer {
    const all = this.#rest.length > 0 ? Buffer.concat([this.#rest, bytes]) : bytes
    const seam = base64Seam(all)
    this.#rest = Buffer.from(all.subarray(seam).filter(isBase64))
    return decodeBase64(all.subarray(0, seam))
  }

  end(): Buffer {
    return decodeBase64(this.#rest)
  }
}

const decoders = new Map<string, (bytes: Buffer) => Buffer>([
  ['base64', decodeBase64],
  ['quoted-printable', decodeQuotedPrintable],
  ['x-uuencode', decodeUuencode],
  ['x-uue', decodeUuencode],
  ['uuencode', decodeUuencode],
])

/** Characters outside the alphabet are skipped (RFC 2045 §6.8); padding in the middle ends one stretch and starts another. */
function decodeBase64(bytes: Buffer): Buffer {
  const end = bytes.indexOf(EQUALS)
  if (end < 0 || !hasMore(bytes, end)) return Buffer.from(bytes.toString('latin1'), 'base64')
  const out = Buffer.allocUnsafe((bytes.length >> 2) * 3 + 3)
  let size = 0
  let bits = 0
  let count = 0
  for (const c of bytes) {
    if (c === EQUALS) count = 0
    const six = sixBits[c]!
    if (six < 0) continue
    bits = (bits << 6) | six
    // Of a stretch that ends early, the bytes that are whole.
    if (count > 0) out[size++] = bits >> (6 - 2 * count)
    count = (count + 1) & 3
  }
  return out.subarray(0, size)
}

/** Behind the last whole group of four, counted from the last padding. */
function base64Seam(bytes: Buffer): number {
  const start = bytes.lastIndexOf(EQUALS) + 1
  let seam = start
  let count = 0
  for (let i = start; i < bytes.length; i++) {
    if (!isBase64(bytes[i]!)) continue
    if ((++count & 3) === 0) seam = i + 1
  }
  return seam
}

/** The alphabet as Node reads it, with the two characters of base64url; -1 for what is not in it. */
const sixBits = new Int8Array(256).fill(-1)
for (const [i, c] of Buffer.from('ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/').entries())
  sixBits[c] = i
sixBits['-'.charCodeAt(0)] = 62
sixBits['_'.charCodeAt(0)] = 63

const isBase64 = (c: number): boolean => sixBits[c]! >= 0

/** Whether anything but padding and line ends follows `at`. */
function hasMore(bytes: Buffer, at: number): boolean {
  for (let i = at; i < bytes.length; i++) {
    const c = bytes[i]!
    if (c !== EQUALS && c > 32) return true
  }
  return false
}

const blankLineEnds = [' \r\n', '\t\r\n', ' \n', '\t\n']

/** RFC 2045 §6.7: soft line breaks, white space before a line end, lower-case hex; a lone `=` stays. */
export function decodeQuotedPrintable(bytes: Buffer): Buffer {
  if (bytes.indexOf(EQUALS) < 0 && !blankLineEnds.some((end) => bytes.includes(end))) return bytes
  const out = Buffer.allocUnsafe(bytes.length)
  let size = 0
  /** What was encoded stays, also a blank at the end of a line, and so does one before a soft break. */
  let floor = 0
  for (let i = 0; i < bytes.length; ) {
    const c = bytes[i]!
    if (c !== EQUALS) {
      // White space at the end of a line was added in transport.
      if (c === LF) size = trimBlank(out, floor, size, bytes[i - 1] === CR && size > floor)
      out[size++] = c
      i++
      continue
    }
    const hex = hexPair(bytes, i + 1)
    if (hex >= 0) {
      out[size++] = hex
      floor = size
      i += 3
    } else {
      const next = softBreakEnd(bytes, i + 1)
      if (next < 0) out[size++] = c
      i = next < 0 ? i + 1 : next
      floor = size
    }
  }
  return out.subarray(0, size)
}

/** A line longer than this is cut within, and so is a longer run of blanks. */
const MAX_QP_LINE = 4096

/** Behind the last line end that is no soft break, because a blank before it goes only when the line ends; else before what may change. */
function quotedPrintableSeam(bytes: Buffer): number {
  for (let lf = bytes.lastIndexOf(LF); lf >= 0 && bytes.length - lf < MAX_QP_LINE; lf = bytes.lastIndexOf(LF, lf - 1)) {
    let i = lf - 1
    while (i >= 0 && isBlankOrCr(bytes[i]!)) i--
    if (bytes[i] !== EQUALS) return lf + 1
    if (lf === 0) break
  }
  if (bytes.length < MAX_QP_LINE) return 0
  let seam = bytes.length - 2
  const least = Math.max(0, seam - MAX_QP_LINE)
  while (seam > least && (isBlankOrCr(bytes[seam - 1]!) || bytes[seam - 1] === EQUALS || bytes[seam - 2] === EQUALS))
    seam--
  return seam
}

function isBlankOrCr(c: number): boolean {
  return c === 32 || c === 9 || c === CR
}

/** The new size of `out` without spaces and tabs before the line end, not below `floor`; the CR written last stays behind them. */
function trimBlank(out: Buffer, floor: number, size: number, cr: boolean): number {
  let end = cr ? size - 1 : size
  while (end > floor && (out[end - 1] === 32 || out[end - 1] === 9)) end--
  if (cr) out[end++] = CR
  return end
}

/** Offset behind a soft line break whose `=` stands before `at`, or -1. */
function softBreakEnd(bytes: Buffer, at: number): number {
  let i = at
  while (bytes[i] === 32 || bytes[i] === 9) i++
  if (bytes[i] === CR) i++
  if (bytes[i] === LF) return i + 1
  return i >= bytes.length ? i : -1
}

/** Value of two hexadecimal digits at `at`, or -1. */
export function hexPair(bytes: Uint8Array, at: number): number {
  const high = hexDigit(bytes[at] ?? 0)
  const low = hexDigit(bytes[at + 1] ?? 0)
  return high < 0 || low < 0 ? -1 : high * 16 + low
}

function hexDigit(c: number): number {
  if (c >= 48 && c <= 57) return c - 48
  if (c >= 65 && c <= 70) return c - 55
  return c >= 97 && c <= 102 ? c - 87 : -1
}

/** The lines between `begin` and `end`; a line's first character says how many bytes it holds. Without `begin` nothing is encoded. */
function decodeUuencode(bytes: Buffer): Buffer {
  const body = new UuencodedBody()
  const decoded = [body.write(bytes), body.end()]
  return body.begun ? Buffer.concat(decoded) : bytes
}

/** What stands before `begin` is no part of the file. */
class UuencodedBody implements PieceReader<Buffer> {
  begun = false
  #ended = false
  #rest: Buffer = nothing

  write(bytes: Buffer): Buffer {
    const all = this.#rest.length > 0 ? Buffer.concat([this.#rest, bytes]) : bytes
    const seam = all.lastIndexOf(LF) + 1
    this.#rest = Buffer.from(all.subarray(seam))
    return this.#decode(all.subarray(0, seam))
  }

  end(): Buffer {
    return this.#decode(this.#rest)
  }

  #decode(bytes: Buffer): Buffer {
    const out = Buffer.allocUnsafe(bytes.length)
    let size = 0
    for (let at = 0; at < bytes.length && !this.#ended; ) {
      const lf = bytes.indexOf(LF, at)
      const end = lf < 0 ? bytes.length : lf
      if (!this.begun) this.begun = isWord(bytes, at, 'begin ')
      else if (isWord(bytes, at, 'end')) this.#ended = true
      else size = uudecodeLine(bytes, at, end, out, size)
      at = end + 1
    }
    return out.subarray(0, size)
  }
}

function uudecodeLine(bytes: Buffer, start: number, end: number, out: Buffer, from: number): number {
  let size = from
  let left = (bytes[start]! - 32) & 63
  for (let at = start + 1; left > 0 && at + 1 < end; at += 4) {
    const [a, b, c, d] = [0, 1, 2, 3].map((i) => (at + i < end ? (bytes[at + i]! - 32) & 63 : 0)) as [
      number,
      number,
      number,
      number,
    ]
    for (const byte of [(a << 2) | (b >> 4), (b << 4) | (c >> 2), (c << 6) | d])
      if (left-- > 0) out[size++] = byte & 255
  }
  return size
}

function isWord(bytes: Buffer, at: number, word: string): boolean {
  return bytes.toString('latin1', at, at + word.length) === word
}
