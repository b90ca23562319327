// Strings of ENVELOPE and BODYSTRUCTURE, quoted: 7-bit as IMAP4rev1 wants them, or UTF-8 for who enabled it. Knows no message.

import { decodeWords } from '../../mime/index.ts'

const BASE64_WORD_BYTES = 45

/** Whether every character stands in a quoted string as it is or behind a backslash: no NUL, CR, LF, nothing above 0x7e unless `utf8`. */
export function isQuotable(text: string, utf8 = false): boolean {
  for (let i = 0; i < text.length; i++) {
    const c = text.charCodeAt(i)
    if ((c > 0x7e && !utf8) || c === 0 || c === 10 || c === 13) return false
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

/** A header value as nstring: line ends and NUL become spaces, words beyond ASCII encoded words (RFC 2047 §2) unless `utf8`. */
export function formatText(text: string | undefined, utf8 = false): string {
  if (text === undefined) return 'NIL'
  if (isQuotable(text)) return quote(text)
  const clean = withoutBreaks(text)
  return quote(utf8 ? clean.toWellFormed() : encodeWords(clean))
}

/** Parameters of Content-Type or Content-Disposition; values beyond ASCII are written as RFC 2231 §4 has them unless `utf8`. */
export function formatParams(params: readonly (readonly [name: string, value: string])[], utf8 = false): string {
  if (params.length === 0) return 'NIL'
  return `(${params.map(([name, value]) => formatParam(name, value, utf8)).join(' ')})`
}

function formatParam(name: string, value: string, utf8: boolean): string {
  const clean = withoutBreaks(value)
  if (utf8 || isQuotable(clean)) return `${formatText(name, utf8)} ${quote(clean.toWellFormed())}`
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
