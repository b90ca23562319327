// SMTP's grammar: command lines, DATA in two pieces, replies of a server, and that what we write is read back.

import assert from 'node:assert/strict'
import { SyntaxFault } from '../../../src/base/index.ts'
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
} from '../../../src/smtp/wire/index.ts'
import type { Target } from '../engine.ts'

const lines = [
  'EHLO client.test\r\n',
  'HELO [IPv6:::1]\r\n',
  'MAIL FROM:<ann@example.test> SIZE=100 BODY=8BITMIME SMTPUTF8 AUTH=a+2Bb\r\n',
  'MAIL FROM:<>\r\n',
  'RCPT TO:<"a > b"@example.test>\r\n',
  'BDAT 12 LAST\r\n',
  'AUTH PLAIN =\r\n',
  'Subject: x\r\n\r\n..dots\r\nbare\nbare\rend\r\n.\r\nQUIT\r\n',
  '250-mail.example.test\r\n250-SIZE 100\r\n250 PIPELINING\r\n550 5.1.1 No such user\r\n',
]

export const target: Target = {
  name: 'smtp',
  files: ['src/smtp/wire'],
  tokens: [
    '\r\n',
    '\r',
    '\n',
    '.',
    '\r\n.\r\n',
    '<',
    '>',
    '"',
    '=',
    '+2B',
    ' ',
    'FROM:',
    'TO:',
    'LAST',
    '250-',
    '550 5.1.1 ',
  ],
  seeds: () => lines.map((line) => Buffer.from(line)),
  run(input) {
    for (const read of [readCommand, readReplies, readXtext]) {
      try {
        read(input)
      } catch (error) {
        if (!(error instanceof SyntaxFault)) throw error
      }
    }
    readData(input)
  },
}

const methods: readonly ((cursor: Cursor) => unknown)[] = [
  (cursor) => cursor.sp().helo(),
  (cursor) => [cursor.sp().word('FROM:').path(), cursor.params(), cursor.end()],
  (cursor) => [cursor.sp().word('TO:').path(), cursor.params()],
  (cursor) => [cursor.sp().number(), cursor.atEnd() || cursor.sp().token(), cursor.end()],
  (cursor) => cursor.rest(),
]

function readCommand(input: Buffer): void {
  const text = parseLine(input)
  assert.ok(!text.includes('\r') && !text.includes('\n') && !text.includes('\0'))
  for (const method of methods) {
    const cursor = new Cursor(text)
    cursor.verb()
    assert.equal(typeof cursor.isAscii, 'boolean')
    try {
      method(cursor)
    } catch (error) {
      if (!(error instanceof SyntaxFault)) throw error
    }
  }
}

function readReplies(input: Buffer): void {
  const reader = new ReplyReader()
  for (const line of input.toString().split('\r\n')) {
    const reply = reader.push(line)
    if (!reply) continue
    assert.equal(reader.open, false)
    const written = formatReply(reply)
    assert.equal(written.split('\r\n').length, reply.lines.length + 1)
    parseNumber(line)
  }
}

function readXtext(input: Buffer): void {
  const text = input.toString()
  assert.equal(parseXtext(formatXtext(text)), text)
  parseXtext(input.toString('latin1'))
}

function readData(input: Buffer): void {
  const whole = decode([input])
  const at = input.length > 0 ? input[0]! % (input.length + 1) : 0
  assert.deepEqual(decode([input.subarray(0, at), input.subarray(at)]), whole)
  const encoder = new DotEncoder()
  const pieces: Buffer[] = []
  encoder.encode(input, pieces)
  const again = decode([Buffer.concat([...pieces, encoder.end()])])
  assert.ok(again.ended && !again.bare)
  const watch = new LineWatch()
  watch.push(Buffer.from(again.text, 'latin1'))
  watch.end()
  assert.ok(!watch.bare)
}

function decode(chunks: readonly Buffer[]) {
  const decoder = new DotDecoder()
  const out: Buffer[] = []
  let used = 0
  for (const chunk of chunks) if (!decoder.ended) used += decoder.decode(chunk, out)
  return {
    text: Buffer.concat(out).toString('latin1'),
    used,
    ended: decoder.ended,
    bare: decoder.bare,
    longest: decoder.longest,
  }
}
