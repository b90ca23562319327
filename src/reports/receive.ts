// A report that came is read by a job and put into tables, once: who sends it twice is heard once. What it says is believed as far as the
// message that brought it is: `verified` says whether that one passed DMARC itself.

import { type Clock, type ContentId, type DomainId, type Log, toId } from '../base/index.ts'
import type { JobMap, RunningJob } from '../jobs/index.ts'
import { domainRows, queueRows, type Reader, reportRows, type Store, toBuffer } from '../store/index.ts'
import type { TraceTx } from '../trace/index.ts'
import { reportLimits as limits } from './limits.ts'
import type { FoundReport } from './read-mail.ts'
import type { AggregateReport, DmarcRecord, TlsReport } from './types.ts'

export interface ReceiveParts {
  readonly store: Store
  readonly clock: Clock
  readonly log: Log
  readonly trace: TraceTx
}

type ReportJob = JobMap['read-report']

const recordsAtOnce = 500
const maxLabels = 20

export async function receiveReports(parts: ReceiveParts, job: ReportJob, running: RunningJob): Promise<void> {
  const { store, log } = parts
  const bytes = await readStart(store, toId<ContentId>(job.content))
  const { readReports } = await import('./read-mail.ts')
  const found = bytes ? await readReports(bytes) : []
  const said: string[] = []
  for (const one of found) said.push(await keep(parts, job, one))
  if (found.length === 0) said.push('no report in it')
  await store.write([], async (tx) => {
    for (const result of said.slice(0, maxNoted))
      await parts.trace.add(tx, job.trace, { at: parts.clock.now(), kind: 'checked', by: 'report', result })
    await running.done(tx)
  })
  log.info({ id: job.trace, said }, 'reports read')
}

const maxNoted = 20

/** The first bytes of a message; undefined when it is gone. */
async function readStart(store: Store, content: ContentId): Promise<Buffer | undefined> {
  const row = await store.read((tx) => queueRows.contentOf(tx, content))
  if (row?.data) return toBuffer(row.data)
  return row?.file ? store.blobs.read(row.file, 0, Math.min(row.size, limits.message)) : undefined
}

/** Keeps one report; what became of it, in words. */
async function keep(parts: ReceiveParts, job: ReportJob, found: FoundReport): Promise<string> {
  if (found.kind === 'malformed') return `${found.file || 'an attachment'} was not read: ${found.why}`
  return found.kind === 'dmarc' ? keepAggregate(parts, job, found.report) : keepTls(parts, job, found.report)
}

async function keepAggregate({ store }: ReceiveParts, job: ReportJob, report: AggregateReport): Promise<string> {
  const { metadata, policy, records, form } = report
  const name = `DMARC report ${metadata.id} of ${metadata.org} on ${policy.domain}`
  const domain = await store.read((tx) => ourDomain(tx, policy.domain))
  if (domain === undefined) return `${name}: the domain is not ours`
  const verified = job.verified ? 1 : 0
  const key = { policy_domain: policy.domain, org: metadata.org, report_id: metadata.id, verified }
  const counts = {
    messages: sum(records),
    passed: sum(records.filter(({ dkim, spf }) => dkim === 'pass' || spf === 'pass')),
  }
  const [begin_at, end_at] = [metadata.begin * 1_000, metadata.end * 1_000]
  const row = { ...key, domain, email: metadata.email, form, begin_at, end_at, trace: job.trace, ...counts }
  const begun = await store.write([], async (tx) => {
    const id = await reportRows.insertDmarc(tx, { ...row, policy: JSON.stringify(policy) })
    if (id !== undefined) return { id, done: 0 }
    const known = await reportRows.findDmarc(tx, key)
    // Our own, which was interrupted: it goes on where it was.
    if (known?.state !== 'reading' || known.trace !== job.trace) return undefined
    return { id: known.id, done: await reportRows.countDmarcRecords(tx, known.id) }
  })
  if (!begun) return `${name}: it was here before`
  for (let at = begun.done; at < records.length; at += recordsAtOnce)
    await store.write([], async (tx) => {
      for (const record of records.slice(at, at + recordsAtOnce))
        await reportRows.insertDmarcRecord(tx, begun.id, toRow(record))
    })
  await store.write([], (tx) => reportRows.completeDmarc(tx, begun.id))
  return `${name}: ${counts.messages} messages, ${counts.messages - counts.passed} of them failed${job.verified ? '' : '; nobody vouches for who sent it'}`
}

const sum = (records: readonly DmarcRecord[]): number => records.reduce((all, { count }) => all + count, 0)

function toRow(record: DmarcRecord): reportRows.DmarcRecordRow {
  const { sourceIp, count, disposition, dkim, spf, headerFrom, envelopeFrom = '', envelopeTo = '' } = record
  const { dkimResults, spfResults, reasons } = record
  return {
    source_ip: sourceIp,
    count,
    disposition,
    dkim,
    spf,
    header_from: headerFrom,
    envelope_from: envelopeFrom,
    envelope_to: envelopeTo,
    data: JSON.stringify({ dkim: dkimResults, spf: spfResults, reasons }),
  }
}

/** RFC 8460 §4.4: one report may be on several domains. */
async function keepTls({ store }: ReceiveParts, job: ReportJob, report: TlsReport): Promise<string> {
  const said: string[] = []
  for (const [policyDomain, policies] of Map.groupBy(report.policies, ({ domain }) => domain)) {
    const name = `TLS report ${report.id} of ${report.org} on ${policyDomain}`
    const domain = await store.read((tx) => ourDomain(tx, policyDomain))
    if (domain === undefined) {
      said.push(`${name}: the domain is not ours`)
      continue
    }
    const successes = policies.reduce((all, one) => all + one.successes, 0)
    const failures = policies.reduce((all, one) => all + one.failures, 0)
    const kept = await store.write([], async (tx) => {
      const id = await reportRows.insertTls(tx, {
        domain,
        policy_domain: policyDomain,
        org: report.org,
        contact: report.contact ?? '',
        report_id: report.id,
        begin_at: report.begin,
        end_at: report.end,
        verified: job.verified ? 1 : 0,
        trace: job.trace,
        successes,
        failures,
      })
      if (id === undefined) return false
      for (const { type, strings, mx, details, ...counts } of policies)
        await reportRows.insertTlsRecord(tx, id, {
          policy_type: type,
          successes: counts.successes,
          failures: counts.failures,
          data: JSON.stringify({ strings, mx, details }),
        })
      return true
    })
    said.push(kept ? `${name}: ${successes} sessions went well, ${failures} failed` : `${name}: it was here before`)
  }
  return said.join('; ') || 'a TLS report on nothing'
}

/** Ours, or below one of ours. */
async function ourDomain(tx: Reader, name: string): Promise<DomainId | undefined> {
  const labels = name.split('.').slice(-maxLabels)
  for (let i = 0; i < labels.length; i++) {
    const found = await domainRows.findTarget(tx, labels.slice(i).join('.'))
    if (found) return found.id
  }
  return undefined
}
