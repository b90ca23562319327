import assert from 'node:assert/strict'
import { test } from 'node:test'
import { ByteQueue, SyntaxFault } from '../../base/index.ts'
import {
  Cursor,
  createCommandReader,
  decodeModifiedUtf7,
  encodeModifiedUtf7,
  flagWords,
  formatDateTime,
  headerDay,
  parseDateTime,
  parseFetchItems,
  parseSearchProgram,
  type ReaderLimits,
} from './index.ts'

const cursor = (text: string, literals: readonly Buffer[] = []) => new Cursor({ segments: text.split('\n'), literals })

const names: [string, string][] = [
  ['INBOX', 'INBOX'],
  ['Entwürfe', 'Entw&APw-rfe'],
  ['a&b', 'a&-b'],
  ['台北', '&U,BTFw-'],
  ['😀', '&2D3eAA-'],
]
for (const [name, wire] of names)
  test(`mailbox ${name} is ${wire} on the wire`, () => {
    assert.equal(encodeModifiedUtf7(name), wire)
    assert.equal(decodeModifiedUtf7(wire), name)
  })

for (const wire of ['&', '&a', '&AGE-', '&2D0-', '&====-', '&A-', '&APw!-', '&APx-'])
  test(`${wire} is not modified UTF-7`, () => assert.equal(decodeModifiedUtf7(wire), undefined))

test('a date and time is read in its zone and written in UTC', () => {
  assert.equal(formatDateTime(parseDateTime(' 1-Feb-2024 01:02:03 +0100')!), '" 1-Feb-2024 00:02:03 +0000"')
  assert.equal(formatDateTime(parseDateTime('17-Jul-1996 02:44:25 -0700')!), '"17-Jul-1996 09:44:25 +0000"')
  for (const bad of [
    '',
    '30-Feb-2024 00:00:00 +0000',
    '1-Feb-2024 24:00:00 +0000',
    '1-Feb-2024 00:00:00',
    '1-Feb-24 00:00:00 +0000',
  ])
    assert.equal(parseDateTime(bad), undefined, bad)
})

test('the day of a Date header is that of its own zone', () => {
  const day = Date.UTC(2024, 0, 1) / 86_400_000
  for (const date of ['Mon, 1 Jan 2024 23:30:00 -0800', '1 jan 24 00:00', 'Mon,  01  January 2024'])
    assert.equal(headerDay(date), day, date)
  assert.equal(headerDay('yesterday'), undefined)
})

test('flags are named by their bits', () => {
  const keywords = Array.from({ length: 40 }, (_, i) => `k${i}`)
  assert.equal(flagWords(0, 0, keywords), '')
  assert.equal(flagWords(1 | 8 | 32, 0, keywords), '\\Seen \\Deleted k0')
  assert.equal(flagWords(2 ** 31, 1, keywords), 'k26 k27')
})

test('a set may be written backwards and with *', () => {
  assert.deepEqual(cursor('1,3:2,*:5').sequenceSet(), [
    [1, 1],
    [3, 2],
    [Number.POSITIVE_INFINITY, 5],
  ])
  for (const bad of ['0', '1:', ',1', 'a', '4294967296']) assert.throws(() => cursor(bad).sequenceSet(), SyntaxFault)
})

test('strings are atoms, quoted or literals', () => {
  assert.equal(cursor('abc]').astringText(), 'abc]')
  assert.equal(cursor('"a\\"\\\\b"').astringText(), 'a"\\b')
  assert.equal(cursor('{3}\n', [Buffer.from('x y')]).astringText(), 'x y')
  for (const bad of ['"a', '"a\\b"', '"\0"', '(', '']) assert.throws(() => cursor(bad).astring(), SyntaxFault)
  assert.throws(() => cursor('{1}\n', [Buffer.from([0])]).astring(), SyntaxFault)
  assert.throws(() => cursor('"\xff"').astringText(), SyntaxFault)
})

