// Rows of `suppression`: addresses to which a domain does not write. Addresses come in the form of addressKey.

import type { DomainId } from '../../base/index.ts'
import { oneOf, sql } from '../sql.ts'
import type { Reader, Writer } from '../types.ts'

export interface SuppressionRow {
  readonly id: number
  readonly domain: DomainId
  readonly address: string
  readonly class: string
  readonly source: string
  readonly reason: string
  readonly created_by: string
  /** 0: not suppressed yet, failures are counted. */
  readonly active: number
  readonly times: number
  readonly first_at: number
  readonly last_at: number
  readonly expires_at: number | null
}

const columns = sql`id, domain, address, class, source, reason, created_by, active, times, first_at, last_at, expires_at`

/** Whether the domain has any entry: most have none, and then nobody asks further. */
export async function hasAny(tx: Reader, domain: DomainId): Promise<boolean> {
  return (await tx.get(sql`SELECT 1 AS found FROM suppression WHERE domain = ${domain} LIMIT 1`)) !== undefined
}

/** Whether failures are only counted for any address of the domain. */
export async function hasCounted(tx: Reader, domain: DomainId): Promise<boolean> {
  const row = await tx.get(sql`SELECT 1 AS found FROM suppression WHERE domain = ${domain} AND active = 0 LIMIT 1`)
  return row !== undefined
}

/** What stands of these addresses (at most 1,000) now. */
export function findActive(
  tx: Reader,
  domain: DomainId,
  addresses: readonly string[],
  now: number,
): Promise<SuppressionRow[]> {
  return tx.all(sql`SELECT ${columns} FROM suppression WHERE domain = ${domain} AND address ${oneOf(tx, addresses)}
    AND active = 1 AND (expires_at IS NULL OR expires_at > ${now}) LIMIT 1000`)
}

export function find(tx: Reader, domain: DomainId, address: string): Promise<SuppressionRow | undefined> {
  return tx.get(sql`SELECT ${columns} FROM suppression WHERE domain = ${domain} AND address = ${address}`)
}

/** By id after `after`, of one domain. */
export function list(tx: Reader, domain: DomainId, after: number, limit: number): Promise<SuppressionRow[]> {
  return tx.all(
    sql`SELECT ${columns} FROM suppression WHERE domain = ${domain} AND id > ${after} ORDER BY id LIMIT ${limit}`,
  )
}

/** Writes an entry whole; the address's earlier one keeps its id and when it was first seen. */
export async function put(tx: Writer, row: Omit<SuppressionRow, 'id'>): Promise<void> {
  await tx.run(
    sql`INSERT INTO suppression (domain, address, class, source, reason, created_by, active, times, first_at, last_at, expires_at)
        VALUES (${row.domain}, ${row.address}, ${row.class}, ${row.source}, ${row.reason}, ${row.created_by}, ${row.active},
          ${row.times}, ${row.first_at}, ${row.last_at}, ${row.expires_at})
        ON CONFLICT (domain, address) DO UPDATE SET class = excluded.class, source = excluded.source, reason = excluded.reason,
          created_by = excluded.created_by, active = excluded.active, times = excluded.times, last_at = excluded.last_at,
          expires_at = excluded.expires_at`,
  )
}

/** Takes entries out, at most 1,000. Returns how many there were. */
export function remove(tx: Writer, domain: DomainId, addresses: readonly string[]): Promise<number> {
  return tx.run(sql`DELETE FROM suppression WHERE domain = ${domain} AND address ${oneOf(tx, addresses)}`)
}

/** Mail arrived there: failures that were only counted were not in a row. */
export function forgetCounted(tx: Writer, domain: DomainId, addresses: readonly string[]): Promise<number> {
  return tx.run(
    sql`DELETE FROM suppression WHERE domain = ${domain} AND address ${oneOf(tx, addresses)} AND active = 0`,
  )
}

export function removeOfDomain(tx: Writer, domain: DomainId, limit: number): Promise<number> {
  return tx.run(
    sql`DELETE FROM suppression WHERE id IN (SELECT id FROM suppression WHERE domain = ${domain} LIMIT ${limit})`,
  )
}

/** Takes out what has expired before `now`. */
export function removeExpired(tx: Writer, now: number, limit: number): Promise<number> {
  return tx.run(
    sql`DELETE FROM suppression WHERE id IN (SELECT id FROM suppression WHERE expires_at < ${now} ORDER BY expires_at LIMIT ${limit})`,
  )
}
