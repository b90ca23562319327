// Rows of `abuse_rate`: how much of each limit is used, one number each, in the way of GCRA: the time at which the limit is whole again.
// Times in microseconds. Every change is one statement, so that threads and nodes which take at the same moment get no more than there is.

import { sql } from '../sql.ts'
import type { Reader, Writer } from '../types.ts'

export interface RateRow {
  readonly tat: number
  readonly step: number
}

export interface Take {
  readonly kind: string
  readonly subject: string
  readonly now: number
  /** In how long one comes back. */
  readonly step: number
  /** What is asked for, as time. */
  readonly cost: number
  /** The whole limit, as time. */
  readonly whole: number
}

/** Takes from the limit; when it is whole again, or undefined: there is not enough left, and nothing was taken. */
export async function take(tx: Writer, { kind, subject, now, step, cost, whole }: Take): Promise<number | undefined> {
  if (cost > whole) return undefined
  const [fresh, end] = [now + cost, now + whole]
  // Further ahead than the whole limit it can only be after the clock was set back. A limit that was changed is used as far as it was before.
  const used = sql`CASE WHEN r.tat NOT BETWEEN ${now} AND ${end} THEN 0 WHEN r.step = excluded.step THEN r.tat - ${now}
    ELSE (r.tat - ${now} + r.step - 1) / r.step * excluded.step END`
  const row = await tx.get<{ tat: number }>(
    sql`INSERT INTO abuse_rate AS r (kind, subject, tat, step) VALUES (${kind}, ${subject}, ${fresh}, ${step})
        ON CONFLICT (kind, subject) DO UPDATE SET tat = excluded.tat + ${used}, step = excluded.step
          WHERE ${used} <= ${whole - cost}
        RETURNING tat`,
  )
  return row?.tat
}

/** Gives back what was taken and not used. */
export async function giveBack(tx: Writer, kind: string, subject: string, cost: number): Promise<void> {
  await tx.run(sql`UPDATE abuse_rate SET tat = tat - ${cost} WHERE kind = ${kind} AND subject = ${subject}`)
}

export function find(tx: Reader, kind: string, subject: string): Promise<RateRow | undefined> {
  return tx.get(sql`SELECT tat, step FROM abuse_rate WHERE kind = ${kind} AND subject = ${subject}`)
}

/** The limit is whole again; what it was before, or undefined when it was whole. */
export async function clear(tx: Writer, kind: string, subject: string): Promise<number | undefined> {
  const row = await tx.get<{ tat: number }>(
    sql`DELETE FROM abuse_rate WHERE kind = ${kind} AND subject = ${subject} RETURNING tat`,
  )
  return row?.tat
}

/** Limits that are whole again need no row. Those beyond `end` are from before the clock was set back. */
export function sweep(tx: Writer, now: number, end: number, limit: number): Promise<number> {
  return tx.run(
    sql`DELETE FROM abuse_rate WHERE (kind, subject) IN (
          SELECT kind, subject FROM abuse_rate WHERE tat < ${now} OR tat > ${end} LIMIT ${limit})`,
  )
}
