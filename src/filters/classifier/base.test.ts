// The base that is shipped: made anew it is the same, and it does on mail that it has not seen what the documentation says.

import assert from 'node:assert/strict'
import { readdirSync, readFileSync } from 'node:fs'
import { join } from 'node:path'
import { test } from 'node:test'
import { compose } from './base/compose.ts'
import { parseFamilies, readFamilies } from './base/families.ts'
import { measure } from './base/measure.ts'
import { buildBase, heldOut } from './base/train.ts'
import { data } from './base-data.ts'
import { decodeBase, encodeBase, loadBase, openBase, packRate } from './base-model.ts'
import { tokenize } from './tokenize.ts'

const families = (set: string) => readFamilies(join(import.meta.dirname, 'base', set))

test('the base that is shipped is the one that its sources make, bit for bit', () => {
  assert.equal(buildBase().toString('base64'), data)
})

test('of mail that it was not trained on it catches 95 % of the spam, and takes a thousandth of the rest for spam at most', async () => {
  const base = await loadBase()
  const { ham, spam, mistaken, caught, wrong } = measure(base, families('heldout'), ({ kind }) => heldOut[kind])
  assert.ok(ham >= 3_000, `${ham} good messages`)
  const told = JSON.stringify([...wrong])
  assert.ok(mistaken <= ham * 0.001, `${mistaken} of ${ham} good messages were taken for spam: ${told}`)
  assert.ok(caught >= spam * 0.95, `${caught} of ${spam} spam was caught: ${told}`)
})

test('no family of the held-out set stands in the training set, and no sentence', () => {
  const [train, held] = [families('train'), families('heldout')]
  const names = new Set(train.map(({ name }) => name))
  assert.deepEqual(
    held.filter(({ name }) => names.has(name)),
    [],
  )
  const sentences = (body: string) =>
    body
      .split(/[[\]|.!?\n]/)
      .map((one) => one.trim().toLowerCase())
      .filter(({ length }) => length > 40)
  const known = new Set(train.flatMap(({ body }) => sentences(body)))
  assert.deepEqual(
    held.flatMap(({ name, body }) =>
      sentences(body)
        .filter((one) => known.has(one))
        .map((one) => `${name}: ${one}`),
    ),
    [],
  )
})

test('mail of others: bounces of many servers are no spam, and messages made to test parsers hardly ever', async () => {
  const base = await loadBase()
  const corpus = join(import.meta.dirname, '..', '..', '..', 'test', 'corpus')
  const judged = (folder: string, known: { sender?: string } = {}) =>
    readdirSync(join(corpus, folder))
      .filter((name) => name.endsWith('.eml'))
      .map((name) => {
        const bytes = readFileSync(join(corpus, folder, name))
        const { singles, pairs } = tokenize({ bytes, size: bytes.length, ...known })
        return { name, spam: base.score([singles, pairs]) >= base.threshold }
      })
  const mistaken = (folder: string, known?: { sender: string }) =>
    judged(folder, known).flatMap(({ name, spam }) => (spam ? [name] : []))
  assert.ok(judged('bounces').length > 150)
  // A report comes from the null sender (RFC 5321 §4.5.5).
  assert.deepEqual(mistaken('bounces', { sender: '' }), [])
  // Nobody would write them; they are as bare and broken as mail can be.
  const [count, all] = [mistaken('mime').length, judged('mime').length]
  assert.ok(all > 300 && count <= all * 0.01, `${count} of ${all}: ${mistaken('mime').join(' ')}`)
})

test('a message of a family is always the same', () => {
  const [family] = parseFamilies(
    '== x ham en person\nFrom: {me}\nSubject: [a|b] {n:4}\n\n[Hi|Hello] {you}, {link:see [this|that]} {date}\n',
    'x',
  )
  const [once, again, other] = [compose(family!, 1), compose(family!, 1), compose(family!, 2)]
  assert.deepEqual(once.sample, again.sample)
  assert.notDeepEqual(once.sample, other.sample)
  assert.doesNotMatch(once.sample.bytes.toString(), /[[\]{}|\u0001-\u0008]/)
})

test('a base as bytes and back; a damaged one is refused', () => {
  const tokens = Int32Array.of(-2_000_000_000, -5, 0, 5, 2_000_000_000)
  const rates = Uint8Array.from([packRate(1), packRate(0.5), packRate(0.002), packRate(0), 9])
  const made = {
    step: 0.5,
    bias: -1,
    threshold: 2,
    tokens,
    weights: Int8Array.of(-127, -1, 0, 1, 127),
    spam: rates,
    ham: rates,
  }
  const bytes = encodeBase(made)
  assert.deepEqual(decodeBase(bytes), made)
  const base = openBase(decodeBase(bytes))
  assert.deepEqual(
    [...tokens].map((token) => base.weight(base.find(token))),
    [-63.5, -0.5, 0, 0.5, 63.5],
  )
  assert.equal(base.find(7), -1)
  assert.ok(Math.abs(base.spam(2) - 0.002) < 0.0001)
  assert.throws(() => decodeBase(bytes.subarray(1)), /damaged/)
})
