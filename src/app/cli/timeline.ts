// Timelines as people read them: a table of many, or one with every step, in local time.

import { styleText } from 'node:util'
import { classifyText, classWords } from '../../smtp/bounces/index.ts'
import type { AttemptResult, Standing, Timeline, TraceEvent, TraceState } from '../../trace/index.ts'
import { formatBytes, formatSpan, formatTable } from './output.ts'

const shownInTable = 2
const shownInLine = 5

/** One line each. */
export function formatTimelines(timelines: readonly Timeline[]): string {
  return formatTable(
    ['when', 'from', 'to', 'size', 'state', 'id'],
    timelines.map((timeline) => [
      formatTime(timeline.at),
      timeline.from || '<>',
      list(timeline.to, timeline.recipients, shownInTable),
      timeline.size === undefined ? '' : formatBytes(timeline.size),
      formatStates(timeline),
      timeline.id,
    ]),
    '',
  )
}

/** Everything that is known of one message. */
export function formatTimeline(timeline: Timeline): string {
  const { id, from, to, recipients, messageId, size, at, events, standing } = timeline
  const facts = [
    ...(size === undefined ? [] : [formatBytes(size)]),
    ...(messageId === undefined ? [] : [`Message-ID <${printable(messageId)}>`]),
  ]
  return [
    styleText('bold', `${id}  ${formatStates(timeline)}`),
    `from ${from || '<>'} to ${list(to, recipients, shownInLine) || 'nobody'}`,
    ...(facts.length > 0 ? [facts.join(', ')] : []),
    '',
    ...formatEvents(events, at),
    ...(standing.length > 0 ? [styleText('dim', 'Now'), ...standing.flatMap(stands)] : []),
  ].join('\n')
}

const indent = ' '.repeat(25)

/** Where a recipient is in the queue, and why he is not further. */
function stands({ to, queue, state, attempts, next, reason }: Standing): string[] {
  const when = {
    held: 'is held',
    waiting: `waits until ${formatTime(next ?? 0)}`,
    ready: 'is about to be tried, or being tried',
  }[state]
  const tried = attempts === 0 ? 'not tried yet' : attempts === 1 ? 'tried once' : `tried ${attempts} times`
  return [
    `${indent}${to} ${when} (number ${queue}, ${tried})`,
    ...(reason === '' ? [] : [`${indent}  ${printable(reason)}`]),
  ]
}

/** Steps under the day on which they happened, each with the time since the one before. */
function formatEvents(events: readonly TraceEvent[], began: number): string[] {
  const lines: string[] = []
  let day = ''
  let before = events[0]?.at ?? began
  for (const event of events) {
    const today = formatDay(event.at)
    if (today !== day) lines.push(styleText('dim', today))
    day = today
    const [first = '', ...more] = describe(event)
    const passed = event.at - before
    const gap = passed < 1 ? '' : `+${passed < 1000 ? `${passed} ms` : formatSpan(passed)}`
    lines.push(`  ${formatClock(event.at)}  ${gap.padStart(7)}  ${first}`)
    for (const line of more) lines.push(`${indent}${line}`)
    before = event.at
  }
  return lines
}

const stages = { mail: 'MAIL', rcpt: 'RCPT', header: 'the header', data: 'the message' } as const

/** What happened, in one line or more. */
function describe(event: TraceEvent): string[] {
  switch (event.kind) {
    case 'connected': {
      const { helo, protocol, tls, name } = event
      const ip = name === undefined ? event.ip : `${printable(name)} (${event.ip})`
      return [
        `${ip} connected as ${printable(helo)}, ${protocol}${tls === undefined ? ' without TLS' : ` with ${tls}`}`,
      ]
    }
    case 'signed in':
      return [`signed in as ${event.user}${event.mechanism === undefined ? '' : ` (${event.mechanism})`}`]
    case 'refused':
      return [
        `refused${event.to === undefined ? '' : ` ${event.to}`} at ${stages[event.stage]}: ${printable(event.reply)}`,
      ]
    case 'checked':
      return [`${event.by}: ${printable(event.result)}`]
    case 'withdrawn':
      return [
        event.stage === 'data'
          ? `not completed, ${event.why} after ${formatBytes(event.bytes)}`
          : `withdrawn before the message (${event.why})`,
      ]
    case 'expanded':
      return [`${event.from} leads to ${list(event.to, event.count, shownInLine)}`]
    case 'stored':
      return stored(event)
    case 'filed':
      return [`a copy filed in the sender's ${event.mailbox}`]
    case 'written':
      return [`written by this server${event.about === undefined ? '' : ` about ${event.about}`}`]
    case 'queued':
      return [
        `queued as ${event.queue} for ${list(event.to, event.count, shownInLine)}${event.as === undefined ? '' : `, leaves as ${event.as}`}${event.why === undefined ? '' : `: ${event.why}`}`,
      ]
    case 'attempt':
      return attempt(event)
    case 'returned':
      return cameBack(event)
    case 'report':
      return [`${event.to} is told: ${event.about}`]
    case 'removed':
      return [
        `${event.reported ? 'given up' : 'taken out of the queue'} by ${event.by}: ${list(event.to, event.to.length, shownInLine)}`,
      ]
    case 'held':
      return [`held by ${event.by}`]
    case 'released':
      return [`released by ${event.by}`]
    case 'requeued':
      return [`put back to its beginning by ${event.by}`]
    case 'rerouted':
      return [`sent ${routeWords(event.target)} by ${event.by}`]
    case 'quarantined':
      return [
        `in the quarantine for ${list(event.to, event.count, shownInLine)} until ${formatTime(event.until)}`,
        ...event.reasons.map((reason) => `  ${printable(reason)}`),
      ]
    case 'let out': {
      const by = event.by === undefined ? '' : ` by ${event.by}`
      if (event.how !== 'released')
        return [`${event.how === 'expired' ? 'expired in' : 'deleted from'} the quarantine${by}: ${event.to}`]
      return [
        `let out of the quarantine${by} for ${event.to}${event.mailbox === undefined ? '' : `, ${event.mailbox}`}`,
      ]
    }
    case 'not kept':
      return [`${event.count} more refused since ${formatTime(event.since)}, which have no timeline`]
  }
}

