// Rows of search.db: the only place with its SQL. Indexes of trigrams and of words, over the texts of contents (by content id) and over
// what delivery put before them (by message id); they keep no texts. And facts of messages, packed by blocks of UIDs.

import { oneOf, sql } from '../sql.ts'
import type { Statements } from '../transaction.ts'
import type { Sql } from '../types.ts'

/** A file of another version is begun anew. */
export const version = 3

/** `detail=none` keeps only which texts hold a trigram or word: half the size, and places are not needed to narrow. */
const lean = `content = '', contentless_delete = 1, detail = none`
/** Texts come folded. */
const trigrams = `${lean}, tokenize = 'trigram case_sensitive 1'`
/** Words come as such, with spaces between: whatever is not ASCII belongs to one. */
const words = `${lean}, tokenize = 'ascii'`

export const schema: readonly string[] = [
  'CREATE TABLE meta (key TEXT PRIMARY KEY, value TEXT NOT NULL) WITHOUT ROWID',
  `CREATE VIRTUAL TABLE text_index USING fts5 (text, ${trigrams})`,
  `CREATE VIRTUAL TABLE prefix_index USING fts5 (text, ${trigrams})`,
  `CREATE VIRTUAL TABLE word_index USING fts5 (words, ${words})`,
  `CREATE VIRTUAL TABLE prefix_word_index USING fts5 (words, ${words})`,
  // Contents that are too long to be indexed: any of them may hold anything.
  'CREATE TABLE unindexed (content INTEGER PRIMARY KEY)',
  // One fact of the messages of one block of UIDs. A mailbox is known by its UIDVALIDITY too: an id may be given again after a restore.
  `CREATE TABLE fact_block (mailbox INTEGER NOT NULL, validity INTEGER NOT NULL, fact TEXT NOT NULL, block INTEGER NOT NULL,
     data BLOB NOT NULL, PRIMARY KEY (mailbox, validity, fact, block))`,
  // How many blocks of it are packed, from the first on: what has no row then is empty.
  `CREATE TABLE packed (mailbox INTEGER NOT NULL, validity INTEGER NOT NULL, blocks INTEGER NOT NULL,
     PRIMARY KEY (mailbox, validity)) WITHOUT ROWID`,
  // More is gathered in memory before it becomes a segment: fewer merges.
  `INSERT INTO text_index (text_index, rank) VALUES ('hashsize', 2097152)`,
  `PRAGMA user_version = ${version}`,
]

export type Key = 'store' | 'contents' | 'messages' | 'packed' | 'last' | 'file' | 'open' | 'swept'

export async function getMeta(tx: Statements, key: Key): Promise<string | undefined> {
  return (await tx.get<{ value: string }>(sql`SELECT value FROM meta WHERE key = ${key}`))?.value
}

export async function putMeta(tx: Statements, key: Key, value: string): Promise<void> {
  await tx.run(
    sql`INSERT INTO meta (key, value) VALUES (${key}, ${value}) ON CONFLICT (key) DO UPDATE SET value = excluded.value`,
  )
}

export async function addText(tx: Statements, content: number, text: string, list: string): Promise<void> {
  await tx.run(sql`INSERT INTO text_index (rowid, text) VALUES (${content}, ${text})`)
  await tx.run(sql`INSERT INTO word_index (rowid, words) VALUES (${content}, ${list})`)
}
export async function addPrefix(tx: Statements, message: number, text: string, list: string): Promise<void> {
  await tx.run(sql`INSERT INTO prefix_index (rowid, text) VALUES (${message}, ${text})`)
  await tx.run(sql`INSERT INTO prefix_word_index (rowid, words) VALUES (${message}, ${list})`)
}
export function addUnindexed(tx: Statements, content: number): Promise<number> {
  return tx.run(sql`INSERT INTO unindexed (content) VALUES (${content})`)
}

/** What a text must hold: all of these trigrams, or a word that begins like this. */
export type Wanted = { readonly grams: readonly string[] } | { readonly word: string }

/** Most ids of one statement. */
export const found = 20_000

/** Which contents hold it, ascending; of the ids from `from` up to (without) `to`, which bounds the work. */
export function findContents(tx: Statements, wanted: Wanted, from: number, to: number): Promise<{ id: number }[]> {
  const within = sql`AND rowid >= ${from} AND rowid < ${to} ORDER BY rowid LIMIT ${found}`
  return 'grams' in wanted
    ? tx.all(sql`SELECT rowid AS id FROM text_index WHERE text_index MATCH ${match(wanted)} ${within}`)
    : tx.all(sql`SELECT rowid AS id FROM word_index WHERE word_index MATCH ${match(wanted)} ${within}`)
}
/** The same of messages, for what was put before their contents. */
export function findMessages(tx: Statements, wanted: Wanted, from: number, to: number): Promise<{ id: number }[]> {
  const within = sql`AND rowid >= ${from} AND rowid < ${to} ORDER BY rowid LIMIT ${found}`
  return 'grams' in wanted
    ? tx.all(sql`SELECT rowid AS id FROM prefix_index WHERE prefix_index MATCH ${match(wanted)} ${within}`)
    : tx.all(sql`SELECT rowid AS id FROM prefix_word_index WHERE prefix_word_index MATCH ${match(wanted)} ${within}`)
}
export function findUnindexed(tx: Statements, after: number): Promise<{ id: number }[]> {
  return tx.all(sql`SELECT content AS id FROM unindexed WHERE content > ${after} ORDER BY content LIMIT 1000`)
}

const match = (wanted: Wanted) =>
  'grams' in wanted ? wanted.grams.map(quote).join(' AND ') : `${quote(wanted.word)} *`
/** A string of the query language, whatever is in it. */
const quote = (text: string) => `"${text.replaceAll('"', '""')}"`

