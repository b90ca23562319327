// A message to many recipients over one connection, and what its host's limits and answers make of it.

import assert from 'node:assert/strict'
import { test } from 'node:test'
import { parseAddress } from '../address/index.ts'
import { ConnectionFault, type OutgoingMail, type Reply, type SmtpConnection } from '../smtp/client/index.ts'
import type { Recipient } from './batch.ts'
import { type HopLimits, readHopLimits } from './hop-limits.ts'
import type { Target } from './targets.ts'
import { transmit } from './transmit.ts'

const target: Target = { host: 'mx.b.test', ip: '192.0.2.1', port: 25, lmtp: false, tls: 'none', verify: false }
const people = (count: number) =>
  Array.from({ length: count }, (_, i) => ({ address: parseAddress(`u${i}@b.test`)!, params: {} }) as Recipient)

interface Script {
  readonly limits?: string
  readonly extensions?: readonly string[]
  readonly lmtp?: boolean
  readonly sent?: number
  /** The answer to the recipient at this place of this transaction. */
  readonly answer?: (place: number, transaction: number) => Reply | ConnectionFault | undefined
}
const ok: Reply = { code: 250, enhanced: '2.0.0', lines: ['ok'] }

async function run(count: number, { limits = '', extensions = [], lmtp = false, sent = 0, answer }: Script) {
  const transactions: number[] = []
  let closed = false
  const connection: SmtpConnection = {
    extensions: new Map(extensions.map((one) => [one, ''])),
    async send(mail) {
      const at = transactions.push(mail.recipients.length) - 1
      return mail.recipients.map((_, i) => {
        const reply = answer?.(i, at) ?? ok
        if (reply instanceof ConnectionFault) throw reply
        return { reply, accepted: reply.code === 250, stage: reply.code === 421 ? 'mail' : 'rcpt' }
      })
    },
    async quit() {},
    close() {
      closed = true
    },
  }
  const recipients = people(count)
  const mail = { recipients } as unknown as OutgoingMail
  const most: HopLimits = readHopLimits(new Map([['LIMITS', limits]]))
  const done = await transmit({ connection, target: { ...target, lmtp }, sent }, mail, recipients, most)
  const results = done.outcomes.map(({ recipient, result }) => `${recipient.address.local} ${result}`).sort()
  return { ...done, transactions, closed, results }
}

test('recipients above RCPTMAX go in further transactions; MAILMAX leaves the rest for another session', async () => {
  assert.deepEqual((await run(7, { limits: 'RCPTMAX=3' })).transactions, [3, 3, 1])
  const cut = await run(7, { limits: 'RCPTMAX=2 MAILMAX=5', sent: 3 })
  assert.deepEqual(cut.transactions, [2, 2])
  assert.equal(cut.usable, false)
  assert.equal(cut.rest.length, 3)
  assert.equal(cut.outcomes.length, 4)
})

test('452 Too many recipients: the rest goes at once, as long as somebody gets it', async () => {
  const tooMany: Reply = { code: 452, enhanced: '4.5.3', lines: ['too many'] }
  const done = await run(5, { answer: (place) => (place >= 2 ? tooMany : undefined) })
  assert.deepEqual(done.transactions, [5, 3, 1])
  assert.deepEqual([...new Set(done.results.map((one) => one.split(' ')[1]))], ['delivered'])
  const never = await run(3, { answer: () => tooMany })
  assert.deepEqual(never.transactions, [3])
  assert.ok(never.outcomes.every(({ result }) => result === 'retry'))
  const full: Reply = { code: 452, enhanced: '4.2.2', lines: ['mailbox full'] }
  assert.deepEqual((await run(3, { answer: (place) => (place === 1 ? full : undefined) })).transactions, [3])
})

test('a connection that breaks keeps what was done before, and puts off the rest', async () => {
  const lost = new ConnectionFault('rcpt', 'the connection broke', undefined, {
    results: [{ reply: { code: 550, lines: ['no'] }, accepted: false, stage: 'rcpt' }],
  })
  const done = await run(4, { limits: 'RCPTMAX=2', answer: (_, at) => (at === 1 ? lost : undefined) })
  assert.deepEqual(done.results, ['u0 delivered', 'u1 delivered', 'u2 fail', 'u3 retry'])
  assert.ok(done.closed && done.fault)
  const goodbye = await run(4, {
    limits: 'RCPTMAX=2',
    answer: (_, at) => (at === 1 ? { code: 421, lines: ['bye'] } : undefined),
  })
  assert.deepEqual(goodbye.results, ['u0 delivered', 'u1 delivered', 'u2 retry', 'u3 retry'])
  assert.equal(goodbye.usable, false)
})

test('what the next hop took over: passed on, only relayed, or delivered for good', async () => {
  const facts = async (script: Script) => {
    const [one] = (await run(1, script)).outcomes
    return `${one?.dsn} ${one?.deadline}`
  }
  assert.equal(await facts({ extensions: ['DSN', 'DELIVERBY'] }), 'passed passed')
  assert.equal(await facts({}), 'relayed relayed')
  assert.equal(await facts({ lmtp: true }), 'delivered delivered')
  assert.equal(await facts({ lmtp: true, extensions: ['DSN'] }), 'passed delivered')
  assert.equal(await facts({ answer: () => ({ code: 550, lines: ['no'] }) }), 'undefined undefined')
})
