// Rows of `complaint`: what people and receivers complained of, numbered, so that a follower goes on where he was.

import type { DomainId } from '../../base/index.ts'
import { sql } from '../sql.ts'
import type { Reader, Writer } from '../types.ts'

export interface ComplaintRow {
  readonly id: number
  readonly domain: DomainId
  readonly at: number
  /** `abuse`, `fraud`, `opt-out`, `auth-failure` … */
  readonly type: string
  /** `local@domain`, or as the report has it. */
  readonly recipient: string
  /** 1: it came back under a return path that we had signed. */
  readonly proven: number
  readonly suppressed: number
  readonly agent: string
  readonly source_ip: string
  readonly message_id: string
  /** Timeline of the message; empty when that is not known. */
  readonly trace: string
  /** Timeline of the report. */
  readonly report: string
}

const columns = sql`id, domain, at, type, recipient, proven, suppressed, agent, source_ip, message_id, trace, report`

export async function insert(tx: Writer, row: Omit<ComplaintRow, 'id' | 'at'>): Promise<void> {
  await tx.run(
    sql`INSERT INTO complaint (domain, at, type, recipient, proven, suppressed, agent, source_ip, message_id, trace, report)
        VALUES (${row.domain}, ${tx.now}, ${row.type}, ${row.recipient}, ${row.proven}, ${row.suppressed}, ${row.agent},
          ${row.source_ip}, ${row.message_id}, ${row.trace}, ${row.report})`,
  )
  tx.ring('complaints')
}

/** Oldest first, after this id. */
export function after(tx: Reader, id: number, limit: number): Promise<ComplaintRow[]> {
  return tx.all(sql`SELECT ${columns} FROM complaint WHERE id > ${id} ORDER BY id LIMIT ${limit}`)
}

/** The newest of one domain first. */
export function ofDomain(tx: Reader, domain: DomainId, since: number, limit: number): Promise<ComplaintRow[]> {
  return tx.all(sql`SELECT ${columns} FROM complaint WHERE domain = ${domain} AND at >= ${since}
    ORDER BY id DESC LIMIT ${limit}`)
}

export function removeOld(tx: Writer, before: number, limit: number): Promise<number> {
  return tx.run(
    sql`DELETE FROM complaint WHERE id IN (SELECT id FROM complaint WHERE at < ${before} ORDER BY at LIMIT ${limit})`,
  )
}
