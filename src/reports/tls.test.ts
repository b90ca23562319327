// TLS reports: as large senders write them, and as we do.

import assert from 'node:assert/strict'
import { readFileSync } from 'node:fs'
import { resolve } from 'node:path'
import { test } from 'node:test'
import fc from 'fast-check'
import { tlsOutcomes } from '../mailauth/index.ts'
import type { TlsLine } from './notes.ts'
import { toPolicies } from './send.ts'
import { formatTlsReport, parseTlsReport } from './tls-format.ts'
import { MalformedReport, type TlsReport } from './types.ts'

const load = (name: string) => readFileSync(resolve(import.meta.dirname, '../../test/corpus/reports', name), 'utf8')

test("Google's report, and Microsoft's with one text for a list of hosts", () => {
  const google = parseTlsReport(load('google.json'))
  assert.equal(google.org, 'Google Inc.')
  assert.equal(google.begin, Date.UTC(2025, 10, 22))
  assert.deepEqual(google.policies[0]!.mx, ['mx.here.test'])
  assert.deepEqual([google.policies[0]!.successes, google.policies[0]!.failures], [73, 0])
  const [sts, none] = parseTlsReport(load('microsoft.json')).policies
  assert.deepEqual(sts!.mx, ['*.here.test'])
  assert.equal(sts!.domain, 'here.test')
  assert.deepEqual(sts!.details, [
    { type: 'certificate-host-mismatch', sendingIp: '2001:db8:abcd:12::1', receivingMx: 'mx1.here.test', count: 2 },
    { type: 'sts-policy-fetch-error', count: 1, reasonCode: 'policy_retrieval_failed' },
  ])
  assert.equal(none!.type, 'no-policy-found')
})

const good = JSON.parse(load('google.json'))
test('what would make numbers wrong is refused, with the reason', () => {
  const rows: readonly (readonly [value: unknown, why: RegExp])[] = [
    [undefined, /no JSON/],
    [[], /the report is missing/],
    [{ ...good, 'date-range': {} }, /date-range is no time/],
    [{ ...good, 'date-range': { 'start-datetime': '2026-01-02', 'end-datetime': '2026-01-01' } }, /no time/],
    [{ ...good, 'report-id': 7 }, /report-id is missing/],
    [{ ...good, policies: {} }, /a list is missing/],
    [{ ...good, policies: Array(201).fill(good.policies[0]) }, /201 policies/],
    [{ ...good, policies: [{ policy: { 'policy-type': 'sts' } }] }, /no policy-domain/],
    [{ ...good, policies: [{ policy: { 'policy-type': 'magic', 'policy-domain': 'a.test' } }] }, /no policy-type/],
    [
      { ...good, policies: [{ ...good.policies[0], summary: { 'total-failure-session-count': -1 } }] },
      /a count is none/,
    ],
    [
      { ...good, policies: [{ ...good.policies[0], summary: { 'total-failure-session-count': 1.5 } }] },
      /a count is none/,
    ],
  ]
  for (const [value, why] of rows)
    assert.throws(
      () => parseTlsReport(value === undefined ? '{"a":' : JSON.stringify(value)),
      (error) => error instanceof MalformedReport && why.test(error.message),
    )
  assert.throws(() => parseTlsReport('['.repeat(1e6)), MalformedReport)
})

test('sessions become policies with their failures counted', () => {
  const policy = { policyType: 'sts', policyStrings: ['version: STSv1'], mxPatterns: ['mx.a.test'] } as const
  const lines: { line: TlsLine; count: number }[] = [
    { line: { ...policy, outcome: 'success' }, count: 40 },
    { line: { ...policy, outcome: 'certificate-expired', receivingMx: 'mx.a.test', sendingIp: '192.0.2.1' }, count: 2 },
    { line: { ...policy, outcome: 'starttls-not-supported', receivingMx: 'mx.a.test' }, count: 1 },
    { line: { policyType: 'no-policy-found', policyStrings: [], mxPatterns: [], outcome: 'success' }, count: 5 },
  ]
  const policies = toPolicies('a.test', lines)
  assert.deepEqual(
    policies.map(({ type, successes, failures }) => [type, successes, failures]),
    [
      ['sts', 40, 3],
      ['no-policy-found', 5, 0],
    ],
  )
  assert.deepEqual(policies[0]!.details, [
    { type: 'certificate-expired', sendingIp: '192.0.2.1', receivingMx: 'mx.a.test', count: 2 },
    { type: 'starttls-not-supported', receivingMx: 'mx.a.test', count: 1 },
  ])
})

const word = fc.stringMatching(/^[a-z0-9]{1,12}$/)
const count = fc.nat(1e9)
const anyReport = fc.record({
  org: word,
  begin: fc.nat(2e9).map((s) => s * 1_000),
  end: fc.nat(2e9).map((s) => (2e9 + s) * 1_000),
  contact: word,
  id: word,
  policies: fc.array(
    fc.record({
      type: fc.constantFrom('sts', 'tlsa', 'no-policy-found'),
      strings: fc.array(word, { maxLength: 3 }),
      domain: word,
      mx: fc.array(word, { maxLength: 3 }),
      successes: count,
      failures: count,
      details: fc.array(
        fc.record({
          type: fc.constantFrom(...tlsOutcomes.slice(1)),
          sendingIp: fc.ipV4(),
          receivingMx: word,
          count,
          reasonCode: word,
        }),
        { maxLength: 3 },
      ),
    }),
    { maxLength: 4 },
  ),
})

test('what is written is read again', () => {
  fc.assert(
    fc.property(anyReport, (any) => {
      const given = JSON.parse(JSON.stringify(any)) as TlsReport
      assert.deepEqual(parseTlsReport(formatTlsReport(given)), given)
    }),
    { numRuns: 300 },
  )
})
