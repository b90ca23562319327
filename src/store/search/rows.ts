// Rows of search.db: the only place with its SQL. Indexes of trigrams and of words, over the texts of contents (by content id) and over
// what delivery put before them (by message id); they keep no texts.

import { oneOf, sql } from '../sql.ts'
import type { Statements } from '../transaction.ts'
import type { Sql } from '../types.ts'

/** A file of another version is begun anew. */
export const version = 2

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
  // More is gathered in memory before it becomes a segment: fewer merges.
  `INSERT INTO text_index (text_index, rank) VALUES ('hashsize', 2097152)`,
  `PRAGMA user_version = ${version}`,
]

export type Key = 'store' | 'contents' | 'messages' | 'last' | 'file' | 'open' | 'swept'

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