/** Ids in an index, ascending, 500 per page. */
export type Kept = 'text_index' | 'prefix_index' | 'unindexed'
const kept: Readonly<Record<Kept, (after: number) => Sql>> = {
  // The size of each text is kept by FTS5 in a table of its own: a scan of ids.
  text_index: (after) => sql`SELECT id FROM text_index_docsize WHERE id > ${after} ORDER BY id LIMIT 500`,
  prefix_index: (after) => sql`SELECT id FROM prefix_index_docsize WHERE id > ${after} ORDER BY id LIMIT 500`,
  unindexed: (after) => sql`SELECT content AS id FROM unindexed WHERE content > ${after} ORDER BY content LIMIT 500`,
}
export async function idsAfter(tx: Statements, from: Kept, after: number): Promise<number[]> {
  return (await tx.all<{ id: number }>(kept[from](after))).map(({ id }) => id)
}

const removals: Readonly<Record<Kept, (tx: Statements, ids: readonly number[]) => readonly Sql[]>> = {
  text_index: (tx, ids) => [
    sql`DELETE FROM text_index WHERE rowid ${oneOf(tx, ids)}`,
    sql`DELETE FROM word_index WHERE rowid ${oneOf(tx, ids)}`,
  ],
  prefix_index: (tx, ids) => [
    sql`DELETE FROM prefix_index WHERE rowid ${oneOf(tx, ids)}`,
    sql`DELETE FROM prefix_word_index WHERE rowid ${oneOf(tx, ids)}`,
  ],
  unindexed: (tx, ids) => [sql`DELETE FROM unindexed WHERE content ${oneOf(tx, ids)}`],
}
export async function remove(tx: Statements, from: Kept, ids: readonly number[]): Promise<void> {
  for (const removal of removals[from](tx, ids)) await tx.run(removal)
}

/** A mailbox as its packed facts are known by. */
export interface PackedMailbox {
  readonly mailbox: number
  readonly validity: number
}
/** One fact of a block; no bytes: it is too long, and to be read from the rows of the messages. */
export interface FactBlock {
  readonly block: number
  readonly data: Uint8Array
}

/** Blocks of one statement: each is at most half a megabyte, and most a tenth of it. */
export const blocksPerStatement = 16

/** Blocks `from` up to (without) `to`, at most 16. */
export function findFacts(
  tx: Statements,
  { mailbox, validity }: PackedMailbox,
  fact: string,
  from: number,
  to: number,
): Promise<FactBlock[]> {
  return tx.all(sql`
    SELECT block, data FROM fact_block
    WHERE mailbox = ${mailbox} AND validity = ${validity} AND fact = ${fact} AND block >= ${from} AND block < ${to}
    ORDER BY block LIMIT ${blocksPerStatement}`)
}

/** Blocks from `from` on, at most 1,000, with how long this fact of each is. */
export function factSizes(
  tx: Statements,
  { mailbox, validity }: PackedMailbox,
  fact: string,
  from: number,
): Promise<{ block: number; size: number }[]> {
  return tx.all(sql`
    SELECT block, length(data) AS size FROM fact_block
    WHERE mailbox = ${mailbox} AND validity = ${validity} AND fact = ${fact} AND block >= ${from}
    ORDER BY block LIMIT 1000`)
}

export async function packedBlocks(tx: Statements, { mailbox, validity }: PackedMailbox): Promise<number> {
  const row = await tx.get<{ blocks: number }>(
    sql`SELECT blocks FROM packed WHERE mailbox = ${mailbox} AND validity = ${validity}`,
  )
  return row?.blocks ?? 0
}

/** Mailboxes behind a place in their order, at most 1,000. */
export function listPacked(
  tx: Statements,
  after: PackedMailbox,
): Promise<(PackedMailbox & { readonly blocks: number })[]> {
  return tx.all(sql`
    SELECT mailbox, validity, blocks FROM packed WHERE (mailbox, validity) > (${after.mailbox}, ${after.validity})
    ORDER BY mailbox, validity LIMIT 1000`)
}

/** Puts a block in place of what is known of it. */
export async function putFacts(
  tx: Statements,
  { mailbox, validity }: PackedMailbox,
  block: number,
  names: readonly string[],
  facts: ReadonlyMap<string, Uint8Array>,
): Promise<void> {
  await tx.run(sql`
    DELETE FROM fact_block WHERE mailbox = ${mailbox} AND validity = ${validity} AND fact ${oneOf(tx, names)}
      AND block = ${block}`)
  for (const [fact, data] of facts)
    await tx.run(sql`
      INSERT INTO fact_block (mailbox, validity, fact, block, data)
      VALUES (${mailbox}, ${validity}, ${fact}, ${block}, ${data})`)
}

export async function setPacked(tx: Statements, { mailbox, validity }: PackedMailbox, blocks: number): Promise<void> {
  await tx.run(sql`
    INSERT INTO packed (mailbox, validity, blocks) VALUES (${mailbox}, ${validity}, ${blocks})
    ON CONFLICT (mailbox, validity) DO UPDATE SET blocks = excluded.blocks`)
}

/** At most 1,000 blocks of a mailbox that is gone, then the mailbox; false while there is more. */
export async function removeFacts(tx: Statements, { mailbox, validity }: PackedMailbox): Promise<boolean> {
  const removed = await tx.run(sql`
    DELETE FROM fact_block WHERE rowid IN (
      SELECT rowid FROM fact_block WHERE mailbox = ${mailbox} AND validity = ${validity} LIMIT 1000)`)
  if (removed === 1000) return false
  await tx.run(sql`DELETE FROM packed WHERE mailbox = ${mailbox} AND validity = ${validity}`)
  return true
}
