// Rows of message, and the joins by which doors show them: entry → message → content.

import { sql } from '../sql.ts'
import type { Reader, Sql, Writer } from '../types.ts'
import { among } from './entry.ts'

export interface NewMessageRow {
  readonly account: number
  readonly content: number
  readonly prefix: Uint8Array
  readonly size: number
  readonly receivedAt: number
  /** Null: a thread of its own. */
  readonly thread: number | null
}

export async function insert(tx: Writer, row: NewMessageRow): Promise<number> {
  const id = await tx.insert(sql`
    INSERT INTO message (account, content, prefix, size, received_at, thread)
    VALUES (${row.account}, ${row.content}, ${row.prefix}, ${row.size}, ${row.receivedAt}, ${row.thread})`)
  return id!
}

/** Bound it by asking for the thread's size first. */
export function moveThread(tx: Writer, account: number, from: number, to: number): Promise<number> {
  return tx.run(sql`
    UPDATE message SET thread = ${to} WHERE account = ${account} AND (thread = ${from} OR (id = ${from} AND thread IS NULL))`)
}

/** Removes the messages of these entries that have no other entry. Call before the entries themselves are removed. */
export function removeOnlyIn(tx: Writer, mailbox: number, uids: readonly number[]): Promise<number> {
  return tx.run(sql`
    DELETE FROM message
    WHERE id IN (SELECT message FROM entry WHERE mailbox = ${mailbox} AND uid ${among(tx, uids)})
      AND NOT EXISTS (
        SELECT 1 FROM entry o
        WHERE o.message = message.id AND (o.mailbox <> ${mailbox} OR NOT o.uid ${among(tx, uids)}))`)
}

/** The columns that every FETCH needs. */
export interface LeanRow {
  readonly uid: number
  readonly message: number
  readonly content: number
  readonly thread: number
  readonly size: number
  readonly contentSize: number
  readonly receivedAt: number
  readonly savedAt: number
  readonly sentAt: number | null
  readonly file: string | null
  readonly has8bit: number
}
export interface FullRow extends LeanRow {
  readonly envelope: string | null
  readonly bodystructure: string | null
  readonly structure: string | null
  readonly preview: string | null
}

const leanColumns = sql`e.uid, e.message, m.content, coalesce(m.thread, m.id) AS thread, m.size, c.size AS "contentSize",
  m.received_at AS "receivedAt", e.saved_at AS "savedAt", c.sent_at AS "sentAt", c.file,
  c.has8bit`
const joined = sql`FROM entry e JOIN message m ON m.id = e.message JOIN content c ON c.id = m.content`

export function lean(tx: Reader, mailbox: number, from: number, to: number, limit: number): Promise<LeanRow[]> {
  return tx.all<LeanRow>(sql`
    SELECT ${leanColumns} ${joined}
    WHERE e.mailbox = ${mailbox} AND e.uid >= ${from} AND e.uid <= ${to} ORDER BY e.uid LIMIT ${limit}`)
}

/** Wanted columns are 1, others 0: one statement, and what is not wanted is not read from its pages. */
export function full(
  tx: Reader,
  mailbox: number,
  from: number,
  to: number,
  limit: number,
  want: { envelope: number; bodystructure: number; structure: number; preview: number },
): Promise<FullRow[]> {
  return tx.all<FullRow>(sql`
    SELECT ${leanColumns},
      CASE WHEN ${want.envelope} = 1 THEN c.envelope END AS envelope,
      CASE WHEN ${want.bodystructure} = 1 THEN c.bodystructure END AS bodystructure,
      CASE WHEN ${want.structure} = 1 THEN c.structure END AS structure,
      CASE WHEN ${want.preview} = 1 THEN c.preview END AS preview
    ${joined}
    WHERE e.mailbox = ${mailbox} AND e.uid >= ${from} AND e.uid <= ${to} ORDER BY e.uid LIMIT ${limit}`)
}

