// Header fields that tell a verdict: nothing that a filter or a stranger says gets out of its line.

import assert from 'node:assert/strict'
import { test } from 'node:test'
import type { Decision } from './decide.ts'
import { formatFields, isBelieved } from './fields.ts'
import { boundAnswers, type NamedAnswer } from './findings.ts'

const decision = (action: Decision['action'], ...reasons: string[]): Decision => ({ action, by: ['x'], reasons })
const answer = (more: Partial<NamedAnswer> = {}): NamedAnswer => ({ by: 'x', action: 'junk', reasons: [], ...more })
const format = (...args: Parameters<typeof formatFields>) => formatFields(...args).toString()

test('what is said of a message', () => {
  assert.equal(format(decision('accept'), []), '')
  assert.equal(
    format(decision('junk', 'x: it looks so'), []),
    'X-Spam-Flag: YES\r\nX-Posthorn-Verdict: junk; x: it looks so\r\n',
  )
  assert.equal(
    format(decision('tag', 'x: 6'), [answer({ score: 6, threshold: 5, symbols: ['ONE', 'TWO'] })]),
    'X-Spam-Status: Yes, score=6 required=5 tests=ONE, TWO\r\nX-Spam-Flag: YES\r\nX-Posthorn-Verdict: tag; x: 6\r\n',
  )
  assert.equal(
    format(decision('accept'), [answer({ score: 0.1, threshold: 5 })]),
    'X-Spam-Status: No, score=0.1 required=5\r\n',
  )
  // What somebody lets go out of the quarantine is not called spam.
  assert.equal(format(decision('quarantine', 'x'), []), 'X-Posthorn-Verdict: quarantine; x\r\n')
})

test("a filter's own fields stand as it gave them, and are not said twice", () => {
  const headers = [
    { name: 'X-Spam-Status', value: 'No, score=1' },
    { name: 'X-Spam-Flag', value: 'NO' },
  ]
  assert.equal(
    format(decision('tag', 'y'), [answer({ score: 1, headers })]),
    'X-Spam-Status: No, score=1\r\nX-Spam-Flag: NO\r\nX-Posthorn-Verdict: tag; y\r\n',
  )
})

test('header injection: no line but our own, however long or odd the words', () => {
  const evil = 'a\r\nBcc: x@y.test\r\n\r\nbody \u0000 \u2028 ünïcödé'
  const headers = [
    { name: 'X-Evil', value: evil },
    { name: 'X-Bad: Name', value: 'x' },
    { name: 'Bad\r\nName', value: 'x' },
    { name: '', value: 'x' },
  ]
  const [bound] = boundAnswers([answer({ reasons: [evil], headers, virus: evil })])
  const text = format(decision('tag', evil, 'w'.repeat(5_000), 'many words '.repeat(100)), [bound!])
  for (const line of text.slice(0, -2).split('\r\n')) {
    assert.match(line, /^(X-Evil: |X-Spam-Flag: |X-Posthorn-Verdict: |\t)[\x20-\x7e]*$/)
    assert.ok(line.length <= 998, `${line.length}`)
  }
  assert.ok(bound!.reasons.every((words) => !/[\r\n\0]/.test(words)))
})

test('answers of any size are cut', () => {
  const huge = 'x'.repeat(100_000)
  const many = Array.from({ length: 1_000 }, () => huge)
  const bound = boundAnswers(Array.from({ length: 100 }, () => answer({ reasons: many, symbols: many })))
  assert.ok(JSON.stringify(bound).length < 1_000_000)
})

test('names by which filters are believed', () => {
  for (const name of [
    'x-spam-flag',
    'x-spam',
    'x-spamd-bar',
    'x-virus-scanned',
    'x-posthorn-verdict',
    'x-rspamd-score',
  ])
    assert.ok(isBelieved(name), name)
  for (const name of ['subject', 'x-mailer', 'list-id', 'x-s', 'authentication-results'])
    assert.ok(!isBelieved(name), name)
})
