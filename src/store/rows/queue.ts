// Rows of `queue_message` and `queue_recipient`: outgoing mail and, for each recipient, when it is due and who has claimed it.

import type { AccountId, ContentId, QueueId, RecipientId } from '../../base/index.ts'
import { oneOf, skipLocked, sql } from '../sql.ts'
import type { Reader, Writer } from '../types.ts'

export interface MessageRow {
  readonly id: QueueId
  readonly content: ContentId
  readonly prefix: Uint8Array
  /** Null is the null reverse-path. */
  readonly sender: string | null
  readonly account: AccountId | null
  readonly utf8: number
  readonly body8: number
  /** JSON. */
  readonly params: string
  readonly size: number
  readonly created_at: number
  /** Id of its timeline; empty: it has none. */
  readonly trace: string
}
export interface RecipientRow {
  readonly id: RecipientId
  readonly message: QueueId
  readonly address: string
  readonly domain: string
  readonly kind: 'remote' | 'local'
  readonly state: 'waiting' | 'ready' | 'claimed' | 'held'
  readonly attempts: number
  readonly next_at: number
  readonly warned: number
  readonly reason: string
  /** JSON. */
  readonly params: string
}

export async function insertMessage(tx: Writer, row: Omit<MessageRow, 'id'>): Promise<QueueId> {
  const id = await tx.insert(
    sql`INSERT INTO queue_message (content, prefix, sender, account, utf8, body8, params, size, created_at, trace)
        VALUES (${row.content}, ${row.prefix}, ${row.sender}, ${row.account}, ${row.utf8}, ${row.body8}, ${row.params},
          ${row.size}, ${row.created_at}, ${row.trace})`,
  )
  return id as QueueId
}

export async function insertRecipient(
  tx: Writer,
  row: Omit<RecipientRow, 'id' | 'attempts' | 'warned'> & {
    readonly owner: string | null
    readonly lane: string
    readonly rank: number
    readonly turn: number
    readonly rule: number | null
  },
): Promise<RecipientId> {
  const id = await tx.insert(
    sql`INSERT INTO queue_recipient (message, address, domain, kind, state, owner, next_at, reason, params, lane, rank, turn, rule)
        VALUES (${row.message}, ${row.address}, ${row.domain}, ${row.kind}, ${row.state}, ${row.owner}, ${row.next_at},
          ${row.reason}, ${row.params}, ${row.lane}, ${row.rank}, ${row.turn}, ${row.rule})`,
  )
  return id as RecipientId
}

/** The time at which the next recipient is due. */
export async function nextDue(tx: Reader): Promise<number | undefined> {
  const row = await tx.get<{ next_at: number }>(
    sql`SELECT next_at FROM queue_recipient WHERE state = 'waiting' ORDER BY next_at LIMIT 1`,
  )
  return row?.next_at
}

/** Makes claims void whose owner is none of `alive` (never empty). Returns how many. */
export function voidClaims(tx: Writer, alive: readonly string[]): Promise<number> {
  return tx.run(
    sql`UPDATE queue_recipient SET state = 'waiting', owner = NULL
        WHERE state = 'claimed' AND (owner IS NULL OR NOT (owner ${oneOf(tx, alive)}))`,
  )
}

/** Puts off a recipient after an attempt; one that was held meanwhile stays held. */
export function deferRecipient(
  tx: Writer,
  id: RecipientId,
  to: { readonly nextAt: number; readonly reason: string; readonly warned: boolean },
): Promise<number> {
  return tx.run(
    sql`UPDATE queue_recipient SET state = CASE state WHEN 'held' THEN 'held' ELSE 'waiting' END, owner = NULL,
          attempts = attempts + 1, next_at = ${to.nextAt}, reason = ${to.reason}, warned = ${to.warned ? 1 : 0}
        WHERE id = ${id}`,
  )
}

/** Takes out recipients (at most 1,000), and those of `messages` that have none left. */
export async function deleteRecipients(
  tx: Writer,
  ids: readonly number[],
  messages: readonly number[],
): Promise<number> {
  // Two nodes that take out the last two recipients of a message must not each see the other's still there.
  if (tx.dialect === 'postgres')
    await tx.all(sql`SELECT id FROM queue_message WHERE id ${oneOf(tx, messages)} ORDER BY id LIMIT 1000 FOR UPDATE`)
  const gone = await tx.run(sql`DELETE FROM queue_recipient WHERE id ${oneOf(tx, ids)}`)
  await tx.run(
    sql`DELETE FROM queue_message WHERE id ${oneOf(tx, messages)}
        AND NOT EXISTS (SELECT 1 FROM queue_recipient WHERE queue_recipient.message = queue_message.id)`,
  )
  return gone
}

