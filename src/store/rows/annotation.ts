// Rows of annotation: what clients noted about a mailbox, or (mailbox 0) about the server. Names are whole and in lower case.

import { oneOf, sql } from '../sql.ts'
import type { Reader, Writer } from '../types.ts'

/** Names and sizes of what everybody (account 0) and this account noted, by name. Their number is bounded where they are put. */
export function list(tx: Reader, mailbox: number, account: number): Promise<{ entry: string; size: number }[]> {
  return tx.all(sql`
    SELECT entry, length(value) AS size FROM annotation WHERE mailbox = ${mailbox} AND account ${oneOf(tx, [0, account])}
    ORDER BY entry LIMIT 1000`)
}

/** The values of these, at most 1,000. */
export function values(
  tx: Reader,
  mailbox: number,
  account: number,
  entries: readonly string[],
): Promise<{ entry: string; value: Uint8Array }[]> {
  return tx.all(sql`
    SELECT entry, value FROM annotation WHERE mailbox = ${mailbox} AND account ${oneOf(tx, [0, account])}
      AND entry ${oneOf(tx, entries)} ORDER BY entry LIMIT 1000`)
}

export async function count(tx: Reader, mailbox: number, account: number): Promise<number> {
  const row = await tx.get<{ n: number }>(
    sql`SELECT count(*) AS n FROM annotation WHERE mailbox = ${mailbox} AND account = ${account}`,
  )
  return row!.n
}

export async function put(tx: Writer, mailbox: number, account: number, entry: string, value: Uint8Array) {
  await tx.run(sql`
    INSERT INTO annotation (mailbox, account, entry, value) VALUES (${mailbox}, ${account}, ${entry}, ${value})
    ON CONFLICT (mailbox, account, entry) DO UPDATE SET value = excluded.value`)
}

export async function remove(tx: Writer, mailbox: number, account: number, entry: string): Promise<void> {
  await tx.run(sql`DELETE FROM annotation WHERE mailbox = ${mailbox} AND account = ${account} AND entry = ${entry}`)
}

/** At most 1,000 rows of an account that is being removed: what it noted for itself. */
export function sweep(tx: Writer, account: number): Promise<number> {
  return tx.run(sql`
    DELETE FROM annotation WHERE account = ${account}
      AND mailbox IN (SELECT mailbox FROM annotation WHERE account = ${account} LIMIT 10)`)
}
