// SPAMC on the wire: what is sent, replies whole and in pieces, with and without lengths, refusals; learning.

import assert from 'node:assert/strict'
import { test } from 'node:test'
import { fakeClock } from '../base/index.ts'
import { createSpamAssassin, type SpamAssassinOptions } from './spamassassin.ts'
import { forever, startDaemon, type TestDaemon } from './testing/daemon.ts'
import { toRequest } from './testing/request.ts'

const clock = fakeClock(1_700_000_000_000)
const make = (daemon: TestDaemon, change: Partial<SpamAssassinOptions> = {}) =>
  createSpamAssassin({ place: daemon.place, hostname: 'mx.here.test', clock, ...change })
const message = 'From: a@good.test\r\nSubject: x\r\n\r\nGood day.\r\n'

/** The head and the message, when as much came as was said. */
function partsOf(heard: Buffer): { head: string; body: string } | undefined {
  const end = heard.indexOf('\r\n\r\n')
  if (end < 0) return undefined
  const head = heard.toString('latin1', 0, end)
  const body = heard.toString('latin1', end + 4)
  const length = Number(/^Content-length: (\d+)$/m.exec(head)?.[1])
  assert.ok(body.length <= length, 'more came than was said')
  return body.length === length ? { head, body } : undefined
}

const reply = (head: string, body = '') => `SPAMD/1.1 0 EX_OK\r\n${head}\r\n\r\n${body}`
const scored = (score: string, symbols: string) =>
  reply(`Content-length: ${symbols.length}\r\nSpam: True ; ${score}`, symbols)

test('it hears the message with who handed it in on top', async (t) => {
  const daemon = await startDaemon(t, (heard) => (partsOf(heard) ? scored('1.5 / 5.0', 'A,B\r\n') : undefined))
  await make(daemon, { user: 'ann' }).check(toRequest(message, { ptr: 'out.good.test', helo: 'x(y)\r\nz' }), forever)
  const { head, body } = partsOf(daemon.heard[0]!)!
  assert.match(head, /^SYMBOLS SPAMC\/1\.5\r\nContent-length: \d+\r\nUser: ann$/)
  assert.equal(
    body,
    'Return-Path: <bert@good.test>\r\n' +
      'Received: from xyz (out.good.test [192.0.2.1])\r\n' +
      '\tby mx.here.test (Posthorn) with ESMTP id t1; Tue, 14 Nov 2023 22:13:20 +0000\r\n' +
      message,
  )
})

const cases: readonly [string, Partial<SpamAssassinOptions>, string, object][] = [
  ['below its threshold', {}, '4.9 / 5.0', { action: 'accept', score: 4.9, threshold: 5 }],
  ['at its threshold', {}, '5.0 / 5.0', { action: 'junk', score: 5, threshold: 5 }],
  ['at a threshold of ours', { junk: 3 }, '3.0 / 5.0', { action: 'junk', score: 3, threshold: 3 }],
  ['below a higher one of ours', { junk: 8 }, '6.0 / 5.0', { action: 'accept', score: 6, threshold: 8 }],
  ['from a score on refused', { reject: 10 }, '10 / 5.0', { action: 'reject', score: 10, threshold: 10 }],
  ['below zero', {}, '-2.3 / 5.0', { action: 'accept', score: -2.3, threshold: 5 }],
]
for (const [what, options, numbers, expected] of cases)
  test(`${what}, and its reply comes byte by byte`, async (t) => {
    const daemon = await startDaemon(t, (heard) => (partsOf(heard) ? scored(numbers, 'GTUBE,TVD_SPACE') : undefined), 1)
    const { action, score, threshold, symbols } = await make(daemon, options).check(toRequest(message), forever)
    assert.deepEqual({ action, score, threshold }, expected)
    assert.deepEqual(symbols, ['GTUBE', 'TVD_SPACE'])
  })

