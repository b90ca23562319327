// MTA-STS policies of others: when they are fetched, what is kept when they cannot be, and what is told of it.

import assert from 'node:assert/strict'
import { onEachStore } from '../../test/stores.ts'
import { fakeClock, silentLog } from '../base/index.ts'
import { zoneResolver } from '../dns/index.ts'
import { EgressFault, type WebRequest, type WebResponse } from '../egress/index.ts'
import type { TlsResult } from '../mailauth/index.ts'
import { type Store, stsRows } from '../store/index.ts'
import { createStsPolicies, scheduleStsRefresh } from './sts.ts'

const minute = 60_000
const day = 1_440 * minute
const record = (id: string) => `_mta-sts.b.test TXT "v=STSv1; id=${id}"`
const policy = (mode: string, maxAge = 604_800, mx = 'mx.b.test') =>
  `version: STSv1\r\nmode: ${mode}\r\nmx: ${mx}\r\nmax_age: ${maxAge}\r\n`

/** A domain whose DNS and web server are as the test says. */
function open(store: Store) {
  const clock = fakeClock()
  const asked: WebRequest[] = []
  const results: TlsResult[] = []
  const world = {
    zone: record('one'),
    served: policy('enforce') as string | EgressFault | Partial<WebResponse>,
    clock,
    asked,
    results,
    /** Another process on the same store. */
    again: () => createStsPolicies(options),
  }
  const options = {
    store,
    clock,
    log: silentLog,
    dns: { txt: (name: string) => zoneResolver(world.zone).txt(name) },
    egress: {
      async fetch(request: WebRequest): Promise<WebResponse> {
        asked.push(request)
        if (world.served instanceof EgressFault) throw world.served
        const found = typeof world.served === 'string' ? { body: Buffer.from(world.served) } : world.served
        const headers = { 'content-type': 'text/plain; charset=utf-8' }
        return { status: 200, headers, body: Buffer.alloc(0), url: request.url, ...found }
      },
    },
    onTlsResult: (result: TlsResult) => void results.push(result),
  }
  const policies = createStsPolicies(options)
  const show = async (from = policies) => {
    const sts = await from.of('b.test')
    return sts.state === 'policy' ? `${sts.policy.mode} ${sts.policy.mx}` : sts.state
  }
  /** Runs the job once; when it is to run again. */
  const refresh = async () => {
    let next = 0
    const again = async (_: unknown, at: number) => void (next = at)
    await policies.handlers['refresh-sts-policies']({}, { id: 1 as never, attempts: 1, done: async () => {}, again })
    return next
  }
  const row = () => store.read((tx) => stsRows.find(tx, 'b.test'))
  return Object.assign(world, { policies, show, refresh, row })
}

onEachStore('a policy is fetched once, from the one place there is for it, and kept', async ({ store }) => {
  const world = open(store)
  assert.deepEqual(await Promise.all([world.show(), world.show()]), ['enforce mx.b.test', 'enforce mx.b.test'])
  assert.equal(world.asked.length, 1)
  const { url, maxBytes, timeoutMs, redirects, plain } = world.asked[0]!
  assert.equal(url, 'https://mta-sts.b.test/.well-known/mta-sts.txt')
  assert.deepEqual([maxBytes, timeoutMs, redirects, plain], [65_536, 60_000, undefined, undefined])
  await world.clock.advance(2 * minute)
  assert.equal(await world.show(), 'enforce mx.b.test')
  assert.equal(await world.show(world.again()), 'enforce mx.b.test')
  assert.equal(world.asked.length, 1)
  // Another id announces another policy.
  Object.assign(world, { zone: record('two'), served: policy('testing') })
  assert.equal(await world.show(), 'enforce mx.b.test')
  await world.clock.advance(2 * minute)
  assert.equal(await world.show(), 'testing mx.b.test')
  assert.equal(world.asked.length, 2)
  assert.deepEqual(world.results, [])
})

