import assert from 'node:assert/strict'
import { test } from 'node:test'
import { composeReport, createScanner, decodeBody, decodeWords, firstField, headerBlock, type Report } from './index.ts'

const base: Report = {
  from: { name: 'Mail Delivery', address: 'postmaster@mx.example' },
  to: { address: 'sender@example.org' },
  subject: 'Undelivered: Grüße',
  date: Date.UTC(2026, 10, 22),
  messageId: 'dsn-1@mx.example',
  text: 'Sorry.\nGrüße\n',
  perMessage: [['Reporting-MTA', 'dns; mx.example']],
  perRecipient: [
    [['Final-Recipient', 'rfc822; a@b.example'], ['Action', 'failed'], ['Status', '5.1.1'], ['Diagnostic-Code', 'smtp; 550 no\r\nX-Evil: 1']], // biome-ignore format: a table
    [['Final-Recipient', 'rfc822; c@b.example'], ['Action', 'delayed'], ['Status', '4.0.0']], // biome-ignore format: a table
  ],
  original: Buffer.from('From: sender@example.org\nSubject: hi\n\nbody\n'),
  originalIs: 'headers',
  utf8: false,
}

function parts(report: Report) {
  const bytes = composeReport(report)
  const scanner = createScanner()
  scanner.write(bytes)
  const scan = scanner.end()
  return {
    bytes,
    scan,
    parts: scan.root.parts!.map((part) => ({
      type: `${part.type}/${part.subtype}`,
      encoding: part.encoding,
      text: decodeBody(part.encoding, bytes.subarray(part.body, part.end)).toString(),
    })),
  }
}

test('a report has the three parts of RFC 3464 and no 8-bit octet', () => {
  const { scan, parts: found } = parts(base)
  assert.equal(scan.root.subtype, 'report')
  assert.equal(scan.has8bit, false)
  assert.deepEqual(found.map((part) => part.type), ['text/plain', 'message/delivery-status', 'text/rfc822-headers']) // biome-ignore format: a list
  assert.equal(found[0]!.text, 'Sorry.\r\nGrüße\r\n')
  const groups = found[1]!.text.split('\r\n\r\n')
  assert.equal(groups.length, 3)
  assert.equal(groups[0], 'Reporting-MTA: dns; mx.example')
  assert.match(groups[1]!, /^Diagnostic-Code: smtp; 550 no X-Evil: 1$/m)
  assert.equal(found[2]!.text, 'From: sender@example.org\r\nSubject: hi\r\n')
  assert.equal(decodeWords(scan.envelope.subject!), base.subject)
  assert.equal(scan.envelope.messageId, '<dsn-1@mx.example>')
  assert.equal(firstField(scan.header, 'auto-submitted'), 'auto-replied')
})

test('the original comes back in a form that passes', () => {
  const type = (original: Buffer, originalIs: Report['originalIs'], utf8 = false) => {
    const part = parts({ ...base, original, originalIs, utf8 }).parts[2]!
    return `${part.type} ${part.encoding}`
  }
  const high = Buffer.from('Subject: hi\r\n\r\nGrüße\r\n')
  const highHeader = Buffer.from('Subject: Grüße\r\n\r\nx\r\n')
  assert.equal(type(base.original, 'message'), 'message/rfc822 7bit')
  assert.equal(type(high, 'message', true), 'message/rfc822 8bit')
  assert.equal(type(high, 'message'), 'message/global quoted-printable')
  assert.equal(type(highHeader, 'message', true), 'message/global 8bit')
  assert.equal(type(highHeader, 'headers'), 'message/global-headers quoted-printable')
  assert.equal(type(highHeader, 'headers', true), 'message/global-headers 8bit')
  assert.equal(type(Buffer.from(`Subject: x\r\n\r\n${'y'.repeat(3000)}`), 'message'), 'message/global quoted-printable')
})

test('UTF-8 recipients make a message/global-delivery-status (RFC 6533 §5)', () => {
  const { parts: found } = parts({
    ...base,
    utf8: true,
    perRecipient: [[['Final-Recipient', 'utf-8; jörg@b.example']]],
  })
  assert.deepEqual([found[1]!.type, found[1]!.encoding], ['message/global-delivery-status', '8bit'])
})

test('a header cannot be broken out of', () => {
  for (const bad of ['a\r\nBcc: x', 'a\nb', 'a\rb', 'a\0b']) {
    assert.throws(() => headerBlock().text('Subject', bad), RangeError)
    assert.throws(() => headerBlock().structured('X', bad), RangeError)
    assert.throws(() => headerBlock().addresses('To', [{ name: bad, address: 'a@b' }]), RangeError)
    assert.throws(() => headerBlock().addresses('To', [{ address: bad }]), RangeError)
    assert.throws(() => headerBlock().structured(bad, 'x'), RangeError)
  }
  assert.throws(() => headerBlock().structured('A:', 'x'), RangeError)
  assert.throws(() => headerBlock().structured('X', 'ü'), RangeError)
  assert.throws(() => headerBlock().structured('X', 'y'.repeat(2000)), RangeError)
})

test('fields fold, encode, and read back', () => {
  for (const text of [
    'plain',
    'Grüße an alle '.repeat(20).trim(),
    'x'.repeat(3000),
    '=?utf-8?Q?no?=',
    'word '.repeat(60).trim(),
  ]) {
    for (const utf8 of [false, true]) {
      const header = headerBlock({ utf8 }).text('Subject', text).build()
      assert.equal(decodeWords(firstField(header, 'subject')!), text)
      for (const line of header.toString().split('\r\n')) assert.ok(Buffer.byteLength(line) <= 998)
    }
  }
})
