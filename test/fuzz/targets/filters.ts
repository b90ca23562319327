// What daemons of filters say: read or refused, never another error, and nothing of it can end a line of a header.

import assert from 'node:assert/strict'
import { SyntaxFault } from '../../../src/base/index.ts'
import { foldWords, formatHeaders, toHeader, toWords } from '../../../src/filters/headers.ts'
import { MilterSaid } from '../../../src/filters/milter-said.ts'
import { parseOptions, parseReply } from '../../../src/filters/milter-wire.ts'
import { parseRspamdError, parseRspamdReply } from '../../../src/filters/rspamd-reply.ts'
import type { FilterAnswer } from '../../../src/filters/types.ts'
import type { Target } from '../engine.ts'

const reply = {
  is_skipped: false,
  score: 7.5,
  required_score: 15,
  action: 'add header',
  thresholds: { 'add header': 6 },
  symbols: { A: { score: 1 }, B: { score: -2, options: ['x'] } },
  messages: { smtp_message: 'later' },
  milter: { reject: 'discard', add_headers: { 'X-A': 'b', 'X-C': [{ value: 'd\n\te', order: 0 }] } },
}

export const target: Target = {
  name: 'filters',
  files: [
    'src/filters/headers.ts',
    'src/filters/milter-said.ts',
    'src/filters/milter-wire.ts',
    'src/filters/rspamd-reply.ts',
  ],
  tokens: [
    '\0',
    '\r\n',
    '\n',
    '\n\t',
    ':',
    '\0\0\0\x01',
    '"score":',
    'null',
    '[]',
    '{}',
    '1e999',
    '__proto__',
    '%%',
    '<',
  ],
  seeds: () => [
    ...['c', 'a', 'r', 't', 'd', 's', 'p', 'f', '4', 'bnew', 'e<a@b>\0', '+<a@b>\0', '2<a@b>\0X=y\0', '-a\0'].map(
      toBytes,
    ),
    ...['y550 5.7.1 no\0', 'y451 later\0', 'hX-A\0b\n\tc\0', 'i\0\0\0\x01X-A\0b\0', 'm\0\0\0\x01S\0\0', 'qodd\0'].map(
      toBytes,
    ),
    Buffer.concat([Buffer.from([0, 0, 0, 6, 0, 0, 1, 255, 0, 16, 0, 0]), toBytes('\0\0\0\x02i {mail_addr}\0')]),
    toBytes(JSON.stringify(reply)),
    toBytes('{"error":"x"}'),
  ],
  run(input) {
    const text = input.toString()
    runMilter(input)
    const answer = parseRspamdReply(text, 'reject')
    if (answer) check(answer)
    parseRspamdError(text)
    assert.match(toWords(text), /^[ -~]{0,200}$/)
    const header = toHeader('X-Test', foldWords(text.split(' '), ','))
    assert.ok(header)
    checkField(formatHeaders([header]))
  },
}

const toBytes = (text: string) => Buffer.from(text, 'latin1')

function runMilter(input: Buffer): void {
  const said = new MilterSaid('fuzz')
  try {
    const { version } = parseOptions(input)
    assert.ok(version >= 2 && version <= 6)
  } catch (error) {
    if (!(error instanceof SyntaxFault)) throw error
  }
  try {
    const reply = parseReply(input.toString('latin1', 0, 1), input.subarray(1))
    check(said.toAnswer(said.note(reply) ? undefined : said.toVerdict(reply)))
  } catch (error) {
    if (!(error instanceof SyntaxFault)) throw error
  }
}

function check({ headers = [], reasons, score, symbols = [] }: FilterAnswer): void {
  for (const words of [...reasons, ...symbols]) assert.match(words, /^[ -~]*$/)
  assert.ok(score === undefined || Number.isFinite(score))
  for (const header of headers) checkField(formatHeaders([header]))
}

/** One field and nothing else, in lines that may be sent. */
function checkField(field: string): void {
  assert.match(field, /^[!-9;-~]+: [ -~]*\r\n(?:\t[ -~]+\r\n)*$/)
  for (const line of field.split('\r\n')) assert.ok(line.length <= 998)
}
