// What the search index reads of the store: contents and messages by id, in the order in which they came, and where they stand.

import { oneOf, sql } from '../sql.ts'
import type { Reader, Writer } from '../types.ts'
import { getMeta, putMeta } from './meta.ts'

/** The highest ids that were ever given. */
export interface Heights {
  readonly contents: number
  readonly messages: number
}

export async function heights(tx: Reader): Promise<Heights> {
  const height = async (table: 'content' | 'message') => {
    const row =
      tx.dialect === 'sqlite'
        ? await tx.get<{ height: number }>(sql`SELECT seq AS height FROM sqlite_sequence WHERE name = ${table}`)
        : await tx.get<{ height: number | null }>(
            sql`SELECT pg_sequence_last_value(pg_get_serial_sequence(${table}, 'id')::regclass) AS height`,
          )
    return Number(row?.height ?? 0)
  }
  return { contents: await height('content'), messages: await height('message') }
}

/**
 * On PostgreSQL an id may be given before, and committed after, a higher one. All ids up to the heights that were read some time
 * before `next` are settled once `oldest` has come up to it. On SQLite there is one writer, and this is undefined.
 */
export async function transactions(tx: Reader): Promise<{ oldest: number; next: number } | undefined> {
  if (tx.dialect === 'sqlite') return undefined
  const row = await tx.get<{ oldest: string; next: string }>(
    sql`SELECT pg_snapshot_xmin(pg_current_snapshot())::text AS oldest, pg_snapshot_xmax(pg_current_snapshot())::text AS next`,
  )
  return { oldest: Number(row!.oldest), next: Number(row!.next) }
}

/** Names this store among all, from its first use on. */
export async function storeName(tx: Writer, fresh: string): Promise<string> {
  const known = await getMeta(tx, 'store')
  if (known === undefined) await putMeta(tx, 'store', fresh)
  return known ?? fresh
}

/** SHA-256 of a content's bytes, in hex. */
export async function hashOf(tx: Reader, content: number): Promise<string | undefined> {
  const row = await tx.get<{ hash: Uint8Array }>(sql`SELECT hash FROM content WHERE id = ${content}`)
  return row && Buffer.from(row.hash).toString('hex')
}

export function sizes(tx: Reader, after: number, upTo: number): Promise<{ id: number; size: number }[]> {
  return tx.all(sql`SELECT id, size FROM content WHERE id > ${after} AND id <= ${upTo} ORDER BY id LIMIT 250`)
}

/** What the text of a content is read from. */
export interface TextRow {
  readonly id: number
  readonly hash: Uint8Array
  readonly structure: string
  readonly file: string | null
  readonly data: Uint8Array | null
  readonly subject: string
  readonly from: string
  readonly to: string
  readonly cc: string
  readonly bcc: string
}

/** The caller knows the sizes. */
export function texts(tx: Reader, after: number, upTo: number): Promise<TextRow[]> {
  return tx.all<TextRow>(sql`
    SELECT c.id, c.hash, c.structure, c.file, d.data, c.subject_text AS subject, c.from_text AS "from", c.to_text AS "to",
      c.cc_text AS cc, c.bcc_text AS bcc
    FROM content c LEFT JOIN content_data d ON d.content = c.id
    WHERE c.id > ${after} AND c.id <= ${upTo} ORDER BY c.id LIMIT 250`)
}

/** What delivery put before the contents of messages; '' where nothing. */
export function prefixes(tx: Reader, after: number, upTo: number): Promise<{ id: number; prefix: Uint8Array }[]> {
  return tx.all(sql`SELECT id, prefix FROM message WHERE id > ${after} AND id <= ${upTo} ORDER BY id LIMIT 500`)
}

/** Those of the given contents (≤ 1,000) that are still there. */
export async function presentContents(tx: Reader, ids: readonly number[]): Promise<Set<number>> {
  const rows = await tx.all<{ id: number }>(sql`SELECT id FROM content WHERE id ${oneOf(tx, ids)} LIMIT 1000`)
  return new Set(rows.map(({ id }) => id))
}

