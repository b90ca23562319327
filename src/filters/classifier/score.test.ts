// What a user's teaching does: to mail like it, and to all other mail, which it must leave alone.

import assert from 'node:assert/strict'
import { join } from 'node:path'
import { test } from 'node:test'
import { compose } from './base/compose.ts'
import { type Family, readFamilies } from './base/families.ts'
import { loadBase } from './base-model.ts'
import { explain, judge, standardThreshold } from './score.ts'
import { tokenize } from './tokenize.ts'
import { emptyModel, learn, type UserModel } from './user-model.ts'

const base = await loadBase()
const families = readFamilies(join(import.meta.dirname, 'base', 'heldout'))
const tokensOf = (family: Family, i: number) => tokenize(compose(family, i).sample)
const isSpam = (family: Family, i: number, user?: UserModel) =>
  judge(tokensOf(family, i), base, user).score >= standardThreshold

const letter = (name: string, n: number, more = '') => {
  const bytes = Buffer.from(
    `From: ${name} <post@${name.toLowerCase()}.test>\r\nTo: ann@here.test\r\nSubject: ${name} weekly ${n}\r\nMessage-ID: <${n}@${name}.test>\r\n` +
      `Date: Sun, 22 Nov 2026 10:00:00 +0000\r\nList-Unsubscribe: <https://${name}.test/u>\r\n\r\nThe ${name} weekly brings you what is new this week. ${more}\r\nhttps://www.${name}.test/${n}\r\n`,
  )
  return tokenize({ bytes, size: bytes.length })
}
const zebra = (n: number) => letter('Zebrapost', n, 'Stripes, hooves and savannah fashion for everybody.')

test('three messages are enough for mail like them', () => {
  const user = emptyModel()
  assert.ok(judge(zebra(0), base, user).score < standardThreshold)
  for (let i = 1; i <= 3; i++) learn(user, zebra(i).singles, 'spam')
  assert.ok(judge(zebra(9), base, user).score >= standardThreshold, `${judge(zebra(9), base, user).score}`)
  const other = letter('Giraffe', 1, 'Acacia leaves, long necks and quiet evenings.')
  assert.ok(judge(other, base, user).score < standardThreshold, `${judge(other, base, user).score}`)
})

test('a mistake that is put right counts more than what led to it', () => {
  const user = emptyModel()
  for (let i = 1; i <= 4; i++) learn(user, zebra(i).singles, 'spam')
  const before = judge(zebra(9), base, user).score
  learn(user, zebra(8).singles, 'ham')
  learn(user, zebra(7).singles, 'ham')
  const { score } = judge(zebra(9), base, user)
  assert.ok(before >= standardThreshold && score < standardThreshold, `${before} ${score}`)
})

test('who puts newsletters into Junk still gets other mail', () => {
  const user = emptyModel()
  const disliked = families.filter(({ style, kind }) => style === 'news' && kind === 'ham').slice(0, 3)
  for (const family of disliked) for (let i = 0; i < 10; i++) learn(user, tokensOf(family, i).singles, 'spam')
  let [wrong, all] = [0, 0]
  for (const family of families.filter((one) => one.kind === 'ham' && !disliked.includes(one)))
    for (let i = 0; i < 20; i++) {
      all++
      if (isSpam(family, i, user)) wrong++
    }
  assert.ok(wrong <= all * 0.005, `${wrong} of ${all}`)
})

test('who teaches much spam loses no mail by it', () => {
  const user = emptyModel()
  for (const family of families.filter(({ kind }) => kind === 'spam'))
    for (let i = 0; i < 8; i++) learn(user, tokensOf(family, i).singles, 'spam')
  let [wrong, all] = [0, 0]
  for (const family of families.filter(({ kind }) => kind === 'ham'))
    for (let i = 0; i < 20; i++) {
      all++
      if (isSpam(family, i, user)) wrong++
    }
  assert.ok(wrong <= all * 0.005, `${wrong} of ${all}`)
})

test('it is sure of itself only when it knows its user', () => {
  const user = emptyModel()
  const sure = () => judge(zebra(0), base, user).sure
  for (let i = 0; i < 60; i++) learn(user, zebra(i).singles, 'spam')
  assert.equal(sure(), false, 'spam alone')
  for (let i = 0; i < 6; i++) learn(user, letter('Giraffe', i).singles, 'ham')
  assert.equal(sure(), true)
  assert.equal(judge(zebra(0), base, undefined).sure, false)
})

test('what counted, the strongest first', () => {
  const user = emptyModel()
  for (let i = 1; i <= 5; i++) learn(user, zebra(i).singles, 'spam')
  const bytes = Buffer.from('From: x@y.test\r\nSubject: zebrapost\r\n\r\nStripes and hooves\r\n')
  const told = explain(tokenize({ bytes, size: bytes.length }, true), base, user, 30)
  assert.ok(told.some(({ token, weight }) => token === 'hooves' && weight > 0))
  const weights = told.map(({ weight }) => Math.abs(weight))
  assert.deepEqual(
    weights,
    weights.toSorted((a, b) => b - a),
  )
})
