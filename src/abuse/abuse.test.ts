// Networks, histories, lists and greylisting: tables of what goes in and what comes out.

import assert from 'node:assert/strict'
import { test } from 'node:test'
import { onEachStore } from '../../test/stores.ts'
import { createAccountReads, createAccountWrites, createDomainPolicies } from '../accounts/index.ts'
import { parseAddress } from '../address/index.ts'
import { fakeClock, isFault, silentLog } from '../base/index.ts'
import { createMailTx } from '../mail/index.ts'
import { abuseBanRows, type Store } from '../store/index.ts'
import { createAbuseAdmin } from './admin.ts'
import { nextBan } from './bans.ts'
import { createAbuseCounts } from './counts.ts'
import { toFactor } from './history.ts'
import { createListReads, toListValue } from './lists.ts'
import { networksAround, toClient, toNeighbourhood, toNetwork, toServers } from './networks.ts'
import { sweepAbuse } from './sweep.ts'

const clock = fakeClock()
const day = 86_400_000

function parts(store: Store) {
  const accounts = createAccountReads({ store, clock, log: silentLog, hostname: 'mx.a.test' })
  const { connections, ...counts } = createAbuseCounts({ store, accounts, clock, log: silentLog })
  const admin = createAbuseAdmin({ store, accounts, connections, clock })
  const { ensureMailboxes } = createMailTx({ store, log: silentLog })
  const writes = createAccountWrites({ store, ensureMailboxes, log: silentLog })
  const lists = createListReads({ store, policies: createDomainPolicies(store.bell, clock), clock })
  return { accounts, counts, admin, writes, lists }
}

test('networks have one spelling', () => {
  for (const [text, network] of [
    ['192.0.2.7', '192.0.2.7'],
    ['192.0.2.7/24', '192.0.2.0/24'],
    ['192.0.2.7/32', '192.0.2.7'],
    ['10.1.2.3/8', '10.0.0.0/8'],
    ['::ffff:192.0.2.7', '192.0.2.7'],
    ['2001:DB8::1', '2001:db8::1'],
    ['2001:db8:1:2:3::/64', '2001:db8:1:2::/64'],
    ['2001:db8::/128', '2001:db8::'],
    ['0.0.0.0/0', undefined],
    ['10.0.0.0/7', undefined],
    ['2001:db8::/15', undefined],
    ['192.0.2.0/33', undefined],
    ['192.0.2.0/', undefined],
    ['192.0.2.0/24/1', undefined],
    ['example.org', undefined],
  ] as const)
    assert.equal(toNetwork(text), network, text)
  assert.equal(toClient('2001:db8:1:2:3:4:5:6'), '2001:db8:1:2::/64')
  assert.equal(toClient('192.0.2.7'), '192.0.2.7')
  assert.equal(toNeighbourhood('192.0.2.7'), '192.0.2.0/24')
  assert.equal(toNeighbourhood('2001:db8:1:2::5'), '2001:db8:1::/48')
  assert.equal(toServers('192.0.2.7'), '192.0.2.0/24')
  assert.equal(toServers('2001:db8:1:2::5'), '2001:db8:1:2::/64')
  assert.equal(networksAround('192.0.2.7').length, 25)
  assert.equal(networksAround('2001:db8::1').length, 113)
  assert.ok(networksAround('192.0.2.7').every((one) => toNetwork(one) === one))
})

test('a history moves the limits between a quarter and four times', () => {
  for (const [good, bad, factor] of [
    [0, 0, 1],
    [60, 0, 4],
    [10_000, 0, 4],
    [0, 6, 0.25],
    [0, 1000, 0.25],
    [980, 20, 4],
    [900, 100, 0.9],
  ] as const)
    assert.equal(toFactor({ good, bad }), factor, `${good} ${bad}`)
})

