// Bytes to text in any charset that mail knows. Never throws: what cannot be decoded is guessed.

import { isUtf8 } from 'node:buffer'
import iconv from 'iconv-lite'

type Decode = (bytes: Buffer) => string

/** Labels that people use and neither TextDecoder nor iconv-lite knows; the undefined ones say nothing: guess. */
const aliases: { readonly [label: string]: string } = {
  'unicode-1-1-utf-7': 'utf-7',
  'x-unicode-2-0-utf-7': 'utf-7',
  utf7: 'utf-7',
  'x-mac-roman': 'macintosh',
  cp932: 'shift_jis',
  'x-user-defined': 'x-unknown',
}

/** Labels for which a text without high bytes says nothing: UTF-8 if it is valid. */
const guessed = new Set(['us-ascii', 'ascii'])

/** One decoder for each label that was found; there are a few hundred labels, so the map stays small. */
const decoders = new Map<string, Decode>([
  ['utf-8', decodeUtf8],
  ['utf8', decodeUtf8],
])

/** Text of `bytes` in `charset` (any case, may be absent or nonsense: then UTF-8 if valid, else Windows-1252). */
export function decodeText(bytes: Buffer, charset?: string): string {
  const label = toLabel(charset)
  let decode = decoders.get(label)
  if (!decode) {
    decode = findDecoder(label)
    if (decode !== guess) decoders.set(label, decode)
  }
  return decode(bytes)
}

/** A text that comes in pieces, which may be cut anywhere. */
export interface PieceReader<T> {
  write(bytes: Buffer): T
  /** What was held back. */
  end(): T
}

/** As decodeText, piece by piece. Where the charset must be guessed, the text is UTF-8 up to the first piece that is none. */
export function openText(charset?: string): PieceReader<string> {
  const label = toLabel(charset)
  if (guessed.has(label)) return new GuessedText()
  const decoder = findTextDecoder(label)
  if (decoder) return { write: (bytes) => decoder.decode(bytes, { stream: true }), end: () => decoder.decode() }
  if (!isIconv(label)) return new GuessedText()
  if (label === 'utf-7') return new Utf7Text()
  const stream = iconv.getDecoder(label)
  return { write: (bytes) => stream.write(bytes), end: () => stream.end() ?? '' }
}

/** Whether texts in this charset are decoded by its own rules; others are guessed. */
export function isCharset(name: string): boolean {
  const label = toLabel(name)
  return guessed.has(label) || decoders.has(label) || findTextDecoder(label) !== undefined || isIconv(label)
}

/** Charsets by their common names: all that mail is written in, though not every label that is understood. */
export const charsetNames: readonly string[] = [
  'US-ASCII',
  'UTF-8',
  'UTF-7',
  ...[1, 2, 3, 4, 5, 6, 7, 8, 9, 10, 11, 13, 14, 15, 16].map((n) => `ISO-8859-${n}`),
  ...[1250, 1251, 1252, 1253, 1254, 1255, 1256, 1257, 1258, 874].map((n) => `WINDOWS-${n}`),
  ...[437, 737, 775, 850, 852, 855, 857, 858, 860, 861, 862, 863, 864, 865, 866, 869].map((n) => `IBM${n}`),
  'KOI8-R',
  'KOI8-U',
  'MACINTOSH',
  'TIS-620',
  'GB2312',
  'GBK',
  'GB18030',
  'BIG5',
  'BIG5-HKSCS',
  'SHIFT_JIS',
  'EUC-JP',
  'ISO-2022-JP',
  'EUC-KR',
]

function toLabel(charset: string | undefined): string {
  const label = charset ? charset.trim().toLowerCase() : 'us-ascii'
  return aliases[label] ?? label
}

function findDecoder(label: string): Decode {
  if (guessed.has(label)) return guess
  // TextDecoder would read utf-7 as nothing; iconv-lite lacks the stateful ISO-2022 family: both are needed.
  const decoder = findTextDecoder(label)
  if (decoder) return (bytes) => decoder.decode(bytes)
  return isIconv(label) ? (bytes) => iconv.decode(bytes, label) : guess
}