onEachStore(
  'downgrade: without DNS, web server or the right answer the policy that is held stays in force',
  async ({ store }) => {
    const world = open(store)
    assert.equal(await world.show(), 'enforce mx.b.test')
    const attacks: [zone: string, served: typeof world.served][] = [
      ['', policy('none')],
      ['_mta-sts.b.test SERVFAIL', policy('none')],
      ['_mta-sts.b.test TIMEOUT', policy('none')],
      [`${record('x1')}\n${record('x2')}`, policy('none')],
      ['_mta-sts.b.test TXT "v=STSv1; id=not-right"', policy('none')],
      [record('y1'), new EgressFault('connect', 'no answer')],
      [record('y2'), new EgressFault('certificate', 'of somebody else')],
      [record('y3'), { status: 302, headers: { location: 'https://evil.test/' } }],
      [record('y4'), { status: 404, body: Buffer.from(policy('none')) }],
      [record('y5'), { headers: { 'content-type': 'text/html' }, body: Buffer.from(policy('none')) }],
      [record('y6'), { headers: {}, body: Buffer.from(policy('none')) }],
      [record('y7'), 'version: STSv1\nmode: none'],
      [record('y8'), `<!-- ${policy('none')} -->`],
    ]
    for (const [zone, served] of attacks) {
      Object.assign(world, { zone, served })
      await world.clock.advance(2 * minute)
      assert.equal(await world.show(), 'enforce mx.b.test', `${zone} ${served}`)
    }
    const told = world.results.map(({ outcome }) => outcome.replace('sts-', ''))
    const fetch = 'policy-fetch-error'
    const bad = 'policy-invalid'
    assert.deepEqual(told, [fetch, 'webpki-invalid', fetch, fetch, bad, bad, bad, bad])
    assert.deepEqual(
      [...new Set(world.results.map(({ domain, policyType }) => `${domain} ${policyType}`))],
      ['b.test sts'],
    )
    // It ends when its time is over, and no sooner.
    world.zone = ''
    await world.clock.advance(7 * day)
    assert.equal(await world.show(), 'none')
  },
)

onEachStore(
  'without a policy that is held, mail goes on as if there were none; a failure is not asked for again at once',
  async ({ store }) => {
    const world = open(store)
    world.served = new EgressFault('connect', 'no answer from mta-sts.b.test')
    assert.equal(await world.show(), 'failed')
    await world.clock.advance(2 * minute)
    assert.equal(await world.show(), 'failed')
    assert.equal(world.asked.length, 1)
    assert.equal(world.results.length, 1)
    await world.clock.advance(4 * minute)
    world.served = policy('enforce')
    assert.equal(await world.show(), 'enforce mx.b.test')
    assert.equal(world.asked.length, 2)

    const other = open(store)
    Object.assign(other, { zone: '' })
    assert.equal((await other.policies.of('c.test')).state, 'none')
    Object.assign(other, { zone: '_mta-sts.d.test SERVFAIL' })
    assert.equal((await other.policies.of('d.test')).state, 'failed')
    assert.equal(other.asked.length, 0)
  },
)

onEachStore(
  'what is used is fetched anew each day before it ends; what fails keeps, and is told',
  async ({ store }) => {
    const world = open(store)
    assert.ok((await world.refresh()) > Date.now(), 'it runs again')
    assert.equal(world.asked.length, 0)
    await world.show()
    await world.refresh()
    assert.equal(world.asked.length, 1)
    await world.clock.advance(day)
    world.served = policy('enforce', 604_800, '*.b.test')
    await world.refresh()
    assert.equal(world.asked.length, 2)
    assert.equal(await world.show(), 'enforce *.b.test')
    assert.equal((await world.row())!.expires_at, world.clock.now() + 7 * day)

    await world.clock.advance(day)
    world.served = new EgressFault('timeout', 'no whole answer')
    await world.refresh()
    assert.equal((await world.row())!.failure, 'no whole answer')
    assert.deepEqual(
      world.results.map(({ outcome }) => outcome),
      ['sts-policy-fetch-error'],
    )
    // Not each time that it is looked.
    await world.refresh()
    assert.equal(world.asked.length, 3)
    await world.clock.advance(day / 4)
    await world.refresh()
    assert.equal(world.asked.length, 4)
    assert.equal(await world.show(), 'enforce *.b.test')
    await world.clock.advance(7 * day)
    await world.refresh()
    assert.equal(await world.row(), undefined)
    world.zone = ''
    assert.equal(await world.show(), 'none')
  },
)

onEachStore('a policy that nobody uses, or one for no time at all, is not fetched for ever', async ({ store }) => {
  const world = open(store)
  world.served = policy('enforce', 31_557_600)
  await world.show()
  await world.clock.advance(61 * day)
  await world.refresh()
  assert.equal(world.asked.length, 1)
  assert.equal(await world.show(), 'enforce mx.b.test')
  await world.refresh()
  assert.equal(world.asked.length, 2)
  Object.assign(world, { zone: record('three'), served: policy('enforce', 0) })
  await world.clock.advance(2 * minute)
  await world.show()
  await world.refresh()
  assert.equal(world.asked.length, 3)
  await scheduleStsRefresh(store)
})
