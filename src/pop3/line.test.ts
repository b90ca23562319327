// Lines in and messages out: tables, and the same bytes cut at every place.

import assert from 'node:assert/strict'
import { test } from 'node:test'
import fc from 'fast-check'
import { SyntaxFault } from '../base/index.ts'
import { DotWriter, oneNumber, optionalNumber, parseLine, parseNumber, splitCommand, TopCutter, words } from './line.ts'

test('a line loses its end and nothing else', () => {
  for (const [line, text] of [
    ['NOOP\r\n', 'NOOP'],
    ['NOOP\n', 'NOOP'],
    ['\r\n', ''],
    ['PASS a  b \r\n', 'PASS a  b '],
    ['PASS p\u00e4ss\r\n', 'PASS p\u00e4ss'],
  ])
    assert.equal(parseLine(Buffer.from(line!)), text)
  for (const bad of [Buffer.from('A\0B\r\n'), Buffer.from('A\rB\r\n'), Buffer.from([0xff, 13, 10])])
    assert.throws(() => parseLine(bad), SyntaxFault)
})

test('keywords and arguments', () => {
  assert.deepEqual(splitCommand('retr 1'), { name: 'RETR', rest: '1' })
  assert.deepEqual(splitCommand('PASS  two '), { name: 'PASS', rest: ' two ' })
  assert.deepEqual(splitCommand('quit'), { name: 'QUIT', rest: undefined })
  assert.deepEqual(words('1 2  '), ['1', '2'])
  assert.equal(oneNumber('12 '), 12)
  assert.equal(optionalNumber(''), undefined)
  for (const bad of ['', '-1', '+1', '1.5', '0x1', ' 1', '1e3', '12345678901', undefined])
    assert.throws(() => parseNumber(bad), SyntaxFault, `${bad}`)
})

/** The pieces of `text` cut at `cuts`, each through `through`. */
function inPieces(text: string, cuts: readonly number[], through: (piece: Buffer) => Buffer): string {
  const at = [...new Set([0, ...cuts.map((cut) => cut % (text.length + 1)), text.length])].sort((a, b) => a - b)
  let out = ''
  for (let i = 0; i + 1 < at.length; i++)
    out += through(Buffer.from(text.slice(at[i], at[i + 1]), 'latin1')).toString('latin1')
  return out
}

const message = fc
  .array(fc.constantFrom('.', '\r\n', '\n', '\r', 'a', '..'), { maxLength: 30 })
  .map((all) => all.join(''))
const cuts = fc.array(fc.nat(60), { maxLength: 6 })

test('whoever takes the dots away again has the message, however it was cut', () => {
  fc.assert(
    fc.property(message, cuts, (text, at) => {
      const writer = new DotWriter()
      const sent = inPieces(text, at, (piece) => writer.piece(piece)) + writer.end().toString()
      // A client that takes CRLF alone for the end of a line finds the end where it is.
      const end = sent.startsWith('.\r\n') ? 0 : sent.indexOf('\r\n.\r\n') + 2
      assert.equal(end, sent.length - 3, JSON.stringify(sent))
      // So does one that takes LF for it; without its dots it has what was there.
      const lines = sent.slice(0, end).split('\n')
      assert.ok(!lines.some((line) => line === '.' || line === '.\r'), JSON.stringify(sent))
      const got = lines.map((line) => (line.startsWith('.') ? line.slice(1) : line)).join('\n')
      assert.equal(got, text === '' || text.endsWith('\r\n') ? text : `${text}\r\n`)
    }),
  )
})

test('TOP cuts behind the last line that was asked for, wherever the pieces end', () => {
  const text = 'A: 1\r\nB: 2\r\n\r\none\r\n\r\nthree\r\nfour'
  for (const [lines, expected] of [
    [0, 'A: 1\r\nB: 2\r\n\r\n'],
    [1, 'A: 1\r\nB: 2\r\n\r\none\r\n'],
    [2, 'A: 1\r\nB: 2\r\n\r\none\r\n\r\n'],
    [4, text],
    [99, text],
  ] as const)
    for (let size = 1; size <= text.length; size++) {
      const cutter = new TopCutter(lines)
      let out = ''
      for (let at = 0; at < text.length && !cutter.done; at += size)
        out += cutter.piece(Buffer.from(text.slice(at, at + size))).toString()
      assert.equal(out, expected, `${lines} lines in pieces of ${size}`)
    }
  const bare = new TopCutter(0)
  assert.equal(bare.piece(Buffer.from('A: 1\n\nbody\n')).toString(), 'A: 1\n\n')
})
