// Takes away what nobody let out in time, a page at a time, and says so in its timeline. Also what was for an account that is removed.

import type { AccountId, Clock, Log } from '../../base/index.ts'
import { ensureJob, type JobHandlers } from '../../jobs/index.ts'
import { quarantineRows, type Store } from '../../store/index.ts'
import type { TraceTx } from '../../trace/index.ts'
import { noteLetOut } from './note.ts'

export interface ExpireParts {
  readonly store: Store
  readonly trace: TraceTx
  readonly clock: Clock
  readonly log: Log
}

const everyMs = 3_600_000
const atOnce = 200

export function expireHandlers(parts: ExpireParts): Pick<JobHandlers, 'expire-quarantine'> {
  return {
    async 'expire-quarantine'(_payload, job) {
      const count = await expireQuarantine(parts)
      if (count > 0) parts.log.info({ messages: count }, 'mail in the quarantine has expired')
      await parts.store.write([], (tx) => job.again(tx, tx.now + everyMs))
    },
  }
}

/** Makes sure that the recurring jobs are there; call once at start. */
export async function scheduleQuarantine(store: Store): Promise<void> {
  await store.write('server', async (tx) => {
    await ensureJob(tx, 'expire-quarantine', {}, { runAt: tx.now + everyMs })
    await ensureJob(tx, 'tell-of-quarantine', {}, { runAt: tx.now + everyMs })
  })
}

/** How many went. */
export async function expireQuarantine({ store, trace, clock }: Omit<ExpireParts, 'log'>): Promise<number> {
  for (let count = 0; ; ) {
    const went = await store.write([], async (tx) => {
      const rows = await quarantineRows.expired(tx, clock.now(), atOnce)
      for (const { id } of rows) {
        const row = await quarantineRows.hold(tx, id)
        if (row && (await quarantineRows.remove(tx, id)))
          await noteLetOut(trace, tx, row, { at: clock.now(), how: 'expired' })
      }
      return rows.length
    })
    count += went
    if (went < atOnce) return count
  }
}

/** What was kept for an account that is being removed goes with its mail. */
export async function forgetQuarantined(store: Store, account: AccountId): Promise<void> {
  for (let gone = atOnce; gone === atOnce; )
    gone = await store.write([], (tx) => quarantineRows.removeOfAccount(tx, account, atOnce))
}
