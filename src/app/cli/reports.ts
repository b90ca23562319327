// posthorn reports [list] | show | own | send

import type { Command } from 'commander'
import type { DomainSummary, OwnReport, ReceivedReport, ShownReport } from '../../reports/index.ts'
import { command, outputOf, type Shared, toNumber, withServices } from './context.ts'
import { CommandError, formatTable } from './output.ts'

interface Asked extends Shared {
  readonly days: string
}

const dayMs = 86_400_000

export function reportCommands(program: Command): void {
  const reports = program
    .command('reports')
    .description('what others report on our domains, and we on theirs (DMARC, TLS)')

  command(reports, 'list [domain]', 'shows the reports that came')
    .option('--days <number>', 'how far back', '30')
    .option('--limit <number>', 'how many', '100')
    .action(async (domain: string | undefined, options: Asked & { limit: string }) => {
      const query = { since: sinceOf(options), limit: toNumber(options.limit), ...(domain !== undefined && { domain }) }
      const found = await withServices(options, ({ reports }) => reports.list(query))
      outputOf(options).result(found, () => formatList(found))
    })

  command(reports, 'show <domain-or-report>', 'who sends in the name of a domain; or one report, as dmarc:12 or tls:3')
    .option('--days <number>', 'how far back, of a domain', '30')
    .action(async (what: string, options: Asked) => {
      const named = parseName(what)
      if (named) {
        const report = await withServices(options, ({ reports }) => reports.show(named.kind, named.id))
        outputOf(options).result(report, formatReport)
        return
      }
      const summary = await withServices(options, ({ reports }) => reports.summary(what, sinceOf(options)))
      outputOf(options).result(summary, formatSummary)
    })

  command(reports, 'own', 'shows the reports on other domains that were sent, and what is gathered for the next')
    .option('--limit <number>', 'how many', '50')
    .action(async (options: Shared & { limit: string }) => {
      const found = await withServices(options, ({ reports }) => reports.own(toNumber(options.limit)))
      outputOf(options).result(found, () => formatOwn(found))
    })

  command(reports, 'send [domain]', 'sends now what was gathered up to yesterday, without waiting for its time')
    .option('--today', 'and what was gathered today, which ends the day for that domain')
    .action(async (domain: string | undefined, options: Shared & { today?: boolean }) => {
      const asked = { ...(domain !== undefined && { domain }), ...(options.today && { today: true }) }
      const { done, latest } = await withServices(options, async ({ reports }) => ({
        ...(await reports.send(asked)),
        latest: await reports.own(20),
      }))
      outputOf(options).result({ done }, () => (done === 0 ? 'nothing was gathered' : formatOwn(latest)))
    })
}

const sinceOf = ({ days }: Asked): number => Date.now() - toNumber(days) * dayMs

/** `dmarc:12`, `tls:3`. */
function parseName(text: string): { readonly kind: 'dmarc' | 'tls'; readonly id: number } | undefined {
  const colon = text.indexOf(':')
  if (colon < 0) return undefined
  const kind = text.slice(0, colon)
  if (kind !== 'dmarc' && kind !== 'tls') throw new CommandError(`expected dmarc:NUMBER or tls:NUMBER, found ${text}`)
  return { kind, id: toNumber(text.slice(colon + 1)) }
}

const toDay = (at: number): string => new Date(at).toISOString().slice(0, 10)

const nameOf = ({ kind, id }: Pick<ReceivedReport, 'kind' | 'id'>): string => `${kind}:${id}`

function formatList(found: readonly ReceivedReport[]): string {
  return formatTable(
    ['report', 'day', 'domain', 'by', 'passed', 'failed', ''],
    found.map((report) => [
      nameOf(report),
      toDay(report.begin),
      report.domain,
      printable(report.org),
      report.passed,
      report.failed,
      report.verified ? '' : 'nobody vouches for who sent it',
    ]),
    'no reports yet: posthorn dns DOMAIN shows the records that ask for them',
  )
}

