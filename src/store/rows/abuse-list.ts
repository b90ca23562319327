// Rows of `abuse_list`: senders and networks that somebody lets in or keeps out. Values come in their one spelling.

import { oneOf, sql } from '../sql.ts'
import type { Reader, Writer } from '../types.ts'

export interface ListRow {
  readonly id: number
  readonly domain: number
  readonly account: number
  readonly value: string
  readonly action: string
  readonly reason: string
  readonly created_by: string
  readonly created_at: number
}

const columns = sql`id, domain, account, value, action, reason, created_by, created_at`

/** Whether anybody has a list: most servers have none, and then nobody asks further. */
export async function hasAny(tx: Reader): Promise<boolean> {
  return (await tx.get(sql`SELECT 1 AS found FROM abuse_list LIMIT 1`)) !== undefined
}

/** What everybody's list, these domains' and these accounts' say of any of the values; each list at most 1,000 long. */
export function matching(
  tx: Reader,
  values: readonly string[],
  domains: readonly number[],
  accounts: readonly number[],
): Promise<ListRow[]> {
  return tx.all(sql`SELECT ${columns} FROM abuse_list WHERE value ${oneOf(tx, values)}
    AND ((domain = 0 AND account = 0) OR (account = 0 AND domain ${oneOf(tx, domains)}) OR account ${oneOf(tx, accounts)})
    LIMIT 1000`)
}

/** One owner's, by id after `after`. */
export function list(
  tx: Reader,
  { domain, account }: Pick<ListRow, 'domain' | 'account'>,
  after: number,
  limit: number,
): Promise<ListRow[]> {
  return tx.all(sql`SELECT ${columns} FROM abuse_list WHERE domain = ${domain} AND account = ${account} AND id > ${after}
    ORDER BY id LIMIT ${limit}`)
}

export async function count(tx: Reader, { domain, account }: Pick<ListRow, 'domain' | 'account'>): Promise<number> {
  const row = await tx.get<{ n: number }>(
    sql`SELECT COUNT(*) AS n FROM abuse_list WHERE domain = ${domain} AND account = ${account}`,
  )
  return row?.n ?? 0
}

export async function put(tx: Writer, row: Omit<ListRow, 'id'>): Promise<void> {
  await tx.run(
    sql`INSERT INTO abuse_list (domain, account, value, action, reason, created_by, created_at)
        VALUES (${row.domain}, ${row.account}, ${row.value}, ${row.action}, ${row.reason}, ${row.created_by}, ${row.created_at})
        ON CONFLICT (value, domain, account) DO UPDATE SET action = excluded.action, reason = excluded.reason,
          created_by = excluded.created_by, created_at = excluded.created_at`,
  )
}

/** Takes values (at most 1,000) out of one owner's list; how many there were. */
export function remove(
  tx: Writer,
  { domain, account }: Pick<ListRow, 'domain' | 'account'>,
  values: readonly string[],
): Promise<number> {
  return tx.run(
    sql`DELETE FROM abuse_list WHERE domain = ${domain} AND account = ${account} AND value ${oneOf(tx, values)}`,
  )
}

/** Everything of a domain that is no more. */
export function removeOfDomain(tx: Writer, domain: number, limit: number): Promise<number> {
  return tx.run(
    sql`DELETE FROM abuse_list WHERE id IN (SELECT id FROM abuse_list WHERE domain = ${domain} LIMIT ${limit})`,
  )
}
