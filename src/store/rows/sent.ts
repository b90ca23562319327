// Rows of `sent`: messages that left under a signed return path, kept for the bounces that come later.

import type { DomainId, QueueId } from '../../base/index.ts'
import { oneOf, sql } from '../sql.ts'
import type { Reader, Writer } from '../types.ts'

export interface SentRow {
  readonly message: QueueId
  readonly domain: DomainId
  /** `local@domain`. */
  readonly sender: string
  /** JSON: addresses. */
  readonly recipients: string
  /** Id of its timeline. */
  readonly trace: string
  readonly created_at: number
  /** How often something came back. */
  readonly reports: number
}

export async function insert(tx: Writer, row: Omit<SentRow, 'reports'>): Promise<void> {
  await tx.run(sql`INSERT INTO sent (message, domain, sender, recipients, trace, created_at)
    VALUES (${row.message}, ${row.domain}, ${row.sender}, ${row.recipients}, ${row.trace}, ${row.created_at})`)
}

export function find(tx: Reader, message: number): Promise<SentRow | undefined> {
  return tx.get(
    sql`SELECT message, domain, sender, recipients, trace, created_at, reports FROM sent WHERE message = ${message}`,
  )
}

/** Something came back for the message. */
export function countReport(tx: Writer, message: number): Promise<number> {
  return tx.run(sql`UPDATE sent SET reports = reports + 1 WHERE message = ${message}`)
}

/** Takes away those of the oldest `limit` that are older than `before`. Numbers rise with time. */
export async function removeOld(tx: Writer, before: number, limit: number): Promise<number> {
  const oldest = await tx.all<{ message: number; created_at: number }>(
    sql`SELECT message, created_at FROM sent ORDER BY message LIMIT ${limit}`,
  )
  const old = oldest.filter(({ created_at }) => created_at < before).map(({ message }) => message)
  return old.length === 0 ? 0 : tx.run(sql`DELETE FROM sent WHERE message ${oneOf(tx, old)}`)
}
