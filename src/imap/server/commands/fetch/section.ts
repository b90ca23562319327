// Where a section of FETCH lies in a message (RFC 9051 §6.4.5.1). Offsets only; reads no bytes.

import type { MessageRow } from '../../../../mail/index.ts'
import { isIdentity, type Part } from '../../../../mime/index.ts'
import type { Section } from '../../../wire/index.ts'

/** Bytes of the message as IMAP sees it, `end` exclusive. */
export interface Span {
  readonly start: number
  readonly end: number
}

/** The whole message needs no structure. */
export const needsStructure = ({ path, text }: Section) => path.length > 0 || text !== undefined

/** The span of `section`, or undefined when the message has no such part. */
export function findSection(row: MessageRow, { path, text }: Section): Span | undefined {
  const whole = { start: 0, end: row.size }
  if (path.length === 0 && text === undefined) return whole
  const root = row.structure
  if (!root) return undefined
  // Offsets count from the content; delivery's header lines stand in front of it and belong to the message's header.
  const at = (start: number, end: number): Span => ({ start: start + row.prefixSize, end: end + row.prefixSize })
  if (path.length === 0)
    return text === 'TEXT' ? { ...at(root.body, 0), end: row.size } : { ...at(0, root.body), start: 0 }
  const part = findPart(root, path)
  if (!part) return undefined
  if (text === undefined) return at(part.body, part.end)
  if (text === 'MIME') return at(part.start, part.body)
  const contained = part.message?.root
  if (!contained) return undefined
  return text === 'TEXT' ? at(contained.body, contained.end) : at(contained.start, contained.body)
}

/** A part's body and how it is decoded. */
export interface Encoded extends Span {
  /** As in Part: `base64`, `quoted-printable` or an identity. */
  readonly encoding: string
}

/** What BINARY decodes, or undefined when the message has no such part. A multipart or message is never encoded itself. */
export function findEncoded(row: MessageRow, { path }: Section): Encoded | undefined {
  const span = findSection(row, { path })
  if (!span) return undefined
  const part = path.length > 0 && row.structure ? findPart(row.structure, path) : undefined
  const encoding = !part || part.message || part.parts?.length ? 'binary' : part.encoding
  return { ...span, encoding }
}

/** Whether the encoding is one of RFC 2045 §6.1; what else is written there cannot be decoded. */
export const isDecodable = ({ encoding }: Encoded) =>
  isIdentity(encoding) || encoding === 'base64' || encoding === 'quoted-printable'

function findPart(root: Part, path: readonly number[]): Part | undefined {
  let message: Part | undefined = root
  let part: Part | undefined
  for (const n of path) {
    // Below a message/rfc822 part its own parts are numbered; a message that is no multipart has one part, itself.
    if (part) message = part.message?.root ?? (part.type === 'multipart' ? part : undefined)
    if (!message) return undefined
    part = child(message, n)
    if (!part) return undefined
  }
  return part
}

function child(of: Part, n: number): Part | undefined {
  if (of.type !== 'multipart') return n === 1 ? of : undefined
  const parts = of.parts ?? []
  // BODYSTRUCTURE shows a multipart without parts with one empty text.
  if (parts.length === 0) return n === 1 ? { ...of, type: 'text', start: of.end, body: of.end } : undefined
  return parts[n - 1]
}
