// Lists asked by DNS: names of questions, answers that count, errors that are no listings, weights, lists that do not answer.

import assert from 'node:assert/strict'
import { test } from 'node:test'
import { fakeClock, type Log, realClock, silentLog } from '../base/index.ts'
import { zoneResolver } from '../dns/index.ts'
import { createDnsbl, type DnsblOptions, type DnsList } from './dnsbl.ts'
import { forever } from './testing/daemon.ts'
import { toRequest } from './testing/request.ts'
import type { FilterRequest } from './types.ts'

const list = (zone: string, change: Partial<DnsList> = {}): DnsList => ({
  zone,
  of: 'address',
  answers: [],
  weight: 1,
  ...change,
})
const zone = `
  1.2.0.192.bl.test A 127.0.0.2
  1.2.0.192.bl.test TXT "listed, see https://bl.test/1"
  1.2.0.192.many.test A 127.0.0.10
  1.2.0.192.many.test A 127.0.0.4
  1.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.8.b.d.0.1.0.0.2.bl.test A 127.0.0.3
  1.2.0.192.allow.test A 127.0.5.1
  1.2.0.192.public.test A 127.255.255.254
  1.2.0.192.hijacked.test A 203.0.113.80
  1.2.0.192.broken.test SERVFAIL
  1.0.0.10.bl.test A 127.0.0.2
  bad.test.dbl.test A 127.0.1.2
  sender.test.dbl.test A 127.0.1.4
  helo.test.dbl.test A 127.0.1.5
`
const message = 'From: "A B" <a@mail.good.test>\r\nSubject: x\r\n\r\nx\r\n'

async function ask(
  lists: readonly DnsList[],
  change: Partial<FilterRequest> = {},
  options: Partial<DnsblOptions> = {},
) {
  const resolver = zoneResolver(zone)
  const asked: string[] = []
  const watched = {
    a: (name: string) => {
      asked.push(name)
      return resolver.a(name)
    },
    txt: (name: string) => resolver.txt(name),
  }
  const parts = { resolver: watched, clock: realClock, log: silentLog, timeoutMs: 5_000, junk: 1, ...options }
  const answer = await createDnsbl({ ...parts, lists }).check(toRequest(message, change), forever)
  return { ...answer, asked }
}

test('a listed address: its weight, where and why', async () => {
  const { asked, ...answer } = await ask([list('bl.test', { weight: 2 })])
  assert.deepEqual(answer, {
    action: 'junk',
    score: 2,
    threshold: 1,
    reasons: ['bl.test lists 192.0.2.1 (127.0.0.2): listed, see https://bl.test/1'],
    sure: false,
  })
  assert.deepEqual(asked, ['1.2.0.192.bl.test'])
})

test('an address that no list knows; one that no list can know is not asked about', async () => {
  assert.deepEqual((await ask([list('bl.test')], { ip: '198.51.100.7' })).reasons, [])
  for (const ip of ['10.0.0.1', '127.0.0.1', '192.168.3.4', '::1', 'fe80::1', 'fd00::5', '::ffff:10.0.0.1'])
    assert.deepEqual((await ask([list('bl.test')], { ip })).asked, [], ip)
})

test('IPv6 in nibbles', async () => {
  const { action, reasons, asked } = await ask([list('bl.test')], { ip: '2001:db8::1' })
  assert.equal(action, 'junk')
  assert.deepEqual(reasons, ['bl.test lists 2001:db8::1 (127.0.0.3)'])
  assert.equal(asked[0], '1.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.8.b.d.0.1.0.0.2.bl.test')
})

test('only answers that count', async () => {
  const mask = (least: number, most: number) =>
    [
      [127, 127],
      [0, 0],
      [0, 0],
      [least, most],
    ] as const
  assert.equal((await ask([list('many.test', { answers: [mask(2, 3)] })])).score, 0)
  assert.deepEqual((await ask([list('many.test', { answers: [mask(2, 3), mask(4, 7)] })])).reasons, [
    'many.test lists 192.0.2.1 (127.0.0.4)',
  ])
  // One zone, counted by its answers.
  const twice = await ask([
    list('many.test', { answers: [mask(4, 7)], weight: 3 }),
    list('many.test', { answers: [mask(10, 11)], weight: 0.5 }),
  ])
  assert.equal(twice.score, 3.5)
})

