// Rows of `queue_recipient` as the scheduler sees them: what waits for its time, and what is ready in its lane, in turn.
// On SQLite a row that is in memory stays `ready`, for there is one process; on PostgreSQL it is `claimed` by who has it.

import type { AccountId, QueueId, RecipientId } from '../../base/index.ts'
import { oneOf, skipLocked, sql } from '../sql.ts'
import type { Reader, Sql, Writer } from '../types.ts'

/** What decides on the lane of a recipient. */
export interface DueRow {
  readonly id: RecipientId
  readonly message: QueueId
  readonly address: string
  readonly kind: 'remote' | 'local'
  readonly params: string
  readonly rank: number
  readonly sender: string | null
  readonly account: AccountId | null
}

/** What waits and is due, longest first. */
export function due(tx: Reader, now: number, limit: number): Promise<DueRow[]> {
  return tx.all<DueRow>(
    sql`SELECT r.id, r.message, r.address, r.kind, r.params, r.rank, m.sender, m.account
        FROM queue_recipient r JOIN queue_message m ON m.id = r.message
        WHERE r.state = 'waiting' AND r.next_at <= ${now} ORDER BY r.next_at LIMIT ${limit} ${lockRecipients(tx)}`,
  )
}

/** The same for rows by their ids. */
export function byIds(tx: Reader, ids: readonly number[]): Promise<DueRow[]> {
  return tx.all<DueRow>(
    sql`SELECT r.id, r.message, r.address, r.kind, r.params, r.rank, m.sender, m.account
        FROM queue_recipient r JOIN queue_message m ON m.id = r.message WHERE r.id ${oneOf(tx, ids)} LIMIT 1000`,
  )
}

const lockRecipients = (tx: Pick<Reader, 'dialect'>): Sql =>
  tx.dialect === 'sqlite' ? sql`` : sql`FOR UPDATE OF r SKIP LOCKED`

export type Placed = readonly [id: RecipientId, lane: string, turn: number]

/** Puts rows into their lanes, at most 1,000; what is held stays held. */
export function setReady(tx: Writer, rows: readonly Placed[]): Promise<number> {
  const json = JSON.stringify(rows)
  return tx.run(
    tx.dialect === 'sqlite'
      ? sql`UPDATE queue_recipient SET state = 'ready', owner = NULL, lane = j.value ->> 1, turn = j.value ->> 2
          FROM json_each(${json}) AS j WHERE queue_recipient.id = j.value ->> 0 AND state <> 'held'`
      : sql`UPDATE queue_recipient SET state = 'ready', owner = NULL, lane = j ->> 1, turn = (j ->> 2)::bigint
          FROM jsonb_array_elements(${json}::jsonb) AS j WHERE queue_recipient.id = (j ->> 0)::bigint AND state <> 'held'`,
  )
}

/** Puts rows off untried, at most 1,000; what is held stays held. */
export function putOff(
  tx: Writer,
  rows: readonly (readonly [id: RecipientId, nextAt: number])[],
  reason: string,
): Promise<number> {
  const json = JSON.stringify(rows)
  return tx.run(
    tx.dialect === 'sqlite'
      ? sql`UPDATE queue_recipient SET state = 'waiting', owner = NULL, reason = ${reason}, next_at = j.value ->> 1
          FROM json_each(${json}) AS j WHERE queue_recipient.id = j.value ->> 0 AND state <> 'held'`
      : sql`UPDATE queue_recipient SET state = 'waiting', owner = NULL, reason = ${reason}, next_at = (j ->> 1)::bigint
          FROM jsonb_array_elements(${json}::jsonb) AS j WHERE queue_recipient.id = (j ->> 0)::bigint AND state <> 'held'`,
  )
}

/** Holds rows for a rule, at most 1,000. */
export function holdFor(tx: Writer, ids: readonly number[], rule: number, reason: string): Promise<number> {
  return tx.run(
    sql`UPDATE queue_recipient SET state = 'held', owner = NULL, rule = ${rule}, reason = ${reason}
        WHERE id ${oneOf(tx, ids)} AND state <> 'held'`,
  )
}

/** Lets go what a rule holds, up to `limit`. */
export function releaseRule(tx: Writer, rule: number, now: number, limit: number): Promise<number> {
  return tx.run(
    sql`UPDATE queue_recipient SET state = 'waiting', rule = NULL, next_at = ${now}, reason = '' WHERE id IN (
          SELECT id FROM queue_recipient WHERE state = 'held' AND rule = ${rule} ORDER BY id LIMIT ${limit} ${skipLocked(tx)})`,
  )
}

export interface PlaceRow {
  readonly rank: number
  readonly turn: number
  readonly id: number
}
/** Before every place. */
const start: PlaceRow = { rank: -100, turn: -1, id: 0 }

export interface ReadyRow extends PlaceRow {
  readonly id: RecipientId
  readonly message: QueueId
  readonly address: string
  readonly kind: 'remote' | 'local'
  readonly warned: number
  /** JSON. */
  readonly params: string
}

