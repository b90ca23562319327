// Rows of `abuse_rate`: how much of each limit is used, one number each, in the way of GCRA: the time at which the limit is whole again.
// Times in microseconds. Every change is one statement, so that threads and nodes which take at the same moment get no more than there is.

import { sql } from '../sql.ts'
import type { Reader, Writer } from '../types.ts'

export interface Take {
  readonly kind: string
  readonly subject: string
  readonly now: number
  /** What is asked for, as time: so long it takes to come back. */
  readonly cost: number
  /** The whole limit, as time. */
  readonly whole: number
}

/** Takes from the limit; when it is whole again, or undefined: there is not enough left, and nothing was taken. */
export async function take(tx: Writer, { kind, subject, now, cost, whole }: Take): Promise<number | undefined> {
  if (cost > whole) return undefined
  const [fresh, end] = [now + cost, now + whole]
  // Further ahead than the whole limit it can only be after the clock was set back.
  const row = await tx.get<{ tat: number }>(
    sql`INSERT INTO abuse_rate (kind, subject, tat) VALUES (${kind}, ${subject}, ${fresh})
        ON CONFLICT (kind, subject) DO UPDATE
          SET tat = CASE WHEN abuse_rate.tat BETWEEN ${now} AND ${end} THEN abuse_rate.tat + ${cost} ELSE ${fresh} END
          WHERE abuse_rate.tat NOT BETWEEN ${now} AND ${end} OR abuse_rate.tat <= ${end - cost}
        RETURNING tat`,
  )
  return row?.tat
}

/** Gives back what was taken and not used. */
export async function giveBack(tx: Writer, kind: string, subject: string, cost: number): Promise<void> {
  await tx.run(sql`UPDATE abuse_rate SET tat = tat - ${cost} WHERE kind = ${kind} AND subject = ${subject}`)
}

export async function find(tx: Reader, kind: string, subject: string): Promise<number | undefined> {
  const row = await tx.get<{ tat: number }>(
    sql`SELECT tat FROM abuse_rate WHERE kind = ${kind} AND subject = ${subject}`,
  )
  return row?.tat
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