test('a ban lasts twice as long each time, up to a day, and is forgotten after a week', () => {
  const hour = 3_600_000
  const row = { network: 'x', scope: 'sign-in', reason: '', created_by: '', created_at: 0 }
  let before: abuseBanRows.BanRow | undefined
  let now = 1_000_000
  const hours: number[] = []
  for (let n = 0; n < 7; n++) {
    const next = nextBan(before, now)!
    hours.push((next.until - now) / hour)
    before = { ...row, ...next }
    assert.equal(nextBan(before, now), undefined)
    now = next.until + hour
  }
  assert.deepEqual(hours, [1, 2, 4, 8, 16, 24, 24])
  assert.equal(nextBan(before, now + 7 * day)?.times, 1)
  assert.equal(nextBan({ ...row, until: 0, times: 1 }, now), undefined)
})

test('what a list may have', () => {
  for (const [text, value] of [
    ['Ann@Example.ORG', 'ann@example.org'],
    ['example.org', 'example.org'],
    ['@example.org', 'example.org'],
    ['.Example.org', '.example.org'],
    ['bücher.example', 'xn--bcher-kva.example'],
    ['192.0.2.9/24', '192.0.2.0/24'],
  ] as const)
    assert.equal(toListValue(text), value)
  for (const text of ['', 'a b', '10.0.0.0/1', '@', '*', 'x@', 'http://a.test/'])
    assert.throws(
      () => toListValue(text),
      (error) => isFault(error, 'invalid'),
      text,
    )
})

onEachStore(
  'lists: the nearest decides, the most exact in it; of several users one who wants the mail is enough',
  async ({ store }) => {
    const { admin, writes, lists } = parts(store)
    await writes.addDomain('a.test')
    const ann = await writes.addAccount({ email: 'ann@a.test', password: 'x' })
    const bob = await writes.addAccount({ email: 'bob@a.test', password: 'x' })
    const judge = async (from: string, accounts = [ann.id], ip = '192.0.2.7') =>
      (
        await lists.judge({
          ip,
          from: from === '' ? null : parseAddress(from)!,
          to: parseAddress('ann@a.test')!,
          accounts,
        })
      )?.action
    assert.equal(await judge('x@spam.test'), undefined)
    const put = (action: 'allow' | 'block', value: string, owner = {}) =>
      admin.addEntries(owner, [{ action, value }], 'me')
    await put('block', '.spam.test')
    await put('block', '192.0.2.0/24')
    assert.equal(await judge('x@spam.test', [ann.id], '198.51.100.1'), 'block')
    assert.equal(await judge('x@a.b.spam.test', [ann.id], '198.51.100.1'), 'block')
    assert.equal(await judge('x@notspam.test', [ann.id], '198.51.100.1'), undefined)
    assert.equal(await judge('', [ann.id]), 'block')
    await put('allow', 'good@spam.test')
    assert.equal(await judge('good@spam.test'), 'allow')
    await put('allow', 'spam.test', { domain: 'a.test' })
    assert.equal(await judge('x@spam.test'), 'allow')
    await put('block', 'x@spam.test', { user: 'ann@a.test' })
    assert.equal(await judge('x@spam.test'), 'block')
    // Bob has nothing against him: his domain lets him in.
    assert.equal(await judge('x@spam.test', [ann.id, bob.id]), 'allow')
    await put('block', 'x@spam.test', { user: 'bob@a.test' })
    assert.equal(await judge('x@spam.test', [ann.id, bob.id]), 'block')
    assert.equal(await admin.removeEntries({ user: 'ann@a.test' }, ['X@spam.test']), 1)
    assert.equal((await admin.entries({})).length, 3)
    const answers = await admin.addEntries(
      {},
      [
        { action: 'allow', value: 'no such thing' },
        { action: 'allow', value: 'b.test' },
      ],
      'me',
    )
    assert.deepEqual(
      answers.map(({ error }) => error === undefined),
      [false, true],
    )
    await assert.rejects(admin.entries({ user: 'nobody@a.test' }), (error) => isFault(error, 'not-found'))
    // A domain that goes takes its list along.
    await writes.addDomain('b.test')
    await put('block', 'z.test', { domain: 'b.test' })
    await writes.removeDomain('b.test')
    await writes.addDomain('b.test')
    assert.deepEqual(await admin.entries({ domain: 'b.test' }), [])
  },
  { clock },
)

