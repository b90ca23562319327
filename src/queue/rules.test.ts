// What people want of the queue: on SQLite and on PostgreSQL, with a clock that moves by hand.

import assert from 'node:assert/strict'
import { describe, test } from 'node:test'
import { databases } from '../../test/stores.ts'
import { parseAddress } from '../address/index.ts'
import { isFault } from '../base/index.ts'
import { checkRule } from './rules.ts'
import { onWorld } from './testing/on-world.ts'
import type { World } from './testing/world.ts'

const minute = 60_000
for (const dialect of databases)
  describe(`rules of the queue on ${dialect}`, () => {
    let world: World
    const run = (name: string, work: () => Promise<void>) =>
      onWorld(dialect, name, (made) => {
        world = made
        return work()
      })
    const rows = async () => (await world.queue.admin.list()).flatMap(({ recipients }) => recipients)
    const states = async () => (await rows()).map(({ address, state }) => [address, state])
    const sent = () => world.sent.flatMap(({ to }) => to)

    run('a paused domain stands still, old mail and new, until it is resumed', async () => {
      const { admin } = world.queue
      world.answers = () => '451 4.3.0 later'
      await world.queue.start()
      // One after the other: two destinations at once are tried in any order.
      await world.put(['bob@a.test'])
      await world.settle()
      await world.put(['eve@b.test'])
      await world.settle()
      const made = await admin.addRule({
        kind: 'pause',
        about: 'domain',
        pattern: 'A.test',
        reason: 'they asked',
        by: 'joe',
      })
      assert.equal(made.recipients, 1)
      await world.put(['ann@a.test'])
      await world.settle()
      await world.advance(6 * minute)
      assert.deepEqual(await states(), [
        ['bob@a.test', 'held'],
        ['eve@b.test', 'waiting'],
        ['ann@a.test', 'held'],
      ])
      assert.deepEqual(sent(), ['bob@a.test', 'eve@b.test', 'eve@b.test'])
      assert.equal((await rows())[0]?.reason, `held by rule ${made.id}: they asked`)
      const [rule] = await admin.rules()
      assert.deepEqual([rule?.pattern, rule?.by, rule?.madeAt], ['a.test', 'joe', world.clock.now() - 6 * minute])
      world.answers = () => '250 ok'
      assert.equal(await admin.removeRule(made.id), 2)
      await world.settle()
      assert.deepEqual(await states(), [['eve@b.test', 'waiting']])
      assert.deepEqual(await admin.rules(), [])
      await assert.rejects(admin.removeRule(made.id), (error) => isFault(error, 'not-found'))
    })

    run('a paused sender, the null sender, a paused provider', async () => {
      const { admin } = world.queue
      await world.queue.start()
      await admin.addRule({ kind: 'pause', about: 'sender', pattern: '@us.test' })
      await admin.addRule({ kind: 'pause', about: 'sender', pattern: '<>' })
      const provider = await admin.addRule({ kind: 'pause', about: 'provider', pattern: 'b.test' })
      await world.put(['bob@a.test'])
      await world.put(['joe@a.test'], { sender: null })
      await world.put(['eve@b.test'], { sender: parseAddress('x@other.test')! })
      await world.put(['eve@c.test'], { sender: parseAddress('x@other.test')! })
      await world.settle()
      assert.deepEqual(sent(), ['eve@c.test'])
      assert.deepEqual(
        (await states()).map(([, state]) => state),
        ['held', 'held', 'held'],
      )
      assert.equal(await admin.removeRule(provider.id), 1)
      await world.settle()
      assert.deepEqual(sent(), ['eve@c.test', 'eve@b.test'])
    })

    run('a hold rule holds what comes; it lets go once and goes on', async () => {
      const { admin } = world.queue
      await world.queue.start()
      const rule = await admin.addRule({ kind: 'hold', about: 'recipient', pattern: 'bob@a.test' })
      await world.put(['bob@a.test', 'eve@a.test'])
      await world.settle()
      assert.deepEqual(await states(), [['bob@a.test', 'held']])
      assert.equal(await admin.releaseRule(rule.id), 1)
      await world.settle()
      assert.deepEqual(await states(), [])
      await world.put(['bob@a.test'])
      await world.settle()
      assert.deepEqual(await states(), [['bob@a.test', 'held']])
    })

    run('another next hop for a domain and for one message', async () => {
      const { admin } = world.queue
      world.answers = () => '451 4.3.0 later'
      await world.queue.start()
      const id = await world.put(['bob@a.test'])
      await world.settle()
      const rule = await admin.addRule({
        kind: 'route',
        about: 'domain',
        pattern: 'b.test',
        target: '192.0.2.200:2525',
      })
      await world.put(['eve@b.test'])
      await world.settle()
      assert.deepEqual([world.connections.at(-1)?.ip, world.connections.at(-1)?.port], ['192.0.2.200', 2525])
      assert.equal(await admin.route(id, '192.0.2.201:26'), 1)
      await world.settle()
      assert.equal(world.connections.at(-1)?.ip, '192.0.2.201')
      world.answers = () => '250 ok'
      assert.equal(await admin.route(id), 1)
      await world.settle()
      assert.equal(world.sent.at(-1)?.ip, '192.0.2.1')
      await admin.removeRule(rule.id)
      await admin.retry()
      await world.settle()
      assert.equal(world.sent.at(-1)?.ip, '192.0.2.2')
      await assert.rejects(admin.route(id, 'relay.test'), (error) => isFault(error, 'not-found'))
    })

    run('a message is given up now, or begins anew', async () => {
      const { admin } = world.queue
      world.answers = () => '451 4.3.0 later'
      await world.queue.start()
      const id = await world.put(['bob@a.test'])
      const other = await world.put(['eve@b.test'])
      await world.settle()
      await world.advance(10 * minute)
      assert.equal(await admin.requeue(id), 1)
      await world.settle()
      const [message] = await admin.list({ domain: 'a.test' })
      assert.deepEqual([message?.createdAt, message?.recipients[0]?.attempts], [world.clock.now(), 1])
      assert.equal(await admin.expire(other), 1)
      const [report] = await world.posted()
      assert.match(report?.text ?? '', /given up by an administrator/)
      assert.deepEqual(await states(), [['bob@a.test', 'waiting']])
    })

    run('lists by sender, domain and state; shows sites and lanes', async () => {
      const { admin } = world.queue
      world.dead.add('192.0.2.1').add('192.0.2.101')
      await world.queue.start()
      for (const name of ['bob', 'ann', 'joe', 'kim']) {
        await world.put([`${name}@a.test`])
        await world.settle()
      }
      await world.put(['eve@b.test'], { params: { holdUntil: world.clock.now() + minute }, sender: null })
      await world.settle()
      const count = async (filter: Parameters<typeof admin.list>[0]) => (await admin.list(filter)).length
      assert.deepEqual(
        [
          await count({ sender: 'us.test' }),
          await count({ sender: '<>' }),
          await count({ domain: 'b.test' }),
          await count({ state: 'held' }),
          await count({ sender: 'ann@us.test', limit: 2 }),
        ],
        [4, 1, 1, 0, 2],
      )
      const [site] = await admin.sites()
      assert.deepEqual([site?.next, site?.window, site?.deadForMs], ['mx.a.test mx2.a.test', 0, minute])
      assert.match(site?.failure ?? '', /ECONNREFUSED/)
      const { sitesDead, waiting, held } = await admin.stats()
      assert.deepEqual([sitesDead, waiting, held], [1, 5, 0])
      // FUTURERELEASE: not before.
      await world.advance(30_000)
      assert.ok(!sent().includes('eve@b.test'))
      await world.advance(31_000)
      assert.ok(sent().includes('eve@b.test'))
    })
  })

test('rules that mean nothing are refused with what is wrong', () => {
  const refuse = (rule: Parameters<typeof checkRule>[0], words: RegExp) =>
    assert.throws(
      () => checkRule(rule),
      (error: Error) => isFault(error, 'invalid') && words.test(error.message),
    )
  refuse({ kind: 'pause', about: 'domain', pattern: 'ann@a.test' }, /names no domain/)
  refuse({ kind: 'pause', about: 'sender', pattern: 'ann' }, /names no sender/)
  refuse({ kind: 'hold', about: 'provider', pattern: 'a.test' }, /only the sending can be paused/)
  refuse({ kind: 'route', about: 'sender', pattern: 'ann@a.test', target: 'b' }, /for a domain/)
  refuse({ kind: 'route', about: 'domain', pattern: 'a.test', target: 'u:p@b.test' }, /password/)
  assert.equal(checkRule({ kind: 'route', about: 'domain', pattern: 'a.test', target: '' }).target, '')
  assert.equal(checkRule({ kind: 'pause', about: 'sender', pattern: ' Ann@A.test' }).pattern, 'ann@a.test')
})
