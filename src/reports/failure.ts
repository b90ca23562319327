// One message that failed, told to the domain whose name it bore (RFC 9991; RFC 6591, RFC 5965). Local parts are replaced, the body is never there.

import { createHmac } from 'node:crypto'
import { oneLine } from '../base/index.ts'
import type { Verification } from '../mailauth/index.ts'
import { fieldValue, firstField, formatDate, parseAddressList, parseFields } from '../mime/index.ts'
import type { FailureJob } from './notes.ts'
import type { FailedMessage } from './observe.ts'
import { parseTags } from './policy-record.ts'

export interface FailureOptions {
  /** Makes the same word of the same local part, and nobody else can. */
  readonly key: Buffer
  readonly hostname: string
  readonly version: string
}

/** What is stored of it until it is sent; undefined when its domain wants none. */
export function toFailureJob(failed: FailedMessage, options: FailureOptions): FailureJob | undefined {
  const { dmarc, spf } = failed.verification
  const ruf = dmarc.record === undefined ? undefined : parseTags(dmarc.record).get('ruf')
  if (!ruf || dmarc.publishedAt === undefined) return undefined
  const header = Buffer.from(failed.header)
  return {
    domain: dmarc.publishedAt,
    ruf,
    fields: toFields(failed, options),
    header: redactHeader(header, failed.subject, options.key),
    // RFC 9991 §4: what SPF read is looked up when the report is sent.
    ...(!dmarc.spfAligned && spf.domain === dmarc.from && { spfDomain: spf.domain }),
    text: [
      `A message that says it is from ${dmarc.from ?? 'nobody'} did not pass DMARC.`,
      `It came from ${failed.ip} on ${formatDate(failed.at)}.`,
      '',
      'Local parts of addresses are replaced, and the text of the message is left out.',
      '',
    ].join('\n'),
  }
}

const results = { none: 'delivered', quarantine: 'spam', reject: 'reject' } as const

function toFields(failed: FailedMessage, { key, hostname, version }: FailureOptions): (readonly [string, string])[] {
  const { verification, ip, mailFrom, at, done } = failed
  const { dmarc, dkim } = verification
  const from = dmarc.from ?? ''
  const missing = [...(dmarc.dkimAligned ? [] : ['dkim']), ...(dmarc.spfAligned ? [] : ['spf'])]
  const broken = dkim.find(({ result, domain }) => result !== 'pass' && domain === from)
  return [
    ['Feedback-Type', 'auth-failure'],
    ['User-Agent', `Posthorn/${version}`],
    ['Version', '1'],
    ['Auth-Failure', 'dmarc'],
    ['Authentication-Results', `${hostname}; ${toResults(verification)}`],
    // RFC 9991 §4: the mechanisms that gave no aligned identifier.
    ['Identity-Alignment', missing.join(', ') || 'none'],
    ['Delivery-Result', results[done]],
    ...(broken === undefined
      ? []
      : ([
          ['DKIM-Domain', word(broken.domain)],
          ['DKIM-Identity', `@${word(broken.domain)}`],
          ['DKIM-Selector', word(broken.selector)],
        ] as const)),
    ['Original-Mail-From', mailFrom === '' ? '<>' : word(redactAddress(mailFrom, key))],
    ['Arrival-Date', formatDate(at)],
    ['Source-IP', ip],
    ['Reported-Domain', word(from)],
  ]
}

function toResults({ dmarc, spf, dkim }: Verification): string {
  return [
    `dmarc=${dmarc.result} header.from=${word(dmarc.from ?? '')}`,
    `spf=${spf.result} smtp.mailfrom=${word(spf.domain)}`,
    ...dkim
      .slice(0, 5)
      .map(({ result, domain, selector }) => `dkim=${result} header.d=${word(domain)} header.s=${word(selector)}`),
  ].join('; ')
}

/** Visible ASCII that means nothing in a field. */
function word(text: string): string {
  let out = ''
  for (const c of text.slice(0, 255)) if (c > ' ' && c < '\x7f' && !'()<>"\\;,'.includes(c)) out += c
  return out || 'unknown'
}

/** Fields that are told as they are; what else stands in the header is nobody's business. */
const plain: ReadonlySet<string> = new Set([
  'dkim-signature',
  'date',
  'mime-version',
  'list-id',
  'precedence',
  'auto-submitted',
])
/** Fields of addresses: their domains are told. */
const addressed: ReadonlySet<string> = new Set(['from', 'sender', 'reply-to'])
const maxFields = 50
const maxLine = 900

function redactHeader(header: Buffer, subject: boolean, key: Buffer): string {
  const lines: string[] = []
  for (const field of parseFields(header)) {
    const name = field.name.toLowerCase()
    if (lines.length === maxFields) break
    const value = ascii(oneLine(fieldValue(header, field), maxLine))
    if (plain.has(name)) lines.push(`${field.name}: ${name === 'dkim-signature' ? withoutIdentity(value) : value}`)
    else if (addressed.has(name)) lines.push(`${field.name}: ${redactList(fieldValue(header, field), key)}`)
    else if (name === 'message-id') lines.push(`${field.name}: <${word(redactAddress(trimAngles(value), key))}>`)
    else if (name === 'subject') lines.push(`${field.name}: ${subject ? value : '[redacted]'}`)
  }
  if (firstField(header, 'subject') === undefined) lines.push('Subject: [redacted]')
  return `${lines.join('\n')}\n`
}

/** `i=` names who signed. */
const withoutIdentity = (value: string): string =>
  value
    .split(';')
    .filter((tag) => !tag.trimStart().toLowerCase().startsWith('i='))
    .join(';')

function redactList(value: string, key: Buffer): string {
  const addresses = parseAddressList(value).flatMap(({ local, domain }) =>
    local === undefined || domain === undefined ? [] : `<${word(redactAddress(`${local}@${domain}`, key))}>`,
  )
  return addresses.slice(0, 10).join(', ') || '[redacted]'
}

/** The local part becomes a word that is the same for the same local part, and tells nothing of it (RFC 6590 §3). */
export function redactAddress(address: string, key: Buffer): string {
  const at = address.lastIndexOf('@')
  const local = at < 0 ? address : address.slice(0, at)
  const mask = createHmac('sha256', key).update(local.toLowerCase()).digest('hex').slice(0, 16)
  return at < 0 ? mask : `${mask}${address.slice(at)}`
}

const trimAngles = (text: string): string => {
  const start = text.indexOf('<')
  const end = text.indexOf('>', start)
  return start >= 0 && end > start ? text.slice(start + 1, end) : text
}

function ascii(text: string): string {
  let out = ''
  for (const c of text) out += c >= ' ' && c < '\x7f' ? c : '?'
  return out
}
