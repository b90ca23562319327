// Signed return paths: only ours, only whole, only in time.

import assert from 'node:assert/strict'
import { test } from 'node:test'
import { type Address, formatAddress, parseAddress } from '../address/index.ts'
import { dayOf, formatReturnPath, isMarked, looksSigned, markOf, readReturnPath } from './return-path.ts'

const key = Buffer.alloc(32, 7)
const now = Date.UTC(2026, 10, 28, 12)
const day = 86_400_000
const signed = { message: 123_456_789_012, until: dayOf(now) + 35, mark: 4711 }
const path = formatReturnPath(key, signed, 'a.test')
const to = (text: string): Address => parseAddress(text)!

test('a return path is an address that any server takes, and says what was signed', () => {
  assert.ok(path.local.length <= 64 && looksSigned(path))
  assert.deepEqual(parseAddress(formatAddress(path)), path)
  assert.deepEqual(readReturnPath(key, path, now), signed)
  // Servers on the way may change the case of letters.
  assert.deepEqual(readReturnPath(key, { ...path, local: path.local.toUpperCase() }, now), signed)
})

test('no other key, domain, day, and no changed character', () => {
  assert.equal(readReturnPath(Buffer.alloc(32, 8), path, now), undefined)
  assert.equal(readReturnPath(key, { ...path, domain: 'b.test' }, now), undefined)
  assert.deepEqual(readReturnPath(key, path, now + 35 * day), signed)
  assert.equal(readReturnPath(key, path, now + 36 * day), undefined)
  for (let i = 8; i < path.local.length; i++) {
    const other = path.local[i] === 'a' ? 'b' : 'a'
    const local = `${path.local.slice(0, i)}${other}${path.local.slice(i + 1)}`
    assert.equal(readReturnPath(key, { ...path, local }, now), undefined, local)
  }
  for (const local of [
    '',
    'bounces+',
    'bounces',
    `${path.local}a`,
    path.local.slice(1),
    `bounces+${'0'.repeat(32)}`,
    'ü'.repeat(40),
  ])
    assert.equal(readReturnPath(key, { ...path, local }, now), undefined, local)
})

test('a mark lets a report speak of one recipient, or of those in one domain', () => {
  const [a, b, c] = [to('a@one.test'), to('b@one.test'), to('c@two.test')]
  assert.deepEqual([isMarked(markOf([a]), to('A@one.test')), isMarked(markOf([a]), b)], [true, false])
  const several = markOf([a, b])
  assert.deepEqual([isMarked(several, a), isMarked(several, b), isMarked(several, c)], [true, true, false])
  assert.deepEqual([markOf([a, c]), isMarked(0, c)], [0, true])
})
