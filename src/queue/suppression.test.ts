// The suppression lists: what puts an address on one, what does not, what it does there; on both databases.

import assert from 'node:assert/strict'
import { describe } from 'node:test'
import { databases, onDatabase } from '../../test/stores.ts'
import { createAccountWrites, createDomainPolicies } from '../accounts/index.ts'
import { silentLog } from '../base/index.ts'
import { createSuppressionAdmin, createSuppressions, type SuppressionAdmin } from './index.ts'
import { openWorld, type World } from './testing/world.ts'

const day = 86_400_000
interface Bench {
  readonly world: World
  readonly admin: SuppressionAdmin
  /** What holds now: `address class source`. */
  list(): Promise<string[]>
  setDomain(settings: { suppression?: boolean }): Promise<void>
  send(to: readonly string[], answer: string): Promise<void>
  /** Time goes by and the queue does nothing: its timers would fire a thousand times a day. */
  wait(ms: number): Promise<void>
}

async function openBench(url: string): Promise<Bench> {
  const world = await openWorld(url)
  await world.queue.stop(0)
  const { store, clock } = world
  const policies = createDomainPolicies(store.bell, clock)
  const open = () => world.reopen({ suppressions: createSuppressions({ store, clock, policies }) })
  world.queue = open()
  const accounts = createAccountWrites({ store, ensureMailboxes: async () => {}, log: silentLog })
  await accounts.addDomain('us.test')
  await accounts.setDomain('us.test', { suppression: true })
  await world.queue.start()
  const admin = createSuppressionAdmin({ store, clock })
  return {
    world,
    admin,
    async list() {
      const { entries } = await admin.list({ domain: 'us.test' })
      return entries.map(({ address, class: kind, source }) => `${address} ${kind} ${source}`)
    },
    async setDomain(settings) {
      await accounts.setDomain('us.test', settings)
    },
    async send(to, answer) {
      world.answers = () => answer
      await world.put(to)
      await world.settle()
    },
    async wait(ms) {
      await world.queue.stop(0)
      await clock.advance(ms)
      world.queue = open()
      await world.queue.start()
    },
  }
}

