// Rows of `domain`: the names that are ours. Names come as lower-case A-labels; settings are JSON that accounts understands.

import type { DomainId } from '../../base/index.ts'
import { sql } from '../sql.ts'
import type { Reader, Writer } from '../types.ts'

export interface DomainRow {
  readonly id: DomainId
  readonly name: string
  /** Name of the domain that this one stands for. */
  readonly alias_of: string | null
  readonly settings: string
}

/** The domain whose users `name` stands for: itself, or what it is an alias of. */
export function findTarget(
  tx: Reader,
  name: string,
): Promise<{ id: DomainId; name: string; settings: string } | undefined> {
  return tx.get(sql`SELECT t.id, t.name, t.settings FROM domain d JOIN domain t ON t.id = COALESCE(d.alias_of, d.id)
    WHERE d.name = ${name}`)
}

export function find(tx: Reader, name: string): Promise<DomainRow | undefined> {
  return tx.get(sql`SELECT d.id, d.name, t.name AS alias_of, d.settings FROM domain d LEFT JOIN domain t ON t.id = d.alias_of
    WHERE d.name = ${name}`)
}

/** By name, at most 1,000, after the given name. */
export function list(tx: Reader, after: string): Promise<DomainRow[]> {
  return tx.all(sql`SELECT d.id, d.name, t.name AS alias_of, d.settings FROM domain d LEFT JOIN domain t ON t.id = d.alias_of
    WHERE d.name > ${after} ORDER BY d.name LIMIT 1000`)
}

/** The name of the only domain that is no alias; undefined when there is none or more than one. */
export async function onlyName(tx: Reader): Promise<string | undefined> {
  const rows = await tx.all<{ name: string }>(sql`SELECT name FROM domain WHERE alias_of IS NULL LIMIT 2`)
  return rows.length === 1 ? rows[0]!.name : undefined
}

export async function insert(tx: Writer, domain: { name: string; aliasOf: DomainId | null }): Promise<DomainId> {
  const row = await tx.get<{ id: DomainId }>(sql`INSERT INTO domain (name, alias_of, created_at)
    VALUES (${domain.name}, ${domain.aliasOf}, ${tx.now}) RETURNING id`)
  return row!.id
}

export function setSettings(tx: Writer, id: DomainId, settings: string): Promise<number> {
  return tx.run(sql`UPDATE domain SET settings = ${settings} WHERE id = ${id}`)
}

export function remove(tx: Writer, id: DomainId): Promise<number> {
  return tx.run(sql`DELETE FROM domain WHERE id = ${id}`)
}

/** What still hangs on a domain: one name each, of a user, an alias, a domain alias. */
export async function users(
  tx: Reader,
  id: DomainId,
): Promise<{ account?: { local: string; disabled: number }; alias?: { local: string }; domain?: { name: string } }> {
  const account = await tx.get<{ local: string; disabled: number }>(
    sql`SELECT local, disabled FROM account WHERE domain = ${id} ORDER BY disabled LIMIT 1`,
  )
  const alias = await tx.get<{ local: string }>(sql`SELECT local FROM alias WHERE domain = ${id} LIMIT 1`)
  const domain = await tx.get<{ name: string }>(sql`SELECT name FROM domain WHERE alias_of = ${id} LIMIT 1`)
  return { account, alias, domain }
}
