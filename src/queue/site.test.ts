import assert from 'node:assert/strict'
import { test } from 'node:test'
import { fakeClock } from '../base/index.ts'
import { createLimits } from './limit.ts'
import { type Feedback, Site } from './site.ts'
import { createSources } from './sources.ts'

const minute = 60_000
const play = (site: Site, ...feedbacks: readonly Feedback[]) => {
  for (const feedback of feedbacks) {
    site.begin()
    site.end(feedback, 'it failed')
  }
  return site.window
}
const times = (count: number, feedback: Feedback) => Array.from({ length: count }, () => feedback)

test('a window begins at 5, grows by one per window of successes, halves when it fails', () => {
  const site = new Site('mx.a.test', '', fakeClock(), () => 20)
  assert.equal(site.window, 5)
  assert.equal(play(site, ...times(4, 'fine')), 5)
  assert.equal(play(site, 'fine'), 6)
  assert.equal(play(site, ...times(6, 'fine')), 7)
  assert.equal(play(site, 'none'), 7)
  assert.equal(play(site, 'failed'), 3)
  assert.equal(play(site, ...times(1_000, 'fine')), 20)
})

test('a dead site is left alone for 1, 2, 4 … 60 minutes, then gets one probe', async () => {
  const clock = fakeClock()
  const site = new Site('mx.a.test', '', clock, () => 20)
  play(site, 'failed', 'failed')
  assert.equal(site.deadForMs, 0)
  play(site, 'failed')
  const waits: number[] = []
  for (let i = 0; i < 8; i++) {
    waits.push(site.deadForMs / minute)
    assert.equal(site.free, 0)
    await clock.advance(site.deadForMs)
    assert.equal(site.free, 1)
    play(site, 'failed')
  }
  assert.deepEqual(waits, [1, 2, 4, 8, 16, 32, 60, 60])
  await clock.advance(60 * minute)
  play(site, 'fine')
  assert.deepEqual([site.window, site.deadForMs, site.failure], [5, 0, ''])
  play(site, 'failed', 'failed', 'failed')
  assert.equal(site.deadForMs, minute, 'the backoff is forgotten')
})

test('a site does not die while another transaction is under way; a blocked source dies at once', () => {
  const site = new Site('mx.a.test', '', fakeClock(), () => 20)
  site.begin()
  play(site, ...times(6, 'failed'))
  assert.deepEqual([site.window, site.deadForMs], [1, 0])
  assert.equal(play(new Site('x', '', fakeClock(), () => 20), ...times(9, 'slower')), 1, 'who wants less is not dead')
  const blocked = new Site('x', '127.0.0.2', fakeClock(), () => 20)
  play(blocked, 'blocked')
  assert.equal(blocked.deadForMs, minute)
})

test('never more than the limit in any minute, and nearly as many', async () => {
  const clock = fakeClock()
  for (const perMinute of [1, 2, 7, 60, 1_000]) {
    const [limit] = createLimits([{ provider: 'big.test', perMinute }], clock).ofHosts('a.test', ['mx.big.test'])
    const taken: number[] = []
    for (let i = 0; i < 1_800; i++) {
      while (limit!.wait === 0) {
        limit!.begin()
        limit!.end()
        taken.push(clock.monotonic())
      }
      await clock.advance(100)
    }
    for (const [i, at] of taken.entries())
      assert.ok((taken[i + perMinute] ?? Number.POSITIVE_INFINITY) - at >= minute - 100, `${perMinute}: ${i}`)
    assert.ok(taken.length >= perMinute * 3 * 0.9 - 1, `${perMinute}: ${taken.length}`)
  }
})

test('limits are found by provider, domain and source', () => {
  const limits = createLimits(
    [
      { provider: 'google.com', connections: 3 },
      { domain: '.b.test', perHour: 9 },
      { domain: '*', perConnection: 5 },
      { source: '127.0.0.2', connections: 2 },
    ],
    fakeClock(),
  )
  const found = (domain: string, host: string) => limits.ofHosts(domain, [host]).map(({ rule }) => rule)
  assert.deepEqual(found('a.test', 'aspmx.l.google.com'), [
    { provider: 'google.com', connections: 3 },
    { domain: '*', perConnection: 5 },
  ])
  assert.equal(found('a.test', 'notgoogle.com').length, 1)
  assert.deepEqual(found('x.b.test', 'mx.x')[0], { domain: '.b.test', perHour: 9 })
  assert.equal(limits.ofSource('127.0.0.2').length, 1)
  assert.equal(limits.ofHosts('a.test', [])[0], limits.ofHosts('a.test', [])[0], 'one for all of a domain')
  assert.notEqual(limits.ofHosts('a.test', [])[0], limits.ofHosts('c.test', [])[0])
})

test('pools of source addresses and their rules', () => {
  const sources = createSources({
    pools: {
      default: [{ address: '127.0.0.2' }],
      news: [{ address: '127.0.0.3', helo: 'news.test' }],
      warm: [{ address: '::1' }],
    },
    rules: [
      { sender: 'ann@a.test', pool: 'news' },
      { sender: '.a.test', recipient: 'b.test', pool: 'warm' },
    ],
  })
  const pool = (sender: string, domain: string) =>
    sources.poolOf({ local: sender.split('@')[0]!, domain: sender.split('@')[1]! }, { local: 'x', domain })
  assert.equal(pool('ann@a.test', 'c.test'), 'news')
  assert.equal(pool('bob@x.a.test', 'b.test'), 'warm')
  assert.equal(pool('bob@x.a.test', 'c.test'), 'default')
  assert.equal(sources.poolOf(null, { local: 'x', domain: 'b.test' }), 'default')
  assert.equal(sources.in('news')[0]?.helo, 'news.test')
  assert.throws(() => createSources({ pools: {}, rules: [{ pool: 'x' }] }), /does not exist/)
  assert.throws(() => createSources({ pools: { a: [{ address: 'b' }] }, rules: [] }), /no IP address/)
})
