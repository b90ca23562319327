// When two servers say the same of a message in other words: the general rules of docs/imap-differences.md, and nothing else.

import { isUtf8 } from 'node:buffer'
import { decodeText, decodeWords } from '../../src/mime/index.ts'
import { type Atom, showValue, type Value } from './answers.ts'

type List = readonly Value[]
const isList = (value: Value | undefined): value is List => Array.isArray(value)

/** `body`: bytes of the part with that number, as our server gave them; undefined when it was not asked for. */
export type BodyOf = (path: string) => Buffer | undefined

/** Whether `theirs`, what Dovecot says, means the same as `ours`. */
export function isSame(item: string, ours: Value | undefined, theirs: Value | undefined, body: BodyOf): boolean {
  if (ours === undefined || theirs === undefined) return false
  if (showValue(ours) === showValue(theirs)) return true
  if (item === 'ENVELOPE') return sameEnvelope(ours, theirs)
  if (item === 'BODY' || item === 'BODYSTRUCTURE') return samePart(ours, theirs, [], body)
  // Rule 7. RFC 2046 §5.1.1: the line end before a delimiter is the delimiter's, also behind a multipart that ends there.
  if (!Buffer.isBuffer(ours) || !Buffer.isBuffer(theirs) || !endsMultipart(ours)) return false
  return theirs.equals(Buffer.concat([ours, Buffer.from('\r\n')]))
}

const endsMultipart = (bytes: Buffer | undefined) => bytes?.toString('latin1', bytes.length - 2) === '--'

const nobody = showValue([[null, null, Buffer.alloc(0), Buffer.alloc(0)]])

function sameEnvelope(ours: Value, theirs: Value): boolean {
  if (!isList(ours) || !isList(theirs) || ours.length !== 10 || theirs.length !== 10) return false
  return ours.every((value, i) => {
    const other = theirs[i]!
    // Rule 1. RFC 9051 §7.5.2: From, Sender and Reply-To are never NIL.
    if (i >= 2 && i <= 4 && other === null) return showValue(value) === nobody
    return isList(value) && isList(other) ? sameAddresses(value, other) : sameText(value, other)
  })
}

function sameAddresses(ours: List, theirs: List): boolean {
  return ours.length === theirs.length && ours.every((address, i) => sameAddress(address as List, theirs[i] as List))
}
const sameAddress = (ours: List, theirs: List) => ours.every((value, n) => sameText(value, withoutFillers(theirs[n]!)))

/** Rule 2. What an address lacks is an empty string; Dovecot puts a word there. */
function withoutFillers(value: Value): Value {
  const text = Buffer.isBuffer(value) ? value.toString('latin1') : ''
  return text === 'MISSING_MAILBOX' || text === 'MISSING_DOMAIN' ? Buffer.alloc(0) : value
}

/** Rule 3. We send ASCII: what stands raw in the header goes as encoded words. */
function sameText(ours: Value, theirs: Value): boolean {
  if (showValue(ours) === showValue(theirs)) return true
  if (!Buffer.isBuffer(ours) || !Buffer.isBuffer(theirs) || !theirs.some((c) => c > 127)) return false
  return textOf(ours) === textOf(theirs)
}
const textOf = (bytes: Buffer) => decodeWords(bytes.toString(isUtf8(bytes) ? 'utf8' : 'latin1'))

function samePart(ours: Value, theirs: Value, path: readonly number[], body: BodyOf): boolean {
  if (!isList(ours) || !isList(theirs)) return false
  if (isList(ours[0]) !== isList(theirs[0])) return false
  return isList(ours[0]) ? sameMultipart(ours, theirs, path, body) : sameSingle(ours, theirs, path, body)
}

function sameMultipart(ours: List, theirs: List, path: readonly number[], body: BodyOf): boolean {
  const count = ours.findIndex((value) => !isList(value))
  if (count !== theirs.findIndex((value) => !isList(value))) return false
  for (let i = 0; i < count; i++) if (!samePart(ours[i]!, theirs[i]!, [...path, i + 1], body)) return false
  return sameWord(ours[count]!, theirs[count]!) && sameRest(ours.slice(count + 1), theirs.slice(count + 1))
}

/** Parameters, then what both kinds of parts share: disposition, language, location. */
function sameRest([params, ...rest]: List, [otherParams, ...others]: List): boolean {
  return sameParams(params, otherParams) && sameExtension(rest, others)
}