onEachStore(
  'greylisting: too early, in time, too late; a network that came again is known for 35 days',
  async ({ store }) => {
    const { counts } = parts(store)
    const ask = (from: string, ip = '192.0.2.7', to = ['ann@a.test']) => counts.greylist({ ip, from, to })
    assert.deepEqual(await ask('x@b.test'), { pass: false, waitMs: 60_000 })
    await clock.advance(20_000)
    assert.deepEqual(await ask('x@b.test'), { pass: false, waitMs: 40_000 })
    await clock.advance(day + 60_000)
    // Too late: it begins anew.
    assert.deepEqual(await ask('x@b.test'), { pass: false, waitMs: 60_000 })
    await clock.advance(60_000)
    // From another server of the same network, under another address of the domain.
    assert.equal((await ask('bounce-77@b.test', '192.0.2.99')).pass, true)
    assert.equal((await ask('other@c.test', '192.0.2.1')).pass, true)
    assert.equal((await ask('other@c.test', '192.0.3.1')).pass, false)
    await clock.advance(34 * day)
    assert.equal((await ask('x@b.test')).pass, true)
    await clock.advance(34 * day)
    // Renewed by its use.
    assert.equal((await ask('x@b.test')).pass, true)
    await clock.advance(36 * day)
    assert.equal((await ask('x@b.test')).pass, false)
    assert.equal((await ask('', '2001:db8::1')).pass, false)
    await clock.advance(60_000)
    assert.equal((await ask('', '2001:db8::2')).pass, true)
  },
  { clock },
)

onEachStore(
  'connections are counted by address and network, history and bans are heard, and nothing stays for ever',
  async ({ store }) => {
    const { counts, admin } = parts(store)
    const enter = async (ip: string) => (await counts.enter(ip)).ok
    for (let n = 0; n < 20; n++) assert.ok(await enter('192.0.2.7'))
    assert.equal(await enter('192.0.2.7'), false)
    await counts.leave('192.0.2.7')
    assert.ok(await enter('192.0.2.7'))
    for (let n = 0; n < 60; n++) assert.ok(await enter(`192.0.2.${100 + n}`))
    assert.equal(await enter('192.0.2.200'), false)
    // Who sent badly may have a quarter.
    await counts.remember('198.51.100.9', { good: 0, bad: 10 })
    for (let n = 0; n < 5; n++) assert.ok(await enter('198.51.100.9'))
    assert.equal(await enter('198.51.100.9'), false)
    await clock.advance(7 * day)
    assert.deepEqual((await admin.standing('198.51.100.9')).history, { good: 0, bad: 5, factor: 0.29 })
    await admin.ban({ network: '203.0.113.0/24', scope: 'all', reason: 'no', until: clock.now() + day }, 'me')
    assert.deepEqual(await counts.enter('203.0.113.5'), { ok: false, why: 'banned' })
    await assert.rejects(admin.liftBan('203.0.113.5'), (error) => isFault(error, 'not-found'))
    await admin.liftBan('203.0.113.9/24')
    assert.ok(await enter('203.0.113.5'))
    await admin.ban({ network: '203.0.113.1', scope: 'all', reason: '', until: clock.now() + day }, 'me')
    await counts.take([{ kind: 'user', subject: '1', amount: 100 }])
    await counts.greylist({ ip: '192.0.2.7', from: 'x@b.test', to: ['ann@a.test'] })
    await clock.advance(500 * day)
    await sweepAbuse(store)
    const left = await store.read(async (tx) => abuseBanRows.list(tx, '', 10))
    assert.deepEqual(left, [])
    assert.deepEqual(await admin.standing('198.51.100.9'), {
      ...(await admin.standing('198.51.100.9')),
      history: { good: 0, bad: 0, factor: 1 },
    })
  },
  { clock },
)
