// Rows of `known_address` and `correspondent`: from where an account has signed in, and to whom it has written.

import type { AccountId } from '../../base/index.ts'
import { oneOf, sql } from '../sql.ts'
import type { Reader, Writer } from '../types.ts'

/** A day: what is renewed each time would be written for each mail. */
const renewMs = 86_400_000

export async function knowsAddress(tx: Reader, account: AccountId, network: string): Promise<boolean> {
  const row = await tx.get(
    sql`SELECT 1 AS found FROM known_address WHERE account = ${account} AND network = ${network}`,
  )
  return row !== undefined
}

export async function noteAddress(tx: Writer, account: AccountId, network: string): Promise<void> {
  await tx.run(
    sql`INSERT INTO known_address AS k (account, network, last_at) VALUES (${account}, ${network}, ${tx.now})
        ON CONFLICT (account, network) DO UPDATE SET last_at = excluded.last_at WHERE k.last_at < ${tx.now - renewMs}`,
  )
}

/** From where an account has signed in, the latest first, at most 1,000. */
export function addressesOf(tx: Reader, account: AccountId): Promise<{ network: string; last_at: number }[]> {
  return tx.all(
    sql`SELECT network, last_at FROM known_address WHERE account = ${account} ORDER BY last_at DESC LIMIT 1000`,
  )
}

/** Whether any of the accounts (at most 1,000) has written to the address, in the form of addressKey. */
export async function knowsCorrespondent(
  tx: Reader,
  accounts: readonly AccountId[],
  address: string,
): Promise<boolean> {
  const row = await tx.get(
    sql`SELECT 1 AS found FROM correspondent WHERE account ${oneOf(tx, accounts)} AND address = ${address} LIMIT 1`,
  )
  return row !== undefined
}

export async function noteCorrespondent(tx: Writer, account: AccountId, address: string): Promise<void> {
  await tx.run(
    sql`INSERT INTO correspondent AS c (account, address, last_at) VALUES (${account}, ${address}, ${tx.now})
        ON CONFLICT (account, address) DO UPDATE SET last_at = excluded.last_at WHERE c.last_at < ${tx.now - renewMs}`,
  )
}

/** What is older than `before`, of both. */
export async function sweep(tx: Writer, before: number, limit: number): Promise<number> {
  const addresses = await tx.run(
    sql`DELETE FROM known_address WHERE (account, network) IN (
          SELECT account, network FROM known_address WHERE last_at < ${before} LIMIT ${limit})`,
  )
  const correspondents = await tx.run(
    sql`DELETE FROM correspondent WHERE (account, address) IN (
          SELECT account, address FROM correspondent WHERE last_at < ${before} LIMIT ${limit})`,
  )
  return Math.max(addresses, correspondents)
}
