// Rows of `dmarc_report`, `dmarc_record`, `tls_report` and `tls_record`: reports that came, by the domain of ours that they are about.

import type { DomainId } from '../../base/index.ts'
import { oneOf, sql } from '../sql.ts'
import type { Reader, Writer } from '../types.ts'

interface Received {
  readonly id: number
  readonly domain: DomainId
  /** As the report says it: the domain itself, or one below it. */
  readonly policy_domain: string
  readonly org: string
  readonly report_id: string
  readonly begin_at: number
  readonly end_at: number
  readonly received_at: number
  readonly verified: number
  readonly trace: string
}
export interface DmarcReportRow extends Received {
  readonly email: string
  readonly form: string
  /** JSON. */
  readonly policy: string
  readonly messages: number
  /** Of them those that passed DMARC. */
  readonly passed: number
  readonly state: 'reading' | 'whole'
}
export interface DmarcRecordRow {
  readonly source_ip: string
  readonly count: number
  readonly disposition: string
  readonly dkim: string
  readonly spf: string
  readonly header_from: string
  readonly envelope_from: string
  readonly envelope_to: string
  /** JSON. */
  readonly data: string
}
export interface TlsReportRow extends Received {
  readonly contact: string
  readonly successes: number
  readonly failures: number
}
export interface TlsRecordRow {
  readonly policy_type: string
  readonly successes: number
  readonly failures: number
  /** JSON. */
  readonly data: string
}

const received = sql`id, domain, policy_domain, org, report_id, begin_at, end_at, received_at, verified, trace`
const dmarcColumns = sql`${received}, email, form, policy, messages, passed, state`
const tlsColumns = sql`${received}, contact, successes, failures`

/** What nobody vouches for does not stand in the way of what is true. */
type Key = Pick<Received, 'policy_domain' | 'org' | 'report_id' | 'verified'>

export function findDmarc(tx: Reader, key: Key): Promise<DmarcReportRow | undefined> {
  return tx.get(sql`SELECT ${dmarcColumns} FROM dmarc_report WHERE policy_domain = ${key.policy_domain}
    AND org = ${key.org} AND report_id = ${key.report_id} AND verified = ${key.verified}`)
}

/** Its id; undefined when it is there already. */
export function insertDmarc(
  tx: Writer,
  row: Omit<DmarcReportRow, 'id' | 'received_at' | 'state'>,
): Promise<number | undefined> {
  return tx.insert(
    sql`INSERT INTO dmarc_report (domain, policy_domain, org, email, report_id, form, begin_at, end_at, received_at, verified,
          trace, policy, messages, passed, state)
        VALUES (${row.domain}, ${row.policy_domain}, ${row.org}, ${row.email}, ${row.report_id}, ${row.form}, ${row.begin_at},
          ${row.end_at}, ${tx.now}, ${row.verified}, ${row.trace}, ${row.policy}, ${row.messages}, ${row.passed}, 'reading')
        ON CONFLICT DO NOTHING`,
  )
}

export async function insertDmarcRecord(tx: Writer, report: number, row: DmarcRecordRow): Promise<void> {
  await tx.run(
    sql`INSERT INTO dmarc_record (report, source_ip, count, disposition, dkim, spf, header_from, envelope_from, envelope_to, data)
        VALUES (${report}, ${row.source_ip}, ${row.count}, ${row.disposition}, ${row.dkim}, ${row.spf}, ${row.header_from},
          ${row.envelope_from}, ${row.envelope_to}, ${row.data})`,
  )
}

/** All of it is there. */
export async function completeDmarc(tx: Writer, id: number): Promise<void> {
  await tx.run(sql`UPDATE dmarc_report SET state = 'whole' WHERE id = ${id}`)
}

export async function countDmarcRecords(tx: Reader, report: number): Promise<number> {
  const row = await tx.get<{ n: number }>(sql`SELECT count(*) AS n FROM dmarc_record WHERE report = ${report}`)
  return Number(row!.n)
}

/** A report that came to us is seen whole, or not at all. */
export function dmarcById(tx: Reader, id: number): Promise<DmarcReportRow | undefined> {
  return tx.get(sql`SELECT ${dmarcColumns} FROM dmarc_report WHERE id = ${id} AND state = 'whole'`)
}

/** Those with the most messages first. */
export function dmarcRecords(tx: Reader, report: number, limit: number): Promise<DmarcRecordRow[]> {
  return tx.all(sql`SELECT source_ip, count, disposition, dkim, spf, header_from, envelope_from, envelope_to, data
    FROM dmarc_record WHERE report = ${report} ORDER BY count DESC, id LIMIT ${limit}`)
}

/** By the day that they begin, the newest first; of one domain when given. */
export function listDmarc(
  tx: Reader,
  domain: DomainId | undefined,
  since: number,
  limit: number,
): Promise<DmarcReportRow[]> {
  const which = domain === undefined ? sql`` : sql`AND domain = ${domain}`
  return tx.all(sql`SELECT ${dmarcColumns} FROM dmarc_report WHERE begin_at >= ${since} AND state = 'whole' ${which}
    ORDER BY begin_at DESC, id DESC LIMIT ${limit}`)
}

