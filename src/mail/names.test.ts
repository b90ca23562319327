// Names of mailboxes: what is taken, how it is stored, what is refused.

import assert from 'node:assert/strict'
import { test } from 'node:test'
import { isFault } from '../base/index.ts'
import { isInferior, parseMailboxName, superiors } from './names.ts'

test('names are stored in one form', () => {
  for (const [given, stored] of [
    ['inbox', 'INBOX'],
    ['InBox/x', 'INBOX/x'],
    ['x/inbox', 'x/inbox'],
    ['a/b/', 'a/b'],
    ['Ja\u0308n', 'Jän'],
    ['日本/語', '日本/語'],
    [' a b ', ' a b '],
    ['x'.repeat(255), 'x'.repeat(255)],
    [Array(20).fill('d').join('/'), Array(20).fill('d').join('/')],
  ] as const)
    assert.equal(parseMailboxName(given), stored)
})

test('what cannot be a name is refused', () => {
  for (const bad of [
    '',
    '/',
    '/a',
    'a//b',
    'a//',
    'a\nb',
    'a\0',
    'a\u007fb',
    'a\u0085b',
    'a\u2028b',
    '\ud800',
    'x'.repeat(256),
    'ü'.repeat(128),
    Array(21).fill('d').join('/'),
    Array(5).fill('x'.repeat(201)).join('/'),
  ])
    assert.throws(
      () => parseMailboxName(bad),
      (error) => isFault(error, 'invalid'),
      JSON.stringify(bad),
    )
})

test('what stands above and below', () => {
  assert.deepEqual(superiors('a/b/c'), ['a', 'a/b'])
  assert.deepEqual(superiors('a'), [])
  assert.ok(isInferior('a/b', 'a'))
  assert.ok(!isInferior('ab', 'a') && !isInferior('a', 'a'))
})
