// Delivery status notifications (RFC 3464): who gets one, and what it says, first to a person, then to a program. Sends nothing.

import { formatAddress, needsUtf8, type Path } from '../address/index.ts'
import { composeReport, formatDate } from '../mime/index.ts'
import { formatXtext } from '../smtp/wire/index.ts'
import type { Mail, Outcome } from './batch.ts'
import { explain } from './explain.ts'
import { oneLine } from './transmit.ts'
import type { QueueParams } from './types.ts'

/** RFC 3464 §2.3.3. */
export type ReportKind = 'failed' | 'delayed' | 'delivered' | 'relayed' | 'expanded'

/** What a report must know of its message. */
export interface Reported extends Pick<Mail, 'sender' | 'params' | 'arrived'> {
  /** Makes the report's Message-ID its own. */
  readonly id: number | string
  /** The id of its timeline. */
  readonly trace?: string
}

export interface ReportOptions {
  readonly hostname: string
  /** Milliseconds since 1970. */
  readonly now: number
  /** When we give up; only of what waits. */
  readonly until?: number
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
  /** RFC 8689 §5: what was to travel by TLS only must not be told in the clear. */
  readonly requireTls?: boolean
  /** The id of the timeline of the message that it is about. */
  readonly about?: string
}

/**
 * Whether the sender wants to hear this of the recipient (RFC 3461 §4.1): of a success only when he asked, of nothing after
 * NEVER. Of a null sender's failures the postmaster hears whatever the sender wished.
 */
export function isWanted(
  { notify }: QueueParams,
  kind: ReportKind,
  mail: Pick<Reported, 'sender' | 'params'>,
  outcome?: Pick<Outcome, 'deadline'>,
): boolean {
  if (mail.sender === null) return kind === 'failed'
  if (kind === 'failed') return notify?.includes('failure') ?? true
  if (kind === 'delayed') return notify?.includes('delay') ?? true
  // RFC 2852 §4.3: who wants to follow the way of his message hears of each hop, and who set a time where nobody keeps it any more,
  // unless he wants to hear nothing.
  if (kind === 'relayed' && notify?.length !== 0 && losesTime(mail, outcome)) return true
  return notify?.includes('success') ?? false
}

/** What the success of this outcome is called; undefined: nothing that we report, the next hop does (RFC 3461 §5.2.1, §5.2.2). */
export function successOf(
  mail: Pick<Reported, 'params'>,
  { dsn, relay, deadline }: Outcome,
): 'delivered' | 'relayed' | undefined {
  if (relay === 'mailbox' || dsn === 'delivered') return 'delivered'
  return dsn === 'relayed' || losesTime(mail, { deadline }) ? 'relayed' : undefined
}

/** The sender set a time and wants to know of this hop, or the next one does not know the time. */
function losesTime({ params: { by } }: Pick<Reported, 'params'>, outcome?: Pick<Outcome, 'deadline'>): boolean {
  return by !== undefined && (by.trace || outcome?.deadline === 'relayed')
}

/**
 * To whom a report on this message goes: the sender; for a null sender the postmaster hears of failures (a double bounce)
 * and nobody of anything else. Undefined: nobody, also when it is the postmaster's own mail that fails, or reports would breed reports.
 */
export function reportTo(
  mail: Pick<Reported, 'sender'>,
  outcomes: readonly Outcome[],
  kind: ReportKind,
  hostname: string,
): string | undefined {
  if (mail.sender !== null) return formatAddress(mail.sender)
  const postmasters = outcomes.every(({ recipient }) => recipient.address.local.toLowerCase() === 'postmaster')
  return kind === 'failed' && !postmasters ? `postmaster@${hostname}` : undefined
}