test('an allow list takes from the score', async () => {
  const lists = [list('bl.test', { weight: 2 }), list('allow.test', { weight: -5 })]
  const { action, score, reasons, sure } = await ask(lists)
  assert.deepEqual([action, score, sure], ['accept', -3, undefined])
  assert.deepEqual(reasons, ['bl.test lists 192.0.2.1 (127.0.0.2)', 'allow.test vouches for 192.0.2.1 (127.0.5.1)'])
})

test('refused from a score on, never without one', async () => {
  const lists = [list('bl.test', { weight: 9 })]
  const { action, threshold, sure } = await ask(lists, {}, { reject: 4 })
  assert.deepEqual([action, threshold, sure], ['reject', 4, undefined])
  assert.equal((await ask(lists)).action, 'junk')
  assert.equal((await ask(lists, {}, { junk: undefined })).action, 'accept')
})

test('errors of a list are no listings (127.255.255.x, an answer of somebody else, no answer)', async () => {
  for (const [name, words] of [
    ['public.test', /public\.test answers 127\.255\.255\.254, which says that it will not be asked in this way/],
    ['hijacked.test', /hijacked\.test answers 203\.0\.113\.80/],
    ['broken.test', /broken\.test: /],
  ] as const) {
    await assert.rejects(ask([list(name)]), (error: Error & { code?: string }) => {
      assert.match(error.message, words)
      assert.equal(error.code, 'unavailable')
      return true
    })
    const { action, reasons } = await ask([list(name), list('bl.test')])
    assert.equal(action, 'junk', 'the others are heard all the same')
    assert.match(reasons[0]!, words)
  }
})

test('domains of author, envelope and HELO, each as it was registered', async () => {
  const lists = [list('dbl.test', { of: 'domains' })]
  const { asked } = await ask(lists, { from: 'x@a.b.sender.test', helo: 'mx.helo.test' })
  assert.deepEqual(asked.toSorted(), ['good.test.dbl.test', 'helo.test.dbl.test', 'sender.test.dbl.test'])
  const found = await ask(lists, { from: 'x@bad.test', helo: '[192.0.2.1]' })
  assert.deepEqual(found.asked.toSorted(), ['bad.test.dbl.test', 'good.test.dbl.test'])
  assert.deepEqual(found.reasons, ['dbl.test lists bad.test (127.0.1.2)'])
  const none = await ask(lists, { from: '', helo: 'localhost', header: Buffer.from('Subject: x\r\n\r\n') })
  assert.deepEqual(none.asked, [])
})

test('a list that does not answer is left out for a while, told once, and costs the others nothing', async () => {
  const clock = fakeClock()
  const told: string[] = []
  const log: Log = {
    ...silentLog,
    warn: (fields, text) => told.push(`${text} ${(fields as { filter: string }).filter}`),
    info: (fields, text) => told.push(`${text} ${(fields as { filter: string }).filter}`),
  }
  let answers = false
  let questions = 0
  const resolver = {
    a: (name: string) => {
      if (!name.endsWith('.slow.test')) return zoneResolver(zone).a(name)
      questions++
      return answers ? Promise.resolve({ status: 'nxdomain', authentic: false } as const) : new Promise<never>(() => {})
    },
    txt: zoneResolver(zone).txt,
  }
  const filter = createDnsbl({
    lists: [list('slow.test'), list('bl.test')],
    junk: 1,
    timeoutMs: 2_000,
    resolver,
    clock,
    log,
  })
  const ask = async () => {
    const answer = filter.check(toRequest(message), forever)
    await new Promise((resolve) => setImmediate(resolve))
    await clock.advance(2_000)
    return (await answer).reasons[0]
  }
  for (let i = 0; i < 3; i++) assert.match((await ask())!, /not asked: slow\.test did not answer within 2 s/)
  assert.match((await ask())!, /left out for a while/)
  assert.equal(questions, 3)
  assert.deepEqual(told, ['the filter does not answer: left out for a while dnsbl:slow.test'])
  answers = true
  await clock.advance(10_000)
  assert.match((await ask())!, /^bl\.test lists/)
  assert.equal(told[1], 'the filter answers again dnsbl:slow.test')
})
