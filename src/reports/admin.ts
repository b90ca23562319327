// For people: what others say of our domains, what we are about to say of theirs.

import { toAscii } from '../address/index.ts'
import { type DomainId, Fault } from '../base/index.ts'
import { complaintRows, domainRows, type Reader, reportDueRows, reportRows } from '../store/index.ts'
import { type ReportJobsParts, sendDueReports } from './jobs.ts'
import { dayMs, dayOf } from './observe.ts'
import type { DkimLine, OverrideReason, PolicyPublished, SpfLine, TlsFailure } from './types.ts'

export interface ReceivedReport {
  readonly kind: 'dmarc' | 'tls'
  readonly id: number
  /** The domain that it is about: one of ours, or below one. */
  readonly domain: string
  /** Who wrote it. */
  readonly org: string
  readonly reportId: string
  /** Milliseconds since 1970. */
  readonly begin: number
  readonly end: number
  readonly receivedAt: number
  /** The message that brought it passed DMARC; what others say is counted nowhere. */
  readonly verified: boolean
  /** Messages, or sessions. */
  readonly passed: number
  readonly failed: number
}

/** Who sent in the name of a domain. */
export interface Source {
  readonly ip: string
  readonly messages: number
  readonly failed: number
  /** Aligned and passed. */
  readonly dkim: number
  readonly spf: number
  readonly rejected: number
  readonly quarantined: number
  readonly reports: number
}

export interface DomainSummary {
  readonly domain: string
  /** Milliseconds since 1970. */
  readonly since: number
  readonly messages: number
  readonly failed: number
  /** Those that failed most first. */
  readonly sources: readonly Source[]
  readonly sessions: number
  readonly failedSessions: number
  readonly complaints: readonly ComplaintNote[]
}

export interface ComplaintNote {
  readonly at: number
  readonly type: string
  readonly recipient: string
  readonly proven: boolean
  readonly suppressed: boolean
  readonly agent: string
  readonly messageId: string
}

export interface ShownRecord {
  readonly ip: string
  readonly count: number
  readonly disposition: string
  readonly dkim: string
  readonly spf: string
  readonly headerFrom: string
  readonly envelopeFrom: string
  readonly dkimResults: readonly DkimLine[]
  readonly spfResults: readonly SpfLine[]
  readonly reasons: readonly OverrideReason[]
}
export interface ShownPolicy {
  readonly type: string
  readonly successes: number
  readonly failures: number
  readonly strings: readonly string[]
  readonly mx: readonly string[]
  readonly details: readonly TlsFailure[]
}
export interface ShownReport extends ReceivedReport {
  readonly contact: string
  /** Of DMARC. */
  readonly policy?: PolicyPublished
  readonly records?: readonly ShownRecord[]
  /** Of TLS. */
  readonly policies?: readonly ShownPolicy[]
}

/** A report of ours, sent or to be sent. */
export interface OwnReport {
  readonly id: number
  readonly kind: 'dmarc' | 'tls'
  /** `2026-11-22`, UTC. */
  readonly day: string
  readonly domain: string
  readonly lines: number
  readonly state: 'gathering' | 'sent' | 'dropped'
  /** Milliseconds since 1970. */
  readonly dueAt: number
  readonly outcome: string
}

export interface ReportQuery {
  readonly domain?: string
  /** Milliseconds since 1970. */
  readonly since: number
  readonly limit: number
}

export interface ReportsAdmin {
  /** The newest first. Fault `not-found`: the domain is not ours. */
  list(query: ReportQuery): Promise<ReceivedReport[]>
  /** What verified reports say of a domain. Fault `not-found`. */
  summary(domain: string, since: number): Promise<DomainSummary>
  /** One report whole. Fault `not-found`. */
  show(kind: 'dmarc' | 'tls', id: number): Promise<ShownReport>
  /** Reports of ours, the newest first. */
  own(limit: number): Promise<OwnReport[]>
  /** Sends what was gathered up to yesterday, or up to now, of one domain or of all, without waiting for its time. Says how many are done. */
  send(options: { readonly domain?: string; readonly today?: boolean }): Promise<{ readonly done: number }>
}

const maxSources = 500
const maxRecords = 1_000
const maxComplaints = 50
const sentAtOnce = 20