/** What may be asked of many messages at once, each with its column. */
const factColumns = {
  size: sql`m.size`,
  receivedAt: sql`m.received_at AS "receivedAt"`,
  sentAt: sql`c.sent_at AS "sentAt"`,
  envelope: sql`c.envelope`,
  subject: sql`c.subject_text AS subject`,
  from: sql`c.from_text AS "from"`,
  to: sql`c.to_text AS "to"`,
  cc: sql`c.cc_text AS cc`,
  bcc: sql`c.bcc_text AS bcc`,
  savedAt: sql`e.saved_at AS "savedAt"`,
  message: sql`e.message`,
  thread: sql`coalesce(m.thread, m.id) AS thread`,
  baseSubject: sql`c.base_subject AS "baseSubject"`,
  sortFrom: sql`c.sort_from AS "sortFrom"`,
  sortTo: sql`c.sort_to AS "sortTo"`,
  sortCc: sql`c.sort_cc AS "sortCc"`,
  displayFrom: sql`c.display_from AS "displayFrom"`,
  displayTo: sql`c.display_to AS "displayTo"`,
  messageId: sql`c.message_id AS "messageId"`,
  refs: sql`c.refs`,
}
export type FactName = keyof typeof factColumns

/** Only the wanted columns are set. */
export interface FactRow {
  readonly uid: number
  readonly size?: number
  readonly receivedAt?: number
  readonly savedAt?: number
  readonly message?: number
  readonly thread?: number
  readonly sentAt?: number | null
  readonly envelope?: string
  readonly subject?: string
  readonly from?: string
  readonly to?: string
  readonly cc?: string
  readonly bcc?: string
  readonly baseSubject?: string
  readonly sortFrom?: string
  readonly sortTo?: string
  readonly sortCc?: string
  readonly displayFrom?: string
  readonly displayTo?: string
  readonly messageId?: string | null
  readonly refs?: string
}

/** One statement per set of facts: with few columns it costs a third of a full row. */
export function facts(
  tx: Reader,
  mailbox: number,
  from: number,
  to: number,
  limit: number,
  want: readonly FactName[],
): Promise<FactRow[]> {
  return tx.all<FactRow>(sql`
    ${selectFacts(want)}
    WHERE e.mailbox = ${mailbox} AND e.uid >= ${from} AND e.uid <= ${to} ORDER BY e.uid LIMIT ${limit}`)
}

/** The same of single UIDs (≤ 1,000). */
export function factsOf(
  tx: Reader,
  mailbox: number,
  uids: readonly number[],
  want: readonly FactName[],
): Promise<FactRow[]> {
  return tx.all<FactRow>(sql`
    ${selectFacts(want)} WHERE e.mailbox = ${mailbox} AND e.uid ${among(tx, uids)} ORDER BY e.uid LIMIT 1000`)
}

function selectFacts(want: readonly FactName[]): Sql {
  const names = toFactNames(want)
  const columns = names.reduce((list, name) => sql`${list}, ${factColumns[name]}`, sql`e.uid`)
  return sql`SELECT ${columns} ${names.every(isOfMessage) ? joinedMessage : joined}`
}

/** Facts that cost nothing beside each other. */
const together: readonly FactName[] = ['savedAt', 'message', 'thread']
const factNames = Object.keys(factColumns) as FactName[]

/** In one order and partly grouped: each list is a prepared statement that stays, and clients choose the facts. */
function toFactNames(want: readonly FactName[]): readonly FactName[] {
  const wanted = new Set(want)
  if (together.some((name) => wanted.has(name))) for (const name of together) wanted.add(name)
  return factNames.filter((name) => wanted.has(name))
}

const ofMessage = new Set<FactName>(['size', 'receivedAt', 'savedAt', 'message', 'thread'])
const isOfMessage = (name: FactName) => ofMessage.has(name)
const joinedMessage = sql`FROM entry e JOIN message m ON m.id = e.message`

