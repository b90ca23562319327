// The daily reports: what was gathered of a domain and a day is told to whom its record names, once, when its time has come.

import { createHash } from 'node:crypto'
import { promisify } from 'node:util'
import { formatAddress } from '../address/index.ts'
import type { Clock, ContentId, Log } from '../base/index.ts'
import type { Resolver } from '../dns/index.ts'
import { enqueueJob } from '../jobs/index.ts'
import { reportDueRows, type Store, type Writer } from '../store/index.ts'
import { formatAggregate } from './aggregate-format.ts'
import { composeReportMail, encodedLength } from './compose.ts'
import { verifyDestinations } from './destinations.ts'
import type { TlsLine } from './notes.ts'
import { dayMs } from './observe.ts'
import { type Destination, parseDestinations, parseTags, tlsDestinations, toPublished } from './policy-record.ts'
import { formatTlsReport } from './tls-format.ts'
import type { DmarcLine, TlsFailure, TlsPolicyReport } from './types.ts'

/** Loaded with the first report. */
const compress = async (text: string): Promise<Buffer> => promisify((await import('node:zlib')).gzip)(text)

/** In whose name reports are written. */
export interface Sender {
  /** `local@domain`, of the From header and of the envelope. */
  readonly address: string
  readonly organization: string
  /** More ways to reach somebody. */
  readonly contact?: string
}

export interface SendParts {
  readonly store: Store
  readonly dns: Resolver
  readonly clock: Clock
  readonly log: Log
  readonly hostname: string
  readonly version: string
  readonly sender: () => Sender
  /** Stores bytes as content within a transaction. */
  readonly putContent: (tx: Writer, bytes: Buffer) => Promise<ContentId>
  /** Hands a report over by HTTPS (RFC 8460 §5.4); rejects when it was not taken. Absent: only mail is sent. */
  readonly post?: (url: string, body: Buffer, type: string) => Promise<void>
}

type Due = reportDueRows.ReportDueRow

/** When the DNS does not answer it is asked again, for a day. */
const retryMs = 3_600_000
const patienceMs = dayMs

/** Sends one report, or notes why it is not sent. Says what came of it. */
export async function sendDue(parts: SendParts, due: Due): Promise<string> {
  const { store, clock, log } = parts
  const outcome = due.kind === 'dmarc' ? await sendAggregate(parts, due) : await sendTls(parts, due)
  if (outcome.kind === 'later') {
    const over = clock.now() > (due.day + 1) * dayMs + patienceMs
    await store.write([], async (tx) => {
      if (over) await reportDueRows.finish(tx, due.id, { state: 'dropped', report_id: '', outcome: outcome.why })
      else await reportDueRows.putOff(tx, due.id, clock.now() + retryMs, outcome.why)
    })
  } else if (outcome.kind === 'dropped')
    await store.write([], (tx) =>
      reportDueRows.finish(tx, due.id, { state: 'dropped', report_id: '', outcome: outcome.why }),
    )
  const { domain, kind, day } = due
  log.info({ domain, kind, day: dayWords(day), lines: due.lines, outcome: outcome.why }, 'report on a domain')
  return outcome.why
}

interface Outcome {
  readonly kind: 'sent' | 'dropped' | 'later'
  readonly why: string
}

const dropped = (why: string): Outcome => ({ kind: 'dropped', why })
const later = (why: string): Outcome => ({ kind: 'later', why })

