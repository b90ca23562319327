// Rows of `account` and `account_settings`: users, their keys and their counters. Local parts come normalised.
// `disabled` is 0, 1, or 2 for an account that is being removed: nothing here finds that one again but by its id.

import type { AccountId, DomainId } from '../../base/index.ts'
import { sql } from '../sql.ts'
import type { Reader, Writer } from '../types.ts'

export interface AccountRow {
  readonly id: AccountId
  readonly local: string
  readonly domain: string
  readonly name: string
  readonly disabled: number
  readonly admin: number
  readonly quota_bytes: number | null
  readonly quota_messages: number | null
  readonly used_bytes: number
  readonly used_messages: number
  readonly settings: string | null
}

/** A user (`destinations` null) or an alias that answers to one of the local parts asked for. */
export interface OwnerRow {
  readonly id: number
  readonly local: string
  readonly disabled: number
  readonly settings: string | null
  readonly destinations: string | null
}

export interface LoginRow {
  readonly id: AccountId
  readonly local: string
  readonly domain: string
  readonly name: string
  readonly disabled: number
  readonly password: string | null
  readonly scram: string | null
}

/** Everybody whom `exact`, `base` (without its detail) or the catch-all of a domain could mean: at most five rows, one statement. */
export function findOwners(tx: Reader, domain: DomainId, exact: string, base: string): Promise<OwnerRow[]> {
  return tx.all(sql`SELECT a.id, a.local, a.disabled, s.settings, NULL AS destinations
      FROM account a LEFT JOIN account_settings s ON s.account = a.id
      WHERE a.domain = ${domain} AND a.local IN (${exact}, ${base}) AND a.disabled < 2
    UNION ALL SELECT l.id, l.local, 0, NULL, l.destinations
      FROM alias l WHERE l.domain = ${domain} AND l.local IN (${exact}, ${base}, '')`)
}

const selectOwner = sql`SELECT a.id, a.local, a.disabled, s.settings, NULL AS destinations
  FROM account a LEFT JOIN account_settings s ON s.account = a.id`

/** Whom postmaster reaches when nobody has that name: an administrator of the domain, of the server, the oldest user of the domain, of the server. */
export async function findOfficer(tx: Reader, domain: DomainId | 0): Promise<OwnerRow | undefined> {
  return (
    (await tx.get<OwnerRow>(
      sql`${selectOwner} WHERE a.admin = 1 AND a.disabled = 0 AND a.domain = ${domain} ORDER BY a.id LIMIT 1`,
    )) ??
    (await tx.get<OwnerRow>(sql`${selectOwner} WHERE a.admin = 1 AND a.disabled = 0 ORDER BY a.id LIMIT 1`)) ??
    (await tx.get<OwnerRow>(
      sql`${selectOwner} WHERE a.domain = ${domain} AND a.disabled < 2 ORDER BY a.disabled, a.id LIMIT 1`,
    )) ??
    tx.get<OwnerRow>(sql`${selectOwner} WHERE a.disabled < 2 ORDER BY a.disabled, a.id LIMIT 1`)
  )
}

/** The officer's address is not the one asked for: this is it. */
export function findAddress(tx: Reader, id: number): Promise<{ local: string; domain: string } | undefined> {
  return tx.get(
    sql`SELECT a.local, d.name AS domain FROM account a JOIN domain d ON d.id = a.domain WHERE a.id = ${id}`,
  )
}

/** Numbers that decide whether one more message fits. */
export function findRoom(
  tx: Reader,
  id: AccountId,
): Promise<Pick<AccountRow, 'quota_bytes' | 'quota_messages' | 'used_bytes' | 'used_messages'> | undefined> {
  return tx.get(sql`SELECT quota_bytes, quota_messages, used_bytes, used_messages FROM account WHERE id = ${id}`)
}

export function findLogin(tx: Reader, domain: DomainId, local: string): Promise<LoginRow | undefined> {
  return tx.get(sql`SELECT a.id, a.local, d.name AS domain, a.name, a.disabled, s.password, s.scram
    FROM account a JOIN domain d ON d.id = a.domain LEFT JOIN account_settings s ON s.account = a.id
    WHERE a.domain = ${domain} AND a.local = ${local} AND a.disabled < 2`)
}

const selectAccount = sql`SELECT a.id, a.local, d.name AS domain, a.name, a.disabled, a.admin, a.quota_bytes,
  a.quota_messages, a.used_bytes, a.used_messages, s.settings
  FROM account a JOIN domain d ON d.id = a.domain LEFT JOIN account_settings s ON s.account = a.id`

export function find(tx: Reader, id: AccountId): Promise<AccountRow | undefined> {
  return tx.get(sql`${selectAccount} WHERE a.id = ${id} AND a.disabled < 2`)
}

export function findByLocal(tx: Reader, domain: DomainId, local: string): Promise<AccountRow | undefined> {
  return tx.get(sql`${selectAccount} WHERE a.domain = ${domain} AND a.local = ${local} AND a.disabled < 2`)
}

