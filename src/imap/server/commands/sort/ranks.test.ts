import assert from 'node:assert/strict'
import { test } from 'node:test'
import { fold } from '../../../../mime/index.ts'
import { rankNumbers, sortTexts, toCollation } from './ranks.ts'

test('equal numbers share a rank, and ranks have no gap', () => {
  const { ranks, count } = rankNumbers(Float64Array.of(5, -1, 5, 1e12, 0, -1))
  assert.deepEqual([...ranks], [2, 0, 2, 3, 1, 0])
  assert.equal(count, 4)
  assert.deepEqual(rankNumbers(new Float64Array(0)), { ranks: new Uint32Array(0), count: 0 })
})

test('texts compare as i;unicode-casemap has them: without case, and by code points', () => {
  // Each before the next.
  const order = [
    '',
    '0',
    'a',
    'AB',
    'Ä',
    'b',
    '[',
    '_',
    '~',
    'Σ',
    '\u{3042}',
    '\ue000',
    '\ufffd',
    '\u{10330}',
    '\u{1f600}',
  ]
  const keys = order.map((text) => toCollation(fold(text)))
  for (let i = 1; i < keys.length; i++) assert.ok(keys[i - 1]! < keys[i]!, `${order[i - 1]} before ${order[i]}`)
  assert.equal(toCollation(fold('straSSE ς')), toCollation(fold('Straße Σ')))
})

test('many texts are sorted in turns as they would be at once', async () => {
  const starts = ['', 'A', 'AB', 'ABC', 'ABCD', 'B\0', 'ß', 'あ', '\uffff', '\uffff\uffff\uffff']
  const texts = Array.from({ length: 12_000 }, (_, i) => starts[i % 7]! + String((i * 7919) % 12_007))
  let turns = 0
  const sorted = await sortTexts([...starts, ...texts, ...texts.map((text) => `ABC${text}`)], async () => {
    turns++
  })
  assert.deepEqual(sorted, [...starts, ...texts, ...texts.map((text) => `ABC${text}`)].sort())
  assert.ok(turns > 10)
})
