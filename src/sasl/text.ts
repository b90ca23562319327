// Text of SASL: base64 as the protocols carry it, UTF-8 that must be valid, and names and passwords prepared alike everywhere.

import { SyntaxFault } from '../base/index.ts'

const utf8 = new TextDecoder('utf-8', { fatal: true, ignoreBOM: true })

/** Strict base64 (RFC 4648 §4); SyntaxFault otherwise. */
export function parseBase64(text: string): Buffer {
  const bytes = Buffer.from(text, 'base64')
  if (bytes.toString('base64') !== text) throw new SyntaxFault('this is not base64')
  return bytes
}

/** An initial response as SMTP (RFC 4954 §4) and IMAP (RFC 4959 §3) write it: base64, or `=` for an empty one. */
export function parseInitialResponse(text: string): Buffer {
  return text === '=' ? Buffer.alloc(0) : parseBase64(text)
}

/** Valid UTF-8 without NUL; SyntaxFault otherwise. */
export function parseSaslText(bytes: Uint8Array): string {
  if (bytes.includes(0)) throw new SyntaxFault('NUL in a name or password')
  try {
    return utf8.decode(bytes)
  } catch {
    throw new SyntaxFault('a name or password is not UTF-8')
  }
}

// RFC 4013 §2.1: spaces of all kinds become SPACE, and these disappear.
const spaces = new Set([0xa0, 0x1680, 0x200b, 0x202f, 0x205f, 0x3000])
const nothing = new Set([0xad, 0x34f, 0x1806, 0x180b, 0x180c, 0x180d, 0x200c, 0x200d, 0x2060, 0xfeff])
const isSpace = (code: number) => spaces.has(code) || (code >= 0x2000 && code <= 0x200a)
const isNothing = (code: number) => nothing.has(code) || (code >= 0xfe00 && code <= 0xfe0f)

/**
 * Prepares a name or password as clients of SCRAM do (SASLprep, RFC 4013 §2): the mappings and NFKC. What that profile prohibits
 * is kept, so that a password that somebody has can always be typed.
 */
export function saslPrep(text: string): string {
  let ascii = true
  for (let i = 0; i < text.length && ascii; i++) ascii = text.charCodeAt(i) < 0x80
  if (ascii) return text
  let mapped = ''
  for (const char of text) {
    const code = char.codePointAt(0)!
    if (isSpace(code)) mapped += ' '
    else if (!isNothing(code)) mapped += char
  }
  return mapped.normalize('NFKC')
}
