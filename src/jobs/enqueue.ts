// Puts jobs into the store, within the transaction that makes them necessary.

import { type ContentId, type JobId, toId } from '../base/index.ts'
import { jobRows, type Writer } from '../store/index.ts'
import type { JobMap, JobName } from './types.ts'

/** Adds a job, due at `runAt` (absent: now). The runner wakes after the commit. */
export async function enqueueJob<N extends JobName>(
  tx: Writer,
  name: N,
  payload: JobMap[N],
  options: { readonly runAt?: number } = {},
): Promise<JobId> {
  const content = 'content' in payload ? toId<ContentId>(payload.content) : null
  tx.ring('jobs')
  return jobRows.insertJob(tx, { name, payload: JSON.stringify(payload), runAt: options.runAt ?? tx.now, content })
}

/** Adds the job unless one of its name waits or runs already: for work that recurs. */
export async function ensureJob<N extends JobName>(
  tx: Writer,
  name: N,
  payload: JobMap[N],
  options: { readonly runAt?: number } = {},
): Promise<void> {
  if (!(await jobRows.hasJob(tx, name))) await enqueueJob(tx, name, payload, options)
}