export interface SourceRow {
  readonly source_ip: string
  readonly messages: number
  readonly passed: number
  readonly dkim_passed: number
  readonly spf_passed: number
  readonly rejected: number
  readonly quarantined: number
  readonly reports: number
}

/** Who sent in the name of the domain, as verified reports tell it, those that failed most first. */
export function dmarcSources(tx: Reader, domain: DomainId, since: number, limit: number): Promise<SourceRow[]> {
  return tx.all(sql`SELECT r.source_ip, CAST(sum(r.count) AS BIGINT) AS messages,
      CAST(sum(CASE WHEN r.dkim = 'pass' OR r.spf = 'pass' THEN r.count ELSE 0 END) AS BIGINT) AS passed,
      CAST(sum(CASE WHEN r.dkim = 'pass' THEN r.count ELSE 0 END) AS BIGINT) AS dkim_passed,
      CAST(sum(CASE WHEN r.spf = 'pass' THEN r.count ELSE 0 END) AS BIGINT) AS spf_passed,
      CAST(sum(CASE WHEN r.disposition = 'reject' THEN r.count ELSE 0 END) AS BIGINT) AS rejected,
      CAST(sum(CASE WHEN r.disposition = 'quarantine' THEN r.count ELSE 0 END) AS BIGINT) AS quarantined,
      count(DISTINCT p.id) AS reports
    FROM dmarc_report p JOIN dmarc_record r ON r.report = p.id
    WHERE p.domain = ${domain} AND p.begin_at >= ${since} AND p.verified = 1 AND p.state = 'whole'
    GROUP BY r.source_ip
    ORDER BY sum(CASE WHEN r.dkim = 'pass' OR r.spf = 'pass' THEN 0 ELSE r.count END) DESC, sum(r.count) DESC, r.source_ip
    LIMIT ${limit}`)
}

/** Its id; undefined when it is there already. */
export function insertTls(tx: Writer, row: Omit<TlsReportRow, 'id' | 'received_at'>): Promise<number | undefined> {
  return tx.insert(
    sql`INSERT INTO tls_report (domain, policy_domain, org, contact, report_id, begin_at, end_at, received_at, verified, trace,
          successes, failures)
        VALUES (${row.domain}, ${row.policy_domain}, ${row.org}, ${row.contact}, ${row.report_id}, ${row.begin_at}, ${row.end_at},
          ${tx.now}, ${row.verified}, ${row.trace}, ${row.successes}, ${row.failures})
        ON CONFLICT DO NOTHING`,
  )
}

export async function insertTlsRecord(tx: Writer, report: number, row: TlsRecordRow): Promise<void> {
  await tx.run(
    sql`INSERT INTO tls_record (report, policy_type, successes, failures, data)
        VALUES (${report}, ${row.policy_type}, ${row.successes}, ${row.failures}, ${row.data})`,
  )
}

export function tlsById(tx: Reader, id: number): Promise<TlsReportRow | undefined> {
  return tx.get(sql`SELECT ${tlsColumns} FROM tls_report WHERE id = ${id}`)
}

export function tlsRecords(tx: Reader, report: number, limit: number): Promise<TlsRecordRow[]> {
  return tx.all(sql`SELECT policy_type, successes, failures, data FROM tls_record WHERE report = ${report}
    ORDER BY id LIMIT ${limit}`)
}

export function listTls(
  tx: Reader,
  domain: DomainId | undefined,
  since: number,
  limit: number,
): Promise<TlsReportRow[]> {
  const which = domain === undefined ? sql`` : sql`AND domain = ${domain}`
  return tx.all(sql`SELECT ${tlsColumns} FROM tls_report WHERE begin_at >= ${since} ${which}
    ORDER BY begin_at DESC, id DESC LIMIT ${limit}`)
}

/** Takes away what came before `before`, up to `limit` records and then the reports. Returns how many rows went. */
export async function sweep(tx: Writer, before: number, limit: number): Promise<number> {
  const dmarc = await tx.all<{ id: number }>(
    sql`SELECT id FROM dmarc_report WHERE received_at < ${before} ORDER BY received_at LIMIT ${limit}`,
  )
  const tls = await tx.all<{ id: number }>(
    sql`SELECT id FROM tls_report WHERE received_at < ${before} ORDER BY received_at LIMIT ${limit}`,
  )
  const [ofDmarc, ofTls] = [dmarc.map(({ id }) => id), tls.map(({ id }) => id)]
  let gone = 0
  if (ofDmarc.length > 0)
    gone += await tx.run(
      sql`DELETE FROM dmarc_record WHERE id IN (SELECT id FROM dmarc_record WHERE report ${oneOf(tx, ofDmarc)} LIMIT ${limit})`,
    )
  if (ofTls.length > 0)
    gone += await tx.run(
      sql`DELETE FROM tls_record WHERE id IN (SELECT id FROM tls_record WHERE report ${oneOf(tx, ofTls)} LIMIT ${limit})`,
    )
  if (gone > 0) return gone
  if (ofDmarc.length > 0) gone += await tx.run(sql`DELETE FROM dmarc_report WHERE id ${oneOf(tx, ofDmarc)}`)
  if (ofTls.length > 0) gone += await tx.run(sql`DELETE FROM tls_report WHERE id ${oneOf(tx, ofTls)}`)
  return gone
}