/** What the text of a message is read from. */
export interface BytesRow {
  readonly uid: number
  readonly prefix: Uint8Array
  readonly structure: string
  readonly size: number
  readonly file: string | null
  /** Null when they stand in a file. */
  readonly data: Uint8Array | null
}

/** The messages with these UIDs, with their bytes: the caller knows the sizes. */
export function bytes(tx: Reader, mailbox: number, uids: readonly number[]): Promise<BytesRow[]> {
  return tx.all<BytesRow>(sql`
    SELECT e.uid, m.prefix, c.structure, c.size, c.file, d.data ${joined} LEFT JOIN content_data d ON d.content = c.id
    WHERE e.mailbox = ${mailbox} AND e.uid ${among(tx, uids)} ORDER BY e.uid LIMIT 1000`)
}

/** Bytes of the messages with these UIDs that stand in the database: the caller knows the sizes. */
export function wholes(
  tx: Reader,
  mailbox: number,
  uids: readonly number[],
): Promise<{ uid: number; prefix: Uint8Array; data: Uint8Array }[]> {
  return tx.all(sql`
    SELECT e.uid, m.prefix, d.data
    FROM entry e JOIN message m ON m.id = e.message JOIN content_data d ON d.content = m.content
    WHERE e.mailbox = ${mailbox} AND e.uid ${among(tx, uids)} ORDER BY e.uid LIMIT 1000`)
}

/** One message with its bytes, if they stand in the database and are at most `most`. */
export function whole(
  tx: Reader,
  mailbox: number,
  uid: number,
  most: number,
): Promise<(LeanRow & { readonly prefix: Uint8Array; readonly data: Uint8Array | null }) | undefined> {
  return tx.get(sql`
    SELECT ${leanColumns}, m.prefix, CASE WHEN c.size <= ${most} THEN d.data END AS data
    ${joined} LEFT JOIN content_data d ON d.content = c.id WHERE e.mailbox = ${mailbox} AND e.uid = ${uid}`)
}

/** What a message shows in FETCH, with the beginning of its content. */
export interface FetchRow {
  readonly uid: number
  readonly size: number
  readonly receivedAt: number
  readonly has8bit: number
  readonly prefix: Uint8Array
  readonly envelope: string
  readonly bodystructure: string
  readonly structure: string
  readonly file: string | null
  /** Null when the content stands in a file. */
  readonly head: Uint8Array | null
}

/** `limit` times `headBytes` bounds what it reads. */
export function forFetch(
  tx: Reader,
  mailbox: number,
  from: number,
  to: number,
  limit: number,
  headBytes: number,
): Promise<FetchRow[]> {
  return tx.all<FetchRow>(sql`
    SELECT e.uid, m.size, m.received_at AS "receivedAt", c.has8bit, m.prefix, c.envelope, c.bodystructure, c.structure, c.file,
      substr(d.data, 1, ${headBytes}) AS head
    ${joined} LEFT JOIN content_data d ON d.content = c.id
    WHERE e.mailbox = ${mailbox} AND e.uid >= ${from} AND e.uid <= ${to} ORDER BY e.uid LIMIT ${limit}`)
}

/** What a quick look at a message told. */
export interface HoldingRow {
  readonly uid: number
  /** 0: its content lacks the word. */
  readonly holds: number
  /** What delivery put before it, where that is asked for: nobody has looked there. */
  readonly prefix: Uint8Array | null
}

/**
 * Of the messages with these UIDs (the caller bounds their bytes) those that are not literal or hold the word (ASCII, lower case;
 * undefined: no literal content holds it), and with `withPrefix` all that have a prefix.
 */