async function sendAggregate(parts: SendParts, due: Due): Promise<Outcome> {
  const { dns, hostname } = parts
  const destinations = parseDestinations(parseTags(due.policy).get('rua') ?? '')
  const { wanted, refused, unknown } = await verifyDestinations(dns, due.domain, destinations, 'rua')
  if (unknown) return later('the DNS does not say who wants it')
  if (wanted.length === 0) return dropped(refused.join('; ') || 'its record names no mailbox')
  const records = (await readLines<DmarcLine>(parts.store, due)).map(({ line, count }) => ({ ...line, count }))
  if (records.length === 0) return dropped('nothing was seen')
  const { address, organization, contact } = parts.sender()
  const id = reportId(parts, due)
  const [begin, end] = [due.day * (dayMs / 1_000), (due.day + 1) * (dayMs / 1_000) - 1]
  const xml = formatAggregate({
    metadata: {
      org: organization,
      email: address,
      ...(contact !== undefined && { extraContact: contact }),
      id,
      begin,
      end,
      errors: due.left_out > 0 ? [`${due.left_out} messages are left out: there were too many kinds of them`] : [],
      generator: `Posthorn ${parts.version}`,
    },
    policy: toPublished(due.domain, due.policy),
    records,
  })
  const file = await compress(xml)
  const fitting = wanted.filter(({ maxBytes = Number.POSITIVE_INFINITY }) => encodedLength(file.length) <= maxBytes)
  if (fitting.length === 0) return dropped(`it has ${file.length} bytes, more than its readers take`)
  const to = fitting.map((one) => formatAddress(one.address))
  const bytes = composeReportMail({
    from: { name: organization, address },
    to,
    // RFC 9990 §3.5.2.
    subject: `Report Domain: ${due.domain} Submitter: ${hostname} Report-ID: <${id}>`,
    date: parts.clock.now(),
    messageId: `${id}@${hostname}`,
    multipart: 'mixed',
    parts: [
      { type: 'text/plain; charset=us-ascii', content: aggregateWords(due, parts, records) },
      { type: 'application/gzip', file: `${hostname}!${due.domain}!${begin}!${end}!${id}.xml.gz`, content: file },
    ],
  })
  return post(parts, due, { id, bytes, to })
}

function aggregateWords({ domain, day }: Due, { hostname }: SendParts, records: readonly { readonly count: number }[]) {
  const count = records.reduce((sum, record) => sum + record.count, 0)
  return [
    `This is the DMARC aggregate report on ${domain} of ${dayWords(day)} (UTC) by ${hostname}:`,
    `${count} message${count === 1 ? '' : 's'} in ${records.length} record${records.length === 1 ? '' : 's'}.`,
    '',
    `You get it because the record at _dmarc.${domain} names this address.`,
    '',
  ].join('\n')
}

async function sendTls(parts: SendParts, due: Due): Promise<Outcome> {
  const { dns, hostname, clock } = parts
  const answer = await dns.txt(`_smtp._tls.${due.domain}`)
  if (answer.status === 'failed') return later('the DNS does not say who wants it')
  const destinations = answer.status === 'ok' ? tlsDestinations(answer.records) : []
  if (destinations.length === 0) return dropped('nobody asked for it')
  const lines = await readLines<TlsLine>(parts.store, due)
  if (lines.length === 0) return dropped('nothing was seen')
  const { address, organization, contact } = parts.sender()
  const id = reportId(parts, due)
  const [begin, end] = [due.day * dayMs, (due.day + 1) * dayMs - 1_000]
  const report = {
    org: organization,
    begin,
    end,
    contact: contact ?? address,
    id,
    policies: toPolicies(due.domain, lines),
  }
  const file = await compress(formatTlsReport(report))
  // RFC 8460 §5.1.
  const name = `${hostname}!${due.domain}!${begin / 1_000}!${end / 1_000}!${id}.json.gz`
  const uploaded = await upload(parts, destinations, file)
  const to = toMail(destinations, file.length)
  if (to.length === 0) return finishUploaded(parts, due, id, uploaded)
  const bytes = composeReportMail({
    from: { name: organization, address },
    to,
    subject: `Report Domain: ${due.domain} Submitter: ${hostname} Report-ID: <${id}@${hostname}>`,
    date: clock.now(),
    messageId: `${id}@${hostname}`,
    multipart: 'report; report-type=tlsrpt',
    // RFC 8460 §5.3; RFC 8689 §5: how else should it reach who has trouble with TLS?
    fields: [
      ['TLS-Report-Domain', due.domain],
      ['TLS-Report-Submitter', hostname],
      ['TLS-Required', 'No'],
    ],
    parts: [
      {
        type: 'text/plain; charset=us-ascii',
        content: `This is the TLS report on ${due.domain} of ${dayWords(due.day)} (UTC) by ${hostname}.\n`,
      },
      { type: 'application/tlsrpt+gzip', file: name, content: file },
    ],
  })
  return post(parts, due, { id, bytes, to, also: uploaded.taken, tlsOptional: true })
}

const toMail = (destinations: readonly Destination[], size: number): string[] =>
  destinations.flatMap((one) =>
    one.kind === 'mail' && encodedLength(size) <= (one.maxBytes ?? Number.POSITIVE_INFINITY)
      ? formatAddress(one.address)
      : [],
  )

interface Uploaded {
  readonly taken: readonly string[]
  readonly failed: readonly string[]
}

