// What reports say: each kind, what the sender asked for, and what a client's text must not do. Values in, bytes out.

import assert from 'node:assert/strict'
import { test } from 'node:test'
import { parseAddress } from '../address/index.ts'
import { type RecipientId, toId } from '../base/index.ts'
import { readBounce } from '../smtp/bounces/index.ts'
import type { MailParams } from '../smtp/wire/index.ts'
import type { Outcome } from './batch.ts'
import { endOf, isOverdue, nextOf, noticeAt } from './deadline.ts'
import { isWanted, type Reported, type ReportKind, successOf, toReport } from './report.ts'
import { defaultSchedule } from './schedule.ts'
import type { QueueParams } from './types.ts'

const arrived = Date.UTC(2026, 10, 28, 9, 0, 0)
const hour = 3_600_000

const mail = (params: MailParams = {}, sender = 'ann@us.test'): Reported => ({
  id: 7,
  sender: sender === '' ? null : parseAddress(sender)!,
  params,
  arrived,
})

const outcome = (address: string, more: Partial<Outcome> = {}, params: QueueParams = {}): Outcome => ({
  recipient: { id: toId<RecipientId>(1), address: parseAddress(address)!, kind: 'remote', warned: false, params },
  result: 'fail',
  status: '5.1.1',
  reason: '550 5.1.1 no such user',
  mta: 'mx.a.test',
  ...more,
})

const header = Buffer.from('Message-ID: <m1@us.test>\r\nSubject: hello\r\n\r\n')

function report(of: Reported, outcomes: readonly Outcome[], kind: ReportKind = 'failed'): string {
  const options = { hostname: 'us.test', now: arrived + hour, until: arrived + 5 * 24 * hour, subject: 'hello' }
  const made = toReport(of, outcomes, kind, 'ann@us.test', { ...options, original: header, originalIs: 'headers' })
  return made.bytes.toString()
}

test('who hears of what: NOTIFY, a null sender, a wish to follow each hop', () => {
  const wants = (notify: QueueParams['notify'], of = mail()) =>
    (['failed', 'delayed', 'delivered', 'relayed', 'expanded'] as const)
      .filter((kind) => isWanted(notify ? { notify } : {}, kind, of))
      .join(' ')
  assert.equal(wants(undefined), 'failed delayed')
  assert.equal(wants([]), '')
  assert.equal(wants(['failure']), 'failed')
  assert.equal(wants(['delay']), 'delayed')
  assert.equal(wants(['success']), 'delivered relayed expanded')
  assert.equal(wants(['success', 'failure', 'delay'], mail({}, '')), 'failed')
  assert.equal(wants([], mail({}, '')), 'failed')
  const traced = mail({ by: { at: arrived + hour, mode: 'notify', trace: true } })
  assert.equal(wants(undefined, traced), 'failed delayed relayed')
  assert.equal(wants([], traced), '')
})

test('a success is reported where the next server does not report it itself', () => {
  const good = (more: Partial<Outcome>) => outcome('b@a.test', { result: 'delivered', ...more })
  assert.equal(successOf(mail(), good({ relay: 'mailbox' })), 'delivered')
  assert.equal(successOf(mail(), good({ dsn: 'relayed' })), 'relayed')
  assert.equal(successOf(mail(), good({ dsn: 'passed' })), undefined)
  const traced = mail({ by: { at: arrived, mode: 'notify', trace: true } })
  assert.equal(successOf(traced, good({ dsn: 'passed' })), 'relayed')
  assert.equal(successOf(mail(), good({ dsn: 'delivered' })), 'delivered')
  // The time that was set goes on with the message, or it does not.
  const timed = mail({ by: { at: arrived, mode: 'notify', trace: false } })
  for (const [deadline, told] of [
    ['passed', undefined],
    ['relayed', 'relayed'],
  ] as const) {
    const one = good({ dsn: 'passed', deadline })
    assert.equal(successOf(timed, one), told)
    assert.equal(isWanted({}, 'relayed', timed, one), told !== undefined)
  }
})

test('each kind is read again as what it is', () => {
  const kinds: readonly (readonly [ReportKind, Partial<Outcome>])[] = [
    ['failed', {}],
    ['delayed', { result: 'retry', status: '4.2.1', reason: '450 4.2.1 later' }],
    ['delivered', { result: 'delivered', status: '2.1.5', reason: 'delivered to the mailbox', mta: undefined }],
    ['relayed', { result: 'delivered', status: '2.0.0', reason: '250 2.0.0 ok' }],
    ['expanded', { result: 'delivered', status: '2.0.0', reason: 'passed on', mta: undefined }],
  ]
  for (const [kind, more] of kinds) {
    const text = report(mail({ envid: 'q+7 =x' }), [outcome('bob@a.test', more)], kind)
    const found = readBounce(Buffer.from(text))
    assert.ok(found.kind === 'bounce', kind)
    assert.deepEqual([found.recipients[0]?.address, found.recipients[0]?.action], ['bob@a.test', kind])
    assert.equal(found.envelopeId, 'q+7 =x')
    assert.equal(found.messageId, 'm1@us.test')
    assert.equal(text.includes('Will-Retry-Until: '), kind === 'delayed')
    assert.equal(text.includes('Details for your administrator'), kind === 'failed' || kind === 'delayed', kind)
    assert.ok(text.includes('\r\nAuto-Submitted: auto-replied\r\n'))
  }
})

