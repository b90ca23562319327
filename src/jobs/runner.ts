// Runs durable jobs: claims what is due, a few at a time, and tries again what failed. Wakes by the bell and by the next
// job's time. A claim belongs to an opening of the store, not to a time: those of dead ones are void.

import { type Clock, Fault, isFault, type Log } from '../base/index.ts'
import { jobRows, metaRows, type Store } from '../store/index.ts'
import type { JobHandler, JobHandlers, JobName, JobRunner, RunningJob } from './types.ts'

const concurrent = 4
/** A lost ring costs at most so much. */
const pollMs = 5_000
/** Due, and yet not given to us: another node is at it. */
const contendedMs = 1_000
const firstRetryMs = 5_000
const lastRetryMs = 3_600_000
const errorLength = 500

export interface JobRunnerOptions {
  readonly store: Store
  readonly handlers: JobHandlers
  readonly clock: Clock
  readonly log: Log
}

/** Starts running: claims left by processes that are gone are taken up first. */
export function createJobRunner({ store, handlers, clock, log }: JobRunnerOptions): JobRunner {
  const names = Object.keys(handlers)
  const owner = store.incarnation
  const running = new Set<Promise<void>>()
  let stopped = false
  let passing: Promise<void> | undefined
  let again = false
  let cancelTimer = () => {}
  let releasedAt = Number.NEGATIVE_INFINITY

  const wake = () => {
    again = true
    if (stopped || passing) return
    cancelTimer()
    passing = passAll().finally(() => {
      passing = undefined
    })
  }
  const passAll = async () => {
    let wait = pollMs
    while (again && !stopped) {
      again = false
      try {
        wait = await pass()
      } catch (error) {
        log.warn({ err: error }, 'jobs could not be claimed')
        wait = pollMs
      }
    }
    if (!stopped) cancelTimer = clock.after(wait, wake)
  }
  /** Claims and starts what is due; returns how long to wait for more. */
  const pass = async (): Promise<number> => {
    if (clock.monotonic() - releasedAt > metaRows.nodeLifeMs / 2) {
      await store.write([], releaseClaims, { durable: false })
      releasedAt = clock.monotonic()
    }
    const room = concurrent - running.size
    // Who ends, wakes us.
    if (room <= 0) return pollMs
    const next = await store.read(jobRows.nextJobAt)
    if (next === undefined) return pollMs
    if (next > clock.now()) return Math.min(next - clock.now(), pollMs)
    const claimed = await store.write([], (tx) => jobRows.claimJobs(tx, owner, names, room), { durable: false })
    for (const row of claimed) track(run(row))
    if (claimed.length === 0) return contendedMs
    again = true
    return pollMs
  }
  const track = (work: Promise<void>) => {
    const tracked = work.finally(() => {
      running.delete(tracked)
      wake()
    })
    running.add(tracked)
  }

  const run = async (row: jobRows.JobRow): Promise<void> => {
    let settled = false
    const keep = (held: boolean) => {
      if (!held) throw new Fault('conflict', `job ${row.id} is held by another process now`)
    }
    const job: RunningJob = {
      id: row.id,
      attempts: row.attempts,
      async done(tx) {
        keep(await jobRows.deleteJob(tx, row.id, owner))
        tx.afterCommit(() => (settled = true))
      },
      async again(tx, runAt) {
        keep(await jobRows.putBackJob(tx, row.id, owner, runAt, ''))
        tx.ring('jobs')
        tx.afterCommit(() => (settled = true))
      },
    }
    try {
      const handler = handlers[row.name as JobName] as JobHandler<JobName>
      await handler(JSON.parse(row.payload), job)
      if (!settled) await store.write([], job.done)
    } catch (error) {
      if (settled || isFault(error, 'conflict'))
        log.warn({ err: error, job: row.id, name: row.name }, 'a job ended badly')
      if (!settled) await putBack(row, error)
    }
  }
  const putBack = async (row: jobRows.JobRow, error: unknown) => {
    const wait = retryAfter(row.attempts)
    log.warn(
      { err: error, job: row.id, name: row.name, attempts: row.attempts, wait },
      'a job failed and is tried again',
    )
    const text = (error instanceof Error ? error.message : String(error)).slice(0, errorLength) || 'failed'
    await store
      .write([], (tx) => jobRows.putBackJob(tx, row.id, owner, tx.now + wait, text))
      .catch((reason) => log.error({ err: reason, job: row.id }, 'a failed job could not be put back'))
  }

  const stopHearing = store.bell.on((ring) => {
    if ('topic' in ring && ring.topic === 'jobs') wake()
  })
  wake()
  return {
    async stop() {
      stopped = true
      stopHearing()
      cancelTimer()
      await passing
      await Promise.all(running)
    },
  }
}

/** Milliseconds until the next attempt after `attempts` failed ones: doubling from 5 s to an hour. */
export function retryAfter(attempts: number): number {
  return Math.min(firstRetryMs * 2 ** Math.min(attempts - 1, 20), lastRetryMs)
}

async function releaseClaims(tx: Parameters<typeof jobRows.releaseJobs>[0]): Promise<void> {
  await metaRows.buryNodes(tx)
  await jobRows.releaseJobs(tx, await metaRows.liveIncarnations(tx))
}
