// The bytes of a FETCH item, written as a literal: small ones at once, large ones as they are read.

import { endsWithEmptyLine, type MailReads, type MessageRow } from '../../../../mail/index.ts'
import { parseFields } from '../../../../mime/index.ts'
import type { BodyItem, Section } from '../../../wire/index.ts'
import type { Output } from '../../output.ts'
import type { Span } from './section.ts'

const AT_ONCE = 64 * 1024
/** A header longer than this is searched for fields only so far. */
const MAX_HEADER = 4 * 1024 * 1024

/** Writes `label {n}` and the bytes; NIL when the message has no such part. */
export async function writeBody(
  reads: Pick<MailReads, 'bytes' | 'stream'>,
  out: Output,
  row: MessageRow,
  { label, section, partial }: BodyItem,
  span: Span | undefined,
): Promise<void> {
  if (!span) return out.text(`${label} NIL`)
  if (section.fields) {
    const header = await reads.bytes(row, span.start, Math.min(span.end, span.start + MAX_HEADER))
    const bytes = chooseFields(header, section)
    return literal(out, label, partial ? bytes.subarray(partial.offset, partial.offset + partial.length) : bytes)
  }
  const { start, end } = partial ? cut(span, partial.offset, partial.length) : span
  if (end - start <= AT_ONCE)
    return literal(out, label, end > start ? await reads.bytes(row, start, end) : Buffer.alloc(0))
  out.text(`${label} {${end - start}}\r\n`)
  for await (const chunk of reads.stream(row, start, end)) {
    out.bytes(withoutNul(chunk))
    await out.pace()
  }
}

/** A literal holds no NUL (RFC 9051 §9): it goes out as 0x80, so that sizes and offsets stay. */
function withoutNul(bytes: Buffer): Buffer {
  const first = bytes.indexOf(0)
  if (first < 0) return bytes
  const out = Buffer.from(bytes)
  for (let at = first; at >= 0; at = out.indexOf(0, at)) out[at] = 0x80
  return out
}

/** Beyond the end there is an empty string (RFC 9051 §6.4.5). */
function cut({ start, end }: Span, offset: number, length: number): Span {
  const from = Math.min(start + offset, end)
  return { start: from, end: Math.min(from + length, end) }
}

function literal(out: Output, label: string, bytes: Buffer): void {
  out.text(bytes.length === 0 ? `${label} ""` : `${label} {${bytes.length}}\r\n`)
  if (bytes.length > 0) out.bytes(withoutNul(bytes))
}

/** The fields that were asked for (or not), each as it stands; and the empty line, unless the message has none (RFC 9051 §6.4.5.1). */
function chooseFields(header: Buffer, { text, fields = [] }: Section): Buffer {
  const names = new Set(fields.map((name) => name.toLowerCase()))
  const listed = text === 'HEADER.FIELDS'
  const chosen = parseFields(header)
    .filter(({ name }) => names.has(name.toLowerCase()) === listed)
    .map(({ start, end }) => header.subarray(start, end))
  return Buffer.concat([...chosen, Buffer.from(hasEmptyLine(header) ? '\r\n' : '')])
}

/** A header that was cut at MAX_HEADER has it further on. */
const hasEmptyLine = (header: Buffer) => header.length === MAX_HEADER || endsWithEmptyLine(header)