/** RFC 8460 §5.4. */
async function upload({ post, log }: SendParts, destinations: readonly Destination[], file: Buffer): Promise<Uploaded> {
  const [taken, failed]: [string[], string[]] = [[], []]
  for (const one of destinations) {
    if (one.kind !== 'https') continue
    if (!post) {
      failed.push(`${one.url} (by HTTPS nothing is sent)`)
      continue
    }
    try {
      await post(one.url, file, 'application/tlsrpt+gzip')
      taken.push(one.url)
    } catch (error) {
      log.info({ err: error, url: one.url }, 'a TLS report was not taken')
      failed.push(one.url)
    }
  }
  return { taken, failed }
}

async function finishUploaded(
  { store }: SendParts,
  due: Due,
  id: string,
  { taken, failed }: Uploaded,
): Promise<Outcome> {
  if (taken.length === 0)
    return failed.length > 0 ? later(`not taken by ${failed.join(', ')}`) : dropped('its readers take no such size')
  const why = `to ${taken.join(', ')}`
  await store.write([], (tx) => reportDueRows.finish(tx, due.id, { state: 'sent', report_id: id, outcome: why }))
  return { kind: 'sent', why }
}

/** One entry for each policy that was met, its failures by what they have in common. */
export function toPolicies(
  domain: string,
  lines: readonly { readonly line: TlsLine; readonly count: number }[],
): TlsPolicyReport[] {
  const groups = Map.groupBy(lines, ({ line: { policyType, policyStrings, mxPatterns } }) =>
    JSON.stringify([policyType, policyStrings, mxPatterns]),
  )
  return [...groups.values()].map((group) => {
    const { policyType, policyStrings, mxPatterns } = group[0]!.line
    const sum = (success: boolean) =>
      group.reduce((all, { line, count }) => ((line.outcome === 'success') === success ? all + count : all), 0)
    return {
      type: policyType,
      strings: policyStrings,
      domain,
      mx: mxPatterns,
      successes: sum(true),
      failures: sum(false),
      details: group.flatMap(({ line, count }) => (line.outcome === 'success' ? [] : toFailure(line, count))),
    }
  })
}

const toFailure = (
  { outcome, sendingIp, receivingMx, receivingIp, reasonCode }: TlsLine,
  count: number,
): TlsFailure => ({
  type: outcome,
  ...(sendingIp !== undefined && { sendingIp }),
  ...(receivingMx !== undefined && { receivingMx }),
  ...(receivingIp !== undefined && { receivingIp }),
  count,
  ...(reasonCode !== undefined && { reasonCode }),
})

interface Letter {
  readonly id: string
  readonly bytes: Buffer
  readonly to: readonly string[]
  readonly also?: readonly string[]
  readonly tlsOptional?: true
}

/** In one transaction the report is mail and its day is told. */
async function post(parts: SendParts, due: Due, { id, bytes, to, also = [], tlsOptional }: Letter): Promise<Outcome> {
  const why = `to ${[...to, ...also].join(', ')}`
  await parts.store.write([], async (tx) => {
    if ((await reportDueRows.finish(tx, due.id, { state: 'sent', report_id: id, outcome: why })) === 0) return
    const content = await parts.putContent(tx, bytes)
    // RFC 5321 §4.5.5: only notices about mail have the null path.
    const from = parts.sender().address
    await enqueueJob(tx, 'post', { from, to, content, utf8: false, ...(tlsOptional && { tlsOptional }) })
  })
  return { kind: 'sent', why }
}

/** The same whenever it is made (RFC 9990 §3.5.1): letters and digits, as a file's name wants them. */
function reportId({ hostname }: SendParts, { kind, day, domain, id }: Due): string {
  return createHash('sha256').update(`${hostname} ${kind} ${day} ${domain} ${id}`).digest('hex').slice(0, 24)
}

async function readLines<L>(store: Store, { id }: Due): Promise<{ readonly line: L; readonly count: number }[]> {
  const all: { readonly line: L; readonly count: number }[] = []
  for (let after = 0; ; ) {
    const from = after
    const rows = await store.read((tx) => reportDueRows.lines(tx, id, from))
    for (const { data, count } of rows) all.push({ line: JSON.parse(data) as L, count })
    if (rows.length < 1_000) return all
    after = rows.at(-1)!.id
  }
}

/** `2026-11-22`. */
export const dayWords = (day: number): string => new Date(day * dayMs).toISOString().slice(0, 10)
