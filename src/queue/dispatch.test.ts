// The dispatcher alone: lanes that stand aside come back when their limits have room.

import assert from 'node:assert/strict'
import { test } from 'node:test'
import { type Clock, type FakeClock, fakeClock } from '../base/index.ts'
import type { Batch } from './batch.ts'
import { createDispatch, type Ended } from './dispatch.ts'
import { Lane } from './lane.ts'
import { Limit, type LimitRule } from './limit.ts'
import { Site } from './site.ts'

const done: Ended = { feedback: 'fine', reason: '', unsaid: false, settle: async () => {} }

/** Lanes of so many messages each behind one limit; when each message began, milliseconds. */
function lanesBehind(rule: LimitRule, counts: readonly number[], clock: Clock): number[] {
  const limit = new Limit(rule, clock)
  const began: number[] = []
  const dispatch = createDispatch({
    run() {
      began.push(clock.monotonic())
      return new Promise((resolve) => clock.after(30, () => resolve(done)))
    },
    places: 50,
    clock,
    onMoved() {},
    onRepeat() {},
    onDead() {},
    onBlocked() {},
  })
  for (const [at, count] of counts.entries()) {
    const name = `slow${at}.test`
    const lane = new Lane(name)
    const site = new Site(name, '', clock, () => 50)
    lane.survey = { at: 0, hosts: [`mx.${name}`], ways: [{ source: { address: '' }, site, limits: [limit] }] }
    for (let id = 1; id <= count; id++)
      lane.insert({ rank: 0, turn: id, id, sender: 'ann@a.test', recipients: [{ id }] } as unknown as Batch)
    dispatch.offer(lane)
  }
  return began
}

/** Timers of Node may fire almost a millisecond before their time. */
const hasty = (clock: FakeClock): FakeClock => ({
  ...clock,
  after: (ms, run) => clock.after(ms > 1 ? ms - 0.9 : ms, run),
})

test('a limit for each minute lets the next go when a timer fires early', async () => {
  const clock = hasty(fakeClock())
  const began = lanesBehind({ provider: 'slow.test', perMinute: 5 }, [8], clock)
  await clock.advance(120_000)
  assert.equal(began.length, 8, `${began}`)
  for (const [i, at] of began.entries()) assert.ok((began[i + 5] ?? Infinity) - at >= 59_999, `${began}`)
})

test('who waited for a connection waits for the minute when it has ended', async () => {
  const clock = fakeClock()
  const began = lanesBehind({ provider: 'slow.test', perMinute: 5, connections: 1 }, [1, 1, 1], clock)
  await clock.advance(120_000)
  assert.equal(began.length, 3, `${began}`)
})
