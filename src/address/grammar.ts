// The grammar of mailboxes and SMTP paths (RFC 5321 §4.1.2, RFC 6531 §3.3): one cursor, one method per production.
// Works on text; bytes are read as one character each and decoded piece by piece, so that offsets stay the caller's.

import { isUtf8 } from 'node:buffer'
import { isIPv4, isIPv6 } from 'node:net'
import { toAscii } from './domain.ts'
import { isRewritten } from './rewritten.ts'

/** Octets of a local part, as it stands on the wire (RFC 5321 §4.5.3.1.1). */
const MAX_LOCAL = 64
/** Rewritten senders (SRS) hold a whole address; all servers that make them exceed the limit, and bounces to them must come back. */
export const MAX_REWRITTEN = 192
/** A source route or a literal longer than this is no address: nothing longer is looked at. */
const MAX_ROUTE = 1024

const atextMarks = "!#$%&'*+-/=?^_`{|}~"
/** 1 for each ASCII character that may stand in an unquoted local part. */
const atext = new Uint8Array(128)
for (let c = 0; c < 128; c++) {
  const alphanumeric = (c >= 48 && c <= 57) || (c >= 65 && c <= 90) || (c >= 97 && c <= 122)
  if (alphanumeric || atextMarks.includes(String.fromCharCode(c))) atext[c] = 1
}

/** Whether `local` can stand without quotes: atoms joined by single dots (RFC 5321 §4.1.2 Dot-string). */
export function isDotString(local: string): boolean {
  let afterDot = true
  for (let i = 0; i < local.length; i++) {
    const c = local.charCodeAt(i)
    if (c === 46) {
      if (afterDot) return false
      afterDot = true
    } else {
      if (c < 128 && !atext[c]) return false
      afterDot = false
    }
  }
  return !afterDot
}

/** The local part as it is written in an address: quoted when it must be. */
export function quoteLocal(local: string): string {
  if (isDotString(local)) return local
  let out = '"'
  for (const char of local) out += char === '"' || char === '\\' ? `\\${char}` : char
  return `${out}"`
}

export class AddressCursor {
  readonly #text: string
  readonly #bytes: boolean
  at: number

  /** `bytes`: each character of `text` is one byte of UTF-8. */
  constructor(text: string, at: number, bytes: boolean) {
    this.#text = text
    this.#bytes = bytes
    this.at = at
  }

  get done(): boolean {
    return this.at >= this.#text.length
  }

  /** Consumes `char` if it stands here. */
  take(char: string): boolean {
    if (this.#text[this.at] !== char) return false
    this.at++
    return true
  }

  /** Local-part = Dot-string / Quoted-string: its meaning, without quotes. */
  localPart(): string | undefined {
    const start = this.at
    const local = this.#text[start] === '"' ? this.#quotedString() : this.#dotString()
    if (local === undefined || !isCleanUnicode(local)) return undefined
    const most = isRewritten(local) ? MAX_REWRITTEN : MAX_LOCAL
    return Buffer.byteLength(quoteLocal(local)) > most ? undefined : local
  }

  #dotString(): string | undefined {
    const start = this.at
    while (!this.done) {
      const c = this.#text.charCodeAt(this.at)
      if (c !== 46 && c < 128 && !atext[c]) break
      this.at++
    }
    const local = this.#decode(start, this.at)
    return local !== undefined && isDotString(local) ? local : undefined
  }

  #quotedString(): string | undefined {
    const text = this.#text
    let raw = ''
    for (this.at++; !this.done; this.at++) {
      let c = text.charCodeAt(this.at)
      if (c === 34) {
        this.at++
        return this.#bytes ? decodeUtf8(raw) : raw
      }
      if (c === 92) c = text.charCodeAt(++this.at)
      // qtextSMTP and quoted-pairSMTP hold no control characters.
      if (!(c >= 32) || c === 127) return undefined
      raw += text[this.at]
    }
    return undefined
  }

  /** Domain / address-literal, in the normal form of Address.domain. */
  domain(): string | undefined {
    if (this.#text[this.at] === '[') return this.#addressLiteral()
    const start = this.at
    while (!this.done && isDomainChar(this.#text.charCodeAt(this.at))) this.at++
    const name = this.#decode(start, this.at)
    return name === undefined ? undefined : toAscii(name)
  }

  #addressLiteral(): string | undefined {
    const close = this.#text.indexOf(']', this.at)
    if (close < 0 || close - this.at > 60) return undefined
    const inside = this.#text.slice(this.at + 1, close)
    this.at = close + 1
    if (isIPv4(inside)) return `[${inside}]`
    // RFC 5321 §4.1.3: other tags are for the future; a zone identifier means nothing to others.
    const ip = inside.slice(5)
    if (inside.slice(0, 5).toLowerCase() !== 'ipv6:' || !isIPv6(ip) || ip.includes('%')) return undefined
    return `[IPv6:${new URL(`http://[${ip}]`).hostname.slice(1)}`
  }

  /** A-d-l ":" — accepted and ignored (RFC 5321 §4.1.2, Appendix C). False when it is malformed. */
  sourceRoute(): boolean {
    const start = this.at
    while (this.take('@')) {
      if (this.domain() === undefined || this.at - start > MAX_ROUTE) return false
      if (this.take(':')) return true
      if (!this.take(',')) return false
    }
    return this.at === start
  }

  #decode(start: number, end: number): string | undefined {
    const piece = this.#text.slice(start, end)
    return this.#bytes ? decodeUtf8(piece) : piece
  }
}

function isDomainChar(c: number): boolean {
  return c > 127 || c === 45 || c === 46 || (c >= 48 && c <= 57) || (c >= 65 && c <= 90) || (c >= 97 && c <= 122)
}

/** No control characters of the second set, no lone surrogates: they cannot be written in UTF-8 mail. */
function isCleanUnicode(text: string): boolean {
  for (let i = 0; i < text.length; i++) {
    const c = text.charCodeAt(i)
    if (c >= 0x80 && c < 0xa0) return false
  }
  return text.isWellFormed()
}

/** Text of bytes that stand as one character each; undefined when they are not UTF-8. */
function decodeUtf8(raw: string): string | undefined {
  const bytes = Buffer.from(raw, 'latin1')
  if (bytes.length === Buffer.byteLength(raw)) return raw
  return isUtf8(bytes) ? bytes.toString('utf8') : undefined
}