export async function presentMessages(tx: Reader, ids: readonly number[]): Promise<Set<number>> {
  const rows = await tx.all<{ id: number }>(sql`SELECT id FROM message WHERE id ${oneOf(tx, ids)} LIMIT 1000`)
  return new Set(rows.map(({ id }) => id))
}

/** Mailboxes by id, and up to where their UIDs were given. */
export function mailboxes(
  tx: Reader,
  after: number,
): Promise<{ mailbox: number; validity: number; uidNext: number }[]> {
  return tx.all(sql`
    SELECT id AS mailbox, uidvalidity AS validity, uidnext AS "uidNext" FROM mailbox WHERE id > ${after}
    ORDER BY id LIMIT 1000`)
}

/** How many messages have these UIDs; the caller bounds them. */
export async function countBetween(tx: Reader, mailbox: number, from: number, to: number): Promise<number> {
  const row = await tx.get<{ messages: number }>(sql`
    SELECT count(*) AS messages FROM entry WHERE mailbox = ${mailbox} AND uid BETWEEN ${from} AND ${to}`)
  return row!.messages
}

interface Place {
  readonly message: number
  readonly uid: number
}
/** A page ends within a message: it is asked for again behind the last place. */
export const pageOfPlaces = 1000

// CROSS JOIN: SQLite takes the tables in this order. It would begin with the mailbox, which
// has more messages than are asked for; and with +m.id it does not take the page's bound on e.message for one on the message, nor +content for a range of its index.

/** UIDs in the mailbox of messages with these contents (≤ 500). */
export function uidsOfContents(
  tx: Reader,
  mailbox: number,
  contents: readonly number[],
  after: Place,
): Promise<Place[]> {
  return tx.all<Place>(sql`
    SELECT e.message, e.uid FROM message m CROSS JOIN entry e
    WHERE m.content ${oneOf(tx, contents)} AND e.message = +m.id AND e.mailbox = ${mailbox}
      AND (e.message > ${after.message} OR (e.message = ${after.message} AND e.uid > ${after.uid}))
    ORDER BY e.message, e.uid LIMIT ${pageOfPlaces}`)
}

/** UIDs in the mailbox of these messages (≤ 500). */
export function uidsOfMessages(
  tx: Reader,
  mailbox: number,
  messages: readonly number[],
  after: Place,
): Promise<Place[]> {
  return tx.all<Place>(sql`
    SELECT e.message, e.uid FROM entry e
    WHERE e.message ${oneOf(tx, messages)} AND e.mailbox = ${mailbox}
      AND (e.message > ${after.message} OR (e.message = ${after.message} AND e.uid > ${after.uid}))
    ORDER BY e.message, e.uid LIMIT ${pageOfPlaces}`)
}

/** UIDs in the mailbox of messages whose id, or whose content's id, is above. */
export function uidsAbove(tx: Reader, mailbox: number, above: Heights, after: Place): Promise<Place[]> {
  return tx.all<Place>(sql`
    SELECT e.message, e.uid
    FROM (
      SELECT id FROM message WHERE content > ${above.contents}
      UNION ALL SELECT id FROM message WHERE id > ${above.messages} AND +content <= ${above.contents}) AS m
      CROSS JOIN entry e
    WHERE e.message = +m.id AND e.mailbox = ${mailbox}
      AND (e.message > ${after.message} OR (e.message = ${after.message} AND e.uid > ${after.uid}))
    ORDER BY e.message, e.uid LIMIT ${pageOfPlaces}`)
}

/** All of a mailbox from a UID on: which message and content stand there. */
export function places(
  tx: Reader,
  mailbox: number,
  from: number,
): Promise<{ uid: number; message: number; content: number }[]> {
  return tx.all(sql`
    SELECT e.uid, e.message, m.content FROM entry e JOIN message m ON m.id = e.message
    WHERE e.mailbox = ${mailbox} AND e.uid >= ${from} ORDER BY e.uid LIMIT ${pageOfPlaces}`)
}