export function holding(
  tx: Reader,
  mailbox: number,
  uids: readonly number[],
  word: string | undefined,
  withPrefix: boolean,
): Promise<HoldingRow[]> {
  const pattern = `%${(word ?? '').replaceAll('!', '!!').replaceAll('%', '!%').replaceAll('_', '!_')}%`
  // SQLite compares ASCII without regard to case, and takes bytes for text.
  const isLike =
    tx.dialect === 'sqlite'
      ? sql`substr(d.data, 1, c.literal_end) LIKE ${pattern} ESCAPE '!'`
      : sql`lower(convert_from(substring(d.data FROM 1 FOR c.literal_end::int), 'UTF8') COLLATE "C") LIKE ${pattern} ESCAPE '!'`
  const mayHold = word === undefined ? sql`c.literal_end IS NULL` : sql`(c.literal_end IS NULL OR ${isLike})`
  const where = sql`WHERE e.mailbox = ${mailbox} AND e.uid ${among(tx, uids)}`
  const from = word === undefined ? joined : sql`${joined} LEFT JOIN content_data d ON d.content = c.id`
  // Each message is compared once: either here or there.
  if (withPrefix)
    return tx.all<HoldingRow>(sql`
      SELECT e.uid, m.prefix, CASE WHEN length(m.prefix) = 0 OR ${mayHold} THEN 1 ELSE 0 END AS holds
      ${from} ${where} AND (length(m.prefix) > 0 OR ${mayHold}) ORDER BY e.uid LIMIT 1000`)
  return tx.all<HoldingRow>(sql`
    SELECT e.uid, NULL AS prefix, 1 AS holds ${from} ${where} AND ${mayHold} ORDER BY e.uid LIMIT 1000`)
}

/** What a message takes along into another account. */
export interface CopyRow {
  readonly uid: number
  readonly content: number
  readonly contentSize: number
  readonly prefix: Uint8Array
  readonly size: number
  readonly receivedAt: number
  readonly messageId: string | null
  readonly refs: string
  readonly baseSubject: string
}

export function forCopy(tx: Reader, mailbox: number, uids: readonly number[]): Promise<CopyRow[]> {
  return tx.all<CopyRow>(sql`
    SELECT e.uid, m.content, c.size AS "contentSize", m.prefix, m.size, m.received_at AS "receivedAt",
      c.message_id AS "messageId", c.refs, c.base_subject AS "baseSubject" ${joined}
    WHERE e.mailbox = ${mailbox} AND e.uid ${among(tx, uids)} ORDER BY e.uid LIMIT 1000`)
}

/** The beginning of an account's message, with what delivery put before it. */
export interface SampleRow {
  readonly prefix: Uint8Array
  readonly hash: Uint8Array
  readonly size: number
  readonly file: string | null
  /** Null when the content stands in a file. */
  readonly head: Uint8Array | null
}

/** `headBytes` bounds what it reads. */
export function sample(tx: Reader, account: number, id: number, headBytes: number): Promise<SampleRow | undefined> {
  return tx.get<SampleRow>(sql`
    SELECT m.prefix, c.hash, c.size, c.file, substr(d.data, 1, ${headBytes}) AS head
    FROM message m JOIN content c ON c.id = m.content LEFT JOIN content_data d ON d.content = c.id
    WHERE m.id = ${id} AND m.account = ${account}`)
}

export async function prefix(tx: Reader, id: number): Promise<Uint8Array | undefined> {
  return (await tx.get<{ prefix: Uint8Array }>(sql`SELECT prefix FROM message WHERE id = ${id}`))?.prefix
}

/** For checking: messages by id, with whether they have a content and how many entries. */
export function page(
  tx: Reader,
  after: number,
): Promise<{ id: number; size: number; prefix: number; contentSize: number | null; entries: number }[]> {
  return tx.all(sql`
    SELECT m.id, m.size, length(m.prefix) AS prefix, c.size AS "contentSize",
      (SELECT count(*) FROM entry e WHERE e.message = m.id) AS entries
    FROM message m LEFT JOIN content c ON c.id = m.content WHERE m.id > ${after} ORDER BY m.id LIMIT 1000`)
}