function formatSummary({
  domain,
  since,
  messages,
  failed,
  sources,
  sessions,
  failedSessions,
  complaints,
}: DomainSummary) {
  const share = messages === 0 ? '' : ` (${((100 * failed) / messages).toFixed(1)} %)`
  return [
    `${domain} since ${toDay(since)}: ${messages} messages, ${failed} of them failed DMARC${share}`,
    '',
    formatTable(
      ['address', 'messages', 'failed', 'DKIM', 'SPF', 'rejected', 'quarantined', 'reports'],
      sources.map((one) => [
        one.ip,
        one.messages,
        one.failed,
        one.dkim,
        one.spf,
        one.rejected,
        one.quarantined,
        one.reports,
      ]),
      'no report says that anybody sent in its name',
    ),
    ...(sessions === 0
      ? []
      : ['', `TLS: ${sessions} sessions, ${failedSessions} of them failed: posthorn reports list ${domain}`]),
    ...(complaints.length === 0 ? [] : ['', formatComplaints(complaints)]),
  ].join('\n')
}

function formatComplaints(complaints: DomainSummary['complaints']): string {
  return formatTable(
    ['complaint', 'of', 'kind', 'by', ''],
    complaints.map(({ at, recipient, type, agent, proven, suppressed }) => [
      toDay(at),
      printable(recipient) || 'somebody',
      printable(type),
      printable(agent),
      suppressed ? 'gets no more mail' : proven ? '' : 'not proven to be about mail of ours',
    ]),
    '',
  )
}

function formatReport(report: ShownReport): string {
  const head = [
    `${nameOf(report)}: ${report.kind === 'dmarc' ? 'DMARC' : 'TLS'} report ${printable(report.reportId)} of ${printable(report.org)} on ${report.domain}`,
    `from ${new Date(report.begin).toISOString()} to ${new Date(report.end).toISOString()}; contact ${printable(report.contact)}`,
    ...(report.verified ? [] : ['Nobody vouches for who sent it: its message did not pass DMARC.']),
    '',
  ]
  return [...head, report.kind === 'dmarc' ? formatRecords(report) : formatPolicies(report)].join('\n')
}

function formatRecords({ policy, records = [] }: ShownReport): string {
  const table = formatTable(
    ['address', 'count', 'done', 'DKIM', 'SPF', 'From', 'signed by', 'MAIL FROM'],
    records.map((one) => [
      one.ip,
      one.count,
      one.disposition,
      one.dkim,
      one.spf,
      printable(one.headerFrom),
      one.dkimResults
        .map(({ domain, selector = '', result }) => printable(`${domain}/${selector} ${result}`))
        .join(', '),
      one.spfResults.map(({ domain, result }) => printable(`${domain} ${result}`)).join(', '),
    ]),
    'no records',
  )
  return [
    `policy: p=${policy?.p ?? ''}${policy?.sp ? ` sp=${policy.sp}` : ''}${policy?.testing ? ' t=y' : ''}`,
    '',
    table,
  ].join('\n')
}

function formatPolicies({ policies = [] }: ShownReport): string {
  return policies
    .map(({ type, successes, failures, mx, details }) =>
      [
        `${type}${mx.length > 0 ? ` (${mx.map(printable).join(', ')})` : ''}: ${successes} sessions went well, ${failures} failed`,
        ...details.map(
          ({ type: what, count, receivingMx, sendingIp, reasonCode }) =>
            `  ${count} × ${printable(what)}${receivingMx ? ` at ${printable(receivingMx)}` : ''}${sendingIp ? ` from ${sendingIp}` : ''}${reasonCode ? `: ${printable(reasonCode)}` : ''}`,
        ),
      ].join('\n'),
    )
    .join('\n')
}

function formatOwn(found: readonly OwnReport[]): string {
  return formatTable(
    ['day', 'kind', 'domain', 'kinds of mail', 'state', ''],
    found.map(({ day, kind, domain, lines, state, dueAt, outcome }) => [
      day,
      kind,
      domain,
      lines,
      state === 'gathering' ? `due ${new Date(dueAt).toISOString().slice(0, 16)}Z` : state,
      printable(outcome),
    ]),
    'nothing gathered yet: no mail from a domain that asks for reports',
  )
}

/** What strangers wrote, for a terminal. */
function printable(text: string): string {
  let out = ''
  for (const c of text) out += c < ' ' || (c >= '\x7f' && c < '\xa0') ? '?' : c
  return out
}
