// Rows of `abuse_history`: what came from a network lately, good and bad. What is old fades day by day.

import { sql } from '../sql.ts'
import type { Reader, Writer } from '../types.ts'

export interface HistoryRow {
  readonly good: number
  readonly bad: number
  /** Days since 1970. */
  readonly day: number
}

/** After so many days without news nothing is left. */
export const fadeDays = 14
/** No more than this is remembered of either, so that who turns bad is soon believed to be. */
const most = 2_000

/** What is left of a count after `days`. */
export const faded = (count: number, days: number): number =>
  days <= 0 ? count : days >= fadeDays ? 0 : count - Math.floor((count * days) / fadeDays)

export function find(tx: Reader, network: string): Promise<HistoryRow | undefined> {
  return tx.get(sql`SELECT good, bad, day FROM abuse_history WHERE network = ${network}`)
}

export async function add(tx: Writer, network: string, { good, bad, day }: HistoryRow): Promise<void> {
  const least = tx.dialect === 'sqlite' ? sql`min` : sql`least`
  const old = sql`CASE WHEN excluded.day <= h.day THEN 0 WHEN excluded.day - h.day >= ${fadeDays} THEN ${fadeDays}
    ELSE excluded.day - h.day END`
  await tx.run(
    sql`INSERT INTO abuse_history AS h (network, good, bad, day) VALUES (${network}, ${good}, ${bad}, ${day})
        ON CONFLICT (network) DO UPDATE SET
          good = ${least}(h.good - h.good * (${old}) / ${fadeDays} + excluded.good, ${most}),
          bad = ${least}(h.bad - h.bad * (${old}) / ${fadeDays} + excluded.bad, ${most}),
          day = excluded.day`,
  )
}

export function sweep(tx: Writer, today: number, limit: number): Promise<number> {
  const before = today - fadeDays
  return tx.run(
    sql`DELETE FROM abuse_history WHERE network IN (SELECT network FROM abuse_history WHERE day < ${before} LIMIT ${limit})`,
  )
}
