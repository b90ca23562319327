// Rows of mailbox_acl: what others than its owner may do with a mailbox. Rights are letters; what they mean is mail's.

import { sql } from '../sql.ts'
import type { Reader, Writer } from '../types.ts'

export interface AclRow {
  readonly account: number
  readonly rights: string
  readonly denied: string
}

/** A mailbox that its owner shares with somebody. */
export interface SharedRow {
  readonly mailbox: number
  readonly owner: number
  readonly rights: string
  readonly denied: string
  /** The owner's address. */
  readonly local: string
  readonly domain: string
}

/** What the account was given; undefined when nothing was, the mailbox is gone, or its owner is disabled. */
export function find(tx: Reader, mailbox: number, account: number): Promise<SharedRow | undefined> {
  return tx.get(sql`
    SELECT l.mailbox, m.account AS owner, l.rights, l.denied, a.local, d.name AS domain
    FROM mailbox_acl l JOIN mailbox m ON m.id = l.mailbox JOIN account a ON a.id = m.account JOIN domain d ON d.id = a.domain
    WHERE l.mailbox = ${mailbox} AND l.account = ${account} AND a.disabled = 0 AND coalesce(m.role, '') <> 'deleted'`)
}

/** Everything that was shared with the account, by mailbox, 1,000 per page. */
export function sharedWith(tx: Reader, account: number, after: number): Promise<SharedRow[]> {
  return tx.all(sql`
    SELECT l.mailbox, m.account AS owner, l.rights, l.denied, a.local, d.name AS domain
    FROM mailbox_acl l JOIN mailbox m ON m.id = l.mailbox JOIN account a ON a.id = m.account JOIN domain d ON d.id = a.domain
    WHERE l.account = ${account} AND l.mailbox > ${after} AND a.disabled = 0 AND coalesce(m.role, '') <> 'deleted'
    ORDER BY l.mailbox LIMIT 1000`)
}

/** The mailbox's list, by account, at most 1,000; accounts that are being removed are left out. */
export function list(tx: Reader, mailbox: number): Promise<(AclRow & { local: string; domain: string })[]> {
  return tx.all(sql`
    SELECT l.account, l.rights, l.denied, a.local, d.name AS domain
    FROM mailbox_acl l JOIN account a ON a.id = l.account JOIN domain d ON d.id = a.domain
    WHERE l.mailbox = ${mailbox} AND a.disabled < 2 ORDER BY l.account LIMIT 1000`)
}

/** The row of one identifier, whoever owns the mailbox. */
export function get(tx: Reader, mailbox: number, account: number): Promise<AclRow | undefined> {
  return tx.get(sql`
    SELECT account, rights, denied FROM mailbox_acl WHERE mailbox = ${mailbox} AND account = ${account}`)
}

export async function put(tx: Writer, mailbox: number, row: AclRow): Promise<void> {
  await tx.run(sql`
    INSERT INTO mailbox_acl (mailbox, account, rights, denied) VALUES (${mailbox}, ${row.account}, ${row.rights}, ${row.denied})
    ON CONFLICT (mailbox, account) DO UPDATE SET rights = excluded.rights, denied = excluded.denied`)
}

export function remove(tx: Writer, mailbox: number, account: number): Promise<number> {
  return tx.run(sql`DELETE FROM mailbox_acl WHERE mailbox = ${mailbox} AND account = ${account}`)
}

/** Gives a new mailbox the list of the one above it. */
export function inherit(tx: Writer, from: number, to: number): Promise<number> {
  return tx.run(sql`
    INSERT INTO mailbox_acl (mailbox, account, rights, denied)
    SELECT CAST(${to} AS BIGINT), account, rights, denied FROM mailbox_acl WHERE mailbox = ${from}`)
}

/** How many identifiers the mailbox's list has, and how many mailboxes are shared with the account. */
export async function counts(tx: Reader, mailbox: number, account: number) {
  const row = await tx.get<{ identifiers: number; mailboxes: number }>(sql`
    SELECT (SELECT count(*) FROM mailbox_acl WHERE mailbox = ${mailbox}) AS identifiers,
      (SELECT count(*) FROM mailbox_acl WHERE account = ${account}) AS mailboxes`)
  return row!
}

/** The list of a mailbox that goes. */
export function removeAll(tx: Writer, mailbox: number): Promise<number> {
  return tx.run(sql`DELETE FROM mailbox_acl WHERE mailbox = ${mailbox}`)
}

/** At most 1,000 rows of an account that is being removed: what others had given it. */
export function sweep(tx: Writer, account: number): Promise<number> {
  return tx.run(sql`
    DELETE FROM mailbox_acl WHERE account = ${account}
      AND mailbox IN (SELECT mailbox FROM mailbox_acl WHERE account = ${account} LIMIT 1000)`)
}
