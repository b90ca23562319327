// Real replies of real servers against the class each should have; and what must hold for any text.

import assert from 'node:assert/strict'
import { readFileSync } from 'node:fs'
import { resolve } from 'node:path'
import { test } from 'node:test'
import { classify, classifyText, classWords, findReply } from './index.ts'
import { codePatterns, decisiveStatuses, statusPatterns, textPatterns } from './patterns.ts'

const file = resolve(import.meta.dirname, '../../../test/corpus/replies/replies.tsv')
const rows = readFileSync(file, 'utf8')
  .trimEnd()
  .split('\n')
  .map((line) => line.split('\t') as [server: string, reply: string, name: string, hard: string])

test('each real reply has its class', () => {
  assert.ok(rows.length >= 250)
  const wrong = rows.flatMap(([server, reply, name, hard]) => {
    const found = classifyText(reply)
    const text = `${found.class} ${found.hard ? 'hard' : 'soft'}`
    return text === `${name} ${hard}` ? [] : [`${server}: ${reply} → ${text}, expected ${name} ${hard}`]
  })
  assert.deepEqual(wrong, [])
})

test('the table of replies has every class, and each row stands once', () => {
  assert.deepEqual(
    new Set(rows.map(([, , name]) => name)),
    new Set(Object.keys(classWords).filter((name) => name !== 'unknown')),
  )
  assert.equal(new Set(rows.map(([, reply]) => reply)).size, rows.length)
})

test('patterns are folded as replies are, and none repeats an earlier one', () => {
  const seen = new Set<string>()
  for (const [, list] of textPatterns) {
    for (const pattern of list.split(',').map((each) => each.trim().replaceAll(/\s+/g, ' '))) {
      assert.match(pattern, /^[a-z0-9]+( (\.\. )?[a-z0-9]+)*\*?$/)
      assert.ok(!seen.has(pattern), pattern)
      seen.add(pattern)
    }
  }
  assert.ok(seen.size > 500)
  for (const table of [statusPatterns, codePatterns, decisiveStatuses] as const)
    assert.equal(new Set(table.map(([key]) => key)).size, table.length)
})

test('a refusal is hard only when it is final and about the recipient', () => {
  assert.deepEqual(classify({ code: 550, status: '5.1.1', text: '' }), { class: 'bad-mailbox', hard: true })
  assert.deepEqual(classify({ code: 450, status: '4.1.1', text: '' }), { class: 'bad-mailbox', hard: false })
  assert.deepEqual(classify({ code: 552, status: '5.2.2', text: '' }), { class: 'mailbox-full', hard: false })
  assert.deepEqual(classify({ code: 550, text: '' }), { class: 'unknown', hard: false })
  assert.deepEqual(classify({ text: 'user unknown', permanent: true }), { class: 'bad-mailbox', hard: true })
  assert.deepEqual(classify({ text: 'user unknown' }), { class: 'bad-mailbox', hard: false })
})

test('addresses and paths of URLs are no statements', () => {
  assert.equal(classifyText('550 <spam@example.com>: see https://example.com/mailbox-full').class, 'unknown')
})

test('numbers within words, addresses and dates are no replies', () => {
  for (const text of [
    '10.0.550.1',
    'id 5501',
    'a550 x',
    'user550@example.com 1',
    '2026-550 1',
    'in 432000 seconds',
    '599 x',
  ])
    assert.equal(findReply(text), undefined, text)
  assert.deepEqual(findReply('host said: 550-5.1.1 no'), { code: 550, status: '5.1.1', at: 11 })
  assert.deepEqual(findReply('gone (#5.1.2)'), { status: '5.1.2', at: 7 })
  assert.deepEqual(findReply('[450 4.2.1 later]'), { code: 450, status: '4.2.1', at: 1 })
  assert.deepEqual(findReply('550 4.2.1 mixed'), { code: 550, at: 0 })
})

test('hostile texts cost little', () => {
  const begin = performance.now()
  for (const piece of ['mailbox ', 'is over ', '5.', '550 ', '@', '://', 'a', '\u0130', '\ud800'])
    assert.ok(classifyText(piece.repeat(200_000)).class in classWords)
  assert.ok(performance.now() - begin < 500)
})
