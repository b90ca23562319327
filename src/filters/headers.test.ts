// Fields that filters add: nothing that a daemon says can end a line, begin another field or be something else than ASCII.

import assert from 'node:assert/strict'
import { test } from 'node:test'
import { foldWords, formatHeaders, toHeader, toWords } from './headers.ts'
import { toRequest } from './testing/request.ts'
import { formatTop } from './top.ts'

test('values', () => {
  for (const [given, value] of [
    ['plain', 'plain'],
    ['  blanks around  ', 'blanks around'],
    ['two\n\tlines', 'two\r\n\tlines'],
    ['two\r\nX-Injected: lines', 'two\r\n\tX-Injected: lines'],
    ['two\r\n\r\nbody', 'two\r\n\tbody'],
    ['a\rb\0c\x7fd', 'a b c?d'],
    ['käse 🧀', 'k?se ?'],
    ['', ''],
    ['\n\n', ''],
    ['x'.repeat(2_000), 'x'.repeat(920)],
  ] as const)
    assert.deepEqual(toHeader('X-A', given), { name: 'X-A', value }, JSON.stringify(given.slice(0, 30)))
})

test('names', () => {
  for (const name of ['', 'X A', 'X:A', 'X\r\nB', 'Ü', 'x'.repeat(77)])
    assert.equal(toHeader(name, 'x'), undefined, name)
  assert.ok(toHeader('x'.repeat(76), 'x'))
})

test('long lists are folded and can be read again', () => {
  const words = Array.from({ length: 40 }, (_, i) => `SYMBOL_${i}`)
  const header = toHeader('X-Spam-Status', `Yes, score=1\ntests=${foldWords(words, ',')}`)!
  const text = formatHeaders([header])
  for (const line of text.split('\r\n')) assert.ok(line.length <= 80, line)
  assert.deepEqual(
    text
      .slice(text.indexOf('tests=') + 6)
      .replaceAll(/\r\n\t?/g, '')
      .split(','),
    words,
  )
})

test('words for people', () => {
  assert.equal(toWords(' a\r\nb\tcé '), 'a  b c?')
  assert.equal(toWords('x'.repeat(500)).length, 200)
})

test('the top of a message tells who handed it in, and nothing that he said can be more than a word', () => {
  const hostile = {
    helo: 'a b(c)\r\nX-Injected: 1',
    ptr: 'x[y];z',
    from: 'a@b>\r\nSubject: x',
    trace: 't1',
    ip: '2001:db8::1',
    account: 'ann',
  }
  const top = formatTop(toRequest('A: b\r\n\r\n', hostile), 'mx.test', 1_700_000_000_000).toString()
  assert.equal(
    top,
    'Return-Path: <a@bSubject: x>\r\n' +
      'Received: from abcX-Injected:1 (xyz [IPv6:2001:db8::1])\r\n' +
      '\tby mx.test (Posthorn) with ESMTPA id t1; Tue, 14 Nov 2023 22:13:20 +0000\r\n',
  )
})
