// Rows of `queue_rule`: what people want of the queue until they say otherwise.

import { sql } from '../sql.ts'
import type { Reader, Writer } from '../types.ts'

export interface RuleRow {
  readonly id: number
  readonly kind: string
  readonly about: string
  readonly pattern: string
  readonly target: string
  readonly reason: string
  readonly made_by: string
  readonly made_at: number
}

export async function insert(tx: Writer, row: Omit<RuleRow, 'id'>): Promise<number> {
  const made = await tx.get<{ id: number }>(
    sql`INSERT INTO queue_rule (kind, about, pattern, target, reason, made_by, made_at)
        VALUES (${row.kind}, ${row.about}, ${row.pattern}, ${row.target}, ${row.reason}, ${row.made_by}, ${row.made_at})
        RETURNING id`,
  )
  return made!.id
}

/** The first 1,000: no more are taken. */
export function list(tx: Reader): Promise<RuleRow[]> {
  return tx.all<RuleRow>(
    sql`SELECT id, kind, about, pattern, target, reason, made_by, made_at FROM queue_rule ORDER BY id LIMIT 1000`,
  )
}

export function remove(tx: Writer, id: number): Promise<number> {
  return tx.run(sql`DELETE FROM queue_rule WHERE id = ${id}`)
}
