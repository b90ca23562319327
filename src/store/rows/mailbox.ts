// Rows of mailbox, mailbox_keyword, and the account's mail counters. A deleted mailbox is buried first: it keeps its id under the role
// `deleted` and a name that nobody can ask for, until its rows are swept. Knows no hierarchy.

import { oneOf, sql } from '../sql.ts'
import type { Reader, Writer } from '../types.ts'

export interface MailboxRow {
  readonly id: number
  readonly account: number
  readonly name: string
  readonly role: string | null
  readonly uidValidity: number
  readonly uidNext: number
  readonly modseq: number
  readonly epoch: number
  readonly recentUid: number
  readonly messages: number
  readonly unseen: number
  readonly deleted: number
  readonly size: number
  /** 1: a job that packs what FETCH shows waits. */
  readonly packing: number
}

const select = sql`
  SELECT id, account, name, role, uidvalidity AS "uidValidity", uidnext AS "uidNext", modseq, epoch,
    recent_uid AS "recentUid", messages, unseen, deleted, size, packing
  FROM mailbox`

/** One mailbox that is not buried. */
export function find(tx: Reader, id: number): Promise<MailboxRow | undefined> {
  return tx.get<MailboxRow>(sql`
    ${select} WHERE id = ${id} AND coalesce(role, '') <> 'deleted'`)
}

/** Those of the (at most 1,000) ids that are not buried. */
export function findAll(tx: Reader, ids: readonly number[]): Promise<MailboxRow[]> {
  return tx.all<MailboxRow>(sql`
    ${select} WHERE id ${oneOf(tx, ids)} AND coalesce(role, '') <> 'deleted'`)
}

export function findByName(tx: Reader, account: number, name: string): Promise<MailboxRow | undefined> {
  return tx.get<MailboxRow>(sql`
    ${select} WHERE account = ${account} AND name = ${name} AND coalesce(role, '') <> 'deleted'`)
}

/** The account's mailboxes with that role: usually one. */
export function findByRole(tx: Reader, account: number, role: string): Promise<MailboxRow[]> {
  return tx.all<MailboxRow>(sql`${select} WHERE account = ${account} AND role = ${role} LIMIT 10`)
}

/** By name in the database's own order, 1,000 per page, without the buried. Not by id: the key is (account, name). */
export function list(tx: Reader, account: number, after: string): Promise<MailboxRow[]> {
  return tx.all<MailboxRow>(sql`
    ${select} WHERE account = ${account} AND name > ${after} AND coalesce(role, '') <> 'deleted'
    ORDER BY name LIMIT 1000`)
}

export async function count(tx: Reader, account: number): Promise<number> {
  const row = await tx.get<{ n: number }>(sql`
    SELECT count(*) AS n FROM mailbox WHERE account = ${account} AND coalesce(role, '') <> 'deleted'`)
  return row!.n
}

/** Ids of an account's mailboxes, the buried too: for sweeping. */
export function allIds(tx: Reader, account: number): Promise<{ id: number }[]> {
  return tx.all<{ id: number }>(sql`SELECT id FROM mailbox WHERE account = ${account} LIMIT 1000`)
}

export async function insert(
  tx: Writer,
  row: { account: number; name: string; role: string | null; uidValidity: number; modseq: number; epoch: number },
): Promise<number> {
  const made = await tx.get<{ id: number }>(sql`
    INSERT INTO mailbox (account, name, role, uidvalidity, modseq, epoch, created_at)
    VALUES (${row.account}, ${row.name}, ${row.role}, ${row.uidValidity}, ${row.modseq}, ${row.epoch}, ${tx.now})
    RETURNING id`)
  return made!.id
}

/** Writes back what changes with the mailbox's messages. */
export function save(tx: Writer, row: Omit<MailboxRow, 'account' | 'name' | 'role' | 'recentUid' | 'uidValidity'>) {
  return tx.run(sql`
    UPDATE mailbox SET uidnext = ${row.uidNext}, modseq = ${row.modseq}, epoch = ${row.epoch}, messages = ${row.messages},
      unseen = ${row.unseen}, deleted = ${row.deleted}, size = ${row.size}, packing = ${row.packing}
    WHERE id = ${row.id}`)
}