const labels: [string, string[]][] = [
  ['BODY[]', ['BODY[]']],
  ['(BODY.PEEK[1.2.HEADER.FIELDS.NOT (From "x y")]<5.10> body[mime-no]', []],
  ['BODY.PEEK[1.2.HEADER.FIELDS.NOT (From "x y")]<5.10>', ['BODY[1.2.HEADER.FIELDS.NOT (From "x y")]<5>']],
  ['(RFC822 RFC822.HEADER RFC822.TEXT BODY[1.mime])', ['RFC822', 'RFC822.HEADER', 'RFC822.TEXT', 'BODY[1.MIME]']],
  ['BODY[MIME]', []],
  ['BODY[1', []],
  ['BODY[0]', []],
  ['BODY[]<0.0>', []],
]
for (const [text, expected] of labels)
  test(`FETCH ${text}`, () => {
    if (expected.length === 0) return assert.throws(() => parseFetchItems(cursor(text)), SyntaxFault)
    assert.deepEqual(
      parseFetchItems(cursor(text)).map((item) => (item.kind === 'body' ? item.label : item.kind)),
      expected,
    )
  })

test('macros stand for their items', () => {
  assert.deepEqual(
    parseFetchItems(cursor('full')).map(({ kind }) => kind),
    ['flags', 'internaldate', 'size', 'envelope', 'structure'],
  )
  assert.deepEqual(
    parseFetchItems(cursor('FAST')).map(({ kind }) => kind),
    ['flags', 'internaldate', 'size'],
  )
})

test('search keys nest', () => {
  assert.deepEqual(parseSearchProgram(cursor('CHARSET utf-8 OR SEEN NOT (1:2 UID 3)')), {
    charset: 'UTF-8',
    returns: undefined,
    key: {
      kind: 'or',
      keys: [
        { kind: 'flag', flag: '\\Seen' },
        {
          kind: 'not',
          key: {
            kind: 'and',
            keys: [
              { kind: 'sequence', set: [[1, 2]] },
              { kind: 'uid', set: [[3, 3]] },
            ],
          },
        },
      ],
    },
  })
  for (const bad of ['', 'OR SEEN', 'FROM', 'toString', '(SEEN', 'SINCE 31-Feb-2024', 'RETURN (BEST) ALL'])
    assert.throws(() => parseSearchProgram(cursor(bad)), SyntaxFault, bad)
})

const limits: ReaderLimits = { line: 100, literal: 10, command: 60, discard: 1000 }

/** What the reader makes of `chunks`. */
async function read(...chunks: string[]) {
  const queue = new ByteQueue()
  const seen: string[] = []
  const more = async () => {
    const chunk = chunks.shift()
    if (chunk !== undefined) queue.push(Buffer.from(chunk))
    return chunk !== undefined
  }
  const reader = createCommandReader(
    { queue, more },
    { limits: () => limits, place: () => 'inline', proceed: () => seen.push('+') },
  )
  for (;;) {
    const received = await reader.next()
    seen.push(received.kind === 'command' ? received.text.segments.join('|') : received.kind)
    if (received.kind === 'end' || received.kind === 'close') return seen
  }
}

test('commands come whole whatever the pieces', async () => {
  assert.deepEqual(await read('a NO', 'OP\r', '\nb NOOP\nc'), ['a NOOP', 'b NOOP', 'end'])
  assert.deepEqual(await read('a L {3}\r\n', 'x\r\n {2+}\r\nyz\r\n'), ['+', 'a L {3}| {2+}|', 'end'])
})

test('what is refused is read away and never run', async () => {
  assert.deepEqual(await read('a L {11}\r\n', 'b NOOP\r\n'), ['refused', 'b NOOP', 'end'])
  assert.deepEqual(await read('a L {11+}\r\nx NOOP\r\nyyy {3+}\r\nabc\r\nb NOOP\r\n'), ['refused', 'b NOOP', 'end'])
  assert.deepEqual(
    await read(
      'a {9+}\r\n123456789 {9+}\r\n123456789 {9+}\r\n123456789 {9+}\r\n123456789 {9+}\r\n123456789\r\nb X\r\n',
    ),
    ['refused', 'b X', 'end'],
  )
})

test('what is too large to read away ends the connection', async () => {
  assert.deepEqual(await read('a L {1001+}\r\n'), ['close'])
  assert.deepEqual(await read('x'.repeat(101)), ['close'])
  assert.deepEqual(await read('a L {99999999999999999999+}\r\n'), ['close'])
})
