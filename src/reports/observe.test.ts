// What is gathered of mail from outside, and when somebody is told of a single message.

import assert from 'node:assert/strict'
import { test } from 'node:test'
import { fakeClock, silentLog } from '../base/index.ts'
import type { Verification } from '../mailauth/index.ts'
import { toFailureJob } from './failure.ts'
import { createObserver, type FailedMessage, type Judged, type Observed, toObserved } from './observe.ts'
import type { DmarcLine } from './types.ts'

const record = 'v=DMARC1; p=reject; rua=mailto:r@a.test; ruf=mailto:f@a.test'
const verification = (change: Partial<Verification['dmarc']> = {}, more: Partial<Verification> = {}): Verification => ({
  spf: { result: 'softfail', domain: 'bulk.test', scope: 'mfrom' },
  dkim: [
    { result: 'fail', domain: 'a.test', selector: 's1', algorithm: 'rsa-sha256', tag: 'x' },
    { result: 'pass', domain: 'bulk.test', selector: 's2', algorithm: 'rsa-sha256', tag: 'y' },
    { result: 'pass', domain: 'mail.a.test', selector: 's3', algorithm: 'rsa-sha256', tag: 'z' },
  ],
  arc: { result: 'none', instance: 0, coversFrom: false },
  iprev: { result: 'pass' },
  header: '',
  dmarc: {
    result: 'fail',
    from: 'a.test',
    publishedAt: 'a.test',
    policy: 'reject',
    published: { p: 'reject', testing: false },
    record,
    spfAligned: false,
    dkimAligned: false,
    ...change,
  },
  ...more,
})
const at = Date.UTC(2026, 10, 22, 12)
const judged = (change: Partial<Judged> = {}): Judged => ({
  at,
  ip: '192.0.2.7',
  envelopeFrom: 'Bulk.test',
  envelopeTo: ['here.test', 'here.test'],
  verification: verification(),
  done: 'reject',
  ...change,
})
const line = (change: Partial<Judged> = {}) => JSON.parse(toObserved(judged(change))!.data) as DmarcLine

test('a message becomes a line: what DMARC said, what was done, the signatures that count most first', () => {
  const observed = toObserved(judged())!
  assert.deepEqual([observed.domain, observed.day, observed.policy], ['a.test', Math.floor(at / 86_400_000), record])
  assert.deepEqual(line(), {
    sourceIp: '192.0.2.7',
    disposition: 'reject',
    dkim: 'fail',
    spf: 'fail',
    reasons: [],
    headerFrom: 'a.test',
    envelopeFrom: 'bulk.test',
    envelopeTo: 'here.test',
    dkimResults: [
      { domain: 'mail.a.test', selector: 's3', result: 'pass' },
      { domain: 'bulk.test', selector: 's2', result: 'pass' },
      { domain: 'a.test', selector: 's1', result: 'fail' },
    ],
    spfResults: [{ domain: 'bulk.test', scope: 'mfrom', result: 'softfail' }],
  })
  assert.equal(line({ envelopeTo: ['here.test', 'there.test'] }).envelopeTo, undefined)
})

test('disposition and reasons', () => {
  const rows: readonly (readonly [change: Partial<Verification['dmarc']>, done: Judged['done'], said: string])[] = [
    [{}, 'reject', 'reject'],
    [{}, 'quarantine', 'quarantine local_policy'],
    [{}, 'none', 'none local_policy'],
    [{ policy: 'none', published: { p: 'none', testing: false } }, 'none', 'none'],
    [{ policy: 'quarantine', published: { p: 'reject', testing: true } }, 'quarantine', 'quarantine policy_test_mode'],
    [{ policy: 'none', published: { p: 'quarantine', testing: true } }, 'none', 'none policy_test_mode'],
    [{ result: 'pass', dkimAligned: true }, 'none', 'pass'],
    [{ result: 'pass', dkimAligned: true, policy: 'none' }, 'none', 'none'],
  ]
  for (const [change, done, said] of rows) {
    const { disposition, reasons } = line({ verification: verification(change), done })
    assert.equal([disposition, ...reasons.map(({ type }) => type)].join(' '), said)
  }
})

test('nothing is gathered for who asks for nothing, or of whom nothing is known', () => {
  for (const change of [
    { record: 'v=DMARC1; p=reject' },
    { result: 'none' },
    { result: 'temperror' },
    { publishedAt: undefined! },
  ] as const)
    assert.equal(toObserved(judged({ verification: verification(change) })), undefined)
})

function gather() {
  const clock = fakeClock(at)
  const noted: (readonly Observed[])[] = []
  const failed: FailedMessage[] = []
  const notes = {
    note: async (lines: readonly Observed[]) => void noted.push(lines),
    fail: async (more: readonly FailedMessage[]) => void failed.push(...more),
  }
  return { clock, noted, failed, observer: createObserver({ notes, clock, log: silentLog }) }
}

