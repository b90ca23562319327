// Durable jobs: rows that wait for their time, and who holds which. Knows no payload.

import { type ContentId, type JobId, toId } from '../../base/index.ts'
import { oneOf, skipLocked, sql } from '../sql.ts'
import type { Reader, Writer } from '../types.ts'

export interface JobRow {
  readonly id: JobId
  readonly name: string
  /** JSON. */
  readonly payload: string
  readonly runAt: number
  readonly attempts: number
  /** Why the last attempt failed; empty before the first. */
  readonly error: string
}

export interface NewJobRow {
  readonly name: string
  readonly payload: string
  readonly runAt: number
  /** The content that must stay until the job has run. */
  readonly content: ContentId | null
}

export async function insertJob(tx: Writer, job: NewJobRow): Promise<JobId> {
  const id = await tx.insert(
    sql`INSERT INTO job (name, payload, content, run_at)
        VALUES (${job.name}, ${job.payload}, ${job.content}, ${job.runAt})`,
  )
  return toId<JobId>(id!)
}

/** Whether a job of this name waits or runs. */
export async function hasJob(tx: Reader, name: string): Promise<boolean> {
  return (await tx.get(sql`SELECT 1 AS found FROM job WHERE name = ${name} LIMIT 1`)) !== undefined
}

/** Takes up to `limit` due jobs of the named kinds for `owner`, the longest due first. */
export function claimJobs(tx: Writer, owner: string, names: readonly string[], limit: number): Promise<JobRow[]> {
  return tx.all<JobRow>(
    sql`UPDATE job SET owner = ${owner}, attempts = attempts + 1 WHERE id IN (
          SELECT id FROM job WHERE run_at <= ${tx.now} AND owner IS NULL AND name ${oneOf(tx, names)}
          ORDER BY run_at LIMIT ${limit} ${skipLocked(tx)})
        RETURNING id, name, payload, run_at AS "runAt", attempts, error`,
  )
}

/** When the next job that nobody holds is due. */
export async function nextJobAt(tx: Reader): Promise<number | undefined> {
  const row = await tx.get<{ run_at: number }>(sql`SELECT run_at FROM job WHERE owner IS NULL ORDER BY run_at LIMIT 1`)
  return row?.run_at
}

/** The job is done. Returns false when `owner` does not hold it any more: then its effect must not happen. */
export async function deleteJob(tx: Writer, id: JobId, owner: string): Promise<boolean> {
  return (await tx.run(sql`DELETE FROM job WHERE id = ${id} AND owner = ${owner}`)) > 0
}

/** Gives the job back, to run at `runAt`; `attempts` starts anew when `error` is empty. False when `owner` does not hold it. */
export async function putBackJob(
  tx: Writer,
  id: JobId,
  owner: string,
  runAt: number,
  error: string,
  payload?: string,
): Promise<boolean> {
  const changed = await tx.run(
    sql`UPDATE job SET owner = NULL, run_at = ${runAt}, error = ${error},
          attempts = CASE WHEN ${error} = '' THEN 0 ELSE attempts END,
          payload = COALESCE(${payload ?? null}, payload)
        WHERE id = ${id} AND owner = ${owner}`,
  )
  return changed > 0
}

/** Frees the claims of everybody who is not in `live` (≤ 1,000). Returns how many. */
export function releaseJobs(tx: Writer, live: readonly string[]): Promise<number> {
  return tx.run(
    sql`UPDATE job SET owner = NULL WHERE id IN (
          SELECT id FROM job WHERE owner IS NOT NULL AND NOT (owner ${oneOf(tx, live)}) LIMIT 1000)`,
  )
}

/** Payloads of waiting jobs of one kind, at most `limit`. */
export async function payloadsOf(tx: Reader, name: string, limit: number): Promise<string[]> {
  const rows = await tx.all<{ payload: string }>(
    sql`SELECT payload FROM job WHERE name = ${name} ORDER BY id LIMIT ${limit}`,
  )
  return rows.map(({ payload }) => payload)
}

/** For people: the oldest jobs, with what keeps them. */
export function listJobs(tx: Reader, limit: number): Promise<JobRow[]> {
  return tx.all<JobRow>(
    sql`SELECT id, name, payload, run_at AS "runAt", attempts, error FROM job ORDER BY run_at LIMIT ${limit}`,
  )
}
