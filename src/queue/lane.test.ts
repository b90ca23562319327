import assert from 'node:assert/strict'
import { test } from 'node:test'
import type { Batch } from './batch.ts'
import { Lane, type Place } from './lane.ts'

/** As far as a lane looks at it. */
const batchAt = (turn: number, id: number): Batch =>
  ({ rank: 0, turn, id, sender: 'ann@a.test', recipients: [{ id }] }) as unknown as Batch

test('of mail that stays in the index a lane keeps the place and nothing else', () => {
  const lane = new Lane('a.test')
  const row: Place & { readonly reason: string } = { rank: 0, turn: 4, id: 4, reason: 'long' }
  lane.loaded(row, true)
  assert.deepEqual(lane.tail, { rank: 0, turn: 4, id: 4 })

  lane.loaded(undefined, false)
  lane.insert(batchAt(1, 1))
  lane.insert(batchAt(2, 2))
  lane.leave({ rank: 0, turn: 3, id: 3 })
  assert.deepEqual([lane.more, lane.tail], [true, { rank: 0, turn: 2, id: 2 }])
  lane.evictLast()
  assert.deepEqual([lane.waiting, lane.tail], [1, { rank: 0, turn: 1, id: 1 }])
})

test('what comes before the tail makes the lane read its index from the beginning', () => {
  const lane = new Lane('a.test')
  lane.loaded({ rank: 0, turn: 4, id: 4 }, true)
  assert.equal(lane.reaches({ rank: 0, turn: 3, id: 9 }), true)
  assert.equal(lane.reaches({ rank: 0, turn: 5, id: 5 }), false)
  lane.leave({ rank: -4, turn: 9, id: 9 })
  assert.equal(lane.tail, undefined)
  assert.equal(lane.reaches({ rank: -4, turn: 1, id: 1 }), false)
})
