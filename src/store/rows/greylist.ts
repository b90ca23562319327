// Rows of `greylist`: mail that was put off, and networks that have shown that they come again.

import { oneOf, sql } from '../sql.ts'
import type { Reader, Writer } from '../types.ts'

export interface GreylistRow {
  readonly recipient: string
  readonly first_at: number
  readonly passed_at: number
}

/** A client of the network came again after `since`: when that was, or undefined. */
export async function lastPassed(tx: Reader, network: string, since: number): Promise<number | undefined> {
  const row = await tx.get<{ last_at: number }>(
    sql`SELECT last_at FROM greylist WHERE network = ${network} AND passed_at > 0 AND last_at > ${since}
        ORDER BY last_at DESC LIMIT 1`,
  )
  return row?.last_at
}

/** What waits from this sender for these recipients (at most 1,000). */
export function waiting(
  tx: Reader,
  network: string,
  sender: string,
  recipients: readonly string[],
): Promise<GreylistRow[]> {
  return tx.all(sql`SELECT recipient, first_at, passed_at FROM greylist WHERE network = ${network} AND sender = ${sender}
    AND recipient ${oneOf(tx, recipients)} LIMIT 1000`)
}

/** Seen for the first time; what was there and is older than `since` begins anew. */
export async function put(
  tx: Writer,
  { network, sender, recipient }: { readonly network: string; readonly sender: string; readonly recipient: string },
  now: number,
  since: number,
): Promise<void> {
  await tx.run(
    sql`INSERT INTO greylist AS g (network, sender, recipient, first_at, passed_at, last_at)
        VALUES (${network}, ${sender}, ${recipient}, ${now}, 0, ${now})
        ON CONFLICT (network, sender, recipient) DO UPDATE
          SET first_at = excluded.first_at, passed_at = 0, last_at = excluded.last_at
          WHERE g.first_at < ${since} OR g.first_at > ${now}`,
  )
}

/** It came again: all of it has passed. */
export async function pass(
  tx: Writer,
  network: string,
  sender: string,
  recipients: readonly string[],
  now: number,
): Promise<void> {
  await tx.run(
    sql`UPDATE greylist SET passed_at = ${now}, last_at = ${now}
        WHERE network = ${network} AND sender = ${sender} AND recipient ${oneOf(tx, recipients)}`,
  )
}

/** The network still sends: it stays known. */
export async function touch(tx: Writer, network: string, now: number): Promise<void> {
  await tx.run(sql`UPDATE greylist SET last_at = ${now} WHERE network = ${network} AND passed_at > 0`)
}

export function sweep(tx: Writer, waitingSince: number, passedSince: number, limit: number): Promise<number> {
  return tx.run(
    sql`DELETE FROM greylist WHERE (network, sender, recipient) IN (
          SELECT network, sender, recipient FROM greylist
          WHERE last_at < ${passedSince} OR (passed_at = 0 AND last_at < ${waitingSince}) LIMIT ${limit})`,
  )
}
