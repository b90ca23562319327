// What the door hears before it takes a message: senders, recipients, headers, on every database.

import assert from 'node:assert/strict'
import { onEachStore } from '../../test/stores.ts'
import type { MailParams } from '../smtp/wire/index.ts'
import type { DeliveryChecks, RecipientVerdict } from './index.ts'
import { smtpRefusals } from './index.ts'
import { address, arrival, envelope, type House, hostname, openHouse, path } from './testing/house.ts'

const word = (verdict: RecipientVerdict) => (verdict.ok ? 'ok' : verdict.refusal.code)

/** The header after the check, with LF, or the refusal's code. */
async function check(
  checks: DeliveryChecks,
  came: ReturnType<typeof arrival>,
  mail: ReturnType<typeof envelope>,
  header: string,
): Promise<string> {
  const result = await checks.header(came, mail, Buffer.from(`${header}\n`.replaceAll('\n', '\r\n')))
  if ('refusal' in result) return result.refusal.code
  return result.header.toString().replaceAll('\r\n', '\n').replace(/\n$/, '')
}

const user = async (house: House, local: string) => {
  const account = await house.user(local)
  return arrival({ kind: 'submission', with: 'ESMTPSA', account, user: `${local}@a.test` })
}

onEachStore('recipients: ours, unknown, disabled, full, and relaying only for whom it is allowed', async (bench) => {
  const house = await openHouse(bench)
  const anna = await user(house, 'anna')
  await house.user('gone')
  await house.writes.setDisabled('gone@a.test', true)
  await house.user('full', { quotaBytes: 100 })
  await house.writes.addAlias('list@a.test', ['full@a.test', 'anna@a.test'])
  const checks = house.checks()
  const came = arrival()
  const trusted = arrival({ trusted: true })
  for (const [from, to, size, expected] of [
    [came, 'anna@a.test', 0, 'ok'],
    [came, 'ANNA+x@a.test', 0, 'ok'],
    [came, 'no@a.test', 0, 'unknown-user'],
    [came, 'gone@a.test', 0, 'disabled-user'],
    [came, 'full@a.test', 100, 'ok'],
    [came, 'full@a.test', 101, 'over-quota'],
    [came, 'list@a.test', 101, 'ok'],
    [came, 'postmaster', 0, 'ok'],
    [came, 'x@else.test', 0, 'relay-denied'],
    [came, 'x@[192.0.2.1]', 0, 'relay-denied'],
    [came, 'x%else.test@a.test', 0, 'unknown-user'],
    [trusted, 'x@else.test', 0, 'ok'],
    [anna, 'x@else.test', 0, 'ok'],
    [anna, 'no@a.test', 0, 'unknown-user'],
    [{ ...anna, account: undefined }, 'x@else.test', 0, 'relay-denied'],
    [arrival({ kind: 'lmtp', trusted: true }), 'x@else.test', 0, 'relay-denied'],
  ] as const)
    assert.equal(word(await checks.recipient(from, null, address(to), size)), expected, `${from.kind} ${to} ${size}`)
  await house.close()
})

onEachStore('senders: who signed in uses his own addresses; size and disk have their lines', async (bench) => {
  const house = await openHouse(bench)
  const anna = await user(house, 'anna')
  await house.user('ben')
  await house.writes.addAlias('sales@a.test', ['anna@a.test'])
  const checks = house.checks()
  const ask = async (came: ReturnType<typeof arrival>, from: string, size = 0) =>
    word(await checks.sender(came, path(from), size))
  for (const from of ['anna@a.test', 'Anna+list@a.test', 'sales@a.test', '']) assert.equal(await ask(anna, from), 'ok')
  for (const from of ['ben@a.test', 'anna@else.test', 'x@a.test'])
    assert.equal(await ask(anna, from), 'sender-denied', from)
  assert.equal(await ask({ ...anna, trusted: true }, 'ben@a.test'), 'sender-denied')
  assert.equal(await ask(arrival({ trusted: true }), 'ben@a.test'), 'ok')
  assert.equal(await ask(arrival(), 'ben@a.test'), 'ok')
  assert.equal(await ask(anna, 'anna@a.test', 1001), 'too-large')
  assert.equal(word(await house.checks(999_999).sender(arrival(), null, 0)), 'disk-full')
  assert.deepEqual(smtpRefusals['disk-full'], { code: 452, enhanced: '4.3.1' })
  await house.close()
})

onEachStore('every author in the header of a signed-in user is himself', async (bench) => {
  const house = await openHouse(bench)
  const anna = await user(house, 'anna')
  await house.user('ben')
  const checks = house.checks()
  const tail = 'Date: Sun, 22 Nov 2026 10:00:00 +0000\nMessage-ID: <1@a.test>\n'
  const ask = (header: string, came = anna, from = 'anna@a.test') =>
    check(checks, came, envelope(from, ['x@else.test']), header + tail)
  for (const own of [
    'From: anna@a.test\n',
    'From: "ben@a.test" <Anna+x@a.test>\n',
    'From: Anna\n <anna@a.test>,\n\t"A" <anna+2@a.test>\nSender: <anna@a.test>\n',
    'FROM : (ben@a.test) anna@a.test\n',
  ])
    assert.equal(await ask(own), own + tail)
  assert.equal(await ask('From: anna@a.test\n', anna, ''), `From: anna@a.test\n${tail}`)
  for (const [header, expected] of [
    ['From: ben@a.test\n', 'sender-denied'],
    ['From: anna@a.test, ben@a.test\n', 'sender-denied'],
    ['From: anna@a.test <ben@a.test>\n', 'sender-denied'],
    ['From: Friends: anna@a.test, x@else.test;\n', 'sender-denied'],
    ['From: anna@a.test\nSender: ben@a.test\n', 'sender-denied'],
    ['From: anna@a.test\nResent-From: ben@a.test\n', 'sender-denied'],
    ['From: anna@a.test\nFrom: anna@a.test\n', 'bad-message'],
    ['From: anna@a.test\nFrom : ben@a.test\n', 'bad-message'],
    ['From: Anna\n', 'bad-message'],
    ['From: nobody:;\n', 'bad-message'],
    ['From:\n', 'bad-message'],
    [`From: ${Array(30).fill('anna@a.test').join(', ')}\n`, 'bad-message'],
  ] as const)
    assert.equal(await ask(header), expected, header)
  assert.equal(await ask('', anna, ''), 'bad-message')
  const trusted = arrival({ trusted: true })
  assert.equal(await ask('From: ben@a.test\n', trusted), `From: ben@a.test\n${tail}`)
  assert.equal(await ask('From: ben@a.test\n', { ...anna, trusted: true }), 'sender-denied')
  assert.equal(await ask('From: ben@a.test\n', arrival()), `From: ben@a.test\n${tail}`)
  await house.close()
})

