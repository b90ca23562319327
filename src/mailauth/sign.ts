// Signs a message with DKIM (RFC 6376), relaxed in header and body, with as many keys as its domain has. Fields that tell who wrote what
// are signed once more than they stand there, so that nobody adds another (oversigning).

import { createHash, createPrivateKey, type KeyObject, sign } from 'node:crypto'
import { type HeaderField, parseFields } from '../mime/index.ts'

export interface DkimSigningKey {
  readonly domain: string
  readonly selector: string
  readonly privateKey: KeyObject
}

export const openDkimKey = (pem: string): KeyObject => createPrivateKey(pem)

/** Signed where they stand, and once more: a second one would be shown, or believed, instead. */
const oversigned = [
  'from',
  'to',
  'cc',
  'subject',
  'date',
  'message-id',
  'reply-to',
  'mime-version',
  'content-type',
  'list-unsubscribe',
  'list-unsubscribe-post',
  'feedback-id',
]
/** Signed where they stand. */
const signed = [
  'sender',
  'in-reply-to',
  'references',
  'content-transfer-encoding',
  'content-disposition',
  'list-id',
  'list-help',
  'list-subscribe',
  'list-post',
  'list-owner',
  'list-archive',
  'autocrypt',
]
const lineLength = 72

export interface Unsigned {
  /** With the empty line. */
  readonly header: Buffer
  readonly body: Buffer | AsyncIterable<Uint8Array>
}

/** The DKIM-Signature fields, each line with its end, for the top of the message. `now`: Unix time in seconds. */
export async function signDkim(
  { header, body }: Unsigned,
  keys: readonly DkimSigningKey[],
  now: number,
): Promise<string> {
  const bodyHash = await hashBody(body)
  const fields = parseFields(header).map((field) => ({ name: field.name.toLowerCase(), field }))
  const names = toNames(fields)
  const lines = relaxAll(header, fields, names)
  return keys.map((key) => signOnce(key, { bodyHash, names, lines, now })).join('')
}

interface Ready {
  readonly bodyHash: string
  readonly names: readonly string[]
  /** The signed fields in relaxed form, in the order of their names. */
  readonly lines: string
  readonly now: number
}

function signOnce({ domain, selector, privateKey }: DkimSigningKey, { bodyHash, names, lines, now }: Ready): string {
  const rsa = privateKey.asymmetricKeyType === 'rsa'
  const field = [
    `DKIM-Signature: v=1; a=${rsa ? 'rsa' : 'ed25519'}-sha256; c=relaxed/relaxed;`,
    `d=${domain}; s=${selector}; t=${now};`,
    ...foldNames(names),
    `bh=${bodyHash};`,
    'b=',
  ].join('\r\n\t')
  const text = Buffer.from(lines + relax('dkim-signature', field.slice(field.indexOf(':') + 1)), 'latin1')
  const signature = rsa
    ? sign('sha256', text, privateKey)
    : // RFC 8463 §3: what is signed is the hash.
      sign(null, createHash('sha256').update(text).digest(), privateKey)
  return `${field}${foldValue(signature.toString('base64'))}\r\n`
}

interface Named {
  readonly name: string
  readonly field: HeaderField
}

function toNames(fields: readonly Named[]): string[] {
  const count = (name: string) => fields.filter((one) => one.name === name).length
  return [
    ...oversigned.flatMap((name) => new Array<string>(count(name) + 1).fill(name)),
    ...signed.flatMap((name) => new Array<string>(count(name)).fill(name)),
  ]
}

/** RFC 6376 §5.4.2: fields of one name from the last to the first; a name too many stands for nothing. */
function relaxAll(header: Buffer, fields: readonly Named[], names: readonly string[]): string {
  const left = [...fields]
  let out = ''
  for (const name of names) {
    const at = left.findLastIndex((one) => one.name === name)
    if (at < 0) continue
    const { start, end } = left[at]!.field
    const line = header.toString('latin1', start, end)
    out += `${relax(name, line.slice(line.indexOf(':') + 1))}\r\n`
    left.splice(at, 1)
  }
  return out
}

/** RFC 6376 §3.4.2: unfolded, each run of blanks one space, none at the ends. `value` has one character for each byte. */
function relax(name: string, value: string): string {
  let out = ''
  let blank = false
  for (const c of value) {
    if (c === '\r' || c === '\n') continue
    if (c === ' ' || c === '\t') {
      blank = true
      continue
    }
    if (blank && out !== '') out += ' '
    blank = false
    out += c
  }
  return `${name}:${out}`
}

function foldNames(names: readonly string[]): string[] {
  const lines: string[] = []
  let line = 'h='
  for (const [i, name] of names.entries()) {
    const piece = `${name}${i < names.length - 1 ? ':' : ';'}`
    if (line.length + piece.length > lineLength) {
      lines.push(line)
      line = ''
    }
    line += piece
  }
  return [...lines, line]
}

function foldValue(text: string): string {
  const lines: string[] = []
  for (let at = 0; at < text.length; at += lineLength) lines.push(text.slice(at, at + lineLength))
  return lines.join('\r\n\t')
}

async function hashBody(body: Unsigned['body']): Promise<string> {
  const relaxed = new RelaxedBody()
  if (Buffer.isBuffer(body)) relaxed.update(body)
  else for await (const chunk of body) relaxed.update(chunk)
  return relaxed.end()
}

const TAB = 9
const LF = 10
const CR = 13
const SPACE = 32

/** RFC 6376 §3.4.4: each run of blanks one space, none at a line's end, no empty lines at the end. */
class RelaxedBody {
  readonly #hash = createHash('sha256')
  /** Line ends that have come and may be the last of the body. */
  #ends = 0
  #blank = false
  #cr = false
  #empty = true

  update(chunk: Uint8Array): void {
    // At most: every byte as it is, and what was held back.
    const out = Buffer.allocUnsafe(chunk.length + 2 * this.#ends + 2)
    let at = 0
    const put = (byte: number) => {
      for (; this.#ends > 0; this.#ends--) {
        out[at++] = CR
        out[at++] = LF
      }
      if (this.#blank) out[at++] = SPACE
      this.#blank = false
      out[at++] = byte
    }
    for (const byte of chunk) {
      if (this.#cr) {
        this.#cr = false
        if (byte === LF) {
          this.#blank = false
          this.#ends++
          continue
        }
        put(CR)
      }
      if (byte === CR) this.#cr = true
      else if (byte === SPACE || byte === TAB) this.#blank = true
      else put(byte)
    }
    if (at > 0) this.#empty = false
    this.#hash.update(out.subarray(0, at))
  }

  /** The hash in base64; of an empty body that of nothing. */
  end(): string {
    if (!this.#empty) this.#hash.update('\r\n')
    return this.#hash.digest('base64')
  }
}
