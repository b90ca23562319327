// What is learnt, taken back, and fades; counts as bytes and back.

import assert from 'node:assert/strict'
import { test } from 'node:test'
import {
  decodeCounts,
  emptyModel,
  encodeCounts,
  learn,
  mostLearnt,
  mostUserTokens,
  unit,
  unlearn,
} from './user-model.ts'

const run = (from: number, count: number) => Array.from({ length: count }, (_, i) => (from + i) * 2_654_435 - 1_000_000)

test('what was learnt and taken back leaves nothing', () => {
  const model = emptyModel()
  const first = learn(model, run(0, 50), 'spam')
  const second = learn(model, run(25, 50), 'ham')
  assert.deepEqual([model.spam, model.ham, model.counts.size], [unit, 2 * unit, 75])
  unlearn(model, run(0, 50), 'spam', first)
  unlearn(model, run(25, 50), 'ham', second)
  assert.deepEqual([model.spam, model.ham, model.counts.size], [0, 0, 0])
})

test('it never grows beyond its bounds, and what is old fades first', () => {
  const model = emptyModel()
  for (let i = 0; i < 30; i++) learn(model, run(0, 100), 'spam')
  for (let i = 0; i < 400; i++) learn(model, run(1_000 + i * 1_000, 1_000), i % 2 === 0 ? 'spam' : 'ham')
  assert.ok(model.counts.size <= mostUserTokens)
  assert.ok(encodeCounts(model).length <= 262_144)
  const held = (tokens: readonly number[]) => tokens.filter((token) => model.counts.has(token)).length
  assert.equal(held(run(1_000 + 399_000, mostLearnt)), mostLearnt, 'the last message')
  assert.equal(held(run(1_000, mostLearnt)), 0, 'one of long ago')
  assert.ok(model.generation > 0)
})

test('counts reach no further than their room', () => {
  const model = emptyModel()
  for (let i = 0; i < 9_000; i++) learn(model, run(0, 3), i % 3 === 0 ? 'ham' : 'spam')
  assert.ok(model.spam <= 0xffff && model.ham <= 0xffff)
  const [packed] = model.counts.values()
  const ratio = (packed! & 0xffff) / (packed! >>> 16)
  assert.ok(Math.abs(ratio - 1) < 0.2, `${ratio}`)
})

test('a message learnt before all was halved takes back what is left of it', () => {
  const model = emptyModel()
  const generation = learn(model, run(0, 10), 'spam')
  for (let i = 0; i < 5_000; i++) learn(model, run(50, 5), 'spam')
  assert.ok(model.generation > generation)
  const before = model.spam
  unlearn(model, run(0, 10), 'spam', generation)
  assert.ok(model.spam >= before - (unit >> (model.generation - generation)))
})

test('counts as bytes and back', () => {
  const model = emptyModel()
  learn(model, [-2_147_483_648, -1, 0, 1, 2_147_483_647], 'ham')
  learn(model, [-1, 7], 'spam')
  const bytes = encodeCounts(model)
  assert.deepEqual(decodeCounts(bytes), new Map([...model.counts].sort((a, b) => a[0] - b[0])))
  // Whatever stands where in memory.
  assert.deepEqual(decodeCounts(Buffer.concat([Buffer.from('x'), bytes]).subarray(1)), decodeCounts(bytes))
})
