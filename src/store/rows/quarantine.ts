// Rows of `quarantine`: messages kept apart, one row for each recipient. A row is there as long as the message is: who takes it out, decides
// what becomes of it.

import type { AccountId, ContentId, DomainId } from '../../base/index.ts'
import { lockRow, sql } from '../sql.ts'
import type { Reader, Writer } from '../types.ts'

export interface QuarantineRow {
  readonly id: number
  /** Id of the message's timeline. */
  readonly trace: string
  /** 0: of none. */
  readonly domain: DomainId | 0
  /** Null: it leads outside. */
  readonly account: AccountId | null
  /** As it was reached. */
  readonly address: string
  /** Null is the null reverse-path. */
  readonly sender: string | null
  /** Who the message says wrote it, and about what. */
  readonly author: string
  readonly subject: string
  readonly content: ContentId
  readonly prefix: Uint8Array
  /** With its prefix. */
  readonly size: number
  readonly kind: string
  /** JSON. */
  readonly reasons: string
  /** JSON. */
  readonly params: string
  readonly received_at: number
  readonly expires_at: number
  readonly told: number
}

/** For lists. */
export type ListedRow = Omit<QuarantineRow, 'prefix' | 'params'>

export async function insert(tx: Writer, row: Omit<QuarantineRow, 'id' | 'told'>): Promise<number> {
  const id = await tx.insert(
    sql`INSERT INTO quarantine (trace, domain, account, address, sender, author, subject, content, prefix, size, kind, reasons, params, received_at, expires_at)
        VALUES (${row.trace}, ${row.domain}, ${row.account}, ${row.address}, ${row.sender}, ${row.author}, ${row.subject}, ${row.content}, ${row.prefix}, ${row.size},
          ${row.kind}, ${row.reasons}, ${row.params}, ${row.received_at}, ${row.expires_at})`,
  )
  return id as number
}

const columns = sql`id, trace, domain, account, address, sender, author, subject, content, prefix, size,
  kind, reasons, params, received_at, expires_at, told`

export function find(tx: Reader, id: number): Promise<QuarantineRow | undefined> {
  return tx.get(sql`SELECT ${columns} FROM quarantine WHERE id = ${id}`)
}

/** Nobody else takes it out before this transaction ends; undefined when somebody has. */
export function hold(tx: Writer, id: number): Promise<QuarantineRow | undefined> {
  return tx.get(sql`SELECT ${columns} FROM quarantine WHERE id = ${id} ${lockRow(tx)}`)
}

/** False: it was not there any more. */
export async function remove(tx: Writer, id: number): Promise<boolean> {
  return (await tx.run(sql`DELETE FROM quarantine WHERE id = ${id}`)) > 0
}

/** The newest first, before `before`; of one domain, of one user, or all. */
export function list(
  tx: Reader,
  which: { readonly domain?: DomainId | undefined; readonly account?: AccountId | undefined; readonly before: number },
  limit: number,
): Promise<ListedRow[]> {
  const { domain, account, before } = which
  const ofDomain = domain === undefined ? sql`` : sql`AND domain = ${domain}`
  const ofAccount = account === undefined ? sql`` : sql`AND account = ${account}`
  return tx.all(
    sql`SELECT id, trace, domain, account, address, sender, author, subject, content, size, kind, reasons,
          received_at, expires_at, told FROM quarantine
        WHERE id < ${before} ${ofDomain} ${ofAccount} ORDER BY id DESC LIMIT ${limit}`,
  )
}

/** What a preview reads: where the bytes are, and how they are divided. */
export function contentOf(
  tx: Reader,
  content: ContentId,
): Promise<{ readonly file: string | null; readonly data: Uint8Array | null; readonly structure: string } | undefined> {
  return tx.get(
    sql`SELECT c.file, d.data, c.structure FROM content c LEFT JOIN content_data d ON d.content = c.id WHERE c.id = ${content}`,
  )
}

/** What has expired by `now`, the oldest first. */
export function expired(tx: Reader, now: number, limit: number): Promise<Pick<QuarantineRow, 'id'>[]> {
  return tx.all(sql`SELECT id FROM quarantine WHERE expires_at <= ${now} ORDER BY expires_at, id LIMIT ${limit}`)
}

/** Accounts after `after` with messages that their owner has not heard of. */
export function untold(tx: Reader, after: number, limit: number): Promise<{ readonly account: AccountId }[]> {
  return tx.all(
    sql`SELECT DISTINCT account FROM quarantine WHERE account > ${after} AND told = 0 ORDER BY account LIMIT ${limit}`,
  )
}

/** The owner has heard of everything up to `last`; the last 1,000 are noted. */
export function tell(tx: Writer, account: AccountId, last: number): Promise<number> {
  return tx.run(
    sql`UPDATE quarantine SET told = 1 WHERE id IN (
          SELECT id FROM quarantine WHERE account = ${account} AND id <= ${last} AND told = 0 ORDER BY id DESC LIMIT 1000)`,
  )
}

/** What was for an account that is being removed. */
export function removeOfAccount(tx: Writer, account: AccountId, limit: number): Promise<number> {
  return tx.run(
    sql`DELETE FROM quarantine WHERE id IN (SELECT id FROM quarantine WHERE account = ${account} LIMIT ${limit})`,
  )
}
