// Rows of subscription: names only, whether or not a mailbox stands behind them (RFC 9051 §6.3.7).

import { sql } from '../sql.ts'
import type { Reader, Writer } from '../types.ts'

/** Names after `after`, 1,000 per page, in the database's own order. */
export function list(tx: Reader, account: number, after: string): Promise<{ name: string }[]> {
  return tx.all(sql`
    SELECT name FROM subscription WHERE account = ${account} AND name > ${after} ORDER BY name LIMIT 1000`)
}

export async function count(tx: Reader, account: number): Promise<number> {
  const row = await tx.get<{ n: number }>(sql`SELECT count(*) AS n FROM subscription WHERE account = ${account}`)
  return row!.n
}

/** Whether it was not there before. */
export async function add(tx: Writer, account: number, name: string): Promise<boolean> {
  const changed = await tx.run(sql`
    INSERT INTO subscription (account, name) VALUES (${account}, ${name}) ON CONFLICT (account, name) DO NOTHING`)
  return changed === 1
}

/** Whether it was there. */
export async function remove(tx: Writer, account: number, name: string): Promise<boolean> {
  return (await tx.run(sql`DELETE FROM subscription WHERE account = ${account} AND name = ${name}`)) === 1
}

/** At most 1,000 rows of an account that is being removed. */
export function sweep(tx: Writer, account: number): Promise<number> {
  return tx.run(sql`
    DELETE FROM subscription WHERE account = ${account}
      AND name IN (SELECT name FROM subscription WHERE account = ${account} LIMIT 1000)`)
}
