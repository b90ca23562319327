// What is computed once from a message and kept beside it: texts of the main headers, sort and thread keys, preview.

import { parseDate } from './date.ts'
import { decodeWords } from './encoded-words.ts'
import { fold } from './fold.ts'
import { fieldValue, parseFields } from './header.ts'
import { messageId, readReferences } from './message-ids.ts'
import { readPreview } from './preview.ts'
import { readSubject } from './subject.ts'
import { fileName, type Reading } from './text-parts.ts'
import type { Digest, EnvelopeAddress, Part, Scan } from './types.ts'

/** Bytes `start` to `end` (exclusive) of the scanned message. */
export type ReadBytes<T extends Buffer | Promise<Buffer>> = (start: number, end: number) => T

/** The digest of a scanned message; reads a few KiB of it, one range after another. */
export function digest(scan: Scan, read: ReadBytes<Buffer>): Digest
export function digest(scan: Scan, read: ReadBytes<Promise<Buffer>>): Promise<Digest>
export function digest(scan: Scan, read: ReadBytes<Buffer> | ReadBytes<Promise<Buffer>>): Digest | Promise<Digest> {
  const reading = buildDigest(scan)
  let step = reading.next()
  while (!step.done) {
    const bytes = read(...step.value)
    if (bytes instanceof Promise) return finishLater(reading, bytes, read)
    step = reading.next(bytes)
  }
  return step.value
}

async function finishLater(
  reading: Reading<Digest>,
  first: Promise<Buffer>,
  read: (start: number, end: number) => Buffer | Promise<Buffer>,
): Promise<Digest> {
  let step = reading.next(await first)
  while (!step.done) step = reading.next(await read(...step.value))
  return step.value
}

function* buildDigest(scan: Scan): Reading<Digest> {
  const preview = yield* readPreview(scan.root)
  const { envelope } = scan
  const subject = readSubject(envelope.subject ?? '')
  const heads = readHeads(scan.header)
  const all = (name: Head) => fold(heads[name].join('\n'))
  // The addr-mailbox of the first address: of a group's start it is the group's name (RFC 5256 §3).
  const sortKey = ([first]: readonly EnvelopeAddress[]) => fold(first?.local ?? first?.group ?? '')
  const own = messageId(envelope.messageId ?? '')
  const references = readReferences(heads.references[0], envelope.inReplyTo)
  const sentAt = parseDate(envelope.date ?? '')
  return {
    ...(own === undefined ? {} : { messageId: own }),
    references: references.ids,
    ...(references.own < references.ids.length ? { ownReferences: references.own } : {}),
    ...(sentAt === undefined ? {} : { sentAt }),
    baseSubject: fold(subject.base),
    isReply: subject.isReply,
    subject: all('subject'),
    from: all('from'),
    to: all('to'),
    cc: all('cc'),
    bcc: all('bcc'),
    sortFrom: sortKey(envelope.from),
    sortTo: sortKey(envelope.to),
    sortCc: sortKey(envelope.cc),
    displayFrom: displayOf(envelope.from),
    displayTo: displayOf(envelope.to),
    preview,
    hasAttachment: hasAttachment(scan.root),
  }
}

type Head = 'subject' | 'from' | 'to' | 'cc' | 'bcc' | 'references'

/** Decoded values of the fields that a digest looks at, in order. */
function readHeads(header: Buffer): { readonly [head in Head]: readonly string[] } {
  const heads = { subject: [], from: [], to: [], cc: [], bcc: [], references: [] } as Record<Head, string[]>
  for (const field of parseFields(header)) {
    const name = field.name.toLowerCase()
    if (Object.hasOwn(heads, name)) heads[name as Head].push(decodeWords(fieldValue(header, field)))
  }
  return heads
}

/** RFC 5957 §3: the display name of the first address, the address itself when it has none. */
function displayOf([first]: readonly EnvelopeAddress[]): string {
  if (!first) return ''
  const name = decodeWords(first.name ?? '').trim()
  const local = first.local ?? first.group ?? ''
  return fold(name || (first.domain ? `${local}@${first.domain}` : local))
}

/** Parts of other types that a mail program acts on instead of offering them as files. */
const machinery = new Set([
  'application/pgp-signature',
  'application/pgp-encrypted',
  'application/pkcs7-signature',
  'application/x-pkcs7-signature',
  'message/delivery-status',
  'message/disposition-notification',
  'message/feedback-report',
  'text/rfc822-headers',
])

/** Whether a reader should see a paper clip: a part that is a file, not the text and not an image that the text shows. */
function hasAttachment(part: Part, related = false): boolean {
  const inRelated = related || (part.type === 'multipart' && part.subtype === 'related')
  if (part.parts && part.parts.length > 0) return part.parts.some((child) => hasAttachment(child, inRelated))
  if (part.disposition?.type === 'attachment') return true
  if (part.type === 'multipart' || machinery.has(`${part.type}/${part.subtype}`)) return false
  if (part.type === 'text') return part.subtype !== 'calendar' && part.start > 0 && fileName(part) !== ''
  // What has a Content-ID inside multipart/related is shown by the text.
  return !(related && part.id !== undefined)
}