function sameSingle(ours: List, theirs: List, of: readonly number[], body: BodyOf): boolean {
  const path = of.length === 0 ? [1] : of
  const text = showValue(ours[0]!).toLowerCase() === '"text"'
  const isMessage =
    showValue(ours[0]!).toLowerCase() === '"message"' && isList(ours[8]) && ours.length > 8 && isList(ours[7])
  if (!sameWord(ours[0]!, theirs[0]!) || !sameWord(ours[1]!, theirs[1]!)) return false
  if (!sameParams(ours[2], text ? withoutDefault(ours[2], theirs[2]) : theirs[2])) return false
  for (const n of [3, 4]) if (!sameText(ours[n]!, theirs[n]!)) return false
  const bytes = body(path.join('.'))
  if (!sameWord(ours[5]!, theirs[5]!) || !sameSize(ours[6]!, theirs[6]!, isMessage ? bytes : undefined)) return false
  if (isMessage) {
    if (!sameEnvelope(ours[7]!, theirs[7]!)) return false
    const inner = isList((ours[8] as List)[0]) ? path : [...path, 1]
    if (!samePart(ours[8]!, theirs[8]!, inner, body) || !sameLines(ours[9]!, theirs[9]!, bytes)) return false
  } else if (text && !sameLines(ours[7]!, theirs[7]!, bytes)) return false
  const from = isMessage ? 10 : text ? 8 : 7
  if (ours.length === from || theirs.length === from) return ours.length === theirs.length
  return sameText(ours[from]!, theirs[from]!) && sameExtension(ours.slice(from + 1), theirs.slice(from + 1))
}

/** Rule 4. Dovecot writes a charset that no header names. */
function withoutDefault(ours: Value | undefined, theirs: Value | undefined): Value | undefined {
  if (!isList(theirs) || paramsOf(ours).has('charset')) return theirs
  const last = theirs.slice(-2).map(showValue).join(' ')
  if (last.toLowerCase() !== '"charset" "us-ascii"') return theirs
  return theirs.length === 2 ? null : theirs.slice(0, -2)
}

/** Rule 7 again: of a message that ends with a multipart. */
function sameSize(ours: Value, theirs: Value, bytes: Buffer | undefined): boolean {
  const [a, b] = numbers(ours, theirs)
  return a === b || (endsMultipart(bytes) && a + 2 === b)
}

const numbers = (...values: [Value, Value]) => values.map((value) => Number((value as Atom).atom)) as [number, number]

/** Rule 5. A last line without a line end is a line. */
function sameLines(ours: Value, theirs: Value, bytes: Buffer | undefined): boolean {
  const [a, b] = numbers(ours, theirs)
  const open = bytes === undefined || (bytes.length > 0 && bytes.at(-1) !== 10)
  return a === b || (open && a === b + 1)
}

function sameExtension(ours: List, theirs: List): boolean {
  const [disposition = null, language = null, location = null] = ours
  const [otherDisposition = null, otherLanguage = null, otherLocation = null] = theirs
  if (showValue(language) !== showValue(otherLanguage) || !sameText(location, otherLocation)) return false
  if (!isList(disposition) || !isList(otherDisposition)) return disposition === otherDisposition
  return sameWord(disposition[0]!, otherDisposition[0]!) && sameParams(disposition[1], otherDisposition[1])
}

const sameWord = (ours: Value, theirs: Value) => showValue(ours).toLowerCase() === showValue(theirs).toLowerCase()

function sameParams(ours: Value | undefined, theirs: Value | undefined): boolean {
  const [a, b] = [paramsOf(ours), paramsOf(theirs)]
  return a.size === b.size && [...a].every(([name, values]) => values.join('\n') === b.get(name)?.join('\n'))
}

/** Rule 6. Extended values (RFC 2231 §4) and raw ones by what they mean. */
function paramsOf(value: Value | undefined): Map<string, string[]> {
  const found = new Map<string, string[]>()
  if (!isList(value)) return found
  for (let i = 0; i < value.length; i += 2) {
    const name = (value[i] as Buffer).toString('latin1').toLowerCase()
    const raw = value[i + 1] as Buffer
    const extended = name.endsWith('*')
    const plain = extended ? name.slice(0, -1) : name
    found.set(plain, [...(found.get(plain) ?? []), extended ? readExtended(raw) : textOf(raw)])
  }
  return found
}

function readExtended(raw: Buffer): string {
  const [, charset, , text] = /^([^']*)'([^']*)'(.*)$/s.exec(raw.toString('latin1')) ?? [
    '',
    '',
    '',
    raw.toString('latin1'),
  ]
  const bytes = Buffer.from(
    text!.replaceAll(/%([0-9a-f]{2})/gi, (_, hex) => String.fromCharCode(Number.parseInt(hex, 16))),
    'latin1',
  )
  return decodeText(bytes, charset)
}
