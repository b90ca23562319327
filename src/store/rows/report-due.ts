// Rows of `report_due` and `report_line`: what was seen of a domain on one day, to be told to it. Knows no report.

import { oneOf, sql } from '../sql.ts'
import type { Reader, Writer } from '../types.ts'

export interface ReportDueRow {
  readonly id: number
  readonly kind: 'dmarc' | 'tls'
  /** Days since 1970, UTC. */
  readonly day: number
  readonly domain: string
  readonly policy: string
  readonly lines: number
  readonly left_out: number
  readonly due_at: number
  readonly state: 'gathering' | 'sent' | 'dropped'
  readonly report_id: string
  readonly outcome: string
}
export interface ReportLineRow {
  readonly id: number
  readonly hash: string
  readonly count: number
  /** JSON. */
  readonly data: string
}

type NewDue = Pick<ReportDueRow, 'kind' | 'day' | 'domain' | 'policy' | 'due_at'>

const columns = sql`id, kind, day, domain, policy, lines, left_out, due_at, state, report_id, outcome`

/** The day's row of the domain, made with the first line; its policy is the last one seen. */
export async function ensure(tx: Writer, { kind, day, domain, policy, due_at }: NewDue): Promise<ReportDueRow> {
  const row = await tx.get<ReportDueRow>(
    sql`INSERT INTO report_due (kind, day, domain, policy, due_at) VALUES (${kind}, ${day}, ${domain}, ${policy}, ${due_at})
        ON CONFLICT (kind, day, domain) DO UPDATE SET policy = excluded.policy RETURNING ${columns}`,
  )
  return row!
}

/** How many domains are gathered for on that day: strangers choose them. */
export async function countOfDay(tx: Reader, kind: string, day: number, most: number): Promise<number> {
  const row = await tx.get<{ n: number }>(
    sql`SELECT count(*) AS n FROM (SELECT 1 AS one FROM report_due WHERE kind = ${kind} AND day = ${day} LIMIT ${most}) AS days`,
  )
  return Number(row!.n)
}

export function find(tx: Reader, kind: string, day: number, domain: string): Promise<ReportDueRow | undefined> {
  return tx.get(sql`SELECT ${columns} FROM report_due WHERE kind = ${kind} AND day = ${day} AND domain = ${domain}`)
}

/** Adds to a line that is there; false when there is none. */
export async function addCount(tx: Writer, due: number, hash: string, count: number): Promise<boolean> {
  return (await tx.run(sql`UPDATE report_line SET count = count + ${count} WHERE due = ${due} AND hash = ${hash}`)) > 0
}

export async function insertLine(tx: Writer, due: number, line: Omit<ReportLineRow, 'id'>): Promise<void> {
  await tx.run(
    sql`INSERT INTO report_line (due, hash, count, data) VALUES (${due}, ${line.hash}, ${line.count}, ${line.data})
        ON CONFLICT (due, hash) DO UPDATE SET count = report_line.count + excluded.count`,
  )
  await tx.run(sql`UPDATE report_due SET lines = lines + 1 WHERE id = ${due}`)
}

/** There are too many kinds of messages: these are only counted. */
export async function leaveOut(tx: Writer, due: number, count: number): Promise<void> {
  await tx.run(sql`UPDATE report_due SET left_out = left_out + ${count} WHERE id = ${due}`)
}

/** Those that are due, the longest due first. */
export function due(tx: Reader, now: number, limit: number): Promise<ReportDueRow[]> {
  return tx.all(sql`SELECT ${columns} FROM report_due WHERE state = 'gathering' AND due_at <= ${now}
    ORDER BY due_at, id LIMIT ${limit}`)
}

/** When the next is due. */
export async function nextAt(tx: Reader): Promise<number | undefined> {
  const row = await tx.get<{ due_at: number }>(
    sql`SELECT due_at FROM report_due WHERE state = 'gathering' ORDER BY due_at LIMIT 1`,
  )
  return row?.due_at
}

/** Makes what is gathered of days up to `day` (inclusive) due at `now`; of one domain when given. */
export function makeDue(tx: Writer, now: number, day: number, domain: string | undefined): Promise<number> {
  const which = domain === undefined ? sql`` : sql`AND domain = ${domain}`
  return tx.run(
    sql`UPDATE report_due SET due_at = ${now} WHERE id IN (
          SELECT id FROM report_due WHERE state = 'gathering' AND day <= ${day} ${which} LIMIT 1000)`,
  )
}

/** Lines of it by id after `after`, at most 1,000. */
export function lines(tx: Reader, due: number, after: number): Promise<ReportLineRow[]> {
  return tx.all(
    sql`SELECT id, hash, count, data FROM report_line WHERE due = ${due} AND id > ${after} ORDER BY id LIMIT 1000`,
  )
}

/** Ends it; 0: somebody else has. */
export function finish(
  tx: Writer,
  id: number,
  { state, report_id, outcome }: Pick<ReportDueRow, 'state' | 'report_id' | 'outcome'>,
): Promise<number> {
  return tx.run(
    sql`UPDATE report_due SET state = ${state}, report_id = ${report_id}, outcome = ${outcome}
        WHERE id = ${id} AND state = 'gathering'`,
  )
}

export async function putOff(tx: Writer, id: number, until: number, outcome: string): Promise<void> {
  await tx.run(sql`UPDATE report_due SET due_at = ${until}, outcome = ${outcome} WHERE id = ${id}`)
}

/** The newest first, after this id (0: from the start). */
export function list(tx: Reader, before: number, limit: number): Promise<ReportDueRow[]> {
  const from = before === 0 ? sql`` : sql`WHERE id < ${before}`
  return tx.all(sql`SELECT ${columns} FROM report_due ${from} ORDER BY id DESC LIMIT ${limit}`)
}

/** Takes away up to `limit` of days before `day`, and up to `limit` lines of them first. Returns how many rows went. */
export async function sweep(tx: Writer, day: number, limit: number): Promise<number> {
  const old = await tx.all<{ id: number }>(
    sql`SELECT id FROM report_due WHERE day < ${day} ORDER BY day LIMIT ${limit}`,
  )
  if (old.length === 0) return 0
  const ids = old.map(({ id }) => id)
  const gone = await tx.run(
    sql`DELETE FROM report_line WHERE id IN (SELECT id FROM report_line WHERE due ${oneOf(tx, ids)} LIMIT ${limit})`,
  )
  if (gone === limit) return gone
  return gone + (await tx.run(sql`DELETE FROM report_due WHERE id ${oneOf(tx, ids)}`))
}