export function messages(tx: Reader, ids: readonly number[]): Promise<MessageRow[]> {
  return tx.all<MessageRow>(
    sql`SELECT id, content, prefix, sender, account, utf8, body8, params, size, created_at, trace
        FROM queue_message WHERE id ${oneOf(tx, ids)} LIMIT 1000`,
  )
}

/** Messages by id after `after`. */
export function listMessages(tx: Reader, after: number, limit: number): Promise<MessageRow[]> {
  return tx.all<MessageRow>(
    sql`SELECT id, content, prefix, sender, account, utf8, body8, params, size, created_at, trace
        FROM queue_message WHERE id > ${after} ORDER BY id LIMIT ${limit}`,
  )
}

/** Recipients of one message by id after `after`. */
export function recipientsOf(tx: Reader, message: number, after: number, limit: number): Promise<RecipientRow[]> {
  return tx.all<RecipientRow>(
    sql`SELECT id, message, address, domain, kind, state, attempts, next_at, warned, reason, params
        FROM queue_recipient WHERE message = ${message} AND id > ${after} ORDER BY id LIMIT ${limit}`,
  )
}

export interface StandingRow
  extends Pick<RecipientRow, 'message' | 'address' | 'state' | 'attempts' | 'next_at' | 'reason'> {
  readonly trace: string
}
/** Recipients of any of these messages, in order, with the timelines that they belong to. */
export function standing(tx: Reader, messages: readonly number[], limit: number): Promise<StandingRow[]> {
  return tx.all<StandingRow>(
    sql`SELECT r.message, r.address, r.state, r.attempts, r.next_at, r.reason, m.trace
        FROM queue_recipient r JOIN queue_message m ON m.id = r.message
        WHERE r.message ${oneOf(tx, messages)} ORDER BY r.message, r.id LIMIT ${limit}`,
  )
}

/** Where the bytes of a content stand: a blob's name, or the bytes themselves. */
export function contentOf(
  tx: Reader,
  id: ContentId,
): Promise<{ readonly size: number; readonly file: string | null; readonly data: Uint8Array | null } | undefined> {
  return tx.get(
    sql`SELECT content.size, content.file, content_data.data FROM content
        LEFT JOIN content_data ON content_data.content = content.id WHERE content.id = ${id}`,
  )
}

/** Makes what waits due now: up to `limit` recipients that are due later, of one message when given. */
export function makeDue(tx: Writer, now: number, limit: number, message?: number): Promise<number> {
  const which = message === undefined ? sql`` : sql`AND message = ${message}`
  return tx.run(
    sql`UPDATE queue_recipient SET next_at = ${now} WHERE id IN (
          SELECT id FROM queue_recipient WHERE state = 'waiting' AND next_at > ${now} ${which} LIMIT ${limit} ${skipLocked(tx)})`,
  )
}

export function hold(tx: Writer, message: number): Promise<number> {
  return tx.run(
    sql`UPDATE queue_recipient SET state = 'held', owner = NULL, rule = NULL WHERE message = ${message} AND state <> 'held'`,
  )
}

export function release(tx: Writer, message: number, now: number): Promise<number> {
  return tx.run(
    sql`UPDATE queue_recipient SET state = 'waiting', rule = NULL, next_at = ${now} WHERE message = ${message} AND state = 'held'`,
  )
}

/** As if it had come at `now`. */
export async function renew(tx: Writer, message: number, now: number): Promise<void> {
  await tx.run(sql`UPDATE queue_message SET created_at = ${now} WHERE id = ${message}`)
  await tx.run(sql`UPDATE queue_recipient SET attempts = 0, warned = 0, reason = '' WHERE message = ${message}`)
}

export async function setParams(tx: Writer, id: RecipientId, params: string): Promise<void> {
  await tx.run(sql`UPDATE queue_recipient SET params = ${params} WHERE id = ${id}`)
}

export interface Counts {
  readonly messages: number
  readonly recipients: number
  readonly waiting: number
  readonly ready: number
  readonly held: number
  /** Due time of what is due longest, whether or not it is due yet. */
  readonly first: number | null
}
export async function counts(tx: Reader): Promise<Counts> {
  const row = await tx.get<Counts>(
    sql`SELECT (SELECT count(*) FROM queue_message) AS messages,
          (SELECT count(*) FROM queue_recipient) AS recipients,
          (SELECT count(*) FROM queue_recipient WHERE state = 'waiting') AS waiting,
          (SELECT count(*) FROM queue_recipient WHERE state IN ('ready', 'claimed')) AS ready,
          (SELECT count(*) FROM queue_recipient WHERE state = 'held') AS held,
          (SELECT min(next_at) FROM queue_recipient WHERE state = 'waiting') AS first`,
  )
  return row!
}
