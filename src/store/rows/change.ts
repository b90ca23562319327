// The change log: what changed in an account, by modseq. Written by the transaction itself, read by followers.

import type { AccountId } from '../../base/index.ts'
import { sql } from '../sql.ts'
import type { ChangeNote, Reader, Sql, Writer } from '../types.ts'

export interface ChangeRow {
  readonly modseq: number
  readonly kind: ChangeNote['kind']
  readonly container: number
  readonly what: ChangeNote['what']
  /** As formatRanges writes them. */
  readonly ids: string
}

/** Raises the account's counter; undefined when there is no such account. */
export function nextModseq(tx: Writer, account: AccountId, by = 1): Promise<number | undefined> {
  return modseqAfter(tx, sql`UPDATE account SET modseq = modseq + ${by} WHERE id = ${account}`, account)
}

/** Takes room if there is enough, and raises the counter by `step`; undefined when there is not. Exact, because the account is locked. */
export function takeRoom(
  tx: Writer,
  account: AccountId,
  bytes: number,
  messages: number,
  step: 0 | 1,
): Promise<number | undefined> {
  const update = sql`
    UPDATE account SET used_bytes = used_bytes + ${bytes}, used_messages = used_messages + ${messages}, modseq = modseq + ${step}
    WHERE id = ${account} AND disabled < 2 AND (quota_bytes IS NULL OR used_bytes + ${bytes} <= quota_bytes)
      AND (quota_messages IS NULL OR used_messages + ${messages} <= quota_messages)`
  return modseqAfter(tx, update, account)
}

/** The account's modseq after an UPDATE of its row; undefined when that changed nothing. SQLite's RETURNING costs more than a second statement. */
async function modseqAfter(tx: Writer, update: Sql, account: AccountId): Promise<number | undefined> {
  if (tx.dialect === 'postgres') return (await tx.get<{ modseq: number }>(sql`${update} RETURNING modseq`))?.modseq
  if ((await tx.run(update)) === 0) return undefined
  return (await tx.get<{ modseq: number }>(sql`SELECT modseq FROM account WHERE id = ${account}`))?.modseq
}

export async function insertChange(
  tx: Writer,
  account: AccountId,
  modseq: number,
  note: ChangeNote,
  ids: string,
): Promise<void> {
  await tx.run(
    sql`INSERT INTO change_log (account, modseq, kind, container, what, ids)
        VALUES (${account}, ${modseq}, ${note.kind}, ${note.container}, ${note.what}, ${ids})`,
  )
}

/** Rows above `after`, ascending, at most `limit`. A page may end within a modseq: ask again after the last whole one. */
export function changesAfter(tx: Reader, account: AccountId, after: number, limit: number): Promise<ChangeRow[]> {
  return tx.all<ChangeRow>(
    sql`SELECT modseq, kind, container, what, ids FROM change_log
        WHERE account = ${account} AND modseq > ${after}
        ORDER BY modseq, kind, container, what LIMIT ${limit}`,
  )
}

/** Every row of one modseq: a transaction's own changes, so their number is bounded by what one write may do. */
export function changesAt(tx: Reader, account: AccountId, modseq: number): Promise<ChangeRow[]> {
  return tx.all<ChangeRow>(
    sql`SELECT modseq, kind, container, what, ids FROM change_log
        WHERE account = ${account} AND modseq = ${modseq} ORDER BY kind, container, what LIMIT 10000`,
  )
}

/** The account's modseq, and the floor: a follower whose cursor is below it must start over. */
export async function changeState(
  tx: Reader,
  account: AccountId,
): Promise<{ readonly modseq: number; readonly floor: number } | undefined> {
  const row = await tx.get<{ modseq: number; floor: string | null }>(
    sql`SELECT modseq, (SELECT value FROM meta WHERE key = ${floorKey(account)}) AS floor FROM account WHERE id = ${account}`,
  )
  return row && { modseq: row.modseq, floor: Number(row.floor ?? 0) }
}

/** Deletes at most `limit` of the oldest rows up to `upTo` and raises the floor to what was deleted. Returns how many went. */
export async function pruneChanges(tx: Writer, account: AccountId, upTo: number, limit: number): Promise<number> {
  const last = await tx.get<{ modseq: number | null }>(
    sql`SELECT max(modseq) AS modseq FROM (
          SELECT modseq FROM change_log WHERE account = ${account} AND modseq <= ${upTo} ORDER BY modseq LIMIT ${limit}) AS oldest`,
  )
  if (last?.modseq == null) return 0
  const floor = `${last.modseq}`
  await tx.run(
    sql`INSERT INTO meta (key, value) VALUES (${floorKey(account)}, ${floor})
        ON CONFLICT (key) DO UPDATE SET value = excluded.value`,
  )
  return tx.run(sql`DELETE FROM change_log WHERE account = ${account} AND modseq <= ${last.modseq}`)
}

/** Accounts by id after `after` (≤ 500), with the newest modseq whose changes may go when `keep` modseqs stay, and whether any are there. */
export function prunableAccounts(
  tx: Reader,
  after: number,
  keep: number,
): Promise<{ account: AccountId; upTo: number; due: 0 | 1 }[]> {
  return tx.all(
    sql`SELECT id AS account, modseq - ${keep} AS "upTo", CASE WHEN EXISTS (
            SELECT 1 FROM change_log WHERE change_log.account = account.id AND change_log.modseq <= account.modseq - ${keep})
          THEN 1 ELSE 0 END AS due
        FROM account WHERE id > ${after} ORDER BY id LIMIT 500`,
  )
}

const floorKey = (account: AccountId) => `changes:${account}`
