// The grammar of SMTP: tables, and properties that cut the bytes everywhere.

import assert from 'node:assert/strict'
import { test } from 'node:test'
import fc from 'fast-check'
import { SyntaxFault } from '../../base/index.ts'
import {
  Cursor,
  DotDecoder,
  DotEncoder,
  formatReply,
  formatXtext,
  LineWatch,
  parseLine,
  parseNumber,
  parseXtext,
  ReplyReader,
  reply,
} from './index.ts'

/** What the decoder makes of bytes that come in the given pieces. */
function decode(chunks: readonly Buffer[]) {
  const decoder = new DotDecoder()
  const out: Buffer[] = []
  let used = 0
  for (const chunk of chunks) {
    if (decoder.ended) break
    used += decoder.decode(chunk, out)
  }
  const text = Buffer.concat(out).toString('latin1')
  return { text, used, ended: decoder.ended, bare: decoder.bare, longest: decoder.longest, slices: out.length }
}
const cutAt = (bytes: Buffer, at: number) => [bytes.subarray(0, at), bytes.subarray(at)]

test('DATA: where it ends and what it holds', () => {
  const table: [input: string, text: string, ended: boolean, bare: boolean, rest: string][] = [
    ['.\r\n', '', true, false, ''],
    ['.\r\nQUIT\r\n', '', true, false, 'QUIT\r\n'],
    ['a\r\n.\r\n', 'a\r\n', true, false, ''],
    ['a\r\n..\r\n.\r\n', 'a\r\n.\r\n', true, false, ''],
    ['..a\r\n.b\r\n.\r\n', '.a\r\nb\r\n', true, false, ''],
    ['a.b.\r\n.\r\n.', 'a.b.\r\n', true, false, '.'],
    ['a\r\n', 'a\r\n', false, false, ''],
    ['a\r\n.', 'a\r\n', false, false, ''],
    ['a\r\n.\r', 'a\r\n', false, false, ''],
  ]
  for (const [input, text, ended, bare, rest] of table) {
    const bytes = Buffer.from(input)
    for (let at = 0; at <= bytes.length; at++) {
      const got = decode(cutAt(bytes, at))
      assert.deepEqual(
        [got.text, got.ended, got.bare, input.slice(got.used)],
        [text, ended, bare, rest],
        `${JSON.stringify(input)} cut at ${at}`,
      )
    }
  }
})

test('smuggling: no bare CR or LF ends DATA, each is noticed', () => {
  for (const end of [
    '\n.\n',
    '\n.\r\n',
    '\r\n.\n',
    '\r.\r',
    '\r.\r\n',
    '\r\n.\r',
    '\r\n.\r\r\n',
    '\n\n.\r\n',
    '\r\r.\r\n',
  ]) {
    const bytes = Buffer.from(`a${end}MAIL\r\n.\r\n`)
    for (let at = 0; at <= bytes.length; at++) {
      const got = decode(cutAt(bytes, at))
      assert.equal(got.ended, true)
      assert.equal(got.bare, true, `${JSON.stringify(end)} cut at ${at}`)
      assert.equal(got.used, bytes.length)
    }
  }
})

test('DATA without dots is not copied and not cut', () => {
  const bytes = Buffer.from(`${'line of text\r\n'.repeat(100)}.\r\n`)
  assert.equal(decode([bytes]).slices, 1)
})

test('the longest line is measured across chunks', () => {
  const bytes = Buffer.from('ab\r\n..cdefg\r\nh\r\n.\r\n')
  for (let at = 0; at <= bytes.length; at++) assert.equal(decode(cutAt(bytes, at)).longest, 6)
  assert.equal(decode([Buffer.from('a'.repeat(50)), Buffer.from('b'.repeat(50))]).longest, 100)
})

const noise = fc.string({ unit: fc.constantFrom('\r', '\n', '.', 'a', '\r\n', '\r\n.'), maxLength: 40 })
const cuts = fc.array(fc.nat(60), { maxLength: 6 })
const cutMany = (bytes: Buffer, at: readonly number[]) => {
  const sorted = [0, ...at.map((n) => Math.min(n, bytes.length)).sort((a, b) => a - b), bytes.length]
  return sorted.slice(1).map((end, i) => bytes.subarray(sorted[i], end))
}
const { slices: _, ...shape } = decode([])
const facts = (chunks: readonly Buffer[]) => {
  const got = decode(chunks)
  return Object.fromEntries(Object.keys(shape).map((key) => [key, got[key as keyof typeof shape]]))
}

test('decoding does not depend on where chunks are cut', () => {
  fc.assert(
    fc.property(noise, cuts, (text, at) => {
      const bytes = Buffer.from(`${text}\r\n.\r\nrest`)
      assert.deepEqual(facts(cutMany(bytes, at)), facts([bytes]))
    }),
  )
})

function encode(chunks: readonly Buffer[]): Buffer {
  const encoder = new DotEncoder()
  const out: Buffer[] = []
  for (const chunk of chunks) encoder.encode(chunk, out)
  return Buffer.concat([...out, encoder.end()])
}

test('what is encoded decodes to the same lines, smuggles nothing, and does not depend on cuts', () => {
  fc.assert(
    fc.property(noise, cuts, (text, at) => {
      const encoded = encode(cutMany(Buffer.from(text), at))
      assert.deepEqual(encoded, encode([Buffer.from(text)]))
      const got = decode([encoded])
      assert.equal(got.ended, true)
      assert.equal(got.bare, false)
      assert.equal(got.used, encoded.length)
      const lines = text.replaceAll('\r\n', '\n').replaceAll('\r', '\n').replaceAll('\n', '\r\n')
      assert.equal(got.text, lines === '' || lines.endsWith('\r\n') ? lines : `${lines}\r\n`)
    }),
  )
})

