// Rows of classifier_model and classifier_learnt: what the spam filter has learnt of a user, and of which contents. Knows no counts.

import type { AccountId } from '../../base/index.ts'
import { sql } from '../sql.ts'
import type { Reader, Writer } from '../types.ts'

export interface ModelRow {
  readonly version: number
  readonly spam: number
  readonly ham: number
  readonly generation: number
  readonly changedAt: number
  /** At most 256 KiB; null: as in the version that the caller knows. */
  readonly data: Uint8Array | null
}

/** `known`: the version that the caller has already. */
export function find(tx: Reader, account: AccountId, known = 0): Promise<ModelRow | undefined> {
  return tx.get<ModelRow>(sql`
    SELECT version, spam, ham, generation, changed_at AS "changedAt", CASE WHEN version <> ${known} THEN data END AS data
    FROM classifier_model WHERE account = ${account}`)
}

export async function save(
  tx: Writer,
  account: AccountId,
  row: Pick<ModelRow, 'spam' | 'ham' | 'generation'> & { readonly data: Uint8Array },
): Promise<void> {
  await tx.run(sql`
    INSERT INTO classifier_model (account, version, spam, ham, generation, data, changed_at)
    VALUES (${account}, 1, ${row.spam}, ${row.ham}, ${row.generation}, ${row.data}, ${tx.now})
    ON CONFLICT (account) DO UPDATE SET version = classifier_model.version + 1, spam = excluded.spam, ham = excluded.ham,
      generation = excluded.generation, data = excluded.data, changed_at = excluded.changed_at`)
}

export interface LearntRow {
  /** 1: spam. */
  readonly kind: number
  readonly generation: number
}

export function findLearnt(tx: Reader, account: AccountId, digest: Uint8Array): Promise<LearntRow | undefined> {
  return tx.get<LearntRow>(
    sql`SELECT kind, generation FROM classifier_learnt WHERE account = ${account} AND digest = ${digest}`,
  )
}

export async function putLearnt(tx: Writer, account: AccountId, digest: Uint8Array, row: LearntRow): Promise<void> {
  await tx.run(sql`
    INSERT INTO classifier_learnt (account, digest, kind, generation, learnt_at)
    VALUES (${account}, ${digest}, ${row.kind}, ${row.generation}, ${tx.now})
    ON CONFLICT (account, digest) DO UPDATE SET kind = excluded.kind, generation = excluded.generation,
      learnt_at = excluded.learnt_at`)
}

export function countLearnt(tx: Reader, account: AccountId): Promise<{ kind: number; count: number }[]> {
  return tx.all(
    sql`SELECT kind, count(*) AS count FROM classifier_learnt WHERE account = ${account} GROUP BY kind LIMIT 2`,
  )
}

/** Forgets all but the `keep` messages that were learnt last, at most 1,000 in one call; returns how many went. */
export async function trimLearnt(tx: Writer, account: AccountId, keep: number): Promise<number> {
  return tx.run(sql`
    DELETE FROM classifier_learnt WHERE account = ${account} AND digest IN (
      SELECT digest FROM classifier_learnt WHERE account = ${account}
      ORDER BY learnt_at DESC, digest LIMIT 1000 OFFSET ${keep})`)
}

/** Forgets what was learnt of an account, at most 1,000 messages in one call; returns how many went. */
export async function forget(tx: Writer, account: AccountId): Promise<number> {
  const models = await tx.run(sql`DELETE FROM classifier_model WHERE account = ${account}`)
  return models + (await trimLearnt(tx, account, 0))
}