function findTextDecoder(label: string): TextDecoder | undefined {
  try {
    return new TextDecoder(label)
  } catch {
    return undefined
  }
}

/** iconv-lite also offers Node's own encodings, which are no charsets. */
function isIconv(label: string): boolean {
  return label !== 'base64' && label !== 'hex' && label !== 'binary' && iconv.encodingExists(label)
}

function decodeUtf8(bytes: Buffer): string {
  const start = bytes[0] === 0xef && bytes[1] === 0xbb && bytes[2] === 0xbf ? 3 : 0
  return bytes.toString('utf8', start)
}

const windows1252 = new TextDecoder('windows-1252')

function guess(bytes: Buffer): string {
  return isUtf8(bytes) ? decodeUtf8(bytes) : windows1252.decode(bytes)
}

class GuessedText implements PieceReader<string> {
  /** The first bytes of a character whose last have not come. */
  #rest: Buffer = Buffer.alloc(0)
  #utf8 = true
  #begun = false

  write(bytes: Buffer): string {
    const all = this.#rest.length > 0 ? Buffer.concat([this.#rest, bytes]) : bytes
    const end = this.#utf8 ? wholeUtf8(all) : all.length
    const head = all.subarray(0, end)
    this.#utf8 &&= isUtf8(head)
    this.#rest = this.#utf8 ? Buffer.from(all.subarray(end)) : Buffer.alloc(0)
    if (!this.#utf8) return windows1252.decode(all)
    const text = this.#begun ? head.toString('utf8') : decodeUtf8(head)
    this.#begun ||= head.length > 0
    return text
  }

  end(): string {
    return windows1252.decode(this.#rest)
  }
}

/** UTF-7 in pieces: iconv-lite's own stream takes a shift that ends where a piece begins for a plus sign. */
class Utf7Text implements PieceReader<string> {
  #rest: Buffer = Buffer.alloc(0)

  write(bytes: Buffer): string {
    const all = Buffer.concat([this.#rest, bytes])
    const shift = openShift(all)
    const held = shift < 0 ? 0 : all.length - shift
    if (held <= MAX_SHIFT) {
      this.#rest = Buffer.from(all.subarray(all.length - held))
      return iconv.decode(all.subarray(0, all.length - held), 'utf-7')
    }
    // Eight characters of base64 are three of the text: cut between, with some left, because an empty shift means a plus.
    const cut = shift + 1 + Math.floor((held - 9) / 8) * 8
    this.#rest = Buffer.concat([Buffer.from('+'), all.subarray(cut)])
    return iconv.decode(all.subarray(0, cut), 'utf-7')
  }

  end(): string {
    return iconv.decode(this.#rest, 'utf-7')
  }
}

const MAX_SHIFT = 4096

/** Where the shift begins that has not ended (RFC 2152), or -1. */
function openShift(bytes: Buffer): number {
  let shift = -1
  for (let i = 0; i < bytes.length; i++) {
    const c = bytes[i]!
    if (shift < 0) {
      if (c === 43) shift = i
    } else if (!isBase64(c)) shift = -1
  }
  return shift
}

function isBase64(c: number): boolean {
  return (c >= 47 && c <= 57) || (c >= 65 && c <= 90) || (c >= 97 && c <= 122) || c === 43
}

/** Where the last character begins when bytes are missing from it, else the end. */
function wholeUtf8(bytes: Buffer): number {
  for (let back = 1; back <= 3 && back <= bytes.length; back++) {
    const c = bytes[bytes.length - back]!
    if (c < 0x80) break
    if (c < 0xc0) continue
    const length = c >= 0xf0 ? 4 : c >= 0xe0 ? 3 : 2
    return length > back ? bytes.length - back : bytes.length
  }
  return bytes.length
}
