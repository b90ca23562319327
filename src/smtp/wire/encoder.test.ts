// The way a message is cut into chunks makes no difference to what leaves, and what leaves has CRLF and nothing else.

import assert from 'node:assert/strict'
import { test } from 'node:test'
import fc from 'fast-check'
import { DotEncoder, LineEncoder } from './index.ts'

/** What is to leave, said simply. */
function expected(text: string, dots: boolean): string {
  const lines = text.replaceAll('\r\n', '\n').replaceAll('\r', '\n').split('\n')
  const whole = lines.at(-1) === '' ? lines.slice(0, -1) : lines
  const stuffed = whole.map((line) => `${dots && line.startsWith('.') ? '.' : ''}${line}\r\n`)
  return `${stuffed.join('')}${dots ? '.\r\n' : ''}`
}

function encoded(encoder: LineEncoder, text: string, cuts: readonly number[]): string {
  const out: Buffer[] = []
  const bytes = Buffer.from(text, 'latin1')
  let from = 0
  for (const cut of [...cuts.map((at) => at % (bytes.length + 1)).sort((a, b) => a - b), bytes.length]) {
    encoder.encode(bytes.subarray(from, cut), out)
    from = cut
  }
  return Buffer.concat([...out, encoder.end()]).toString('latin1')
}

test('any bytes, cut anywhere', () => {
  const text = fc.array(fc.constantFrom('\r\n', '\r', '\n', '.', '..', 'a', 'word', '\r\n.\r\n', '\n.\n', '\xff\0'), {
    maxLength: 40,
  })
  fc.assert(
    fc.property(text, fc.array(fc.nat(100), { maxLength: 8 }), (pieces, cuts) => {
      const whole = pieces.join('')
      assert.equal(encoded(new DotEncoder(), whole, cuts), expected(whole, true))
      assert.equal(encoded(new LineEncoder(), whole, cuts), expected(whole, false))
    }),
    { numRuns: process.env['POSTHORN_FULL'] === '1' ? 100_000 : 3_000 },
  )
})
