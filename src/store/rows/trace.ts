// Rows of `trace`, `trace_event` and `trace_segment`: timelines of messages, and by what they are found. Knows no event.

import { oneOf, sql } from '../sql.ts'
import type { Reader, Writer } from '../types.ts'

export interface TraceRow {
  readonly n: number
  readonly id: string
  /** When it was written. */
  readonly at: number
  /** JSON. */
  readonly data: string
}
export interface TraceKeys {
  readonly n: number
  readonly at: number
  readonly keys: Uint8Array
}
export interface TraceEventRow {
  readonly trace: string
  readonly at: number
  readonly data: string
}
export interface SegmentRow {
  readonly first: number
  readonly last: number
  /** When the last of its timelines was written. */
  readonly at: number
  readonly keys: Uint8Array
}

export async function insert(
  tx: Writer,
  row: Omit<TraceRow, 'n' | 'at'> & { readonly keys: Uint8Array },
): Promise<void> {
  await tx.run(sql`INSERT INTO trace (id, at, keys, data) VALUES (${row.id}, ${tx.now}, ${row.keys}, ${row.data})`)
}

export async function insertEvent(tx: Writer, row: TraceEventRow & { readonly n: number }): Promise<void> {
  await tx.run(
    sql`INSERT INTO trace_event (trace, at, n, data) VALUES (${row.trace}, ${row.at}, ${row.n}, ${row.data})
        ON CONFLICT DO NOTHING`,
  )
}

/** At most 1,000 numbers. */
export function byNumbers(tx: Reader, numbers: readonly number[]): Promise<TraceRow[]> {
  return tx.all<TraceRow>(sql`SELECT n, id, at, data FROM trace WHERE n ${oneOf(tx, numbers)} LIMIT 1000`)
}

/** Events of these timelines, oldest first within each. */
export function eventsOf(tx: Reader, ids: readonly string[], limit: number): Promise<TraceEventRow[]> {
  return tx.all<TraceEventRow>(
    sql`SELECT trace, at, data FROM trace_event WHERE trace ${oneOf(tx, ids)} ORDER BY trace, at, n LIMIT ${limit}`,
  )
}

/** Keys of timelines after `after`, oldest first, of those that were written before `before`. */
export function keysAfter(tx: Reader, after: number, before: number, limit: number): Promise<TraceKeys[]> {
  return tx.all<TraceKeys>(
    sql`SELECT n, at, keys FROM trace WHERE n > ${after} AND at < ${before} ORDER BY n LIMIT ${limit}`,
  )
}

/** Keys of timelines from `from` (inclusive) to `before` (exclusive), the newest first. */
export function keysBefore(tx: Reader, from: number, before: number, limit: number): Promise<TraceKeys[]> {
  return tx.all<TraceKeys>(
    sql`SELECT n, at, keys FROM trace WHERE n >= ${from} AND n < ${before} ORDER BY n DESC LIMIT ${limit}`,
  )
}

/** The last timeline that stands in a segment; 0: none does. */
export async function lastSegmented(tx: Reader): Promise<number> {
  const row = await tx.get<{ last: number }>(sql`SELECT last FROM trace_segment ORDER BY first DESC LIMIT 1`)
  return row?.last ?? 0
}

/** Another node may have made it first. */
export async function insertSegment(tx: Writer, { first, last, at, keys }: SegmentRow): Promise<void> {
  await tx.run(
    sql`INSERT INTO trace_segment (first, last, at, keys) VALUES (${first}, ${last}, ${at}, ${keys})
        ON CONFLICT (first) DO NOTHING`,
  )
}

/** Segments that begin before `before`, the newest first. */
export function segmentsBefore(tx: Reader, before: number, limit: number): Promise<SegmentRow[]> {
  return tx.all<SegmentRow>(
    sql`SELECT first, last, at, keys FROM trace_segment WHERE first < ${before} ORDER BY first DESC LIMIT ${limit}`,
  )
}

/**
 * Takes away up to `limit` timelines that were written before `before` and as many events of ids before `id`, oldest first. Returns how
 * many rows went.
 */
export async function sweep(tx: Writer, before: number, id: string, limit: number): Promise<number> {
  const heads = await tx.run(
    sql`DELETE FROM trace WHERE at < ${before} AND n IN (SELECT n FROM trace ORDER BY n LIMIT ${limit})`,
  )
  const segments = await tx.run(
    sql`DELETE FROM trace_segment WHERE at < ${before} AND first IN (
          SELECT first FROM trace_segment ORDER BY first LIMIT ${limit})`,
  )
  const events = await tx.run(
    sql`DELETE FROM trace_event WHERE trace < ${id} AND (trace, at, n) IN (
          SELECT trace, at, n FROM trace_event ORDER BY trace, at, n LIMIT ${limit})`,
  )
  return heads + segments + events
}
