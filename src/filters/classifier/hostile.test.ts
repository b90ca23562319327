// Messages made to cost time or memory: each is read in bounded time, whatever stands in it.

import assert from 'node:assert/strict'
import { test } from 'node:test'
import { maxTokens } from './token-set.ts'
import { sampleBytes, tokenize } from './tokenize.ts'

const html = 'Content-Type: text/html\r\n\r\n'
const deep = (levels: number) => {
  let text = ''
  for (let i = 0; i < levels; i++) text += `Content-Type: multipart/mixed; boundary=b${i}\r\n\r\n--b${i}\r\n`
  return `${text}\r\nx`
}
const fill = (piece: string, size = sampleBytes) => piece.repeat(Math.ceil(size / piece.length))

const attacks: readonly (readonly [name: string, text: string])[] = [
  ['ten megabytes of words', `\r\n\r\n${fill('lorem ipsum ', 10_000_000)}`],
  ['ten megabytes of one line', `Subject: ${fill('a', 10_000_000)}`],
  [
    'ten megabytes of different words',
    `\r\n\r\n${Array.from({ length: 1_200_000 }, (_, i) => i.toString(36)).join(' ')}`,
  ],
  ['multiparts within each other', deep(2_000)],
  ['messages within each other', fill('Content-Type: message/rfc822\r\n\r\n')],
  ['thousands of parts', `Content-Type: multipart/mixed; boundary=b\r\n\r\n${fill('--b\r\n\r\nx\r\n')}`],
  ['tags that never end', html + fill('<a ')],
  ['tags that begin within each other', html + fill('<')],
  ['links without end', html + fill('<a href="https://x.test/">')],
  ['an attribute in every tag', html + fill('<a style=x href=')],
  ['comments that never end', html + fill('<!--')],
  ['entities', html + fill('&#x1F600;&amp')],
  ['a link for each host', `\r\n\r\n${Array.from({ length: 9_000 }, (_, i) => `https://h${i}.test/`).join(' ')}`],
  ['letters spelled out', `\r\n\r\n${fill('a b ')}`],
  ['marks that nobody sees', `\r\n\r\n${fill('a\u200bb\u00ad')}`],
  ['signs of money', `\r\n\r\n${fill('$ ')}`],
  ['beginnings of wallets', `\r\n\r\n${fill(' 1aaaaaaaaaaaaaaaaaaaaaaaaaaaaaaa')}`],
  ['ideographs', `Content-Type: text/plain; charset=utf-8\r\n\r\n${fill('\u6f22\u5b57', 60_000)}`],
  ['composed letters', `Content-Type: text/plain; charset=utf-8\r\n\r\n${fill('a\u0300\u0301\u0302\ufdfa', 60_000)}`],
  ['header fields', fill('X: y\r\n')],
  ['addresses', `From: ${fill('a@b.test, ')}`],
  ['encoded words', `Subject: ${fill('=?utf-8?Q?=C3=A4?= ')}`],
  ['results', `\r\n\r\nx`],
  ['nothing', ''],
  ['NUL', '\0'.repeat(50_000)],
]

for (const [name, text] of attacks)
  test(`${name}: bounded`, () => {
    const bytes = Buffer.from(text)
    const sample = { bytes, size: bytes.length, sender: fill('@', 10_000), results: fill('spf=', 50_000) }
    tokenize(sample)
    const started = process.cpuUsage()
    const { singles, pairs } = tokenize(sample, true)
    const { user } = process.cpuUsage(started)
    assert.ok(singles.length + pairs.length <= maxTokens)
    // Far above what is measured (docs/classifier.md): growth with the square of the size would be seconds.
    assert.ok(user < 250_000, `${user / 1000} ms`)
  })

test('what stands beyond the sample is not read', () => {
  const start = `\r\n\r\n${fill('word ')}`
  const of = (end: string) => {
    const bytes = Buffer.from(start + end)
    return tokenize({ bytes, size: 500_000 })
  }
  assert.deepEqual(of('viagra').singles, of('other').singles)
})
