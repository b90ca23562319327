// Rows of `abuse_ban`: addresses and networks that are shut out, and for a while those that were.

import { oneOf, sql } from '../sql.ts'
import type { Reader, Writer } from '../types.ts'

export interface BanRow {
  readonly network: string
  readonly scope: string
  readonly reason: string
  readonly created_by: string
  readonly created_at: number
  /** 0: for ever. */
  readonly until: number
  readonly times: number
}

const columns = sql`network, scope, reason, created_by, created_at, until, times`

/** The longest ban in force on any of these spellings (at most 1,000). */
export function inForce(tx: Reader, networks: readonly string[], now: number): Promise<BanRow | undefined> {
  return tx.get(sql`SELECT ${columns} FROM abuse_ban WHERE network ${oneOf(tx, networks)} AND (until = 0 OR until > ${now})
    ORDER BY CASE WHEN until = 0 THEN 0 ELSE 1 END, until DESC LIMIT 1`)
}

/** The longest ban in force that shuts every door. */
export function inForceAtAll(tx: Reader, networks: readonly string[], now: number): Promise<BanRow | undefined> {
  return tx.get(sql`SELECT ${columns} FROM abuse_ban WHERE network ${oneOf(tx, networks)} AND scope = 'all'
    AND (until = 0 OR until > ${now}) ORDER BY CASE WHEN until = 0 THEN 0 ELSE 1 END, until DESC LIMIT 1`)
}

/** Whether there is any at all, also over. */
export async function hasAny(tx: Reader): Promise<boolean> {
  return (await tx.get(sql`SELECT 1 AS found FROM abuse_ban LIMIT 1`)) !== undefined
}

export function find(tx: Reader, network: string): Promise<BanRow | undefined> {
  return tx.get(sql`SELECT ${columns} FROM abuse_ban WHERE network = ${network}`)
}

/** In the order of their spelling, after `after`. */
export function list(tx: Reader, after: string, limit: number): Promise<BanRow[]> {
  return tx.all(sql`SELECT ${columns} FROM abuse_ban WHERE network > ${after} ORDER BY network LIMIT ${limit}`)
}

export async function put(tx: Writer, row: BanRow): Promise<void> {
  await tx.run(
    sql`INSERT INTO abuse_ban (network, scope, reason, created_by, created_at, until, times)
        VALUES (${row.network}, ${row.scope}, ${row.reason}, ${row.created_by}, ${row.created_at}, ${row.until}, ${row.times})
        ON CONFLICT (network) DO UPDATE SET scope = excluded.scope, reason = excluded.reason,
          created_by = excluded.created_by, created_at = excluded.created_at, until = excluded.until, times = excluded.times`,
  )
}

export async function remove(tx: Writer, network: string): Promise<boolean> {
  return (await tx.run(sql`DELETE FROM abuse_ban WHERE network = ${network}`)) > 0
}

/** Bans that were over before `before`: nobody counts them any more. */
export function sweep(tx: Writer, before: number, limit: number): Promise<number> {
  return tx.run(
    sql`DELETE FROM abuse_ban WHERE network IN (
          SELECT network FROM abuse_ban WHERE until > 0 AND until < ${before} LIMIT ${limit})`,
  )
}
