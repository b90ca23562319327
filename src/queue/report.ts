// Delivery status notifications (RFC 3464): who gets one, and what it says, first to a person, then to a program. Sends nothing.

import { formatAddress, needsUtf8, type Path } from '../address/index.ts'
import { composeReport, formatDate } from '../mime/index.ts'
import { oneLine } from './attempt.ts'
import type { Mail, Outcome, Recipient } from './batch.ts'
import { explain } from './explain.ts'

export type ReportKind = 'failed' | 'delayed'

export interface ReportOptions {
  readonly hostname: string
  /** Milliseconds since 1970. */
  readonly now: number
  /** When we give up. */
  readonly until: number
  /** The message's header, or all of it. */
  readonly original: Buffer
  readonly originalIs: 'headers' | 'message'
  /** Decoded, when the message has one. */
  readonly subject?: string
}

export interface Report {
  readonly to: string
  readonly bytes: Buffer
  readonly utf8: boolean
}

/** Recipients about whom the sender wants to hear (RFC 3461 §4.1). */
export function isWanted(recipient: Recipient, kind: ReportKind): boolean {
  const { notify } = recipient.params
  return notify === undefined || notify.includes(kind === 'failed' ? 'failure' : 'delay')
}

/**
 * To whom a report on this message goes: the sender; for a null sender the postmaster hears of failures (a double bounce)
 * and nobody of delays. Undefined: nobody, also when it is the postmaster's own mail that fails, or reports would breed reports.
 */
export function reportTo(
  mail: Mail,
  outcomes: readonly Outcome[],
  kind: ReportKind,
  hostname: string,
): string | undefined {
  if (mail.sender !== null) return formatAddress(mail.sender)
  const postmasters = outcomes.every(({ recipient }) => recipient.address.local.toLowerCase() === 'postmaster')
  return kind === 'failed' && !postmasters ? `postmaster@${hostname}` : undefined
}

/** The report as a message; `to` as reportTo said. */
export function toReport(
  mail: Mail,
  outcomes: readonly Outcome[],
  kind: ReportKind,
  to: string,
  options: ReportOptions,
): Report {
  const { hostname, now, original, originalIs } = options
  const utf8 = mail.utf8 || outcomes.some(({ recipient }) => needsUtf8(recipient.address)) || isUtf8(mail.sender)
  const named = options.subject ? `: ${clip(options.subject)}` : ''
  const bytes = composeReport({
    from: { name: 'Mail Delivery System', address: `MAILER-DAEMON@${hostname}` },
    to: { address: to },
    subject: `${kind === 'failed' ? 'Not delivered' : 'Delayed, still trying'}${named}`,
    date: now,
    messageId: `<dsn.${mail.id}.${outcomes[0]!.recipient.id}.${now}@${hostname}>`,
    text: toText(mail, outcomes, kind, options),
    perMessage: [
      ['Reporting-MTA', `dns; ${hostname}`],
      ...(mail.params.envid === undefined ? [] : [['Original-Envelope-Id', oneLine(mail.params.envid)] as const]),
      ['Arrival-Date', formatDate(mail.arrived)],
    ],
    perRecipient: outcomes.map((outcome) => toFields(outcome, kind, options)),
    original,
    originalIs,
    utf8,
    autoSubmitted: 'auto-replied',
  })
  return { to, bytes, utf8 }
}

const isUtf8 = (path: Path): boolean => path !== null && needsUtf8(path)

/** Fields of one recipient (RFC 3464 §2.3). */
function toFields(
  { recipient, status, reason, mta }: Outcome,
  kind: ReportKind,
  options: ReportOptions,
): [string, string][] {
  const address = formatAddress(recipient.address)
  const original = recipient.params.orcpt
  return [
    ...(original === undefined
      ? []
      : [['Original-Recipient', `${original.type}; ${oneLine(original.address)}`] as [string, string]]),
    // RFC 6533 §3: addresses beyond ASCII have a type of their own.
    ['Final-Recipient', `${needsUtf8(recipient.address) ? 'utf-8' : 'rfc822'}; ${address}`],
    ['Action', kind],
    ['Status', finalStatus(status, kind)],
    ...(mta === undefined ? [] : [['Remote-MTA', `dns; ${mta}`] as [string, string]]),
    ['Diagnostic-Code', mta === undefined ? `x-posthorn; ${reason}` : `smtp; ${reason}`],
    ['Last-Attempt-Date', formatDate(options.now)],
    ...(kind === 'delayed' ? [['Will-Retry-Until', formatDate(options.until)] as [string, string]] : []),
  ]
}

/** RFC 3464 §2.3.4: the class of a failure is 5 or, given up after retries, 4; ours says 5 only for what was final. */
function finalStatus(status: string, kind: ReportKind): string {
  return kind === 'delayed' && !status.startsWith('4') ? `4${status.slice(1)}` : status
}

/** For a person: what happened to whom, what to do, which message it is; then the words for whoever has to look into it. */
function toText(mail: Mail, outcomes: readonly Outcome[], kind: ReportKind, options: ReportOptions): string {
  const failed = kind === 'failed'
  const people = outcomes.flatMap((outcome) => {
    const expired = outcome.result === 'retry'
    const { what, todo } = explain(outcome, expired)
    const tried = expired ? [`    We tried for ${span(options.now - mail.arrived)}.`] : []
    return [
      '',
      `  ${formatAddress(outcome.recipient.address)}`,
      `    ${what}`,
      ...(failed ? [...tried, `    ${todo}`] : []),
    ]
  })
  const outlook = failed
    ? ['It will not be tried again. Recipients not named here are not affected.']
    : [
        'You need not do anything, and please do not send it again: we keep trying',
        `until ${formatDate(options.until)} and tell you if it fails.`,
      ]
  const details = outcomes.flatMap(({ recipient, mta, reason }) => [
    `  ${formatAddress(recipient.address)}`,
    ...(mta === undefined ? [] : [`    the server ${mta} said:`]),
    `    ${reason}`,
  ])
  return [
    failed ? 'Your message could not be delivered to:' : 'Your message has not been delivered yet to:',
    ...people,
    '',
    ...outlook,
    '',
    ...(options.subject ? [`Subject: ${clip(options.subject)}`] : []),
    `Sent: ${formatDate(mail.arrived)}`,
    '',
    `The mail server ${options.hostname}`,
    '',
    'Details for your administrator:',
    '',
    ...details,
    '',
  ].join('\r\n')
}

const hour = 3_600_000

/** `5 days`, `4 hours`, `20 minutes`. */
export function span(ms: number): string {
  const [count, unit] =
    ms >= 48 * hour
      ? [Math.round(ms / (24 * hour)), 'day']
      : ms >= hour
        ? [Math.round(ms / hour), 'hour']
        : [Math.max(1, Math.round(ms / 60_000)), 'minute']
  return `${count} ${unit}${count === 1 ? '' : 's'}`
}

function clip(subject: string): string {
  const line = oneLine(subject)
  return line.length > 80 ? `${line.slice(0, 79)}…` : line
}
