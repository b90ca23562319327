// The wall clock is set a day forward and back while mail waits; on both databases.

import assert from 'node:assert/strict'
import { describe } from 'node:test'
import { setTimeout as sleep } from 'node:timers/promises'
import { databases } from '../../test/stores.ts'
import { metaRows, queueLaneRows } from '../store/index.ts'
import { onWorld } from './testing/on-world.ts'
import type { World } from './testing/world.ts'

const minute = 60_000
const day = 24 * 60 * minute
for (const dialect of databases)
  describe(`the clock is set (${dialect})`, () => {
    const run = (name: string, work: (world: World) => Promise<void>) =>
      onWorld(dialect, name, async (world) => {
        world.answers = () => '451 4.3.0 not now'
        await world.queue.start()
        await work(world)
      })
    const waits = async (world: World) =>
      (await world.queue.admin.list())
        .flatMap(({ recipients }) => recipients)
        .map(({ nextAt }) => (nextAt - world.clock.now()) / minute)

    run(
      'forward: each is tried once and none expires; and back: none waits longer than befits its age',
      async (world) => {
        for (let n = 0; n < 20; n++) await world.put([`u${n}@a.test`])
        await world.settle()
        const before = world.connections.length
        world.clock.jump(day)
        await world.advance(2 * minute)
        assert.equal((await waits(world)).length, 20)
        assert.ok(world.connections.length - before <= 20, `${world.connections.length - before} connections`)
        const tried = world.connections.length
        await world.advance(10 * minute)
        assert.equal(world.connections.length, tried, 'not again and again')

        world.clock.jump(-day)
        await world.advance(2 * minute)
        const left = await waits(world)
        assert.equal(left.length, 20)
        assert.ok(Math.max(...left) <= 30, `minutes until the next attempt: ${left}`)
        world.answers = () => '250 2.0.0 ok'
        await world.advance(31 * minute)
        assert.deepEqual(await waits(world), [])
        assert.equal(world.sent.length, 3 * 20, 'three attempts each')
      },
    )

    run('back, and two nodes notice: what waits is moved once', async (world) => {
      const second = world.reopen()
      await second.start()
      for (let n = 0; n < 20; n++) await world.put([`u${n}@a.test`])
      await world.settle()
      const before = await waits(world)
      const tried = world.connections.length
      for (let times = 0; times < 2; times++) {
        world.clock.jump(-day)
        await world.advance(minute + 1_000)
        // The clock of the test does not wait for a database that is busy.
        for (let i = 0; i < 100 && Math.max(...(await waits(world))) > 10; i++) await sleep(50)
        await world.settle()
      }
      assert.equal(world.connections.length, tried, 'nothing became due')
      const left = await waits(world)
      assert.equal(left.length, before.length)
      assert.ok(Math.max(...left) <= Math.max(...before), `${left} minutes, before ${before}`)
      await second.stop(0)
    })

    run('back, and who moved what waits died after a page: the next to look moves the rest', async (world) => {
      for (let n = 0; n < 20; n++) await world.put([`u${n}@a.test`])
      await world.settle()
      const before = await waits(world)
      const tried = world.connections.length
      await world.queue.stop(0)
      world.clock.jump(-day)
      const now = world.clock.now()
      await world.store.write([], async (tx) => {
        await metaRows.noteSetBack(tx, { by: day, now })
        const after = await queueLaneRows.moveBack(tx, { by: day, now }, 0, 8)
        await metaRows.putSetBack(tx, { at: now, by: day, after })
      })
      world.queue = world.reopen()
      await world.queue.start()
      await world.advance(1_000)
      const left = await waits(world)
      assert.equal(left.length, 20)
      for (const [i, minutes] of left.sort((a, b) => a - b).entries())
        assert.ok(Math.abs(minutes - before[i]!) < 1, `${left}, ${before}`)
      assert.equal(world.connections.length, tried, 'nothing became due')
    })

    run('back, while the store fails: it is noticed when the store is back', async (world) => {
      await world.queue.stop(0)
      let fails = false
      const store: typeof world.store = {
        ...world.store,
        write: (scope, work, options) =>
          fails ? Promise.reject(new Error('away')) : world.store.write(scope, work, options),
      }
      world.queue = world.reopen({ store })
      await world.queue.start()
      for (let n = 0; n < 5; n++) await world.put([`u${n}@a.test`])
      await world.settle()
      await world.advance(4 * minute)
      fails = true
      world.clock.jump(-3 * minute)
      await world.clock.advance(minute + 1_000)
      fails = false
      // Five minutes after the first attempt by the monotonic clock, not eight; nothing in the store is of a later time.
      await world.advance(2 * minute)
      assert.equal(world.sent.length, 10)
    })

    run('back: what shall leave at a moment leaves at that moment', async (world) => {
      world.answers = () => '250 2.0.0 ok'
      const holdUntil = world.clock.now() + 2 * day
      await world.put(['bob@a.test'], { params: { holdUntil } })
      await world.advance(minute)
      world.clock.jump(-day)
      await world.advance(2 * minute)
      assert.deepEqual(
        (await world.queue.admin.list()).map(({ recipients }) => recipients[0]!.nextAt),
        [holdUntil],
      )
      assert.equal(world.sent.length, 0)
    })
  })