/** The report as a message; `to` as reportTo said. In seven bits when its reader's address does not need more. */
export function toReport(
  mail: Reported,
  outcomes: readonly Outcome[],
  kind: ReportKind,
  to: string,
  options: ReportOptions,
): Report {
  const { hostname, now, original, originalIs } = options
  const utf8 = isUtf8(mail.sender)
  const named = options.subject ? `: ${clip(options.subject)}` : ''
  const { envid, holdUntil } = mail.params
  const bytes = composeReport({
    from: { name: 'Mail Delivery System', address: `MAILER-DAEMON@${hostname}` },
    to: { address: to },
    subject: `${words[kind].subject}${named}`,
    date: now,
    messageId: `<dsn.${mail.id}.${outcomes[0]!.recipient.id}.${now}@${hostname}>`,
    text: toText(mail, outcomes, kind, options),
    perMessage: [
      ['Reporting-MTA', `dns; ${hostname}`],
      ...(envid === undefined ? [] : [['Original-Envelope-Id', toEnvelopeId(envid)] as const]),
      ['Arrival-Date', formatDate(mail.arrived)],
      // RFC 4865 adds this field: why it left so much later.
      ...(holdUntil === undefined ? [] : [['Future-Release-Request', `until;${toUtc(holdUntil)}`] as const]),
    ],
    perRecipient: outcomes.map((outcome) => toFields(outcome, kind, options, utf8)),
    original,
    originalIs,
    utf8,
    autoSubmitted: 'auto-replied',
  })
  return {
    to,
    bytes,
    utf8,
    ...(mail.trace ? { about: mail.trace } : {}),
    ...(mail.params.requireTls && { requireTls: true }),
  }
}

const toUtc = (time: number): string => `${new Date(time).toISOString().slice(0, 19)}Z`

const isUtf8 = (path: Path): boolean => path !== null && needsUtf8(path)

/** RFC 3461 §6.3 wants it decoded, and §4.4 only what can be printed; anything else stays as it came over the wire. */
function toEnvelopeId(envid: string): string {
  return isPrintable(envid) ? envid : formatXtext(envid)
}

/** RFC 3461 §4.2; what cannot stand in a field is escaped, so that a client's text never ends it. */
function toOriginal({ type, address }: { readonly type: string; readonly address: string }, utf8: boolean): string {
  if (type.toLowerCase() === 'utf-8') return `utf-8; ${toUtf8Address(address, utf8)}`
  return `${formatXtext(type)}; ${isPrintable(address) ? address : formatXtext(address)}`
}

/** RFC 6533 §3: as it is where UTF-8 may stand, else with its characters as `\x{HEX}`. Controls and blanks are escaped in both. */
function toUtf8Address(address: string, utf8: boolean): string {
  let out = ''
  for (const char of address.toWellFormed()) {
    const code = char.codePointAt(0)!
    const bare = code > 0x9f ? utf8 : code > 0x20 && code < 0x7f && char !== '\\' && char !== '+' && char !== '='
    out += bare ? char : `\\x{${code.toString(16).toUpperCase().padStart(2, '0')}}`
  }
  return out
}

/** Another server's words where only ASCII may stand, so that every reader of reports knows the part; people read them above as they are. */
function toAsciiText(text: string): string {
  if (isPrintable(text)) return text
  let out = ''
  for (const char of text.toWellFormed())
    out += char > '\x7e' ? `\\x{${char.codePointAt(0)!.toString(16).toUpperCase()}}` : char
  return out
}

function isPrintable(text: string): boolean {
  for (let i = 0; i < text.length; i++) if (text.charCodeAt(i) < 0x20 || text.charCodeAt(i) > 0x7e) return false
  return true
}

/** Fields of one recipient (RFC 3464 §2.3). */
function toFields(
  { recipient, status, reason, mta }: Outcome,
  kind: ReportKind,
  options: ReportOptions,
  utf8: boolean,
): [string, string][] {
  const address = formatAddress(recipient.address)
  const { orcpt } = recipient.params
  const final = needsUtf8(recipient.address) ? `utf-8; ${toUtf8Address(address, utf8)}` : `rfc822; ${address}`
  return [
    ...(orcpt === undefined ? [] : [['Original-Recipient', toOriginal(orcpt, utf8)] as [string, string]]),
    ['Final-Recipient', final],
    ['Action', kind],
    ['Status', reportStatus(status, kind)],
    ...(mta === undefined ? [] : [['Remote-MTA', `dns; ${mta}`] as [string, string]]),
    ['Diagnostic-Code', `${mta === undefined ? 'x-posthorn' : 'smtp'}; ${utf8 ? reason : toAsciiText(reason)}`],
    ['Last-Attempt-Date', formatDate(options.now)],
    ...(kind === 'delayed' && options.until !== undefined
      ? [['Will-Retry-Until', formatDate(options.until)] as [string, string]]
      : []),
  ]
}

