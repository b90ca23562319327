import assert from 'node:assert/strict'
import { test } from 'node:test'
import { fold, toCollation } from '../../../../mime/index.ts'
import { orderOf, rankLists, rankNumbers } from './ranks.ts'

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

test('texts of many lists have the ranks that one sorted list would give them, in turns', async () => {
  const starts = [
    '',
    'A',
    'AB',
    'ABC',
    'ABCD',
    'B\0',
    'ß',
    'あ',
    '\uffff',
    '\uffff\uffff\uffff',
    'ABあX',
    'ABいA',
    'ABあ',
  ]
  const texts = Array.from({ length: 12_000 }, (_, i) => starts[i % 13]! + String((i * 7919) % 12_007))
  const all = [
    ...starts,
    ...texts,
    ...texts.map((text) => `ABC${text}`),
    '',
    'þA',
    'ÿA',
    'ýB',
    'þ',
    'ABCDEF',
    'ABCDEFG',
  ]
  const lists: string[][] = [[]]
  for (let at = 0; at < all.length; at += 1000) lists.push([...new Set(all.slice(at, at + 1000))].sort())
  let turns = 0
  const { ranks, count } = await rankLists(lists, async () => {
    turns++
  })
  const sorted = [...new Set(all)].sort()
  assert.deepEqual(
    [...ranks],
    lists.flat().map((text) => sorted.indexOf(text)),
  )
  assert.equal(count, sorted.length)
  assert.ok(turns > 10)
  assert.deepEqual(await rankLists([], async () => {}), { ranks: new Uint32Array(0), count: 0 })
})

test('an order by ranks leaves equals as they were', () => {
  assert.deepEqual([...orderOf([2, 0, 1, 0, 2], 3)], [1, 3, 2, 0, 4])
})
