// xtext (RFC 3461 §4): the escape in which AUTH=, ENVID and ORCPT carry arbitrary bytes.

import { SyntaxFault } from '../../base/index.ts'

const hex = '0123456789ABCDEF'

/** The text that `+XX` escapes stand for; SyntaxFault outside the grammar. */
export function parseXtext(text: string): string {
  const bytes: number[] = []
  for (let i = 0; i < text.length; i++) {
    const code = text.charCodeAt(i)
    if (text[i] !== '+') {
      if (code <= 0x20 || code > 0x7e || text[i] === '=') throw new SyntaxFault('xtext holds only visible ASCII', i)
      bytes.push(code)
      continue
    }
    const high = hex.indexOf(text[i + 1] ?? '?')
    const low = hex.indexOf(text[i + 2] ?? '?')
    if (high < 0 || low < 0) throw new SyntaxFault('bad escape in xtext', i)
    bytes.push(high * 16 + low)
    i += 2
  }
  return Buffer.from(bytes).toString('utf8')
}

/** Escapes everything that xtext must not hold bare. */
export function formatXtext(text: string): string {
  let out = ''
  for (const byte of Buffer.from(text, 'utf8')) {
    const bare = byte > 0x20 && byte < 0x7f && byte !== 0x2b && byte !== 0x3d
    out += bare ? String.fromCharCode(byte) : `+${hex[byte >> 4]}${hex[byte & 15]}`
  }
  return out
}
