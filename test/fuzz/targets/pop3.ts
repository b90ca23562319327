// POP3's lines, messages on their way out in pieces, and the header that a proxy puts before them.

import assert from 'node:assert/strict'
import { parseProxyHeader, SyntaxFault } from '../../../src/base/index.ts'
import { DotWriter, oneNumber, parseLine, splitCommand, TopCutter } from '../../../src/pop3/line.ts'
import type { Target } from '../engine.ts'

const seeds = [
  'USER ann@example.test\r\n',
  'TOP 1 10\r\n',
  'AUTH PLAIN AGFubgBzZWNyZXQ=\r\n',
  'Subject: x\r\n\r\n.dot\r\n..dots\n.\r\nno end',
  'PROXY TCP4 192.0.2.1 203.0.113.9 12345 110\r\n',
  'PROXY UNKNOWN x\r\n',
  '\r\n\r\n\0\r\nQUIT\n\x21\x11\0\x0c\xc0\0\x02\x01\xcb\0\x71\x09\x30\x39\0\x19',
]

export const target: Target = {
  name: 'pop3',
  files: ['src/pop3/line.ts', 'src/base/proxy-header.ts'],
  tokens: ['\r\n', '\n', '.', ' ', 'PROXY ', 'TCP6 ', '::1', '\r\n\r\n\0\r\nQUIT\n', '\x21', '\0\x0c', '1'],
  seeds: () => seeds.map((text) => Buffer.from(text, 'latin1')),
  run(input) {
    readLine(input)
    writeMessage(input)
    readProxy(input)
  },
}

function readLine(input: Buffer): void {
  try {
    oneNumber(splitCommand(parseLine(input)).rest)
  } catch (error) {
    if (!(error instanceof SyntaxFault)) throw error
  }
}

/** Cut anywhere, a message goes out the same, ends where it ends, and TOP is a beginning of it. */
function writeMessage(input: Buffer): void {
  const whole = new DotWriter()
  const sent = Buffer.concat([whole.piece(input), whole.end()])
  const halves = new DotWriter()
  const at = input.length >> 1
  assert.ok(
    Buffer.concat([halves.piece(input.subarray(0, at)), halves.piece(input.subarray(at)), halves.end()]).equals(sent),
  )
  const text = `\r\n${sent.toString('latin1')}`
  assert.equal(text.indexOf('\r\n.\r\n'), text.length - 5)
  const top = new TopCutter(2).piece(input)
  assert.ok(top.equals(input.subarray(0, top.length)))
}

function readProxy(input: Buffer): void {
  const found = parseProxyHeader(input)
  if (typeof found === 'object') assert.ok(found.length > 0 && found.length <= input.length)
}