export function createReportsAdmin(parts: ReportJobsParts): ReportsAdmin {
  const { store, clock } = parts
  return {
    list: ({ domain, since, limit }) =>
      store.read(async (tx) => {
        const id = domain === undefined ? undefined : (await known(tx, domain)).id
        const most = Math.min(limit, maxRecords)
        const dmarc = (await reportRows.listDmarc(tx, id, since, most)).map(fromDmarc)
        const tls = (await reportRows.listTls(tx, id, since, most)).map(fromTls)
        return [...dmarc, ...tls].sort((a, b) => b.begin - a.begin).slice(0, most)
      }),
    summary: (text, since) =>
      store.read(async (tx) => {
        const { id, name } = await known(tx, text)
        const rows = await reportRows.dmarcSources(tx, id, since, maxSources)
        const tls = (await reportRows.listTls(tx, id, since, maxRecords)).filter(({ verified }) => verified === 1)
        const complaints = await complaintRows.ofDomain(tx, id, since, maxComplaints)
        const sources = rows.map(toSource)
        const add = <T>(list: readonly T[], of: (one: T) => number) => list.reduce((sum, one) => sum + of(one), 0)
        return {
          domain: name,
          since,
          messages: add(sources, ({ messages }) => messages),
          failed: add(sources, ({ failed }) => failed),
          sources,
          sessions: add(tls, ({ successes, failures }) => Number(successes) + Number(failures)),
          failedSessions: add(tls, ({ failures }) => Number(failures)),
          complaints: complaints.map(toComplaint),
        }
      }),
    show: (kind, id) => store.read((tx) => (kind === 'dmarc' ? showDmarc(tx, id) : showTls(tx, id))),
    own: (limit) => store.read(async (tx) => (await reportDueRows.list(tx, 0, Math.min(limit, maxRecords))).map(toOwn)),
    async send({ domain, today = false }) {
      const name = domain === undefined ? undefined : toAscii(domain)?.toLowerCase()
      if (domain !== undefined && name === undefined) throw new Fault('invalid', `${domain} is no domain`)
      const last = dayOf(clock.now()) - (today ? 0 : 1)
      await store.write([], (tx) => reportDueRows.makeDue(tx, clock.now(), last, name))
      let done = 0
      for (let sent = sentAtOnce; sent === sentAtOnce; done += sent) sent = await sendDueReports(parts, sentAtOnce)
      return { done }
    },
  }
}

async function known(tx: Reader, text: string): Promise<{ readonly id: DomainId; readonly name: string }> {
  const name = toAscii(text)?.toLowerCase() ?? text
  const found = await domainRows.findTarget(tx, name)
  if (!found) throw new Fault('not-found', `there is no domain ${text} here`)
  return found
}

function fromDmarc(row: reportRows.DmarcReportRow): ReceivedReport {
  const [messages, passed] = [Number(row.messages), Number(row.passed)]
  return { kind: 'dmarc', ...shared(row), passed, failed: messages - passed }
}

function fromTls(row: reportRows.TlsReportRow): ReceivedReport {
  return { kind: 'tls', ...shared(row), passed: Number(row.successes), failed: Number(row.failures) }
}

const shared = (row: reportRows.DmarcReportRow | reportRows.TlsReportRow) => ({
  id: row.id,
  domain: row.policy_domain,
  org: row.org,
  reportId: row.report_id,
  begin: row.begin_at,
  end: row.end_at,
  receivedAt: row.received_at,
  verified: row.verified === 1,
})

async function showDmarc(tx: Reader, id: number): Promise<ShownReport> {
  const row = await reportRows.dmarcById(tx, id)
  if (!row) throw new Fault('not-found', `there is no DMARC report ${id}`)
  const records = await reportRows.dmarcRecords(tx, id, maxRecords)
  return {
    ...fromDmarc(row),
    contact: row.email,
    policy: JSON.parse(row.policy) as PolicyPublished,
    records: records.map(({ source_ip: ip, count, disposition, dkim, spf, header_from, envelope_from, data }) => {
      const more = JSON.parse(data) as { dkim: DkimLine[]; spf: SpfLine[]; reasons: OverrideReason[] }
      const own = { ip, count, disposition, dkim, spf, headerFrom: header_from, envelopeFrom: envelope_from }
      return { ...own, dkimResults: more.dkim, spfResults: more.spf, reasons: more.reasons }
    }),
  }
}

async function showTls(tx: Reader, id: number): Promise<ShownReport> {
  const row = await reportRows.tlsById(tx, id)
  if (!row) throw new Fault('not-found', `there is no TLS report ${id}`)
  const policies = await reportRows.tlsRecords(tx, id, maxRecords)
  return {
    ...fromTls(row),
    contact: row.contact,
    policies: policies.map(({ policy_type: type, successes, failures, data }) => ({
      type,
      successes,
      failures,
      ...(JSON.parse(data) as Pick<ShownPolicy, 'strings' | 'mx' | 'details'>),
    })),
  }
}

const toSource = (row: reportRows.SourceRow): Source => ({
  ip: row.source_ip,
  messages: Number(row.messages),
  failed: Number(row.messages) - Number(row.passed),
  dkim: Number(row.dkim_passed),
  spf: Number(row.spf_passed),
  rejected: Number(row.rejected),
  quarantined: Number(row.quarantined),
  reports: Number(row.reports),
})

const toComplaint = (row: complaintRows.ComplaintRow): ComplaintNote => ({
  at: row.at,
  type: row.type,
  recipient: row.recipient,
  proven: row.proven === 1,
  suppressed: row.suppressed === 1,
  agent: row.agent,
  messageId: row.message_id,
})

const toOwn = (row: reportDueRows.ReportDueRow): OwnReport => ({
  id: row.id,
  kind: row.kind,
  day: new Date(row.day * dayMs).toISOString().slice(0, 10),
  domain: row.domain,
  lines: row.lines,
  state: row.state,
  dueAt: row.due_at,
  outcome: row.outcome,
})