test('a thousand messages that are alike are one line; a flood of different ones does not grow', async () => {
  const { clock, noted, observer } = gather()
  for (let i = 0; i < 1_000; i++) observer.see(judged())
  observer.see(judged({ ip: '192.0.2.8' }))
  await clock.advance(2_000)
  assert.deepEqual(
    noted[0]!.map(({ count }) => count),
    [1_000, 1],
  )
  for (let i = 0; i < 2_500; i++) observer.see(judged({ envelopeFrom: `${i}.test` }))
  await observer.stop()
  assert.deepEqual(
    noted.slice(1).map((lines) => lines.length),
    [1_000, 1_000, 500],
  )
})

const header = Buffer.from(
  [
    'From: "Ann Smith" <ann.smith@a.test>',
    'To: secret.friend@here.test',
    'Subject: about the merger',
    'Message-ID: <ann.smith.42@a.test>',
    'DKIM-Signature: v=1; d=a.test; s=s1; i=ann.smith@a.test; b=abc',
    'X-Token: hush',
    'Received: from pc-of-ann (10.0.0.7)',
    '',
    '',
  ].join('\r\n'),
)
const failure = { header, subject: false, mailFrom: 'ann.smith@bulk.test' }

test('single failures: only where a domain of ours lets them be told, and no more than a few', async () => {
  const { clock, failed, observer } = gather()
  observer.see(judged())
  for (let i = 0; i < 100; i++) observer.see(judged({ failure }))
  await clock.advance(2_000)
  assert.equal(failed.length, 5)
  await clock.advance(600_000)
  observer.see(judged({ failure }))
  observer.see(judged({ failure, verification: verification({ record: 'v=DMARC1; p=reject; rua=mailto:r@a.test' }) }))
  await clock.advance(2_000)
  assert.equal(failed.length, 6)
})

test('fo says which failures are told', async () => {
  const rows: readonly (readonly [fo: string, change: Partial<Verification['dmarc']>, told: boolean])[] = [
    ['', {}, true],
    ['0', { spfAligned: true, result: 'pass' }, false],
    ['1', { spfAligned: true, result: 'pass' }, true],
    ['1', { spfAligned: true, dkimAligned: true, result: 'pass' }, false],
    ['d', { spfAligned: true, dkimAligned: true, result: 'pass' }, true],
    ['s', { spfAligned: true, dkimAligned: true, result: 'pass' }, true],
    ['0:x', { spfAligned: true, result: 'pass' }, false],
  ]
  for (const [fo, change, told] of rows) {
    const { clock, failed, observer } = gather()
    observer.see(judged({ failure, verification: verification({ ...change, record: `${record}; fo=${fo}` }) }))
    await clock.advance(2_000)
    assert.equal(failed.length === 1, told, fo)
  }
})

test('what is told of a failure names nobody: no local part, no other field, no text', () => {
  const options = { key: Buffer.alloc(32, 7), hostname: 'mx.here.test', version: '1' }
  const failed = { at, ip: '192.0.2.7', verification: verification(), done: 'reject' as const, ...failure, header }
  const job = toFailureJob(failed, options)!
  const all = JSON.stringify(job)
  for (const word of ['ann', 'Smith', 'secret', 'friend', 'merger', 'hush', '10.0.0.7'])
    assert.ok(!all.includes(word), word)
  const fields = new Map(job.fields)
  assert.equal(fields.get('Feedback-Type'), 'auth-failure')
  assert.equal(fields.get('Auth-Failure'), 'dmarc')
  assert.equal(fields.get('Identity-Alignment'), 'dkim, spf')
  assert.equal(fields.get('DKIM-Selector'), 's1')
  assert.equal(fields.get('Source-IP'), '192.0.2.7')
  assert.equal(fields.get('Delivery-Result'), 'reject')
  assert.match(fields.get('Original-Mail-From')!, /^[0-9a-f]{16}@bulk\.test$/)
  assert.match(job.header, /^From: <([0-9a-f]{16})@a\.test>$/m)
  assert.match(job.header, /^Subject: \[redacted\]$/m)
  // The same local part is the same word, so that failures of one author are seen to be his.
  const mask = /^([0-9a-f]{16})@/.exec(fields.get('Original-Mail-From')!)![1]
  assert.ok(job.header.includes(`<${mask}@a.test>`))
  assert.notEqual(
    mask,
    toFailureJob(failed, { ...options, key: Buffer.alloc(32, 8) })!
      .fields.find(([name]) => name === 'Original-Mail-From')![1]
      .slice(0, 16),
  )
  assert.match(toFailureJob({ ...failed, subject: true }, options)!.header, /^Subject: about the merger$/m)
})
