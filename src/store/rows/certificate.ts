// Rows of `certificate`, `acme_account` and `acme_challenge`. What is sealed comes and goes sealed. Whatever doors must know of rings
// `certificates`.

import { oneOf, sql } from '../sql.ts'
import type { Reader, Writer } from '../types.ts'

export interface CertificateRow {
  readonly id: number
  /** The first of its names, or what the operator called it. */
  readonly name: string
  /** JSON. */
  readonly names: string
  readonly source: 'acme' | 'imported'
  /** Of the authority; empty when imported. */
  readonly directory: string
  readonly private_key: Uint8Array | null
  readonly next_key: Uint8Array | null
  /** Since when the next key is announced in the DNS. */
  readonly next_key_seen_at: number | null
  readonly not_before: number | null
  readonly not_after: number | null
  /** When it is to be renewed. */
  readonly renew_at: number | null
  /** When somebody looks at it next. */
  readonly due_at: number
  readonly attempts: number
  readonly error: string
  readonly busy_until: number
  readonly version: number
  readonly created_at: number
}
export type WithChain = CertificateRow & { readonly chain: string }

const columns = sql`id, name, names, source, directory, private_key, next_key, next_key_seen_at, not_before, not_after, renew_at, due_at,
  attempts, error, busy_until, version, created_at`

/** By id after `after`, at most 1,000; without their chains. */
export function list(tx: Reader, after: number): Promise<CertificateRow[]> {
  return tx.all(sql`SELECT ${columns} FROM certificate WHERE id > ${after} ORDER BY id LIMIT 1000`)
}

export function find(tx: Reader, name: string): Promise<WithChain | undefined> {
  return tx.get(sql`SELECT ${columns}, chain FROM certificate WHERE name = ${name}`)
}

/** Those that somebody must look at, the longest due first; at most `limit`. */
export function due(tx: Reader, now: number, limit: number): Promise<WithChain[]> {
  return tx.all(sql`SELECT ${columns}, chain FROM certificate WHERE source = 'acme' AND due_at <= ${now} AND busy_until <= ${now}
    ORDER BY due_at LIMIT ${limit}`)
}

/** Which can be served, and whether they have changed; at most 1,000 after this id. */
export function versions(tx: Reader, after: number): Promise<{ readonly id: number; readonly version: number }[]> {
  return tx.all(sql`SELECT id, version FROM certificate WHERE chain <> '' AND id > ${after} ORDER BY id LIMIT 1000`)
}

/** Of at most 100 ids. */
export function withChains(tx: Reader, ids: readonly number[]): Promise<WithChain[]> {
  return tx.all(sql`SELECT ${columns}, chain FROM certificate WHERE id ${oneOf(tx, ids)} ORDER BY id LIMIT 100`)
}

type Wish = Pick<CertificateRow, 'name' | 'names' | 'source' | 'directory'>

/** Wants a certificate, due now; one of this name gets these names and is due now. */
export async function put(tx: Writer, { name, names, source, directory }: Wish): Promise<void> {
  await tx.run(sql`INSERT INTO certificate (name, names, source, directory, chain, due_at, attempts, error, busy_until, version, created_at)
    VALUES (${name}, ${names}, ${source}, ${directory}, '', ${tx.now}, 0, '', 0, 0, ${tx.now})
    ON CONFLICT (name) DO UPDATE SET names = excluded.names, source = excluded.source,
      due_at = excluded.due_at, attempts = 0, error = ''`)
}

/** Takes it for `ms`; false while somebody else has it. */
export async function lease(tx: Writer, id: number, ms: number): Promise<boolean> {
  const until = tx.now + ms
  return (
    (await tx.run(sql`UPDATE certificate SET busy_until = ${until} WHERE id = ${id} AND busy_until <= ${tx.now}`)) > 0
  )
}

export async function release(tx: Writer, id: number): Promise<void> {
  await tx.run(sql`UPDATE certificate SET busy_until = 0 WHERE id = ${id}`)
}

type Issued = Pick<
  WithChain,
  | 'chain'
  | 'private_key'
  | 'next_key'
  | 'next_key_seen_at'
  | 'directory'
  | 'not_before'
  | 'not_after'
  | 'renew_at'
  | 'due_at'
>

