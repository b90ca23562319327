// Rows of `dkim_key`: keys with which mail of a domain is signed. What is sealed comes and goes sealed.

import type { DomainId } from '../../base/index.ts'
import { sql } from '../sql.ts'
import type { Reader, Writer } from '../types.ts'

export interface DkimKeyRow {
  readonly id: number
  readonly domain: DomainId
  readonly selector: string
  readonly algorithm: string
  readonly private_key: Uint8Array
  /** The text to be published. */
  readonly record: string
  readonly state: 'waiting' | 'active' | 'retired'
  readonly created_at: number
  readonly state_at: number
}

const columns = sql`id, domain, selector, algorithm, private_key, record, state, created_at, state_at`

/** Of one domain, in the order in which they were made; at most 100. */
export function ofDomain(tx: Reader, domain: DomainId): Promise<DkimKeyRow[]> {
  return tx.all(sql`SELECT ${columns} FROM dkim_key WHERE domain = ${domain} ORDER BY id LIMIT 100`)
}

/** Of all domains with the name of each, at most 1,000 after this id. */
export function list(tx: Reader, after: number): Promise<(DkimKeyRow & { readonly name: string })[]> {
  return tx.all(sql`SELECT k.id, k.domain, k.selector, k.algorithm, k.private_key, k.record, k.state, k.created_at, k.state_at, d.name
    FROM dkim_key k JOIN domain d ON d.id = k.domain WHERE k.id > ${after} ORDER BY k.id LIMIT 1000`)
}

/** Whether any domain signs: most servers begin without. */
export async function anyActive(tx: Reader): Promise<boolean> {
  return (await tx.get(sql`SELECT 1 AS found FROM dkim_key WHERE state = 'active' LIMIT 1`)) !== undefined
}

/** Those that sign for the name; of an alias of a domain its own. */
export function active(tx: Reader, name: string): Promise<DkimKeyRow[]> {
  return tx.all(sql`SELECT ${columns} FROM dkim_key WHERE state = 'active'
    AND domain = (SELECT id FROM domain WHERE name = ${name}) ORDER BY id LIMIT 10`)
}

export function find(tx: Reader, domain: DomainId, selector: string): Promise<DkimKeyRow | undefined> {
  return tx.get(sql`SELECT ${columns} FROM dkim_key WHERE domain = ${domain} AND selector = ${selector}`)
}

export function insert(tx: Writer, row: Omit<DkimKeyRow, 'id'>): Promise<number> {
  return tx.run(sql`INSERT INTO dkim_key (domain, selector, algorithm, private_key, record, state, created_at, state_at)
    VALUES (${row.domain}, ${row.selector}, ${row.algorithm}, ${row.private_key}, ${row.record}, ${row.state},
      ${row.created_at}, ${row.state_at})`)
}

export function setState(tx: Writer, id: number, state: DkimKeyRow['state']): Promise<number> {
  return tx.run(sql`UPDATE dkim_key SET state = ${state}, state_at = ${tx.now} WHERE id = ${id}`)
}

export function remove(tx: Writer, id: number): Promise<number> {
  return tx.run(sql`DELETE FROM dkim_key WHERE id = ${id}`)
}

export function removeOfDomain(tx: Writer, domain: DomainId): Promise<number> {
  return tx.run(sql`DELETE FROM dkim_key WHERE domain = ${domain}`)
}
