import assert from 'node:assert/strict'
import { test } from 'node:test'
import { noticeAt } from './deadline.ts'
import { defaultSchedule, nextAttempt, type Schedule } from './schedule.ts'

const minute = 60_000
const hour = 60 * minute

/** Whether the sender of a message that came at `arrived` hears now that it waits. */
const isDelayed = (schedule: Schedule, arrived: number, now: number) =>
  now >= (noticeAt(schedule, { arrived, params: {} }) ?? Number.POSITIVE_INFINITY)

test('attempts that fail at once come at the planned times until five days are over', () => {
  const times: number[] = []
  for (let now: number | undefined = 0; now !== undefined; now = nextAttempt(defaultSchedule, 0, now))
    times.push(now / minute)
  assert.deepEqual(times, [0, 5, 15, 30, 60, 120, 240, 480, 960, 1440, 2880, 4320, 5760, 7200])
})

test('a slow attempt moves to the next time that is at least a minute away', () => {
  assert.equal(nextAttempt(defaultSchedule, 0, 4.5 * minute), 15 * minute)
  assert.equal(nextAttempt(defaultSchedule, 0, 4 * minute), 5 * minute)
})

test('after days of standstill there is one attempt a day, and a last one at the end', () => {
  assert.equal(nextAttempt(defaultSchedule, 0, 60 * hour), 72 * hour)
  assert.equal(nextAttempt(defaultSchedule, 0, 119.999 * hour), 120 * hour)
  assert.equal(nextAttempt(defaultSchedule, 0, 120 * hour), undefined)
})

test('a list of its own, and none', () => {
  const short = { retries: [1000], every: 10 * minute, lifetime: 25 * minute }
  assert.equal(nextAttempt(short, 0, 0), 1000 + 10 * minute)
  assert.equal(nextAttempt(short, 0, 20 * minute), 25 * minute)
  assert.equal(nextAttempt({ ...short, retries: [] }, 0, 0), 10 * minute)
  assert.equal(isDelayed(short, 0, 24 * minute), false)
  assert.equal(isDelayed(defaultSchedule, 0, 4 * hour), true)
  assert.equal(isDelayed(defaultSchedule, 0, 4 * hour - 1), false)
})