onEachStore('what starts here is put in order; what passes through stays as it is', async (bench) => {
  const house = await openHouse(bench)
  const anna = await user(house, 'anna')
  const ask = (header: string, came = anna) =>
    check(house.checks(), { ...came, traceId: 'T9' }, envelope('anna@a.test', ['x@else.test']), header)
  const added = (await ask('Subject: x\n')).split('\n')
  assert.match(added[2]!, /^Date: \w{3}, \d+ \w{3} \d{4} \d\d:\d\d:\d\d \+0000$/)
  assert.deepEqual(added.with(2, ''), ['Subject: x', 'From: <anna@a.test>', '', 'Message-ID: <T9@mail.a.test>', ''])
  const whole = 'From: anna@a.test\nDate: x\nMessage-ID: <1@a.test>\n'
  const blind =
    'Bcc: a@else.test,\n\tb@else.test\n , c@else.test\nTo: d@else.test\nBCC : e@else.test\nResent-Bcc:\n f@else.test\n'
  assert.equal(await ask(blind + whole), `To: d@else.test\n${whole}`)
  assert.equal(await ask(`${whole}Return-Path: <x@else.test>\nbcc:g@else.test\n`), whole)
  assert.equal(await ask(blind + whole, arrival()), blind + whole)
  assert.equal(await ask('Subject: x\n', arrival()), 'Subject: x\n')
  assert.equal(await ask(blind + whole, arrival({ trusted: true })), `To: d@else.test\n${whole}`)
  assert.equal(await ask('', arrival()), '')
  await house.close()
})

onEachStore('loops: too many hops, and mail that was here before', async (bench) => {
  const house = await openHouse(bench)
  const anna = await user(house, 'anna')
  const ask = async (header: string, to: string[], came = arrival()) => {
    const result = await check(house.checks(), came, envelope('s@else.test', to), `From: anna@a.test\n${header}`)
    return result === 'loop' ? 'loop' : 'ok'
  }
  const hops = (count: number) => 'Received: by x\n\tid 1\n'.repeat(count)
  assert.equal(await ask(hops(50), ['anna@a.test']), 'ok')
  assert.equal(await ask(hops(51), ['anna@a.test']), 'loop')
  assert.equal(await ask(hops(51), ['x@else.test'], anna), 'loop')
  // Here again and again, whatever somebody else takes out of the header on the way.
  const own = (count: number) => `Received: from y\n\tby ${hostname} (Posthorn) with ESMTP\n\tid 1\n`.repeat(count)
  assert.equal(await ask(own(10) + hops(20), ['anna@a.test']), 'ok')
  assert.equal(await ask(own(11), ['anna@a.test']), 'loop')
  assert.equal(await ask('Delivered-To: ANNA@a.test\n', ['anna@a.test']), 'loop')
  assert.equal(await ask('Delivered-To: ben@a.test\nDelivered-To: anna@a.test\n', ['anna@a.test']), 'loop')
  assert.equal(await ask('Delivered-To: anna+x@a.test\n', ['anna@a.test']), 'ok')
  assert.equal(await ask('Delivered-To: anna@a.test\n', ['anna@a.test', 'ben@a.test']), 'ok')
  assert.equal(await ask('Delivered-To: anna@a.test\n', ['anna@a.test'], anna), 'ok')
  await house.close()
})

onEachStore('TLS-Required: No asks for the message what MAIL did not; MAIL stands above it', async (bench) => {
  const house = await openHouse(bench)
  const checks = house.checks()
  const ask = async (header: string, params?: MailParams) => {
    const mail = envelope('x@else.test', ['y@a.test'], { ...(params && { params }) })
    const result = await checks.header(arrival(), mail, Buffer.from(header.replaceAll('\n', '\r\n')))
    return 'refusal' in result ? result.refusal.code : result.params
  }
  const optional = { tlsOptional: true }
  assert.deepEqual(await ask('TLS-Required: No\n\n'), optional)
  assert.deepEqual(await ask('Subject: x\ntls-required:\n no \n\n'), optional)
  assert.deepEqual(await ask('TLS-Required: No\n\n', { ret: 'hdrs' }), optional)
  for (const none of [
    'Subject: x\n',
    'TLS-Required: Yes\n',
    'TLS-Required: No\nTLS-Required: No\n',
    'X-TLS-Required: No\n',
  ])
    assert.equal(await ask(`${none}\n`), undefined, none)
  assert.equal(await ask('TLS-Required: No\n\n', { requireTls: true }), undefined)
  await house.close()
})
