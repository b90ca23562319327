// The parameters of DSN (RFC 3461 §4) as values and back: RET and ENVID of a message, NOTIFY and ORCPT of a recipient.
// What they hold is copied into headers and commands later: nothing unprintable gets through here.

import { SyntaxFault } from '../../base/index.ts'
import type { MailParams, NotifyOn, RecipientParams } from './params.ts'
import { formatXtext, parseXtext } from './xtext.ts'

/** RFC 3461 §5.4: as long as everybody must take them. Encoded. */
const maxEnvid = 100
const maxOrcpt = 500

/** `FULL` or `HDRS` (RFC 3461 §4.3). */
export function parseRet(value: string): NonNullable<MailParams['ret']> {
  const ret = value.toLowerCase()
  if (ret !== 'full' && ret !== 'hdrs') throw new SyntaxFault('RET must be FULL or HDRS')
  return ret
}

/** The decoded envelope id: printable ASCII (RFC 3461 §4.4). */
export function parseEnvid(value: string): string {
  if (value.length > maxEnvid) throw new SyntaxFault(`ENVID may have at most ${maxEnvid} characters`)
  const envid = parseXtext(value)
  if (!isPrintable(envid)) throw new SyntaxFault('ENVID must hold printable ASCII')
  return envid
}

/** `NEVER` alone is the empty list; otherwise each wish once, in a fixed order (RFC 3461 §4.1). */
export function parseNotify(value: string): readonly NotifyOn[] {
  const words = value.toLowerCase().split(',', 4)
  if (words.length === 1 && words[0] === 'never') return []
  const known: readonly string[] = wishes
  if (words.length > wishes.length || !words.every((word) => known.includes(word)))
    throw new SyntaxFault('NOTIFY must be NEVER or a list of SUCCESS, FAILURE and DELAY')
  return wishes.filter((wish) => words.includes(wish))
}
const wishes: readonly NotifyOn[] = ['success', 'failure', 'delay']

/** `type;address`, decoded (RFC 3461 §4.2; for `utf-8` RFC 6533 §3). */
export function parseOrcpt(value: string): NonNullable<RecipientParams['orcpt']> {
  if (value.length > maxOrcpt) throw new SyntaxFault(`ORCPT may have at most ${maxOrcpt} characters`)
  const semicolon = value.indexOf(';')
  const type = value.slice(0, Math.max(semicolon, 0)).toLowerCase()
  if (!isAtom(type)) throw new SyntaxFault('ORCPT must be a type, a semicolon and an address')
  const text = value.slice(semicolon + 1)
  if (type === 'utf-8') return { type, address: parseUtf8Address(text) }
  const address = parseXtext(text)
  if (isPrintable(address)) return { type, address }
  // Postfix sends an address in UTF-8 as type rfc822, its bytes escaped.
  if (type === 'rfc822' && isPrintableUtf8(address)) return { type: 'utf-8', address }
  throw new SyntaxFault('the address in ORCPT must be printable ASCII')
}

/** The value of ORCPT in ASCII, whatever the address: servers without SMTPUTF8 can carry it too. */
export function formatOrcpt({ type, address }: NonNullable<RecipientParams['orcpt']>): string {
  return `${type};${type === 'utf-8' ? formatUtf8Address(address) : formatXtext(address)}`
}

/** utf-8-addr-xtext, or as it is where SMTPUTF8 lets it stand so (RFC 6533 §3). */
function parseUtf8Address(text: string): string {
  let out = ''
  for (let i = 0; i < text.length; ) {
    const code = text.charCodeAt(i)
    if (code === backslash) {
      const close = text.indexOf('}', i)
      const point = text.startsWith('\\x{', i) && close > 0 ? parseHexPoint(text.slice(i + 3, close)) : undefined
      if (point === undefined) throw new SyntaxFault('bad escape in the utf-8 address', i)
      out += String.fromCodePoint(point)
      i = close + 1
      continue
    }
    // QCHAR, or beyond ASCII.
    if (code <= 0x20 || code === 0x2b || code === 0x3d || code === 0x7f)
      throw new SyntaxFault('the utf-8 address holds a character that must be escaped', i)
    out += text[i++]
  }
  if (out === '' || !out.isWellFormed()) throw new SyntaxFault('the utf-8 address is none')
  return out
}
const backslash = 0x5c

/** Hexadecimal digits of a character that may be escaped: no control, nothing beyond Unicode, no surrogate. */
function parseHexPoint(digits: string): number | undefined {
  if (digits.length < 2 || digits.length > 6) return undefined
  let point = 0
  for (const digit of digits.toUpperCase()) {
    const value = '0123456789ABCDEF'.indexOf(digit)
    if (value < 0) return undefined
    point = point * 16 + value
  }
  const control = point < 0x20 || (point >= 0x7f && point < 0xa0)
  return control || isSurrogate(point) || point > 0x10_ffff ? undefined : point
}

const isSurrogate = (point: number) => point >= 0xd800 && point <= 0xdfff

function formatUtf8Address(address: string): string {
  let out = ''
  for (const char of address) {
    const point = char.codePointAt(0)!
    const plain = point > 0x20 && point < 0x7f && point !== 0x2b && point !== 0x3d && point !== backslash
    out += plain ? char : `\\x{${point.toString(16).toUpperCase().padStart(2, '0')}}`
  }
  return out
}

/** Visible ASCII and spaces, at least one. */
function isPrintable(text: string): boolean {
  if (text === '') return false
  for (let i = 0; i < text.length; i++) {
    const code = text.charCodeAt(i)
    if (code < 0x20 || code > 0x7e) return false
  }
  return true
}

/** Nothing that is no character, and no control. */
function isPrintableUtf8(text: string): boolean {
  for (const char of text) {
    const point = char.codePointAt(0)!
    if (point <= 0x20 || (point >= 0x7f && point < 0xa0) || point === 0xfffd) return false
  }
  return text !== ''
}

function isAtom(text: string): boolean {
  if (text === '' || text.length > 64) return false
  for (const char of text) if (char <= ' ' || char > '~' || '()<>[]:;@\\,."'.includes(char)) return false
  return true
}
