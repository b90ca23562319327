// Rows of `sts_policy`: MTA-STS policies of other domains. Names are lower-case A-labels, times milliseconds since 1970.

import { sql } from '../sql.ts'
import type { Reader, Writer } from '../types.ts'

export interface StsRow {
  readonly domain: string
  /** Of the record that announced it. */
  readonly policy_id: string
  readonly policy: string
  readonly fetched_at: number
  readonly expires_at: number
  /** When it is to be fetched again. */
  readonly refresh_at: number
  readonly used_at: number
  /** Why it could not be; empty: it could. */
  readonly failure: string
}

const columns = sql`domain, policy_id, policy, fetched_at, expires_at, refresh_at, used_at, failure`

export function find(tx: Reader, domain: string): Promise<StsRow | undefined> {
  return tx.get(sql`SELECT ${columns} FROM sts_policy WHERE domain = ${domain}`)
}

/** Those that were used since and are to be fetched again, the oldest first, at most 100. */
export function due(tx: Reader, now: number, usedSince: number): Promise<StsRow[]> {
  return tx.all(sql`SELECT ${columns} FROM sts_policy WHERE refresh_at <= ${now} AND used_at >= ${usedSince}
    ORDER BY refresh_at, domain LIMIT 100`)
}

export function put(tx: Writer, row: StsRow): Promise<number> {
  return tx.run(sql`INSERT INTO sts_policy (domain, policy_id, policy, fetched_at, expires_at, refresh_at, used_at, failure)
    VALUES (${row.domain}, ${row.policy_id}, ${row.policy}, ${row.fetched_at}, ${row.expires_at}, ${row.refresh_at},
      ${row.used_at}, ${row.failure})
    ON CONFLICT (domain) DO UPDATE SET policy_id = excluded.policy_id, policy = excluded.policy,
      fetched_at = excluded.fetched_at, expires_at = excluded.expires_at, refresh_at = excluded.refresh_at,
      used_at = excluded.used_at, failure = excluded.failure`)
}

export function noteFailure(
  tx: Writer,
  domain: string,
  { failure, refreshAt }: { readonly failure: string; readonly refreshAt: number },
): Promise<number> {
  return tx.run(sql`UPDATE sts_policy SET failure = ${failure}, refresh_at = ${refreshAt} WHERE domain = ${domain}`)
}

export function noteUse(tx: Writer, domain: string, usedAt: number): Promise<number> {
  return tx.run(sql`UPDATE sts_policy SET used_at = ${usedAt} WHERE domain = ${domain}`)
}

/** At most 1,000. Returns how many. */
export function removeExpired(tx: Writer, now: number): Promise<number> {
  return tx.run(sql`DELETE FROM sts_policy WHERE domain IN
    (SELECT domain FROM sts_policy WHERE expires_at < ${now} ORDER BY expires_at LIMIT 1000)`)
}
