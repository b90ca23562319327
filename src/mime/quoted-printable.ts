// Writes bodies so that they pass everywhere: CRLF, short lines, seven bits where asked.

import { openEncoder } from './encoders.ts'

const CR = 13
const LF = 10
const MAX_LINE = 998

/** All line ends (CRLF, LF, lone CR) as CRLF. */
export function toCrlf(bytes: Buffer): Buffer {
  const out = Buffer.allocUnsafe(bytes.length * 2)
  let size = 0
  for (let i = 0; i < bytes.length; i++) {
    const c = bytes[i]!
    if (c === CR || c === LF) {
      if (c === CR && bytes[i + 1] === LF) i++
      out[size++] = CR
      out[size++] = LF
    } else out[size++] = c
  }
  return out.subarray(0, size)
}

/** What the bytes need at least: 7bit, 8bit, or (long lines, NUL) an encoding. The bytes have CRLF line ends. */
export function bodyNeeds(bytes: Buffer): '7bit' | '8bit' | 'encoding' {
  let start = 0
  let high = false
  for (let i = 0; i < bytes.length; i++) {
    const c = bytes[i]!
    if (c === LF) start = i + 1
    else if (c === 0 || (c !== CR && i - start >= MAX_LINE)) return 'encoding'
    if (c > 127) high = true
  }
  return high ? '8bit' : '7bit'
}

/** RFC 2045 §6.7, of text with CRLF line ends. */
export function encodeQuotedPrintable(bytes: Buffer): Buffer {
  const encoder = openEncoder('quoted-printable')
  return Buffer.concat([encoder.write(bytes), encoder.end()])
}