/** The next of a lane after a place, in order. */
export function readyAfter(tx: Reader, lane: string, after: PlaceRow = start, limit: number): Promise<ReadyRow[]> {
  return tx.all<ReadyRow>(
    sql`SELECT id, message, address, kind, warned, params, rank, turn
        FROM queue_recipient WHERE state = 'ready' AND lane = ${lane}
          AND (rank, turn, id) > (${after.rank}, ${after.turn}, ${after.id}) ORDER BY rank, turn, id LIMIT ${limit}`,
  )
}

/** Claims the next of a lane for `owner`; what another node is claiming is passed over. In no order. */
export function claimReady(tx: Writer, lane: string, owner: string, limit: number): Promise<ReadyRow[]> {
  return tx.all<ReadyRow>(
    sql`UPDATE queue_recipient SET state = 'claimed', owner = ${owner} WHERE id IN (
          SELECT id FROM queue_recipient WHERE state = 'ready' AND lane = ${lane} ORDER BY rank, turn, id LIMIT ${limit}
          ${skipLocked(tx)})
        RETURNING id, message, address, kind, warned, params, rank, turn`,
  )
}

/** Gives claims back untried, at most 1,000: ready at their old places. */
export function unclaim(tx: Writer, ids: readonly number[]): Promise<number> {
  return tx.run(
    sql`UPDATE queue_recipient SET state = 'ready', owner = NULL WHERE state = 'claimed' AND id ${oneOf(tx, ids)}`,
  )
}

/** The turn that is first in a lane. */
export async function firstTurn(tx: Reader, lane: string): Promise<number | undefined> {
  const row = await tx.get<{ turn: number }>(
    sql`SELECT turn FROM queue_recipient WHERE state = 'ready' AND lane = ${lane} ORDER BY rank, turn, id LIMIT 1`,
  )
  return row?.turn
}

/** Lanes with something ready, by name after `after`: one step in the index for each. */
export async function lanesAfter(tx: Reader, after: string, limit: number): Promise<string[]> {
  const rows = await tx.all<{ lane: string }>(
    sql`WITH RECURSIVE found(lane) AS (
          SELECT (SELECT min(lane) FROM queue_recipient WHERE state = 'ready' AND lane > ${after})
          UNION ALL
          SELECT (SELECT min(lane) FROM queue_recipient WHERE state = 'ready' AND lane > found.lane)
            FROM found WHERE found.lane IS NOT NULL)
        SELECT lane FROM found WHERE lane IS NOT NULL LIMIT ${limit}`,
  )
  return rows.map(({ lane }) => lane)
}

export interface StandingRow extends DueRow {
  readonly state: 'waiting' | 'ready' | 'claimed' | 'held'
}
/** All rows by id after `after`: whose mail it is, and where it goes. */
export function rowsAfter(tx: Reader, after: number, limit: number): Promise<StandingRow[]> {
  return tx.all<StandingRow>(
    sql`SELECT r.id, r.message, r.address, r.kind, r.params, r.rank, r.state, m.sender, m.account
        FROM queue_recipient r JOIN queue_message m ON m.id = r.message
        WHERE r.id > ${after} ORDER BY r.id LIMIT ${limit}`,
  )
}

/** When the newest message came, by its own word. */
export async function newest(tx: Reader): Promise<number | undefined> {
  const row = await tx.get<{ created_at: number }>(sql`SELECT created_at FROM queue_message ORDER BY id DESC LIMIT 1`)
  return row?.created_at
}

/**
 * The wall clock went back to `now`: what waits by it waits by so much less, and not longer than befits its age: while the clock was wrong, a
 * young message may have got the patience of an old one. What its sender wants held until a moment waits for that moment. One page by
 * id after `after`; the last id, 0 at the end.
 */
export async function moveBack(
  tx: Writer,
  { by, now }: { readonly by: number; readonly now: number },
  after: number,
  limit: number,
): Promise<number> {
  const rows = await tx.all<{ id: number }>(
    sql`SELECT id FROM queue_recipient WHERE state = 'waiting' AND id > ${after} ORDER BY id LIMIT ${limit}`,
  )
  if (rows.length === 0) return 0
  const last = rows.at(-1)!.id
  await tx.run(
    sql`UPDATE queue_recipient SET next_at = next_at - ${by} WHERE state = 'waiting' AND id > ${after} AND id <= ${last}
        AND (attempts > 0 OR message NOT IN (SELECT id FROM queue_message WHERE params LIKE '%"holdUntil":%'))`,
  )
  // The schedule at most triples the age of a message between two attempts.
  const latest = sql`(SELECT ${now} + CASE WHEN m.created_at < ${now - youngMs} THEN 2 * (${now} - m.created_at) ELSE ${2 * youngMs} END
        FROM queue_message m WHERE m.id = queue_recipient.message)`
  await tx.run(
    sql`UPDATE queue_recipient SET next_at = ${latest} WHERE state = 'waiting' AND id > ${after} AND id <= ${last}
        AND attempts > 0 AND next_at > ${latest}`,
  )
  return rows.length < limit ? 0 : last
}
/** Attempts at a message that is younger are minutes apart. */
const youngMs = 10 * 60_000

/** No message claims to have come after `now`. */
export function notNewer(tx: Writer, now: number): Promise<number> {
  return tx.run(
    sql`UPDATE queue_message SET created_at = ${now}
        WHERE id IN (SELECT id FROM queue_message WHERE created_at > ${now} ORDER BY id DESC LIMIT 1000)`,
  )
}
