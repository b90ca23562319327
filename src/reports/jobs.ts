// The work of reports: what is due is sent, what came is read, what is old is forgotten. Everything that packs, unpacks or parses is loaded when
// it is needed.

import { ensureJob, type JobHandlers } from '../jobs/index.ts'
import { complaintRows, reportDueRows, reportRows, type Store, type Writer } from '../store/index.ts'
import { dayMs, dayOf } from './observe.ts'
import type { ReceiveParts } from './receive.ts'
import type { SendParts } from './send.ts'

export interface ReportJobsParts extends SendParts, ReceiveParts {
  /** False: nothing is sent. */
  readonly on: () => boolean
}

const lookEveryMs = 3_600_000
/** Reports of one turn: each asks the DNS. */
const sentAtOnce = 20
/** Days that what was gathered stays after its report, and what others told us. */
const gatheredDays = 7
const receivedDays = 400
const sweptAtOnce = 500

type Names = 'send-reports' | 'send-failure-report' | 'read-report' | 'forget-reports'

export function reportHandlers(parts: ReportJobsParts): Pick<JobHandlers, Names> {
  const { store, clock } = parts
  return {
    async 'send-reports'(_payload, job) {
      const sent = parts.on() ? await sendDueReports(parts) : 0
      const next = await store.read(reportDueRows.nextAt)
      const wait =
        sent === sentAtOnce ? 0 : Math.max(0, Math.min((next ?? Number.POSITIVE_INFINITY) - clock.now(), lookEveryMs))
      await store.write([], (tx) => job.again(tx, tx.now + (parts.on() ? Math.max(wait, leastMs) : lookEveryMs)))
    },
    async 'send-failure-report'(payload, job) {
      if (!parts.on()) return
      const { sendFailure } = await import('./send-failure.ts')
      await sendFailure(parts, payload, job)
    },
    async 'read-report'(payload, job) {
      const { receiveReports } = await import('./receive.ts')
      await receiveReports(parts, payload, job)
    },
    async 'forget-reports'(_payload, job) {
      const day = dayOf(clock.now())
      await repeat(store, (tx) => reportDueRows.sweep(tx, day - gatheredDays, sweptAtOnce))
      const before = clock.now() - receivedDays * dayMs
      await repeat(store, (tx) => reportRows.sweep(tx, before, sweptAtOnce))
      await repeat(store, (tx) => complaintRows.removeOld(tx, before, sweptAtOnce))
      await store.write([], (tx) => job.again(tx, tx.now + dayMs))
    },
  }
}

/** A report that is put off must not be looked at all the time. */
const leastMs = 1_000

const repeat = async (store: Store, page: (tx: Writer) => Promise<number>): Promise<void> => {
  while ((await store.write([], page)) > 0);
}

/** Sends what is due, and says how many reports that were. */
export async function sendDueReports(parts: ReportJobsParts, limit = sentAtOnce): Promise<number> {
  const { store, clock, log } = parts
  const due = await store.read((tx) => reportDueRows.due(tx, clock.now(), limit))
  if (due.length === 0) return 0
  const { sendDue } = await import('./send.ts')
  for (const one of due)
    await sendDue(parts, one).catch(async (error: unknown) => {
      // One that cannot be made must not keep the others.
      log.error({ err: error, domain: one.domain }, 'a report was not sent')
      await store.write([], (tx) => reportDueRows.putOff(tx, one.id, clock.now() + lookEveryMs, 'it could not be made'))
    })
  return due.length
}

/** Makes sure that the recurring jobs are there; call once at start. */
export async function scheduleReports(store: Store): Promise<void> {
  await store.write('server', async (tx) => {
    await ensureJob(tx, 'send-reports', {}, { runAt: tx.now + 60_000 })
    await ensureJob(tx, 'forget-reports', {}, { runAt: tx.now + lookEveryMs })
  })
}
