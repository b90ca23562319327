// Makes the room of reports out of the others, in the core: what is gathered for others, what others tell us.

import { type ContentId, Fault } from '../base/index.ts'
import type { Resolver } from '../dns/index.ts'
import type { Egress } from '../egress/index.ts'
import {
  createReportNotes,
  createReportsAdmin,
  createTlsRecorder,
  reportHandlers,
  toFailureJob,
} from '../reports/index.ts'
import { loadKey, type Store, type Writer } from '../store/index.ts'
import type { TraceTx } from '../trace/index.ts'
import type { Config } from './config/index.ts'
import type { Surroundings } from './services.ts'

const postLimits = { maxBytes: 65_536, timeoutMs: 60_000 }

/** RFC 8460 §5.4: any answer of the 200s is a receipt. */
async function postReport(egress: Pick<Egress, 'fetch'>, url: string, body: Buffer, type: string): Promise<void> {
  const { status } = await egress.fetch({ url, method: 'POST', headers: { 'content-type': type }, body, ...postLimits })
  if (status < 200 || status > 299) throw new Fault('unavailable', `${url} answered ${status}`)
}

/** Reports: what is gathered for others, what others tell us. */
export async function openReports(
  config: Config,
  { clock, log, version }: Surroundings & { readonly version: string },
  parts: {
    readonly store: Store
    readonly trace: TraceTx
    readonly dns: Resolver
    readonly egress: Pick<Egress, 'fetch'>
    readonly putContent: (tx: Writer, bytes: Buffer) => Promise<ContentId>
  },
) {
  const { store, trace, dns, egress, putContent } = parts
  const { hostname } = config
  let settings = config.reports
  const on = () => settings.send
  const failure = { key: await loadKey(store, 'report-redaction'), hostname, version }
  const own = log.child({ part: 'reports' })
  const random = Math.random
  const notes = createReportNotes({ store, random, on, toFailure: (failed) => toFailureJob(failed, failure) })
  const jobs = {
    store,
    dns,
    clock,
    log: own,
    trace,
    on,
    hostname,
    version,
    sender: () => ({
      address: settings.from ?? `noreply-dmarc@${hostname}`,
      organization: settings.organization ?? hostname,
      ...(settings.contact !== undefined && { contact: settings.contact }),
    }),
    putContent,
    post: (url: string, body: Buffer, type: string) => postReport(egress, url, body, type),
  }
  return {
    notes,
    tls: createTlsRecorder({ notes, clock, log: own }),
    handlers: reportHandlers(jobs),
    admin: createReportsAdmin(jobs),
    reconfigure({ reports }: Config) {
      settings = reports
    },
  }
}