test("a client's ENVID and ORCPT never make a field or end one", () => {
  const evil = 'x\r\nBcc: all@us.test\r\n\r\nbody\0'
  const orcpt = { type: 'rfc822', address: evil }
  const text = report(mail({ envid: evil }), [outcome('bob@a.test', {}, { orcpt })])
  assert.ok(!text.includes('\nBcc'), text)
  assert.ok(text.includes('Original-Envelope-Id: x+0D+0ABcc:+20all@us.test+0D+0A+0D+0Abody+00\r\n'), text)
  assert.ok(text.includes('Original-Recipient: rfc822; x+0D+0ABcc:+20all@us.test'), text)
  const type = { type: 'x\r\nBcc: y', address: 'a@b.test' }
  assert.ok(!report(mail(), [outcome('bob@a.test', {}, { orcpt: type })]).includes('\nBcc'))
})

test('addresses beyond ASCII: as they are for who reads UTF-8, else escaped (RFC 6533 §3)', () => {
  const orcpt = { type: 'utf-8', address: 'jörg +=\\@bücher.test' }
  const one = [outcome('jörg@a.test', {}, { orcpt })]
  const ascii = report(mail(), one)
  assert.ok(ascii.includes('Final-Recipient: utf-8; j\\x{F6}rg@a.test\r\n'), ascii)
  assert.ok(
    ascii.includes('Original-Recipient: utf-8; j\\x{F6}rg\\x{20}\\x{2B}\\x{3D}\\x{5C}@b\\x{FC}cher.test'),
    ascii,
  )
  assert.ok(ascii.includes('Content-Type: message/delivery-status\r\n'))
  const found = readBounce(Buffer.from(ascii))
  assert.equal(found.kind === 'bounce' && found.recipients[0]?.address, 'jörg@a.test')
  const wide = report(mail({}, 'änn@us.test'), one)
  assert.ok(wide.includes('Final-Recipient: utf-8; jörg@a.test\r\n'), wide)
  assert.ok(wide.includes('message/global-delivery-status'))
})

test('a report on a thousand recipients names some to people and all to programs', () => {
  const many = Array.from({ length: 1000 }, (_, i) => outcome(`u${i}@a.test`))
  const text = report(mail(), many)
  assert.ok(text.includes('and 950 more'))
  assert.equal(text.split('Final-Recipient:').length, 1001)
  assert.ok(text.length < 400_000, `${text.length}`)
})

test('a report on what was to travel by TLS only travels so itself (RFC 8689 §5)', () => {
  const options = { hostname: 'us.test', now: arrived, original: header, originalIs: 'headers' as const }
  const make = (params: MailParams) => toReport(mail(params), [outcome('b@a.test')], 'failed', 'ann@us.test', options)
  assert.deepEqual([make({ requireTls: true }).requireTls, make({}).requireTls], [true, undefined])
})

test('a message that was held says until when', () => {
  const held = mail({ holdUntil: Date.UTC(2030, 0, 31, 9) })
  assert.match(report(held, [outcome('b@a.test')]), /^Future-Release-Request: until;2030-01-31T09:00:00Z\r$/m)
  assert.doesNotMatch(report(mail(), [outcome('b@a.test')]), /Future-Release/)
})

test('our own words stand in the place of those for a class', () => {
  const explained = { what: 'The address stands on a list.', todo: 'Ask the postmaster.' }
  const text = report(mail(), [
    outcome('b@a.test', { status: '5.7.1', reason: 'on a list', mta: undefined, explained }),
  ])
  assert.ok(text.includes('The address stands on a list.') && text.includes('Ask the postmaster.'))
})

test('times that the sender set: given up, told and tried when he said (RFC 2852 §4)', () => {
  const at = arrived + 2 * hour
  const returned = mail({ by: { at, mode: 'return', trace: false } })
  assert.equal(endOf(defaultSchedule, returned), at)
  assert.equal(nextOf(defaultSchedule, returned, arrived + 1.9 * hour), at)
  assert.equal(nextOf(defaultSchedule, returned, at), undefined)
  assert.deepEqual([isOverdue(returned, at - 1), isOverdue(returned, at)], [false, true])
  const told = mail({ by: { at, mode: 'notify', trace: false } })
  assert.equal(noticeAt(defaultSchedule, told), at)
  assert.equal(nextOf(defaultSchedule, told, arrived + 1.9 * hour), at)
  assert.equal(nextOf(defaultSchedule, told, at), arrived + 4 * hour)
  assert.equal(isOverdue(told, at), false)
  const held = mail({ holdUntil: arrived + 24 * hour })
  assert.equal(noticeAt(defaultSchedule, held), arrived + 28 * hour)
  assert.equal(endOf(defaultSchedule, held), arrived + 6 * 24 * hour)
})