test('counted content is watched like DATA', () => {
  fc.assert(
    fc.property(noise, cuts, (text, at) => {
      const watch = new LineWatch()
      for (const chunk of cutMany(Buffer.from(text), at)) watch.push(chunk)
      watch.end()
      const expected = text.replaceAll('\r\n', '')
      assert.equal(watch.bare, expected.includes('\r') || expected.includes('\n'))
    }),
  )
})

test('command lines', () => {
  assert.equal(parseLine(Buffer.from('NOOP\r\n')), 'NOOP')
  assert.equal(parseLine(Buffer.from('MAIL FROM:<ü@x>\r\n')), 'MAIL FROM:<ü@x>')
  for (const bad of ['', '\n', 'NOOP\n', 'NO\rOP\r\n', 'NO\0OP\r\n', 'NO\x7fOP\r\n'])
    assert.throws(() => parseLine(Buffer.from(bad)), SyntaxFault, JSON.stringify(bad))
  assert.throws(() => parseLine(Buffer.from([0xff, 13, 10])), SyntaxFault)
})

test('paths and parameters', () => {
  const parse = (text: string) => {
    const cursor = new Cursor(text)
    cursor.verb()
    const path = cursor.sp().word('FROM:').path()
    return { path, params: Object.fromEntries(cursor.params()) }
  }
  const ann = { local: 'ann', domain: 'example.test' }
  const good: [string, unknown][] = [
    ['MAIL FROM:<>', { path: null, params: {} }],
    ['mail from:<ann@example.test>', { path: ann, params: {} }],
    ['MAIL FROM: <ann@example.test> ', { path: ann, params: {} }],
    ['MAIL FROM:<ann@EXAMPLE.test> size=5  BODY=8bitmime', { path: ann, params: { SIZE: '5', BODY: '8bitmime' } }],
    ['MAIL FROM:<"a > b"@example.test> X', { path: { local: 'a > b', domain: 'example.test' }, params: { X: '' } }],
  ]
  for (const [text, expected] of good) assert.deepEqual(parse(text), expected, text)
  const bad = ['MAIL', 'MAIL FROM', 'MAIL FROM:', 'MAIL FROM:<a', 'MAIL FROM:a@b', 'MAIL FROM:<> =1', 'MAIL FROM:<> A=']
  for (const text of [...bad, 'MAIL FROM:<> A A', 'MAIL FROM:<> A=b=c', 'MAIL FROM:<>A', 'MAIL FROM:<> -A'])
    assert.throws(() => parse(text), SyntaxFault, text)
  const many = Array.from({ length: 21 }, (_, i) => `P${i}`).join(' ')
  assert.throws(() => parse(`MAIL FROM:<> ${many}`), SyntaxFault)
})

test('numbers and xtext', () => {
  assert.deepEqual(['0', '42', '', '-1', '1e3', '9999999999999999'].map(parseNumber), [
    0,
    42,
    ...Array(4).fill(undefined),
  ])
  assert.equal(parseXtext('a+2Bb+3D'), 'a+b=')
  for (const bad of ['+', '+2', '+2b', '+ZZ']) assert.throws(() => parseXtext(bad), SyntaxFault, bad)
  fc.assert(fc.property(fc.string({ unit: 'grapheme' }), (text) => assert.equal(parseXtext(formatXtext(text)), text)))
})

test('replies out: one CRLF per line, nothing that a line must not hold', () => {
  assert.equal(formatReply(reply(250, '2.0.0', 'Ok')), '250 2.0.0 Ok\r\n')
  assert.equal(formatReply(reply(250, undefined, 'a', 'b')), '250-a\r\n250 b\r\n')
  assert.equal(formatReply(reply(550, '5.1.1', 'x\r\n250 ok\0ü')), '550 5.1.1 x??250 ok??\r\n')
  assert.ok(formatReply(reply(550, '5.1.1', 'x'.repeat(5000))).length <= 512)
})

test('replies in', () => {
  const read = (...lines: string[]) => {
    const reader = new ReplyReader()
    return lines.map((line) => reader.push(line)).at(-1)
  }
  assert.deepEqual(read('250 2.1.0 Ok'), { code: 250, enhanced: '2.1.0', lines: ['Ok'] })
  assert.deepEqual(read('250'), { code: 250, lines: [''] })
  assert.deepEqual(read('550-5.1.1 no', '550 5.1.1 such user'), {
    code: 550,
    enhanced: '5.1.1',
    lines: ['no', 'such user'],
  })
  assert.deepEqual(read('250 5.1.1 other class'), { code: 250, lines: ['5.1.1 other class'] })
  assert.deepEqual(read('250 8.1.1'), { code: 250, lines: ['8.1.1'] })
  for (const bad of [['hello'], ['199 x'], ['600 x'], ['2:0 x'], ['25'], ['250x'], ['250-a', '251 b'], ['']])
    assert.throws(() => read(...bad), SyntaxFault, bad.join('|'))
  assert.throws(() => read(...Array(101).fill('250-x')), SyntaxFault)
})

test('the reply reader never does anything but answer or refuse', () => {
  fc.assert(
    fc.property(fc.array(fc.string()), (lines) => {
      const reader = new ReplyReader()
      for (const line of lines) {
        try {
          reader.push(line)
        } catch (error) {
          assert.ok(error instanceof SyntaxFault)
        }
      }
    }),
  )
})