/** RFC 3464 §2.3.4: the class of a failure is 5 or, given up after retries, 4; ours says 5 only for what was final. */
function reportStatus(status: string, kind: ReportKind): string {
  return kind === 'delayed' && !status.startsWith('4') ? `4${status.slice(1)}` : status
}

interface Words {
  readonly subject: string
  /** Stands above the recipients. */
  readonly opening: readonly string[]
  /** Stands below them. */
  readonly outlook: readonly string[]
}

const words: { readonly [kind in ReportKind]: Words } = {
  failed: {
    subject: 'Not delivered',
    opening: ['Your message could not be delivered to:'],
    outlook: ['It will not be tried again. Recipients not named here are not affected.'],
  },
  delayed: {
    subject: 'Delayed, still trying',
    opening: ['Your message has not been delivered yet to:'],
    outlook: ['You need not do anything, and please do not send it again: we keep trying'],
  },
  delivered: {
    subject: 'Delivered',
    opening: ['You asked to be told: your message has been delivered to the mailbox of:'],
    outlook: ['Whether it has been read is not known.'],
  },
  relayed: {
    subject: 'Passed on',
    opening: [
      'You asked to be told: your message has been passed on to a mail server that',
      'will not confirm its delivery to:',
    ],
    outlook: ['You will hear again only if that server sends it back.'],
  },
  expanded: {
    subject: 'Passed on to several addresses',
    opening: ['You asked to be told: your message has been passed on to the several', 'addresses that stand behind:'],
    outlook: ['Their deliveries are not reported. You will hear of failures if you asked for that.'],
  },
}

/** People named in the part for people; the rest is counted there, and all stand in the part for programs. */
const maxNamed = 50

/** For a person: what happened to whom, what to do, which message it is; then the words for whoever has to look into it. */
function toText(mail: Reported, outcomes: readonly Outcome[], kind: ReportKind, options: ReportOptions): string {
  const named = outcomes.slice(0, maxNamed)
  const more = outcomes.length - named.length
  const { opening, outlook } = words[kind]
  const success = kind !== 'failed' && kind !== 'delayed'
  const until = kind === 'delayed' && options.until !== undefined ? formatDate(options.until) : undefined
  const details = named.flatMap(({ recipient, mta, reason }) => [
    `  ${formatAddress(recipient.address)}`,
    ...(mta === undefined ? [] : [`    the server ${mta} said:`]),
    `    ${reason}`,
  ])
  return [
    ...opening,
    ...named.flatMap((outcome) => toLines(mail, outcome, kind, options.now)),
    ...(more > 0 ? ['', `  and ${more} more, who are named in the attached report`] : []),
    '',
    ...outlook,
    ...(until === undefined ? [] : [`until ${until} and tell you if it fails.`]),
    '',
    ...(options.subject ? [`Subject: ${clip(options.subject)}`] : []),
    `Sent: ${formatDate(mail.arrived)}`,
    '',
    `The mail server ${options.hostname}`,
    '',
    ...(success ? [] : ['Details for your administrator:', '', ...details, '']),
  ].join('\r\n')
}

function toLines(mail: Reported, outcome: Outcome, kind: ReportKind, now: number): string[] {
  const lines = ['', `  ${formatAddress(outcome.recipient.address)}`]
  if (kind !== 'failed' && kind !== 'delayed') return lines
  const expired = outcome.result === 'retry'
  const { what, todo } = explain(outcome, expired)
  const tried = expired ? [`    We tried for ${span(now - mail.arrived)}.`] : []
  return [...lines, `    ${what}`, ...(kind === 'failed' ? [...tried, `    ${todo}`] : [])]
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
