// Strings of ENVELOPE and BODYSTRUCTURE as IMAP4rev1 wants them: 7-bit, quoted. Knows no message.

import { decodeWords } from '../../mime/index.ts'

const BASE64_WORD_BYTES = 45

/** Whether every character stands in a quoted string as it is or behind a backslash: no NUL, CR, LF, nothing above 0x7e. */
export function isQuotable(text: string): boolean {
  for (let i = 0; i < text.length; i++) {
    const c = text.charCodeAt(i)
    if (c > 0x7e || c === 0 || c === 10 || c === 13) return false
  }
  return true
}

/** `text` as a quoted string; what cannot stand there must have been taken out before. */
export function quote(text: string): string {
  let out = '"'
  let from = 0
  for (let i = 0; i < text.length; i++) {
    const c = text.charCodeAt(i)
    if (c !== 0x22 && c !== 0x5c) continue
    out += `${text.slice(from, i)}\\`
    from = i
  }
  return `${out}${text.slice(from)}"`
}

/** A header value as nstring: line ends and NUL become spaces, words beyond ASCII encoded words (RFC 2047 §2). */
export function formatText(text: string | undefined): string {
  if (text === undefined) return 'NIL'
  return quote(isQuotable(text) ? text : encodeWords(withoutBreaks(text)))
}

/** Parameters of Content-Type or Content-Disposition; values beyond ASCII are written as RFC 2231 §4 has them. */
export function formatParams(params: readonly (readonly [name: string, value: string])[]): string {
  if (params.length === 0) return 'NIL'
  return `(${params.map(([name, value]) => formatParam(name, value)).join(' ')})`
}

function formatParam(name: string, value: string): string {
  const clean = withoutBreaks(value)
  if (isQuotable(clean)) return `${formatText(name)} ${quote(clean)}`
  return `${formatText(`${name}*`)} ${quote(`utf-8''${percentEncode(clean)}`)}`
}

function withoutBreaks(text: string): string {
  let out = ''
  let from = 0
  for (let i = 0; i < text.length; i++) {
    const c = text.charCodeAt(i)
    if (c !== 0 && c !== 10 && c !== 13) continue
    out += `${text.slice(from, i)} `
    from = i + 1
  }
  return out + text.slice(from)
}

/** Runs of words that are not ASCII become encoded words; the others, also encoded words already there, stay. */
function encodeWords(text: string): string {
  const out: string[] = []
  let run: string[] = []
  for (const word of text.split(' ')) {
    if (!isQuotable(word)) {
      run.push(word)
      continue
    }
    if (run.length > 0) out.push(encodeRun(run.join(' ')))
    run = []
    out.push(word)
  }
  if (run.length > 0) out.push(encodeRun(run.join(' ')))
  return out.join(' ')
}

/** A word that claims to be encoded and holds raw characters is decoded first: nobody would decode it twice. */
function encodeRun(raw: string): string {
  const text = decodeWords(raw)
  const words: string[] = []
  let piece = ''
  let size = 0
  for (const char of text) {
    const bytes = Buffer.byteLength(char)
    if (size + bytes > BASE64_WORD_BYTES) {
      words.push(piece)
      piece = ''
      size = 0
    }
    piece += char
    size += bytes
  }
  words.push(piece)
  return words.map((word) => `=?utf-8?B?${Buffer.from(word).toString('base64')}?=`).join(' ')
}

const attributeChars = new Set('ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789!#$&+-.^_`|~')

function percentEncode(text: string): string {
  let out = ''
  for (const byte of Buffer.from(text)) {
    const char = String.fromCharCode(byte)
    out += attributeChars.has(char) ? char : `%${byte.toString(16).toUpperCase().padStart(2, '0')}`
  }
  return out
}
