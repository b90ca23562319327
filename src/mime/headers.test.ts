// Tables of text → value for the pieces of a header.

import assert from 'node:assert/strict'
import { test } from 'node:test'
import {
  baseSubject,
  createScanner,
  decodeBody,
  decodeText,
  decodeWords,
  digest,
  fieldValue,
  firstField,
  fold,
  formatDate,
  messageIds,
  parseAddressList,
  parseDate,
  parseFields,
  threadKeys,
} from './index.ts'

test('dates', () => {
  const table: readonly (readonly [string, string | undefined])[] = [
    ['Sat, 20 Nov 2021 14:22:01 -0800', '2021-11-20T22:22:01Z'],
    ['20 Nov 2021 14:22 +0130', '2021-11-20T12:52:00Z'],
    ['Sat, 20 Nov 21 14:22:01 EST', '2021-11-20T19:22:01Z'],
    ['Thu, 13 Feb 69 23:32 -0330', '1969-02-14T03:02:00Z'],
    ['20 Nov 121 1:2:3 GMT', '2021-11-20T01:02:03Z'],
    ['20-Nov-2021 14:22:01 -0800', '2021-11-20T22:22:01Z'],
    ['Sat Nov 20 14:22:01 2021', '2021-11-20T14:22:01Z'],
    ['Sat, 20 (day) Nov (month (nested)) 2021 14:22:01 (time) +0000 (UTC)', '2021-11-20T14:22:01Z'],
    ['Sat, 20 November 2021 14:22:60 Z', '2021-11-20T14:23:00Z'],
    ['1 Jan 2000 00:00:00 A', '2000-01-01T00:00:00Z'],
    ['', undefined],
    ['yesterday', undefined],
    ['32 Nov 2021 14:22:01 -0800', undefined],
    ['20 Foo 2021 14:22:01 -0800', undefined],
    ['20 Nov 2021', '2021-11-20T00:00:00Z'],
    ['20 Nov 2021 25:61 +0100', '2021-11-19T23:00:00Z'],
  ]
  for (const [text, iso] of table) assert.equal(parseDate(text), iso && Date.parse(iso), text)
  assert.equal(formatDate(Date.UTC(2026, 10, 1, 3, 4, 5)), 'Sun, 1 Nov 2026 03:04:05 +0000')
})

test('base subjects (RFC 5256 §2.1)', () => {
  const table: readonly (readonly [string, string])[] = [
    ['Hello', 'Hello'],
    ['Re: Hello', 'Hello'],
    ['RE: re :FW:  Fwd: Hello\tthere ', 'Hello there'],
    ['Re[2]: Hello', 'Hello'],
    ['[list] Re: [other] Hello', 'Hello'],
    ['[list]', '[list]'],
    ['[Fwd: [list] Re: Hello]', 'Hello'],
    ['Hello (fwd) (FWD)', 'Hello'],
    ['Re:', ''],
    ['Regarding: you', 'Regarding: you'],
    ['=?utf-8?Q?Re=3A_caf=C3=A9?=', 'café'],
    ['[a][b] Hello', 'Hello'],
  ]
  for (const [subject, base] of table) assert.equal(baseSubject(subject), base, subject)
})

test('encoded words (RFC 2047 §8)', () => {
  const table: readonly (readonly [string, string])[] = [
    ['=?ISO-8859-1?Q?a?=', 'a'],
    ['=?ISO-8859-1?Q?a?= b', 'a b'],
    ['=?ISO-8859-1?Q?a?= =?ISO-8859-1?Q?b?=', 'ab'],
    ['=?ISO-8859-1?Q?a?=  \t =?ISO-8859-1?Q?b?=', 'ab'],
    ['=?ISO-8859-1?Q?a_b?=', 'a b'],
    ['=?ISO-8859-1?Q?a?= =?ISO-8859-2?Q?_b?=', 'a b'],
    ['=?utf-8?B?4oI=?= =?UTF-8?B?rA==?=', '€'],
    ['=?iso-8859-1?Q?Frösche?=', 'Frösche'],
    ['=?iso-8859-1*de?Q?=FC?=', 'ü'],
    ['=?utf-8?Q?a=0D=0ABcc:_x?=', 'a  Bcc: x'],
    ['=?nonsense?Q?=C3=BC?=', 'ü'],
    ['=?utf-8?Q?open', '=?utf-8?Q?open'],
    ['=?utf-8?X?a?=', '=?utf-8?X?a?='],
    ['=?=?utf-8?Q?a?=', '=?a'],
    ['=?utf-7?Q?+AOQ-?=', 'ä'],
  ]
  for (const [text, value] of table) assert.equal(decodeWords(text), value, text)
})

