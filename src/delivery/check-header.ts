// What a message's header says about who wrote it and how far it came, checked before its body is read. Mail that starts here is put
// in order: no Bcc leaves the house, and a Date, Message-ID and From are there.

import type { AccountReads } from '../accounts/index.ts'
import { type Address, formatAddress, type Path, parseAddress, sameAddress, toAscii } from '../address/index.ts'
import { type Clock, isLoopback } from '../base/index.ts'
import {
  type EnvelopeAddress,
  fieldValue,
  formatDate,
  type HeaderField,
  parseAddressList,
  parseFields,
} from '../mime/index.ts'
import type { Arrival, DeliveryChecks, Envelope, Refusal } from './types.ts'
import { refuse } from './verdict.ts'
import { isBelieved } from './verdicts/fields.ts'

export interface HeaderParts {
  readonly accounts: AccountReads
  readonly hostname: string
  readonly clock: Clock
}

/** Half of what RFC 5321 §6.3 calls normal: no path of today has a fifth of it, and each turn of a loop costs everybody in it. */
const maxHops = 50
/** Of them at this server: a mailing list or two and a forward lead here again, a circle comes back for ever. */
const maxOwnHops = 10
/** Authors of one message; each costs a look at the store. */
const maxAuthors = 20

/** A field with its name folded, as tables know it. */
interface Named {
  readonly name: string
  readonly field: HeaderField
}

/** The answer to `DeliveryChecks.header`: the header to go on with, or why the message is refused. */
export async function checkHeader(
  parts: HeaderParts,
  arrival: Arrival,
  envelope: Envelope,
  header: Buffer,
): ReturnType<DeliveryChecks['header']> {
  const fields = parseFields(header).map((field) => ({ name: field.name.toLowerCase(), field }))
  const stopped = checkLoop(parts.hostname, arrival, envelope, header, fields)
  if (stopped) return stopped
  if (fields.filter(({ name }) => name === 'from').length > 1)
    return refuse('bad-message', 'the message has more than one From header (RFC 5322 3.6)')
  const params = isTlsOptional(envelope, header, fields) ? { params: { tlsOptional: true } } : {}
  if (!startsHere(arrival)) return { header: withoutForged(parts.hostname, arrival, header, fields), ...params }
  return (
    (await checkAuthors(parts, arrival, envelope.from, header, fields)) ?? {
      header: complete(parts, arrival, envelope.from, header, fields),
      ...params,
    }
  )
}

/**
 * What a stranger says that we said of him is taken out (RFC 8601 §5): results under our name, Received-SPF with us as its receiver, and verdicts of filters.
 * A filter on this machine or in a trusted network may have them from us.
 */
function withoutForged(
  hostname: string,
  { kind, trusted, clientIp }: Arrival,
  header: Buffer,
  fields: readonly Named[],
): Buffer {
  if (kind !== 'mx' || trusted === true || isLoopback(clientIp)) return header
  const name = hostname.toLowerCase()
  const forged = fields.filter(({ name: field, field: at }) => {
    if (isBelieved(field)) return true
    if (field === 'authentication-results') return authservId(fieldValue(header, at)) === name
    return field === 'received-spf' && fieldValue(header, at).toLowerCase().includes(name)
  })
  return without(header, forged)
}

/** The header without these fields, which come in its order. */
function without(header: Buffer, fields: readonly Named[]): Buffer {
  if (fields.length === 0) return header
  const kept: Buffer[] = []
  let at = 0
  for (const { field } of fields) {
    kept.push(header.subarray(at, field.start))
    at = field.end
  }
  return Buffer.concat([...kept, header.subarray(at)])
}

/** The first word of Authentication-Results, comments before it left out. */
function authservId(value: string): string {
  let text = value.trimStart()
  while (text.startsWith('(')) {
    const end = text.indexOf(')')
    if (end < 0) return ''
    text = text.slice(end + 1).trimStart()
  }
  let end = 0
  while (end < text.length && !' \t\r\n;('.includes(text[end]!)) end++
  return text.slice(0, end).replaceAll('"', '').toLowerCase()
}

/** `TLS-Required: No`, once; what MAIL said stands above it (RFC 8689 §4.1). */
function isTlsOptional({ params }: Envelope, header: Buffer, fields: readonly Named[]): boolean {
  const asked = fields.filter(({ name }) => name === 'tls-required')
  if (asked.length !== 1 || params?.requireTls) return false
  return fieldValue(header, asked[0]!.field).trim().toLowerCase() === 'no'
}

/** Mail that a user or a machine of the operator hands in: only that may be put in order (RFC 6409 §8, RFC 5321 §6.4). */
export function startsHere({ kind, account, trusted }: Arrival): boolean {
  return kind === 'submission' || (kind === 'mx' && (account !== undefined || trusted === true))
}