/** By domain name, then local part, at most 1,000, after the given pair. */
export function list(tx: Reader, after: { domain: string; local: string }): Promise<AccountRow[]> {
  return tx.all(
    sql`${selectAccount} WHERE (d.name, a.local) > (${after.domain}, ${after.local}) AND a.disabled < 2 ORDER BY d.name, a.local LIMIT 1000`,
  )
}

/** By local part, at most 1,000, after the given one. */
export function listOfDomain(tx: Reader, domain: DomainId, after: string): Promise<AccountRow[]> {
  return tx.all(
    sql`${selectAccount} WHERE a.domain = ${domain} AND a.local > ${after} AND a.disabled < 2 ORDER BY a.local LIMIT 1000`,
  )
}

/** By id, at most 1,000, after the given id: users whose settings match `pattern` (LIKE, which may match too much). */
export function listBySettings(
  tx: Reader,
  pattern: string,
  after: number,
): Promise<{ id: AccountId; settings: string }[]> {
  return tx.all(sql`SELECT account AS id, settings FROM account_settings
    WHERE account > ${after} AND settings LIKE ${pattern} ORDER BY account LIMIT 1000`)
}

export async function countMailboxes(tx: Reader, id: AccountId): Promise<number> {
  const row = await tx.get<{ n: number }>(sql`SELECT COUNT(*) AS n FROM mailbox WHERE account = ${id}`)
  return Number(row!.n)
}

export async function insert(
  tx: Writer,
  account: {
    domain: DomainId
    local: string
    name: string
    admin: boolean
    quotaBytes: number | null
    quotaMessages: number | null
    password: string | null
    scram: string | null
  },
): Promise<AccountId> {
  const row = await tx.get<{ id: AccountId }>(sql`INSERT INTO account
    (domain, local, name, admin, quota_bytes, quota_messages, created_at)
    VALUES (${account.domain}, ${account.local}, ${account.name}, ${account.admin ? 1 : 0}, ${account.quotaBytes},
      ${account.quotaMessages}, ${tx.now}) RETURNING id`)
  await tx.run(sql`INSERT INTO account_settings (account, password, scram)
    VALUES (${row!.id}, ${account.password}, ${account.scram})`)
  return row!.id
}

export function setKeys(tx: Writer, id: AccountId, keys: { password: string; scram: string }): Promise<number> {
  return tx.run(
    sql`UPDATE account_settings SET password = ${keys.password}, scram = ${keys.scram} WHERE account = ${id}`,
  )
}

/** Only while `password` is still the stored hash. */
export function setScram(tx: Writer, id: AccountId, password: string, scram: string): Promise<number> {
  return tx.run(sql`UPDATE account_settings SET scram = ${scram} WHERE account = ${id} AND password = ${password}`)
}

export function setSettings(tx: Writer, id: AccountId, settings: string): Promise<number> {
  return tx.run(sql`UPDATE account_settings SET settings = ${settings} WHERE account = ${id}`)
}

export function setAddress(tx: Writer, id: AccountId, domain: DomainId, local: string): Promise<number> {
  return tx.run(sql`UPDATE account SET domain = ${domain}, local = ${local} WHERE id = ${id}`)
}

export function setDisabled(tx: Writer, id: AccountId, disabled: boolean): Promise<number> {
  return tx.run(sql`UPDATE account SET disabled = ${disabled ? 1 : 0} WHERE id = ${id}`)
}

export function setProperties(
  tx: Writer,
  id: AccountId,
  to: { name: string; admin: boolean; quotaBytes: number | null; quotaMessages: number | null },
): Promise<number> {
  return tx.run(sql`UPDATE account SET name = ${to.name}, admin = ${to.admin ? 1 : 0}, quota_bytes = ${to.quotaBytes},
    quota_messages = ${to.quotaMessages} WHERE id = ${id}`)
}

/** Takes the account out of everybody's sight and frees its address: capitals never stand in a normalised local part. */
export async function markRemoved(tx: Writer, id: AccountId): Promise<void> {
  await tx.run(sql`UPDATE account SET disabled = 2, admin = 0, local = ${`REMOVED ${id}`} WHERE id = ${id}`)
  await tx.run(sql`UPDATE account_settings SET password = NULL, scram = NULL, settings = '{}' WHERE account = ${id}`)
}

/** Accounts that are removed but for their mail, at most 1,000. */
export async function removed(tx: Reader): Promise<AccountId[]> {
  const rows = await tx.all<{ id: AccountId }>(sql`SELECT id FROM account WHERE disabled = 2 LIMIT 1000`)
  return rows.map(({ id }) => id)
}

/** The last step of removing: the account's mail must be gone. */
export async function erase(tx: Writer, id: AccountId): Promise<void> {
  await tx.run(sql`DELETE FROM account_settings WHERE account = ${id}`)
  await tx.run(sql`DELETE FROM abuse_list WHERE account = ${id}`)
  await tx.run(sql`DELETE FROM known_address WHERE account = ${id}`)
  await tx.run(sql`DELETE FROM correspondent WHERE account = ${id}`)
  await tx.run(sql`DELETE FROM account WHERE id = ${id} AND disabled = 2`)
}