/** A new certificate is there. */
export async function setIssued(tx: Writer, id: number, row: Issued): Promise<void> {
  await tx.run(sql`UPDATE certificate SET chain = ${row.chain}, private_key = ${row.private_key}, directory = ${row.directory},
    next_key = ${row.next_key}, next_key_seen_at = ${row.next_key_seen_at}, not_before = ${row.not_before},
    not_after = ${row.not_after}, renew_at = ${row.renew_at}, due_at = ${row.due_at}, attempts = 0, error = '', version = version + 1 WHERE id = ${id}`)
  tx.ring('certificates')
}

/** It serves no more, and a new one is due. */
export async function forget(tx: Writer, id: number): Promise<void> {
  await tx.run(sql`UPDATE certificate SET chain = '', private_key = NULL, not_before = NULL, not_after = NULL, renew_at = NULL,
    due_at = ${tx.now}, attempts = 0, error = '', version = version + 1 WHERE id = ${id}`)
  tx.ring('certificates')
}

export async function setPlan(
  tx: Writer,
  id: number,
  plan: Pick<CertificateRow, 'renew_at' | 'due_at'>,
): Promise<void> {
  await tx.run(sql`UPDATE certificate SET renew_at = ${plan.renew_at}, due_at = ${plan.due_at} WHERE id = ${id}`)
}

/** The last attempt failed. */
export async function setFailed(tx: Writer, id: number, error: string, dueAt: number): Promise<void> {
  await tx.run(
    sql`UPDATE certificate SET error = ${error}, attempts = attempts + 1, due_at = ${dueAt} WHERE id = ${id}`,
  )
}

export async function setNextKey(
  tx: Writer,
  id: number,
  next: Pick<CertificateRow, 'next_key' | 'next_key_seen_at' | 'due_at'>,
): Promise<void> {
  await tx.run(sql`UPDATE certificate SET next_key = ${next.next_key}, next_key_seen_at = ${next.next_key_seen_at},
    due_at = ${next.due_at} WHERE id = ${id}`)
}

export async function remove(tx: Writer, id: number): Promise<void> {
  await tx.run(sql`DELETE FROM certificate WHERE id = ${id}`)
  tx.ring('certificates')
}

export interface AccountRow {
  readonly directory: string
  readonly url: string
  readonly private_key: Uint8Array
  /** JSON. */
  readonly caa: string
}

export function findAccount(tx: Reader, directory: string): Promise<AccountRow | undefined> {
  return tx.get(sql`SELECT directory, url, private_key, caa FROM acme_account WHERE directory = ${directory}`)
}

export async function putAccount(tx: Writer, { directory, url, private_key, caa }: AccountRow): Promise<void> {
  await tx.run(sql`INSERT INTO acme_account (directory, url, private_key, caa, created_at)
    VALUES (${directory}, ${url}, ${private_key}, ${caa}, ${tx.now})
    ON CONFLICT (directory) DO UPDATE SET url = excluded.url, private_key = excluded.private_key, caa = excluded.caa`)
}

export type ChallengeKind = 'http-01' | 'tls-alpn-01'

export async function putChallenge(
  tx: Writer,
  kind: ChallengeKind,
  identifier: string,
  value: string,
  expiresAt: number,
): Promise<void> {
  await tx.run(sql`DELETE FROM acme_challenge WHERE expires_at <= ${tx.now}`)
  await tx.run(sql`INSERT INTO acme_challenge (kind, identifier, value, expires_at)
    VALUES (${kind}, ${identifier}, ${value}, ${expiresAt})
    ON CONFLICT (kind, identifier) DO UPDATE SET value = excluded.value, expires_at = excluded.expires_at`)
  tx.ring('certificates')
}

export async function removeChallenge(tx: Writer, kind: ChallengeKind, identifier: string): Promise<void> {
  await tx.run(sql`DELETE FROM acme_challenge WHERE kind = ${kind} AND identifier = ${identifier}`)
  tx.ring('certificates')
}

/** What is to be proven now; at most 1,000. */
export function challenges(
  tx: Reader,
  now: number,
): Promise<{ readonly kind: ChallengeKind; readonly identifier: string; readonly value: string }[]> {
  return tx.all(sql`SELECT kind, identifier, value FROM acme_challenge WHERE expires_at > ${now} LIMIT 1000`)
}
