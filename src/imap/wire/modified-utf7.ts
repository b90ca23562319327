// Mailbox names on the wire: modified UTF-7 (RFC 3501 §5.1.3). Text to text; knows no hierarchy.

const AMPERSAND = '&'

/** The Unicode name of a modified UTF-7 text, or undefined when the text is not well-formed. */
export function decodeModifiedUtf7(text: string): string | undefined {
  let out = ''
  let at = 0
  for (;;) {
    const start = text.indexOf(AMPERSAND, at)
    if (start < 0) return out + text.slice(at)
    out += text.slice(at, start)
    const end = text.indexOf('-', start)
    if (end < 0) return undefined
    const decoded = end === start + 1 ? AMPERSAND : decodeShift(text.slice(start + 1, end))
    if (decoded === undefined) return undefined
    out += decoded
    at = end + 1
  }
}

const alphabet = new Set('ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+,')

/** One base64 run of UTF-16BE; printable ASCII may not hide in it, and its padding bits are zero. */
function decodeShift(shift: string): string | undefined {
  for (const char of shift) if (!alphabet.has(char)) return undefined
  const bytes = Buffer.from(shift.replaceAll(',', '/'), 'base64')
  if (bytes.length < 2 || bytes.length % 2 !== 0) return undefined
  const text = bytes.swap16().toString('utf16le')
  if (!text.isWellFormed()) return undefined
  for (let i = 0; i < text.length; i++) if (isPlain(text.charCodeAt(i))) return undefined
  return encodeShift(text) === `&${shift}-` ? text : undefined
}

/** The modified UTF-7 form of a Unicode name. */
export function encodeModifiedUtf7(name: string): string {
  let out = ''
  let at = 0
  while (at < name.length) {
    const start = at
    const plain = isPlain(name.charCodeAt(at))
    while (at < name.length && isPlain(name.charCodeAt(at)) === plain) at++
    const run = name.slice(start, at)
    out += plain ? run.replaceAll(AMPERSAND, '&-') : encodeShift(run)
  }
  return out
}

function encodeShift(text: string): string {
  const base64 = Buffer.from(text, 'utf16le').swap16().toString('base64')
  const end = base64.indexOf('=')
  return `&${(end < 0 ? base64 : base64.slice(0, end)).replaceAll('/', ',')}-`
}

const isPlain = (c: number) => c >= 0x20 && c <= 0x7e