const routeWords = (target: string | undefined) =>
  target === undefined ? 'the usual way again' : target === 'mx' ? 'by MX' : `by way of ${target}`

function stored({ copies, count }: Extract<TraceEvent, { kind: 'stored' }>): string[] {
  const [first, ...others] = copies
  if (!first) return []
  if (others.length === 0) return [`delivered to ${first.to}, ${first.mailbox}`]
  const names = copies.map(({ to }) => to)
  return [`delivered to ${count} mailboxes: ${list(names, count, shownInLine)}`]
}

function attempt({ results, relay, source, tls, ms }: Extract<TraceEvent, { kind: 'attempt' }>): string[] {
  const way = [
    ...(source === undefined ? [] : [`from ${source}`]),
    ...(tls !== undefined ? [`with ${tls}`] : relay !== 'mailbox' && took(results) ? ['without TLS'] : []),
    ...(ms === undefined ? [] : [ms < 1000 ? `in ${ms} ms` : `in ${formatSpan(ms)}`]),
  ]
  const where = relay === undefined ? 'tried' : relay === 'mailbox' ? 'tried the mailbox' : `tried ${relay}`
  const head = `${where}${way.length > 0 ? `, ${way.join(', ')}` : ''}`
  return [head, ...results.flatMap(result)]
}

/** Without an answer there may have been no connection either. */
const took = (results: readonly AttemptResult[]) => results.some(({ result }) => result === 'delivered')

const words = { delivered: 'delivered', retry: 'put off', fail: 'failed' } as const

function result({ to, result, status, reply, next, expired }: AttemptResult): string[] {
  const found = result === 'delivered' ? undefined : classifyText(reply, { ...(status && { status }) }).class
  const kind = found === undefined || found === 'unknown' ? '' : ` (${classWords[found].short})`
  const again = next === undefined ? '' : `, again ${formatTime(next)}`
  return [`${to} ${expired ? 'given up' : words[result]}${kind}${again}`, `  ${printable(reply)}`]
}

function cameBack({ to, action, status, reply, suppressed, by }: Extract<TraceEvent, { kind: 'returned' }>): string[] {
  const found =
    action === 'failed' || action === 'delayed' ? classifyText(reply, { ...(status && { status }) }).class : 'unknown'
  const kind = found === 'unknown' ? '' : ` (${classWords[found].short})`
  const head = `came back${by === undefined ? '' : ` in ${by}`}: ${to} ${action}${kind}`
  return [
    `${head}${suppressed ? ', now on the suppression list' : ''}`,
    ...(reply === '' ? [] : [`  ${printable(reply)}`]),
  ]
}

const order: readonly TraceState[] = [
  'delivered',
  'waiting',
  'quarantined',
  'failed',
  'refused',
  'removed',
  'withdrawn',
]

/** `delivered`, or `2 delivered, 1 waiting`. */
function formatStates({ states }: Timeline): string {
  const found = order.filter((state) => states[state] !== undefined)
  if (found.length === 0) return 'accepted'
  return found.length === 1 ? found[0]! : found.map((state) => `${states[state]} ${state}`).join(', ')
}

function list(names: readonly string[], count: number, shown: number): string {
  const more = count - Math.min(shown, names.length)
  return `${names.slice(0, shown).join(', ')}${more > 0 ? ` and ${more} more` : ''}`
}

/** Words of strangers never move the cursor. */
function printable(text: string): string {
  let out = ''
  for (const c of text) out += c < ' ' || (c >= '\x7f' && c < '\xa0') ? '?' : c
  return out
}

const two = (n: number) => String(n).padStart(2, '0')

/** `2026-11-28 15:04:05`, local. */
function formatTime(at: number): string {
  const date = new Date(at)
  const day = `${date.getFullYear()}-${two(date.getMonth() + 1)}-${two(date.getDate())}`
  return `${day} ${two(date.getHours())}:${two(date.getMinutes())}:${two(date.getSeconds())}`
}

/** `Sat 28 Nov 2026, UTC+01:00`. */
function formatDay(at: number): string {
  const date = new Date(at)
  const [weekday, month, day, year] = date.toDateString().split(' ')
  const offset = -date.getTimezoneOffset()
  const sign = offset < 0 ? '-' : '+'
  const zone =
    offset === 0 ? 'UTC' : `UTC${sign}${two(Math.floor(Math.abs(offset) / 60))}:${two(Math.abs(offset) % 60)}`
  return `${weekday} ${Number(day)} ${month} ${year}, ${zone}`
}

/** `15:04:05.006`, local. */
function formatClock(at: number): string {
  const date = new Date(at)
  const ms = String(date.getMilliseconds()).padStart(3, '0')
  return `${two(date.getHours())}:${two(date.getMinutes())}:${two(date.getSeconds())}.${ms}`
}
