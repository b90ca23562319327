// Rows of content and content_data: bytes as received, once in the house, and what was computed from them.

import { keepLocked, sql } from '../sql.ts'
import type { Reader, Writer } from '../types.ts'

export interface ContentRow {
  readonly hash: Uint8Array
  readonly size: number
  readonly file: string | null
  readonly data: Uint8Array | null
  readonly structure: string
  readonly envelope: string
  readonly bodystructure: string
  readonly has8bit: boolean
  /** Every word of the texts stands literally, in ASCII, before this offset; null: not so, or not known. */
  readonly literalEnd: number | null
  readonly messageId: string | null
  /** Ids of References, one a line; behind an empty line those that only In-Reply-To names. */
  readonly refs: string
  readonly sentAt: number | null
  readonly baseSubject: string
  readonly sortFrom: string
  readonly sortTo: string
  readonly sortCc: string
  readonly displayFrom: string
  readonly displayTo: string
  readonly subject: string
  readonly from: string
  readonly to: string
  readonly cc: string
  readonly bcc: string
  readonly preview: string
  readonly hasAttachment: boolean
}

/** NUL has no place in PostgreSQL's text. One byte for one byte: literals inside keep their length. */
const clean = (text: string): string => (text.includes('\0') ? text.replaceAll('\0', ' ') : text)

/** The row that holds these bytes, locked against sweeping until the end of the transaction. */
export function hold(tx: Writer, hash: Uint8Array): Promise<{ id: number; file: string | null } | undefined> {
  return tx.get(sql`SELECT id, file FROM content WHERE hash = ${hash} ${keepLocked(tx)}`)
}

/** Undefined when the same bytes are there already: `hold` finds them then. */
export async function insert(tx: Writer, row: ContentRow): Promise<number | undefined> {
  const made = await tx.insert(sql`
    INSERT INTO content (hash, size, file, structure, envelope, bodystructure, has8bit, message_id, refs, sent_at, base_subject,
      sort_from, sort_to, sort_cc, display_from, display_to, subject_text, from_text, to_text, cc_text, bcc_text,
      preview, has_attachment, created_at, literal_end)
    VALUES (${row.hash}, ${row.size}, ${row.file}, ${clean(row.structure)}, ${clean(row.envelope)},
      ${clean(row.bodystructure)}, ${row.has8bit ? 1 : 0}, ${row.messageId === null ? null : clean(row.messageId)},
      ${clean(row.refs)}, ${row.sentAt},
      ${clean(row.baseSubject)}, ${clean(row.sortFrom)}, ${clean(row.sortTo)}, ${clean(row.sortCc)},
      ${clean(row.displayFrom)}, ${clean(row.displayTo)}, ${clean(row.subject)}, ${clean(row.from)}, ${clean(row.to)},
      ${clean(row.cc)}, ${clean(row.bcc)}, ${clean(row.preview)}, ${row.hasAttachment ? 1 : 0}, ${tx.now}, ${row.literalEnd})
    ON CONFLICT (hash) DO NOTHING`)
  if (made === undefined) return undefined
  if (row.data) await tx.run(sql`INSERT INTO content_data (content, data) VALUES (${made}, ${row.data})`)
  return made
}

/** What a transaction needs to know of content that is already stored. */
export interface FactsRow {
  readonly size: number
  readonly has8bit: number
  readonly messageId: string | null
  readonly refs: string
  readonly baseSubject: string
}

export function facts(tx: Reader, content: number): Promise<FactsRow | undefined> {
  return tx.get(sql`
    SELECT size, has8bit, message_id AS "messageId", refs, base_subject AS "baseSubject"
    FROM content WHERE id = ${content}`)
}

/** Bytes start … end of inline content (end exclusive); undefined when it is gone. */
export async function data(tx: Reader, content: number, start: number, end: number): Promise<Uint8Array | undefined> {
  const row = await tx.get<{ data: Uint8Array }>(sql`
    SELECT substr(data, ${start + 1}, ${end - start}) AS data FROM content_data WHERE content = ${content}`)
  return row?.data
}

/** For checking: contents by id with where their bytes are. */
export function page(
  tx: Reader,
  after: number,
): Promise<{ id: number; size: number; file: string | null; inline: number | null }[]> {
  return tx.all(sql`
    SELECT c.id, c.size, c.file, length(d.data) AS inline
    FROM content c LEFT JOIN content_data d ON d.content = c.id
    WHERE c.id > ${after} ORDER BY c.id LIMIT 1000`)
}
