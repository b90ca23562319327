// SMTP's grammar: command lines, DATA in two pieces, replies of a server, and that what we write is read back.

import assert from 'node:assert/strict'
import { SyntaxFault } from '../../../src/base/index.ts'
import {
  Cursor,
  DotDecoder,
  DotEncoder,
  formatOrcpt,
  formatReply,
  formatXtext,
  LineWatch,
  parseAttributes,
  parseBy,
  parseEnvid,
  parseHoldFor,
  parseHoldUntil,
  parseLine,
  parseNotify,
  parseNumber,
  parseOrcpt,
  parsePriority,
  parseRet,
  parseXtext,
  ReplyReader,
} from '../../../src/smtp/wire/index.ts'
import type { Target } from '../engine.ts'

const lines = [
  'EHLO client.test\r\n',
  'HELO [IPv6:::1]\r\n',
  'MAIL FROM:<ann@example.test> SIZE=100 BODY=8BITMIME SMTPUTF8 AUTH=a+2Bb\r\n',
  'MAIL FROM:<>\r\n',
  'MAIL FROM:<a@b.test> RET=FULL ENVID=a+2Bb BY=-120;NT HOLDFOR=60 MT-PRIORITY=-3\r\n',
  'MAIL FROM:<a@b.test> HOLDUNTIL=2030-01-31T09:00:00.5+01:00\r\n',
  'RCPT TO:<a@b.test> NOTIFY=SUCCESS,DELAY ORCPT=rfc822;a+2Bb@c.test\r\n',
  'RCPT TO:<a@b.test> NOTIFY=NEVER ORCPT=utf-8;j\\x{FC}@c.test\r\n',
  'XCLIENT NAME=[UNAVAILABLE] ADDR=IPV6:2001:db8::1 PORT=25 PROTO=ESMTP HELO=a LOGIN=b\r\n',
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
  (cursor) => checkParams(cursor.sp().word('FROM:').path() ?? cursor, cursor),
  (cursor) => checkParams(cursor.sp().word('TO:').path() ?? cursor, cursor),
  (cursor) => checkAttributes(parseAttributes(cursor.params(), ['NAME', 'ADDR', 'PORT', 'PROTO', 'HELO', 'LOGIN'])),
  (cursor) => [cursor.sp().number(), cursor.atEnd() || cursor.sp().token(), cursor.end()],
  (cursor) => cursor.rest(),
]

const readers: { readonly [keyword: string]: (value: string) => unknown } = {
  RET: parseRet,
  ENVID: (value) => assertPrintable(parseEnvid(value)),
  NOTIFY: parseNotify,
  ORCPT(value) {
    const orcpt = parseOrcpt(value)
    assert.ok(![...orcpt.address].some((char) => char < ' ' || (char >= '\x7f' && char < '\xa0')))
    assert.deepEqual(parseOrcpt(formatOrcpt(orcpt).slice(0, 500)).type, orcpt.type)
  },
  BY: parseBy,
  HOLDFOR: parseHoldFor,
  HOLDUNTIL: (value) => assert.ok(Number.isFinite(parseHoldUntil(value))),
  'MT-PRIORITY': (value) => assert.ok(Math.abs(parsePriority(value)) <= 9),
}

function checkParams(_path: unknown, cursor: Cursor): void {
  for (const [keyword, value] of cursor.params()) readers[keyword]?.(value)
}

function checkAttributes(found: { readonly [name: string]: unknown }): void {
  for (const value of Object.values(found)) if (typeof value === 'string') assertPrintable(value)
}

/** Neither a header nor a command can be put in through it. */
function assertPrintable(text: string): void {
  assert.ok(text !== '' && [...text].every((char) => char >= ' ' && char <= '~'))
}

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
