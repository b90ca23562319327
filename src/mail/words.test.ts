import assert from 'node:assert/strict'
import { test } from 'node:test'
import { fold } from '../mime/index.ts'
import { isPair, maxWord, WordCount, wantedWords, wordScore, wordsOf } from './words.ts'

const words = (text: string) => [...wordsOf(fold(text))]

test('words are letters and digits without case and accents; scripts without spaces go in pairs', () => {
  for (const [text, expected] of [
    ['', []],
    ['Hello, WORLD-2!', ['hello', 'world', '2']],
    ['Straße Müller café', ['strasse', 'muller', 'cafe']],
    ['e-mail: a@b.example', ['e', 'mail', 'a', 'b', 'example']],
    ['日本語', ['日本', '本語']],
    ['日 本', ['日', '本']],
    ['第3回 mail検索', ['第', '3', '回', 'mail', '検索']],
    ['ガード', ['カー', 'ート']],
    ['Ελλάδα ΣΊΣΥΦΟΣ', ['ελλαδα', 'σισυφοσ']],
    ['a'.repeat(100), ['a'.repeat(maxWord)]],
  ] as const)
    assert.deepEqual(words(text), expected, text)
})

test('a pair is two characters of such a script', () => {
  for (const pair of ['日本', 'カー', '𠮷野']) assert.ok(isPair(fold(pair)), pair)
  for (const other of ['日', '日本語', 'ab', '日a', 'ガ', '']) assert.ok(!isPair(fold(other)), other)
})

test('words are counted whole and as beginnings; one that is missing leaves nothing', () => {
  const score = (wanted: string, text: string) => {
    const words = wantedWords(fold(wanted))
    return wordScore(words, new WordCount(words).add(fold(text)))
  }
  assert.equal(score('report', 'nothing'), 0)
  assert.equal(score('report muller', 'a report'), 0)
  assert.ok(score('report', 'a report') > score('report', 'a reporter'))
  assert.ok(score('report', 'report, report') > score('report', 'a report'))
  assert.ok(score('report', 'reporter') > 0)
  assert.equal(score('port', 'report'), 0)
})

test('a text in pieces counts as the whole', () => {
  const text = fold('one Müller report, reporters and 日本語検索 again. '.repeat(30))
  for (const wanted of ['report', 'muller', '検索', 'again']) {
    const words = wantedWords(fold(wanted))
    const whole = wordScore(words, new WordCount(words).add(text))
    assert.ok(whole > 0)
    for (const size of [1, 7, 64, 1000]) {
      const count = new WordCount(words)
      for (let at = 0; at < text.length; at += size) count.addPiece(text.slice(at, at + size))
      assert.equal(wordScore(words, count.end()), whole, `${wanted} in pieces of ${size}`)
    }
  }
})
