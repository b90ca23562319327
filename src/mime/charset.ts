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

/** One decoder for each label that was found; there are a few hundred labels, so the map stays small. */
const decoders = new Map<string, Decode>([
  ['utf-8', decodeUtf8],
  ['utf8', decodeUtf8],
  ['us-ascii', guess],
  ['ascii', guess],
])

/** Text of `bytes` in `charset` (any case, may be absent or nonsense: then UTF-8 if valid, else Windows-1252). */
export function decodeText(bytes: Buffer, charset?: string): string {
  const label = charset ? charset.trim().toLowerCase() : 'us-ascii'
  let decode = decoders.get(label)
  if (!decode) {
    decode = findDecoder(aliases[label] ?? label)
    if (decode !== guess) decoders.set(label, decode)
  }
  return decode(bytes)
}

function findDecoder(label: string): Decode {
  try {
    // TextDecoder would read utf-7 as nothing; iconv-lite lacks the stateful ISO-2022 family: both are needed.
    const decoder = new TextDecoder(label)
    return (bytes) => decoder.decode(bytes)
  } catch {
    // iconv-lite also offers Node's own encodings, which are no charsets.
    if (label === 'base64' || label === 'hex' || label === 'binary' || !iconv.encodingExists(label)) return guess
    return (bytes) => iconv.decode(bytes, label)
  }
}

function decodeUtf8(bytes: Buffer): string {
  const start = bytes[0] === 0xef && bytes[1] === 0xbb && bytes[2] === 0xbf ? 3 : 0
  return bytes.toString('utf8', start)
}

const windows1252 = new TextDecoder('windows-1252')

function guess(bytes: Buffer): string {
  return isUtf8(bytes) ? decodeUtf8(bytes) : windows1252.decode(bytes)
}
