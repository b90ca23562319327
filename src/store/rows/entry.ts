// Rows of entry: a message's place in a mailbox. Only inserted and deleted. Callers give at most 1,000 UIDs, ascending.

import { oneOf, sql } from '../sql.ts'
import type { Reader, Sql, Writer } from '../types.ts'

/** UIDs of one statement. */
export const uidsPerStatement = 1000

/** ``sql`… uid ${among(tx, uids)}` ``: a run of UIDs without a gap is a range of the key. */
export function among(tx: Reader, uids: readonly number[]): Sql {
  return isRun(uids) ? sql`BETWEEN ${uids[0]!} AND ${uids[uids.length - 1]!}` : oneOf(tx, uids)
}

const isRun = (uids: readonly number[]): boolean => uids[uids.length - 1]! - uids[0]! + 1 === uids.length

export function insert(tx: Writer, mailbox: number, uid: number, message: number): Promise<number> {
  return tx.run(sql`
    INSERT INTO entry (mailbox, uid, message, saved_at) VALUES (${mailbox}, ${uid}, ${message}, ${tx.now})`)
}

/** How many of the entries there are, and their sizes together. */
export async function measure(
  tx: Reader,
  mailbox: number,
  uids: readonly number[],
): Promise<{ messages: number; bytes: number }> {
  const row = await tx.get<{ messages: number; bytes: number }>(sql`
    SELECT count(*) AS messages, CAST(coalesce(sum(m.size), 0) AS BIGINT) AS bytes
    FROM entry e JOIN message m ON m.id = e.message
    WHERE e.mailbox = ${mailbox} AND e.uid ${among(tx, uids)}`)
  return row!
}

/** The messages that stand at these UIDs. */
export async function messagesOf(tx: Reader, mailbox: number, uids: readonly number[]): Promise<number[]> {
  const rows = await tx.all<{ message: number }>(sql`
    SELECT message FROM entry WHERE mailbox = ${mailbox} AND uid ${among(tx, uids)} ORDER BY uid LIMIT 1000`)
  return rows.map(({ message }) => message)
}

/** Places these messages in another mailbox, in order, at UIDs `firstUid` and on. */
export function copy(tx: Writer, mailbox: number, uids: readonly number[], target: number, firstUid: number) {
  // Without a gap each UID moves by the same distance: that costs half as much as numbering them.
  const distance = firstUid - uids[0]!
  const place = isRun(uids)
    ? sql`uid + CAST(${distance} AS BIGINT)`
    : sql`CAST(${firstUid - 1} AS BIGINT) + row_number() OVER (ORDER BY uid)`
  return tx.run(sql`
    INSERT INTO entry (mailbox, uid, message, saved_at)
    SELECT CAST(${target} AS BIGINT), ${place}, message, CAST(${tx.now} AS BIGINT)
    FROM entry WHERE mailbox = ${mailbox} AND uid ${among(tx, uids)}`)
}

export function remove(tx: Writer, mailbox: number, uids: readonly number[]): Promise<number> {
  return tx.run(sql`DELETE FROM entry WHERE mailbox = ${mailbox} AND uid ${among(tx, uids)}`)
}

/** The first 1,000 UIDs of a mailbox that is being swept. */
export function firstUids(tx: Reader, mailbox: number): Promise<{ uid: number }[]> {
  return tx.all(sql`SELECT uid FROM entry WHERE mailbox = ${mailbox} ORDER BY uid LIMIT 1000`)
}

/** For checking: entries by UID with their message and its size, null when there is none. */
export function page(
  tx: Reader,
  mailbox: number,
  after: number,
): Promise<{ uid: number; message: number; size: number | null; account: number | null }[]> {
  return tx.all(sql`
    SELECT e.uid, e.message, m.size, m.account FROM entry e LEFT JOIN message m ON m.id = e.message
    WHERE e.mailbox = ${mailbox} AND e.uid > ${after} ORDER BY e.uid LIMIT 1000`)
}