function checkLoop(
  hostname: string,
  arrival: Arrival,
  envelope: Envelope,
  header: Buffer,
  fields: readonly Named[],
): { readonly refusal: Refusal } | undefined {
  const hops = fields.filter(({ name }) => name === 'received')
  if (hops.length > maxHops || (hops.length > maxOwnHops && ownHops(hostname, header, hops) > maxOwnHops))
    return refuse('loop', 'too many hops: this message is in a loop')
  // A user may send on what he received: only mail from outside comes back by mistake.
  if (startsHere(arrival)) return undefined
  const been = fields
    .filter(({ name }) => name === 'delivered-to')
    .flatMap(({ field }) => parseAddress(fieldValue(header, field)) ?? [])
  if (been.length === 0) return undefined
  // One recipient who has not had it yet gets it: then the circle of the others ends by counting hops.
  const looping = envelope.to.every(({ address }) => been.some((before) => sameAddress(before, address)))
  return looping ? refuse('loop', 'this message was delivered to this address before: it is in a loop') : undefined
}

/** How often the message was here before, as our own Received lines say (prefix.ts). */
function ownHops(hostname: string, header: Buffer, hops: readonly Named[]): number {
  const words = `by ${hostname} (Posthorn) `
  return hops.filter(({ field }) => fieldValue(header, field).includes(words)).length
}

/** Fields that say who wrote or sent it: a user who signed in may name only himself. */
const authorNames: ReadonlySet<string> = new Set(['from', 'sender', 'resent-from', 'resent-sender'])

async function checkAuthors(
  { accounts }: HeaderParts,
  arrival: Arrival,
  sender: Path,
  header: Buffer,
  fields: readonly Named[],
): Promise<{ readonly refusal: Refusal } | undefined> {
  // A From can be added only where the envelope says who it is.
  if (sender === null && !fields.some(({ name }) => name === 'from'))
    return refuse('bad-message', 'the message has no From header (RFC 5322 3.6)')
  const authors: Address[] = []
  for (const { name, field } of fields) {
    if (!authorNames.has(name)) continue
    const found = readAuthors(fieldValue(header, field))
    if (!found) return refuse('bad-message', `the ${field.name} header holds no address that can be read`)
    authors.push(...found)
  }
  if (authors.length > maxAuthors) return refuse('bad-message', `a message has at most ${maxAuthors} authors`)
  if (arrival.account === undefined) return undefined
  for (const author of authors) {
    if (sender && sameAddress(author, sender)) continue
    if (!(await accounts.owns(arrival.account, author)))
      return refuse('sender-denied', `you may not write as <${formatAddress(author)}>`)
  }
  return undefined
}

/** Every address of the value, or undefined when there is none or one of them cannot be read whole. */
function readAuthors(value: string): Address[] | undefined {
  const entries = parseAddressList(value).filter(({ local }) => local !== undefined)
  const addresses = entries.map(toAddress)
  return addresses.length > 0 && addresses.every((address) => address !== undefined) ? addresses : undefined
}

function toAddress({ local, domain }: EnvelopeAddress): Address | undefined {
  if (!local || !domain) return undefined
  const literal = domain.startsWith('[')
  const name = literal ? domain : toAscii(domain)
  return name === undefined ? undefined : { local, domain: name }
}

/** Fields that must not go on: blind recipients (RFC 5322 §3.6.3), and what the last hop writes (RFC 5321 §4.4). */
const removedNames: ReadonlySet<string> = new Set(['bcc', 'resent-bcc', 'return-path'])

/** The header without what must not leave, and with what is missing, before the empty line. */
function complete(
  { hostname, clock }: HeaderParts,
  { traceId }: Arrival,
  sender: Path,
  header: Buffer,
  fields: readonly Named[],
): Buffer {
  const has = (wanted: string) => fields.some(({ name }) => name === wanted)
  const added: string[] = []
  if (!has('from') && sender) added.push(`From: <${formatAddress(sender)}>`)
  if (!has('date')) added.push(`Date: ${formatDate(clock.now())}`)
  if (!has('message-id')) added.push(`Message-ID: <${traceId}@${hostname}>`)
  const kept = without(
    header,
    fields.filter(({ name }) => removedNames.has(name)),
  )
  if (added.length === 0) return kept
  const end = endOfFields(kept)
  return Buffer.concat([kept.subarray(0, end), Buffer.from(`${added.join('\r\n')}\r\n`), kept.subarray(end)])
}

/** Where the empty line begins, or the end when there is none. */
function endOfFields(header: Buffer): number {
  if (header[0] === 13 && header[1] === 10) return 0
  const at = header.indexOf('\r\n\r\n')
  return at < 0 ? header.length : at + 2
}
