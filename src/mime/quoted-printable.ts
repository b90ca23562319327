// Writes bodies so that they pass everywhere: CRLF, short lines, seven bits where asked.

const CR = 13
const LF = 10
const MAX_LINE = 998
/** RFC 2045 §6.7 (5): with the soft break's `=` a line has 76 characters. */
const QP_LINE = 75

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
  const out: string[] = []
  let line = ''
  for (let i = 0; i < bytes.length; i++) {
    const c = bytes[i]!
    if (c === CR && bytes[i + 1] === LF) {
      out.push(line)
      line = ''
      i++
      continue
    }
    const atEnd = i + 1 === bytes.length || bytes[i + 1] === CR
    const plain = c > 32 ? c < 127 && c !== 61 : (c === 32 || c === 9) && !atEnd
    // A dot or "From " at the start of a line is what relays and mailboxes change.
    const char = plain && !(line === '' && (c === 46 || c === 70)) ? String.fromCharCode(c) : hex(c)
    if (line.length + char.length > QP_LINE) {
      out.push(`${line}=`)
      line = ''
    }
    line += char
  }
  out.push(line)
  return Buffer.from(out.join('\r\n'), 'latin1')
}

function hex(c: number): string {
  return `=${c < 16 ? '0' : ''}${c.toString(16).toUpperCase()}`
}
