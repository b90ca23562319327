// Takes away what abuse control needs no more, a page at a time.

import { ensureJob, type JobHandlers } from '../jobs/index.ts'
import {
  abuseBanRows,
  abuseHistoryRows,
  abuseRateRows,
  acquaintanceRows,
  greylistRows,
  type Store,
  type Writer,
} from '../store/index.ts'
import { toDay } from './history.ts'
import { acquaintanceMs, banMs, greylistMs, limits } from './limits.ts'

const sweepEveryMs = 3_600_000
const sweptAtOnce = 500
const longestMs = Math.max(...Object.values(limits).map(({ windowMs }) => windowMs))

export function abuseHandlers({ store }: { readonly store: Store }): Pick<JobHandlers, 'sweep-abuse'> {
  return {
    async 'sweep-abuse'(_payload, job) {
      await sweepAbuse(store)
      await store.write([], (tx) => job.again(tx, tx.now + sweepEveryMs))
    },
  }
}

/** Makes sure that the recurring job is there; call once at start. */
export async function scheduleAbuseSweep(store: Store): Promise<void> {
  await store.write('server', (tx) => ensureJob(tx, 'sweep-abuse', {}, { runAt: tx.now + sweepEveryMs }))
}

export async function sweepAbuse(store: Store): Promise<void> {
  const pages: readonly ((tx: Writer) => Promise<number>)[] = [
    (tx) => abuseRateRows.sweep(tx, tx.now * 1000, (tx.now + longestMs) * 1000, sweptAtOnce),
    (tx) => abuseBanRows.sweep(tx, tx.now - banMs.forgottenAfter, sweptAtOnce),
    (tx) => abuseHistoryRows.sweep(tx, toDay(tx.now), sweptAtOnce),
    (tx) => greylistRows.sweep(tx, tx.now - greylistMs.window, tx.now - greylistMs.known, sweptAtOnce),
    (tx) => acquaintanceRows.sweep(tx, tx.now - acquaintanceMs, sweptAtOnce),
  ]
  for (const page of pages) while ((await store.write([], page, { durable: false })) === sweptAtOnce);
}