for (const dialect of databases)
  describe(`suppression on ${dialect}`, () => {
    const run = (name: string, work: (bench: Bench) => Promise<void>) =>
      onDatabase(dialect, name, async (_t, url) => {
        const bench = await openBench(url)
        try {
          await work(bench)
        } finally {
          await bench.world.close()
        }
      })

    run('an address that is not there gets no second message, and the sender is told why', async (bench) => {
      const { world } = bench
      await bench.send(['Gone@a.test'], '550 5.1.1 no such user')
      assert.deepEqual(await bench.list(), ['gone@a.test bad-mailbox reply'])
      const [entry] = (await bench.admin.list({ domain: 'us.test' })).entries
      assert.equal(entry?.reason, '550 5.1.1 no such user')
      assert.equal(entry?.expiresAt, world.clock.now() + 180 * day)
      await bench.send(['gone@a.test', 'here@a.test'], '250 ok')
      assert.deepEqual(world.sent.at(-1)?.to, ['here@a.test'])
      const report = (await world.posted()).at(-1)!.text.replaceAll('=\r\n', '')
      assert.ok(report.includes('Status: 5.7.1') && report.includes('posthorn suppression remove us.test'), report)
      assert.ok(report.includes('550 5.1.1 no such user'))
      assert.equal(await bench.admin.remove('us.test', ['GONE@a.test']), 1)
      await bench.send(['gone@a.test'], '250 ok')
      assert.deepEqual(world.sent.at(-1)?.to, ['gone@a.test'])
    })

    run('names, rules, blocks and spam suppress nobody, nor does a domain without the setting', async (bench) => {
      for (const answer of [
        '550 5.7.1 rejected by policy',
        '554 5.7.1 your address is listed by spamhaus',
        '550 5.1.2 host unknown',
        '552 5.3.4 message too large',
        '550 5.7.26 unauthenticated mail from us.test',
        '550 rejected',
      ])
        await bench.send(['x@a.test'], answer)
      assert.deepEqual(await bench.list(), [])
      await bench.setDomain({ suppression: false })
      await bench.send(['x@a.test'], '550 5.1.1 no such user')
      assert.deepEqual(await bench.list(), [])
    })

    run('a full mailbox counts: three in a row over three days, and a success begins anew', async (bench) => {
      const { world } = bench
      const full = '552 5.2.2 mailbox full'
      for (let i = 0; i < 3; i++) await bench.send(['full@a.test'], full)
      assert.deepEqual(await bench.list(), [])
      assert.equal((await bench.admin.list({ domain: 'us.test', counted: true })).entries[0]?.times, 3)
      await bench.send(['full@a.test'], '250 ok')
      assert.equal((await bench.admin.list({ domain: 'us.test', counted: true })).entries.length, 0)
      for (let i = 0; i < 3; i++) {
        await bench.send(['full@a.test'], full)
        await bench.wait(2 * day)
      }
      assert.deepEqual(await bench.list(), ['full@a.test mailbox-full reply'])
      const sent = world.sent.length
      await bench.send(['full@a.test'], '250 ok')
      assert.equal(world.sent.length, sent)
      await bench.wait(31 * day)
      await bench.send(['full@a.test'], '250 ok')
      assert.equal(world.sent.length, sent + 1)
    })

    run('what a person decided stays; pages, filters and bad addresses', async (bench) => {
      const { admin } = bench
      const until = bench.world.clock.now() + 1000 * day
      await admin.add('us.test', [{ address: 'x@a.test', reason: 'by phone', expiresAt: until }], 'root')
      await bench.send(['x@a.test'], '550 5.1.1 no such user')
      const found = await admin.find('us.test', 'X@A.test')
      assert.deepEqual(
        [found?.class, found?.reason, found?.createdBy, found?.expiresAt],
        ['manual', 'by phone', 'root', until],
      )
      const answers = await admin.add(
        'us.test',
        [...Array.from({ length: 25 }, (_, i) => ({ address: `u${i}@b.test` })), { address: 'nonsense' }],
        'root',
      )
      assert.deepEqual(
        answers.filter(({ error }) => error).map(({ address }) => address),
        ['nonsense'],
      )
      const seen: string[] = []
      for (let after: number | undefined = 0; after !== undefined; ) {
        const page: Awaited<ReturnType<SuppressionAdmin['list']>> = await admin.list({
          domain: 'us.test',
          after,
          limit: 10,
        })
        seen.push(...page.entries.map(({ address }) => address))
        after = page.next
      }
      assert.equal(new Set(seen).size, 26)
      assert.equal((await admin.list({ domain: 'us.test', search: 'U1' })).entries.length, 11)
      assert.equal((await admin.list({ domain: 'us.test', class: 'bad-mailbox' })).entries.length, 0)
      await assert.rejects(admin.list({ domain: 'other.test' }), /no domain other.test/)
    })

    run('it fails at once also where nothing can be sent for a while', async ({ world, admin, send }) => {
      for (const ip of ['192.0.2.1', '192.0.2.101']) world.dead.add(ip)
      for (let i = 0; i < 8; i++) await send([`u${i}@a.test`], '250 ok')
      const connections = world.connections.length
      await admin.add('us.test', [{ address: 'x@a.test', reason: 'moved away' }], 'root')
      await send(['x@a.test'], '250 ok')
      const report = (await world.posted()).at(-1)?.text
      assert.ok(report?.includes('moved away') && report.includes('Status: 5.7.1'), report ?? 'no report')
      assert.equal(world.connections.length, connections)
      const waiting = (await world.queue.admin.list()).flatMap(({ recipients }) => recipients)
      assert.deepEqual(
        waiting.filter(({ address }) => address === 'x@a.test'),
        [],
      )
    })

    run("a foreign sender's mail and reports are nobody's list", async (bench) => {
      await bench.admin.add('us.test', [{ address: 'x@a.test' }], 'root')
      bench.world.answers = () => '250 ok'
      await bench.world.put(['x@a.test'], { sender: null })
      await bench.world.put(['x@a.test'], { sender: { local: 'eve', domain: 'else.test' } })
      await bench.world.settle()
      assert.equal(bench.world.sent.length, 2)
    })
  })
