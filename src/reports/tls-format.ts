// Reports of TLS as JSON (RFC 8460 §4): written, and read leniently where large senders differ.

import { isIP } from 'node:net'
import { canonicalIp, oneLine } from '../base/index.ts'
import type { TlsPolicyType } from '../mailauth/index.ts'
import { reportLimits as limits } from './limits.ts'
import { MalformedReport, type TlsFailure, type TlsPolicyReport, type TlsReport } from './types.ts'

export function formatTlsReport({ org, begin, end, contact, id, policies }: TlsReport): string {
  return JSON.stringify({
    'organization-name': org,
    'date-range': { 'start-datetime': toUtc(begin), 'end-datetime': toUtc(end) },
    'contact-info': contact,
    'report-id': id,
    policies: policies.map(formatPolicy),
  })
}

const toUtc = (time: number): string => `${new Date(time).toISOString().slice(0, 19)}Z`

function formatPolicy({ type, strings, domain, mx, successes, failures, details }: TlsPolicyReport) {
  return {
    policy: {
      'policy-type': type,
      'policy-string': strings.length > 0 ? strings : undefined,
      'policy-domain': domain,
      'mx-host': mx.length > 0 ? mx : undefined,
    },
    summary: { 'total-successful-session-count': successes, 'total-failure-session-count': failures },
    'failure-details': details.length > 0 ? details.map(formatFailure) : undefined,
  }
}

const formatFailure = (failure: TlsFailure) => ({
  'result-type': failure.type,
  'sending-mta-ip': failure.sendingIp,
  'receiving-mx-hostname': failure.receivingMx,
  'receiving-mx-helo': failure.receivingHelo,
  'receiving-ip': failure.receivingIp,
  'failed-session-count': failure.count,
  'additional-information': failure.information,
  'failure-reason-code': failure.reasonCode,
})

/** The report; MalformedReport says what is wrong with it. */
export function parseTlsReport(text: string): TlsReport {
  const report = asObject(parseJson(text), 'the report')
  const range = asObject(report['date-range'], 'date-range')
  const [begin, end] = [readTime(range['start-datetime']), readTime(range['end-datetime'])]
  if (begin === undefined || end === undefined || end < begin) throw new MalformedReport('date-range is no time')
  const id = word(report['report-id'])
  if (id === '') throw new MalformedReport('report-id is missing')
  const contact = word(report['contact-info'])
  const policies = asList(report['policies'])
  if (policies.length > limits.policies) throw new MalformedReport(`it has ${policies.length} policies`)
  return {
    org: word(report['organization-name']),
    begin,
    end,
    ...(contact && { contact }),
    id,
    policies: policies.map(readPolicy),
  }
}

type Json = Readonly<Record<string, unknown>>

function parseJson(text: string): unknown {
  try {
    return JSON.parse(text.charCodeAt(0) === 0xfeff ? text.slice(1) : text)
  } catch {
    throw new MalformedReport('it is no JSON')
  }
}

function readPolicy(value: unknown): TlsPolicyReport {
  const entry = asObject(value, 'a policy')
  const policy = asObject(entry['policy'], 'policy')
  const summary = asObject(entry['summary'] ?? {}, 'summary')
  const domain = word(policy['policy-domain']).toLowerCase()
  if (domain === '') throw new MalformedReport('a policy has no policy-domain')
  const details = asList(entry['failure-details'] ?? [])
  return {
    type: readType(policy['policy-type']),
    strings: strings(policy['policy-string']),
    domain,
    // RFC 8460 §4.4 says a list; its own example, and who took it for a pattern, one text.
    mx: strings(policy['mx-host']),
    successes: readCount(summary['total-successful-session-count'] ?? 0),
    failures: readCount(summary['total-failure-session-count'] ?? 0),
    details: details.slice(0, limits.details).map(readFailure),
  }
}

function readType(value: unknown): TlsPolicyType {
  const type = word(value).toLowerCase()
  if (type === 'tlsa' || type === 'sts' || type === 'no-policy-found') return type
  throw new MalformedReport('a policy has no policy-type')
}

function readFailure(value: unknown): TlsFailure {
  const failure = asObject(value, 'a failure')
  const type = word(failure['result-type']).toLowerCase()
  const optional = <K extends string>(key: K, text: string) =>
    (text === '' ? {} : { [key]: text }) as { [name in K]?: string }
  return {
    type: type || 'validation-failure',
    ...optional('sendingIp', readIp(failure['sending-mta-ip'])),
    ...optional('receivingMx', word(failure['receiving-mx-hostname']).toLowerCase()),
    ...optional('receivingHelo', word(failure['receiving-mx-helo'])),
    ...optional('receivingIp', readIp(failure['receiving-ip'])),
    count: readCount(failure['failed-session-count'] ?? 0),
    // Misspelt in the RFC's own table, and therefore by senders.
    ...optional('information', words(failure['additional-information'] ?? failure['additional-info-uri'])),
    ...optional('reasonCode', words(failure['failure-reason-code'] ?? failure['failure-error-code'])),
  }
}

function readIp(value: unknown): string {
  const text = word(value)
  return isIP(text) === 0 ? '' : canonicalIp(text)
}

function readTime(value: unknown): number | undefined {
  const time = typeof value === 'string' && value.length < 40 ? Date.parse(value) : Number.NaN
  return time >= 0 && time < 2 ** 37 * 1_000 ? Math.floor(time / 1_000) * 1_000 : undefined
}

function readCount(value: unknown): number {
  const count = typeof value === 'string' && value !== '' ? Number(value) : value
  if (typeof count !== 'number' || !Number.isSafeInteger(count) || count < 0 || count > 1e12)
    throw new MalformedReport('a count is none')
  return count
}

function asObject(value: unknown, what: string): Json {
  if (typeof value !== 'object' || value === null || Array.isArray(value))
    throw new MalformedReport(`${what} is missing`)
  return value as Json
}

function asList(value: unknown): readonly unknown[] {
  if (!Array.isArray(value)) throw new MalformedReport('a list is missing')
  return value
}

const word = (value: unknown): string => (typeof value === 'string' ? oneLine(value, limits.value) : '')
const words = (value: unknown): string => (typeof value === 'string' ? oneLine(value, limits.words) : '')

function strings(value: unknown): readonly string[] {
  const list = Array.isArray(value) ? value : value === undefined || value === null ? [] : [value]
  return list.slice(0, limits.strings).map(words).filter(Boolean)
}