export function rename(tx: Writer, id: number, name: string, modseq: number): Promise<number> {
  return tx.run(sql`UPDATE mailbox SET name = ${name}, modseq = ${modseq} WHERE id = ${id}`)
}

export function setModseq(tx: Writer, id: number, modseq: number): Promise<number> {
  return tx.run(sql`UPDATE mailbox SET modseq = ${modseq} WHERE id = ${id}`)
}

export function setRecent(tx: Writer, id: number, uid: number): Promise<number> {
  return tx.run(sql`UPDATE mailbox SET recent_uid = ${uid} WHERE id = ${id}`)
}

export function setPacking(tx: Writer, id: number, packing: 0 | 1): Promise<number> {
  return tx.run(sql`UPDATE mailbox SET packing = ${packing} WHERE id = ${id}`)
}

/** Hides the mailbox at once; its name is free again. */
export function bury(tx: Writer, id: number, modseq: number): Promise<number> {
  return tx.run(sql`
    UPDATE mailbox SET role = 'deleted', name = ${`\u0001deleted ${id}`}, modseq = ${modseq} WHERE id = ${id}`)
}

export function findBuried(tx: Reader, id: number): Promise<{ account: number } | undefined> {
  return tx.get(sql`SELECT account FROM mailbox WHERE id = ${id} AND role = 'deleted'`)
}

export async function remove(tx: Writer, id: number): Promise<void> {
  await tx.run(sql`DELETE FROM mailbox_keyword WHERE mailbox = ${id}`)
  await tx.run(sql`DELETE FROM mailbox_acl WHERE mailbox = ${id}`)
  await tx.run(sql`DELETE FROM annotation WHERE mailbox = ${id}`)
  await tx.run(sql`DELETE FROM mailbox WHERE id = ${id}`)
}

/** Keyword names with their numbers, ascending. */
export function keywords(tx: Reader, mailbox: number): Promise<{ n: number; name: string }[]> {
  return tx.all(sql`SELECT n, name FROM mailbox_keyword WHERE mailbox = ${mailbox} ORDER BY n LIMIT 64`)
}

export function addKeyword(tx: Writer, mailbox: number, n: number, name: string): Promise<number> {
  return tx.run(sql`INSERT INTO mailbox_keyword (mailbox, n, name) VALUES (${mailbox}, ${n}, ${name})`)
}

/** A UIDVALIDITY that the account never gave: seconds now, or one more than its last. */
export async function takeUidValidity(tx: Writer, account: number): Promise<number> {
  const seconds = Math.floor(tx.now / 1000)
  const row = await tx.get<{ value: number }>(sql`
    UPDATE account SET last_uidvalidity =
      CASE WHEN last_uidvalidity >= ${seconds} THEN last_uidvalidity + 1 ELSE ${seconds} END
    WHERE id = ${account} RETURNING last_uidvalidity AS value`)
  return row?.value ?? 0
}

export interface UsageRow {
  readonly usedBytes: number
  readonly usedMessages: number
  readonly quotaBytes: number | null
  readonly quotaMessages: number | null
}

/** Undefined when there is no such account, or it is being removed. */
export function usage(tx: Reader, account: number): Promise<UsageRow | undefined> {
  return tx.get<UsageRow>(sql`
    SELECT used_bytes AS "usedBytes", used_messages AS "usedMessages", quota_bytes AS "quotaBytes",
      quota_messages AS "quotaMessages"
    FROM account WHERE id = ${account} AND disabled < 2`)
}

export function giveRoom(tx: Writer, account: number, bytes: number, messages: number): Promise<number> {
  return tx.run(sql`
    UPDATE account SET used_bytes = used_bytes - ${bytes}, used_messages = used_messages - ${messages}
    WHERE id = ${account}`)
}

export interface AccountUsage {
  readonly id: number
  readonly modseq: number
  readonly usedBytes: number
  readonly usedMessages: number
  /** 1 while the account is being removed. */
  readonly removed: number
}

/** For checking: every account's counters, by id, 1,000 per page. */
export function accounts(tx: Reader, after: number): Promise<AccountUsage[]> {
  return tx.all<AccountUsage>(sql`
    SELECT id, modseq, used_bytes AS "usedBytes", used_messages AS "usedMessages",
      CASE WHEN disabled = 2 THEN 1 ELSE 0 END AS removed
    FROM account WHERE id > ${after} ORDER BY id LIMIT 1000`)
}