test('address lists', () => {
  const one = (text: string) => parseAddressList(text)[0]
  assert.deepEqual(one('a@b.c'), { local: 'a', domain: 'b.c' })
  assert.deepEqual(one('"A \\"B\\", C" <a@b.c>'), { name: 'A "B", C', local: 'a', domain: 'b.c' })
  assert.deepEqual(one('a . b @ c . d'), { local: 'a.b', domain: 'c.d' })
  assert.deepEqual(one('<a@[192.0.2.1]>'), { local: 'a', domain: '[192.0.2.1]' })
  assert.deepEqual(one('a@b.c (Old Style)'), { name: 'Old Style', local: 'a', domain: 'b.c' })
  assert.deepEqual(one('<a@b.c> (after)'), { name: 'after', local: 'a', domain: 'b.c' })
  assert.deepEqual(one('Jörg <a@b.c>'), { name: 'Jörg', local: 'a', domain: 'b.c' })
  assert.deepEqual(parseAddressList('g: a@b, c@d; e@f'), [
    { group: 'g' },
    { local: 'a', domain: 'b' },
    { local: 'c', domain: 'd' },
    {},
    { local: 'e', domain: 'f' },
  ])
  assert.deepEqual(parseAddressList(' , ,'), [])
  assert.equal(parseAddressList('a@b,'.repeat(20_000)).length, 10_000)
})

test('fields', () => {
  const header = Buffer.from(
    'From x: y\r\nA: 1\r\n  2\r\nBad line\r\n more\r\nB :  \xfc \r\nA:3\nC:\r\n\r\nD: body',
    'latin1',
  )
  const found = parseFields(header).map((field) => [field.name, fieldValue(header, field)])
  assert.deepEqual(found, [['A', '1  2'], ['B', 'ü'], ['A', '3'], ['C', '']]) // biome-ignore format: a table
  assert.equal(firstField(header, 'a'), '1  2')
  assert.equal(firstField(header, 'd'), undefined)
})

test('transfer encodings and charsets', () => {
  const decode = (encoding: string, text: string) =>
    decodeBody(encoding, Buffer.from(text, 'latin1')).toString('latin1')
  assert.equal(decode('base64', 'YQ==YmM='), 'abc')
  assert.equal(decode('quoted-printable', 'a=3d=\r\nb  \r\n=20\r\n=='), 'a=b\r\n \r\n=')
  assert.equal(decode('8bit', '\xff'), '\xff')
  const text = (bytes: number[], charset?: string) => decodeText(Buffer.from(bytes), charset)
  assert.equal(text([0xe4], 'ISO-8859-1'), 'ä')
  assert.equal(text([0x84], 'cp850'), 'ä')
  assert.equal(text([0xc3, 0xa4]), 'ä')
  assert.equal(text([0xe4], 'us-ascii'), 'ä')
  assert.equal(text([0x1b, 0x24, 0x42, 0x25, 0x46, 0x1b, 0x28, 0x42], 'iso-2022-jp'), 'テ')
  assert.equal(text([0x80], 'base64'), '€')
})

test('folding finds what a person would find', () => {
  assert.equal(fold('STRASSE'), fold('Straße'))
  assert.equal(fold('ΟΔΟΣ'), fold('οδος'))
  assert.equal(fold('ﬁn'), 'fin')
  assert.equal(fold('Jo\u0308rg'), fold('JÖRG'))
})

test('message ids and thread keys', () => {
  assert.deepEqual(messageIds('<a@b> text <c @d><a@b> <open'), ['a@b', 'c@d'])
  const first = threadKeys({ messageId: 'a@b', references: [], baseSubject: 'x', isReply: false })
  const reply = threadKeys({ messageId: 'c@d', references: ['a@b'], baseSubject: 'x', isReply: true })
  assert.ok(reply.ids.includes(first.ids[0]!))
  assert.equal(reply.subject, first.subject)
})

test('a message beyond the limits is opaque, not lost', () => {
  const nested = Array.from(
    { length: 80 },
    (_, i) => `Content-Type: multipart/mixed; boundary=b${i}\r\n\r\n--b${i}\r\n`,
  )
  const many = `Content-Type: multipart/mixed; boundary=b\r\n\r\n${'--b\r\n\r\nx\r\n'.repeat(20_000)}--b--\r\n`
  const long = `X: ${'y'.repeat(400_000)}\r\nSubject: lost\r\n\r\nbody`
  for (const [text, why] of [
    [nested.join(''), 'depth'],
    [many, 'parts'],
    [long, 'header'],
  ] as const) {
    const bytes = Buffer.from(text)
    const scanner = createScanner()
    scanner.write(bytes)
    const scan = scanner.end()
    assert.equal(scan.limited, why)
    assert.equal(scan.root.end, bytes.length)
    digest(scan, (start, end) => bytes.subarray(start, end))
    if (why === 'parts') assert.ok(scan.root.parts!.length < 10_000)
    if (why === 'header') assert.equal(bytes.toString('latin1', scan.root.body), 'body')
  }
})
