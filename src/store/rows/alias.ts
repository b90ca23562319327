// Rows of `alias`: addresses that lead elsewhere. `local` is normalised, empty for a catch-all; destinations are a JSON list.

import type { AliasId, DomainId } from '../../base/index.ts'
import { sql } from '../sql.ts'
import type { Reader, Writer } from '../types.ts'

export interface AliasRow {
  readonly id: AliasId
  readonly local: string
  readonly domain: string
  readonly destinations: string
}

export function find(tx: Reader, domain: DomainId, local: string): Promise<AliasRow | undefined> {
  return tx.get(sql`SELECT l.id, l.local, d.name AS domain, l.destinations FROM alias l JOIN domain d ON d.id = l.domain
    WHERE l.domain = ${domain} AND l.local = ${local}`)
}

/** By id, at most 1,000, after the given id. */
export function list(tx: Reader, after: number): Promise<AliasRow[]> {
  return tx.all(sql`SELECT l.id, l.local, d.name AS domain, l.destinations FROM alias l JOIN domain d ON d.id = l.domain
    WHERE l.id > ${after} ORDER BY l.id LIMIT 1000`)
}

/** As `list`, of one domain. */
export function listOfDomain(tx: Reader, domain: DomainId, after: number): Promise<AliasRow[]> {
  return tx.all(sql`SELECT l.id, l.local, d.name AS domain, l.destinations FROM alias l JOIN domain d ON d.id = l.domain
    WHERE l.domain = ${domain} AND l.id > ${after} ORDER BY l.id LIMIT 1000`)
}

/** As `list`, only those whose destinations match `pattern` (LIKE, which may match too much: look again). */
export function listLeadingTo(tx: Reader, pattern: string, after: number): Promise<AliasRow[]> {
  return tx.all(sql`SELECT l.id, l.local, d.name AS domain, l.destinations FROM alias l JOIN domain d ON d.id = l.domain
    WHERE l.id > ${after} AND l.destinations LIKE ${pattern} ORDER BY l.id LIMIT 1000`)
}

export async function insert(
  tx: Writer,
  alias: { domain: DomainId; local: string; destinations: string },
): Promise<AliasId> {
  const row = await tx.get<{ id: AliasId }>(sql`INSERT INTO alias (domain, local, destinations, created_at)
    VALUES (${alias.domain}, ${alias.local}, ${alias.destinations}, ${tx.now}) RETURNING id`)
  return row!.id
}

export function setDestinations(tx: Writer, id: AliasId, destinations: string): Promise<number> {
  return tx.run(sql`UPDATE alias SET destinations = ${destinations} WHERE id = ${id}`)
}

export function remove(tx: Writer, id: AliasId): Promise<number> {
  return tx.run(sql`DELETE FROM alias WHERE id = ${id}`)
}