test('its words become fields and reasons of plain lines', async (t) => {
  const symbols = [...Array.from({ length: 200 }, (_, i) => `RULE_${i}`), 'EVIL\r\nX-Injected: yes', 'NÄ'].join(',')
  const daemon = await startDaemon(t, (heard) => (partsOf(heard) ? scored('7.25 / 5.0', symbols) : undefined))
  const answer = await make(daemon).check(toRequest(message), forever)
  assert.equal(answer.symbols?.length, 100)
  assert.ok(answer.reasons[0]!.length <= 500)
  const names = answer.headers!.map(({ name }) => name)
  assert.deepEqual(names, ['X-Spam-Flag', 'X-Spam-Level', 'X-Spam-Status'])
  const [, level, status] = answer.headers!
  assert.equal(level!.value, '*******')
  assert.match(status!.value, /^Yes, score=7\.25 required=5\r\n\ttests=RULE_0,RULE_1,/)
  for (const line of status!.value.split('\r\n')) assert.match(line, /^\t?[ -~]{1,100}$/)
})

test('a reply without a length ends with the connection, and SYMBOLS without a line end', async (t) => {
  const daemon = await startDaemon(t, (heard, socket) => {
    if (partsOf(heard)) socket.end('SPAMD/1.5 0 EX_OK\nSpam: False ; 0.1 / 5.0\n\nA_RULE')
    return undefined
  })
  const { symbols, action } = await make(daemon).check(toRequest(message), forever)
  assert.deepEqual([symbols, action], [['A_RULE'], 'accept'])
})

for (const [what, said, error] of [
  ['another protocol', '220 smtp ready\r\n', /does not speak as spamd does/],
  ['a refusal', 'SPAMD/1.0 76 Bad header line: (x)\r\n', /refused SYMBOLS: 76 Bad header line/],
  ['no score', reply('Content-length: 0'), /it gave no score/],
  ['a score that is none', reply('Content-length: 0\r\nSpam: True ; x / 5.0'), /it gave no score/],
  ['too long a line', `SPAMD/1.1 0 ${'x'.repeat(2_000)}`, /it said more than it should/],
  ['too many lines', `SPAMD/1.1 0 EX_OK\r\n${'X: y\r\n'.repeat(100)}`, /it said more than it should/],
  ['too long a body', reply('Spam: True ; 9 / 5\r\nContent-length: 99999999'), /it said more than it should/],
  ['less than it promised', reply('Spam: True ; 9 / 5\r\nContent-length: 10', 'GTUBE'), /closed the connection/],
] as const)
  test(`${what} is no answer`, async (t) => {
    const daemon = await startDaemon(t, (heard, socket) => {
      if (partsOf(heard)) socket.end(said)
      return undefined
    })
    await assert.rejects(make(daemon).check(toRequest(message), forever), error)
  })

test('one that refuses before it has read everything is heard, one that dies is a failure', async (t) => {
  const early = await startDaemon(t, (_, socket) => void socket.end('SPAMD/1.0 69 Service Unavailable: busy\r\n'))
  const large = toRequest(`Subject: x\r\n\r\n${'word\r\n'.repeat(20_000)}`)
  await assert.rejects(make(early).check(large, forever), /spamd at .*(refused SYMBOLS: 69|the connection broke)/)
  const dying = await startDaemon(t, (_, socket) => void socket.resetAndDestroy())
  await assert.rejects(make(dying).check(toRequest(message), forever), /spamd at .*: (the connection broke|it closed)/)
})

test('learning says what it is and hears whether that was new', async (t) => {
  let known = false
  const daemon = await startDaemon(t, (heard) => {
    if (!partsOf(heard)) return undefined
    const answer = reply(known ? 'Content-length: 0' : 'DidSet: local\r\nContent-length: 0')
    known = true
    return answer
  })
  const filter = make(daemon)
  assert.equal(await filter.learn!('spam', toRequest(message), forever), 'learned')
  assert.equal(await filter.learn!('ham', toRequest(message), forever), 'known')
  assert.deepEqual(partsOf(daemon.heard[0]!), {
    head: `TELL SPAMC/1.5\r\nContent-length: ${message.length}\r\nMessage-class: spam\r\nSet: local`,
    body: message,
  })
  assert.match(daemon.heard[1]!.toString(), /^Message-class: ham\r$/m)
  const closed = await startDaemon(t, (heard) =>
    partsOf(heard) ? 'SPAMD/1.0 69 Service Unavailable: TELL commands are not enabled\r\n' : undefined,
  )
  await assert.rejects(make(closed).learn!('spam', toRequest(message), forever), /refused TELL: 69/)
})
