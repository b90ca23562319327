// A report as a message: a text for people and what programs read, as parts of one multipart. Knows no report.

import { hash } from 'node:crypto'
import { headerBlock, type NamedAddress } from '../mime/index.ts'

export interface ReportMail {
  readonly from: NamedAddress
  readonly to: readonly string[]
  readonly subject: string
  /** Milliseconds since 1970. */
  readonly date: number
  /** Without angle brackets. */
  readonly messageId: string
  /** `mixed`, or `report; report-type=…`. */
  readonly multipart: string
  /** More fields of the header. */
  readonly fields?: readonly (readonly [name: string, value: string])[]
  readonly parts: readonly ReportPart[]
}

export interface ReportPart {
  /** With its parameters. */
  readonly type: string
  /** Absent: it is shown. */
  readonly file?: string
  /** Text of 7-bit lines of at most 998 octets with any line ends, or bytes, which are encoded in base64. */
  readonly content: string | Buffer
}

const line = 76

/** CRLF lines, seven bits. */
export function composeReportMail(mail: ReportMail): Buffer {
  const boundary = `=_${hash('sha256', `${mail.messageId} ${mail.date}`).slice(0, 32)}`
  const header = headerBlock()
    .date('Date', mail.date)
    .addresses('From', [mail.from])
    .addresses(
      'To',
      mail.to.map((address) => ({ address })),
    )
    .text('Subject', mail.subject)
    .structured('Message-ID', `<${mail.messageId}>`)
    // RFC 3834 §5: nobody's holiday notice answers it.
    .structured('Auto-Submitted', 'auto-generated')
  for (const [name, value] of mail.fields ?? []) header.structured(name, value)
  header.structured('MIME-Version', '1.0')
  header.structured('Content-Type', `multipart/${mail.multipart}; boundary="${boundary}"`)
  const pieces: Buffer[] = [header.build()]
  for (const part of mail.parts) {
    const head = headerBlock().structured('Content-Type', part.type)
    if (part.file !== undefined) head.structured('Content-Disposition', `attachment; filename="${part.file}"`)
    const text = typeof part.content === 'string'
    head.structured('Content-Transfer-Encoding', text ? '7bit' : 'base64')
    const body = text ? Buffer.from(toCrlf(part.content as string), 'latin1') : toBase64(part.content as Buffer)
    pieces.push(Buffer.from(`\r\n--${boundary}\r\n`), head.build(), Buffer.from('\r\n'), body)
  }
  pieces.push(Buffer.from(`\r\n--${boundary}--\r\n`))
  return Buffer.concat(pieces)
}

/** Bytes that `length` bytes take in base64, with line ends: limits on reports count what is sent. */
export const encodedLength = (length: number): number => {
  const signs = Math.ceil(length / 3) * 4
  return signs + 2 * Math.ceil(signs / line)
}

function toBase64(bytes: Buffer): Buffer {
  const text = bytes.toString('base64')
  const lines: string[] = []
  for (let at = 0; at < text.length; at += line) lines.push(text.slice(at, at + line))
  return Buffer.from(lines.join('\r\n'), 'latin1')
}

const toCrlf = (text: string): string => text.replaceAll('\r\n', '\n').replaceAll('\n', '\r\n')
