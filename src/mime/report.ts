// Delivery status notifications as messages (RFC 3464 in the multipart/report of RFC 6522; RFC 6533 for UTF-8 addresses).
// Knows the form only: what is reported, and to whom, comes as data.

import { hash } from 'node:crypto'
import { parseFields } from './header.ts'
import { headerBlock, type NamedAddress } from './header-block.ts'
import { bodyNeeds, encodeQuotedPrintable, toCrlf } from './quoted-printable.ts'

export type ReportField = readonly [name: string, value: string]

export interface Report {
  readonly from: NamedAddress
  readonly to: NamedAddress
  readonly subject: string
  /** Milliseconds since 1970 UTC. */
  readonly date: number
  /** With or without angle brackets. */
  readonly messageId: string
  /** For people; any line ends. */
  readonly text: string
  /** RFC 3464 §2.2, such as `Reporting-MTA`: `dns; mx.example.org`. */
  readonly perMessage: readonly ReportField[]
  /** RFC 3464 §2.3, one list for each recipient. */
  readonly perRecipient: readonly (readonly ReportField[])[]
  /** Header (or whole message) that the report is about. */
  readonly original: Buffer
  readonly originalIs: 'headers' | 'message'
  /** The next hop takes SMTPUTF8 and 8BITMIME: addresses may stay in UTF-8. */
  readonly utf8: boolean
  /** RFC 3834 §5.2; `auto-replied` for what answers a message, as a DSN does. */
  readonly autoSubmitted?: 'auto-replied' | 'auto-generated'
}

/** Characters of up to four octets: a field's line stays under 998. */
const MAX_WORD = 200

interface Body {
  readonly type: string
  readonly encoding: '7bit' | '8bit' | 'quoted-printable'
  readonly bytes: Buffer
}

/** The report as a whole message: CRLF lines of at most 998 octets, seven bits unless `utf8`. */
export function composeReport(report: Report): Buffer {
  const { utf8 } = report
  const parts = [textPart(report), statusPart(report), originalPart(report)]
  const boundary = chooseBoundary(parts, report)
  const id = report.messageId.startsWith('<') ? report.messageId : `<${report.messageId}>`
  const header = headerBlock({ utf8 })
    .date('Date', report.date)
    .addresses('From', [report.from])
    .addresses('To', [report.to])
    .text('Subject', report.subject)
    .structured('Message-ID', id)
    .structured('Auto-Submitted', report.autoSubmitted ?? 'auto-replied')
    .structured('MIME-Version', '1.0')
    .structured('Content-Type', `multipart/report; report-type=delivery-status; boundary="${boundary}"`)
  // RFC 2045 §6.4: a multipart names the widest encoding inside it.
  if (parts.some((part) => part.encoding === '8bit')) header.structured('Content-Transfer-Encoding', '8bit')
  const pieces = [header.build()]
  for (const part of parts) {
    const head = headerBlock()
      .structured('Content-Type', part.type)
      .structured('Content-Transfer-Encoding', part.encoding)
    pieces.push(Buffer.from(`\r\n--${boundary}\r\n`), head.build(), Buffer.from('\r\n'), part.bytes)
  }
  pieces.push(Buffer.from(`\r\n--${boundary}--\r\n`))
  return Buffer.concat(pieces)
}

function textPart({ text, utf8 }: Report): Body {
  return encode('text/plain; charset=utf-8', toCrlf(Buffer.from(text)), utf8)
}

/** RFC 3464 §2.1; RFC 6533 §4 when a field holds UTF-8 (then the type is another, and it may be encoded). */
function statusPart({ perMessage, perRecipient, utf8 }: Report): Body {
  const groups = [perMessage, ...perRecipient].map((fields) => {
    const block = headerBlock({ utf8: true })
    for (const [name, value] of fields) block.structured(name, tame(value))
    return block.build()
  })
  const bytes = Buffer.concat(groups.flatMap((group, i) => (i === 0 ? [group] : [Buffer.from('\r\n'), group])))
  if (bodyNeeds(bytes) === '7bit') return { type: 'message/delivery-status', encoding: '7bit', bytes }
  return encode('message/global-delivery-status', bytes, utf8)
}

/** What another server said may hold anything: no control characters, no word that cannot be folded. */
function tame(value: string): string {
  let out = ''
  let run = 0
  for (const char of value.toWellFormed()) {
    const blank = char <= ' ' || char === '\x7f'
    if ((blank && run > 0) || run === MAX_WORD) out += ' '
    if (blank || run === MAX_WORD) run = 0
    if (blank) continue
    out += char
    run++
  }
  return out.trim()
}

/**
 * The returned content. message/rfc822 may not be encoded (RFC 2046 §5.2.1): what does not pass as it is comes as
 * message/global, which may be (RFC 6532 §3.7); headers likewise (RFC 6533 §6).
 */
function originalPart({ original, originalIs, utf8 }: Report): Body {
  const bytes = toCrlf(originalIs === 'message' ? original : headerOnly(original))
  const needs = bodyNeeds(bytes)
  const highHeader = originalIs === 'headers' ? needs !== '7bit' : bodyNeeds(toCrlf(headerOnly(original))) !== '7bit'
  if (originalIs === 'headers')
    return highHeader
      ? encode('message/global-headers', bytes, utf8)
      : { type: 'text/rfc822-headers', encoding: '7bit', bytes }
  if (needs === '7bit') return { type: 'message/rfc822', encoding: '7bit', bytes }
  if (needs === '8bit' && utf8)
    return { type: highHeader ? 'message/global' : 'message/rfc822', encoding: '8bit', bytes }
  return encode('message/global', bytes, utf8)
}

/** The header without its empty line and without what is no field. */
function headerOnly(message: Buffer): Buffer {
  return Buffer.concat(parseFields(message).map((field) => message.subarray(field.start, field.end)))
}

function encode(type: string, bytes: Buffer, allow8bit: boolean): Body {
  const needs = bodyNeeds(bytes)
  if (needs === '7bit' || (needs === '8bit' && allow8bit)) return { type, encoding: needs, bytes }
  return { type, encoding: 'quoted-printable', bytes: encodeQuotedPrintable(bytes) }
}

/** A boundary that stands in none of the parts; drawn from the content, so that a test sees the same one. */
function chooseBoundary(parts: readonly Body[], { messageId, date }: Report): string {
  for (let n = 0; ; n++) {
    const boundary = `=_${hash('sha256', `${messageId} ${date} ${n}`).slice(0, 32)}`
    if (!parts.some((part) => part.bytes.includes(boundary))) return boundary
  }
}
