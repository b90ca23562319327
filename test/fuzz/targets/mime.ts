// The MIME room: scanner, digest, headers and what they decode; and that what we compose is read back as it was meant.

import assert from 'node:assert/strict'
import {
  baseSubject,
  composeReport,
  createScanner,
  decodeBody,
  decodeText,
  decodeWords,
  digest,
  encodeWords,
  fieldValue,
  firstField,
  fold,
  formatDate,
  headerBlock,
  messageIds,
  type Part,
  parseAddressList,
  parseDate,
  parseFields,
  type Scan,
  threadKeys,
} from '../../../src/mime/index.ts'
import type { Target } from '../engine.ts'
import { readCorpus } from '../targets.ts'

export const target: Target = {
  name: 'mime',
  files: ['src/mime'],
  tokens: [
    '\r\n',
    '\n',
    '\r',
    '\r\n\r\n',
    '--',
    '--b',
    '--b--',
    'Content-Type: ',
    'multipart/mixed; boundary=b',
    'multipart/digest; boundary="b"',
    'message/rfc822',
    'Content-Transfer-Encoding: base64',
    'quoted-printable',
    'x-uuencode',
    "filename*0*=utf-8''",
    '*1=',
    '=?utf-8?B?',
    '?=',
    '=?',
    '=?x?Q?',
    '(',
    ')',
    '"',
    '\\',
    '<',
    '>',
    '@',
    ',',
    ';',
    ':',
    '[',
    ']',
    'Re: ',
    '[fwd: ',
    '(fwd)',
    'From: ',
    'To: ',
    'Subject: ',
    'Date: Sun, 22 Nov 2026 10:26:31 +0000',
    'References: <a@b>',
    '<style>',
    '</script>',
    '<!--',
    '-->',
    '&amp;',
    '&#x',
    '=\r\n',
    '=3D',
    'begin 644 x\n',
    'end\n',
    'charset=utf-7',
    'charset=iso-2022-jp',
    'charset=cp850',
    '\xff',
    '\0',
    'ﷺ',
    'ß',
    'İ',
  ],
  seeds: () => readCorpus('mime', (file) => file.endsWith('.eml')),
  run(input) {
    const scan = scanIn(input, input.length)
    checkPart(scan.root, scan.size, 0)
    const size = 1 + (input.length % 61)
    assert.deepEqual(scanIn(input, size), scan, `in chunks of ${size}`)
    const found = digest(scan, (start, end) => {
      assert.ok(start >= 0 && start <= end && end <= input.length)
      return input.subarray(start, end)
    })
    assert.ok(found.preview.length <= 200 && found.references.length <= 50)
    assert.ok(JSON.stringify(found).isWellFormed())
    for (const key of threadKeys(found).ids) assert.ok(Number.isSafeInteger(key) && key > 0)
    checkFields(scan.header)
    checkValue(input.subarray(0, 2000).toString('latin1'))
    checkBodies(input, scan.root)
    checkReport(input)
  },
}

function scanIn(input: Buffer, size: number): Scan {
  const scanner = createScanner({ depth: 20, parts: 500, headerBytes: 8192, headerBytesTotal: 32768 })
  for (let at = 0; at < input.length; at += size) scanner.write(input.subarray(at, at + size))
  return scanner.end()
}

/** Parts lie in order within their parent. */
function checkPart(part: Part, end: number, start: number): void {
  assert.ok(start <= part.start && part.start <= part.body && part.body <= part.end && part.end <= end)
  assert.ok(part.lines >= 0 && part.lines <= part.end - part.body)
  if (part.message) {
    assert.equal(part.message.root.start, part.body)
    checkPart(part.message.root, part.end, part.body)
  }
  let from = part.body
  for (const child of part.parts ?? []) {
    checkPart(child, part.end, from)
    from = child.end
  }
}

function checkFields(header: Buffer): void {
  let from = 0
  for (const field of parseFields(header)) {
    assert.ok(field.start >= from && field.end > field.start && field.end <= header.length)
    from = field.end
    const value = fieldValue(header, field)
    assert.ok(!value.includes('\n'))
    if (from < 4000) assert.notEqual(firstField(header, field.name), undefined)
    checkValue(value.slice(0, 2000))
  }
}

function checkValue(value: string): void {
  let depth = 0
  for (const entry of parseAddressList(value)) {
    if (entry.group !== undefined) depth++
    else if (entry.local === undefined) depth--
    assert.ok(depth === 0 || depth === 1)
  }
  assert.equal(depth, 0)
  const words = decodeWords(value)
  assert.equal(fold(fold(words)), fold(words))
  const base = baseSubject(value)
  assert.ok(base.length <= words.length)
  messageIds(value)
  const at = parseDate(value)
  if (at !== undefined && at >= 0) assert.equal(parseDate(formatDate(at)), at)
  const clean = value
    .replaceAll('\r', ' ')
    .replaceAll('\n', ' ')
    .replaceAll('\0', ' ')
    .trim()
    .split(' ')
    .filter(Boolean)
    .join(' ')
  assert.equal(decodeWords(encodeWords(clean)), clean)
  const field = headerBlock().text('Subject', clean).build()
  assert.ok(!clean || firstField(headerBlock({ utf8: true }).text('Subject', clean).build(), 'subject') !== undefined)
  assert.equal(parseFields(field).length, 1)
  assert.equal(decodeWords(firstField(field, 'subject') ?? ''), clean)
}

function checkBodies(input: Buffer, root: Part): void {
  for (const encoding of ['base64', 'quoted-printable', 'x-uuencode', root.encoding])
    assert.ok(decodeBody(encoding, input).length <= input.length)
  for (const charset of ['utf-8', 'utf-7', 'iso-2022-jp', 'gb18030', 'cp850', input.toString('latin1', 0, 12)])
    decodeText(input, charset)
}

function checkReport(input: Buffer): void {
  for (const originalIs of ['headers', 'message'] as const) {
    for (const utf8 of [false, true]) {
      const report = composeReport({
        from: {
          name: input.toString('latin1', 0, 40).replaceAll('\r', '').replaceAll('\n', '').replaceAll('\0', ''),
          address: 'postmaster@mx.example',
        },
        to: { address: 'a@example.org' },
        subject: 'Undelivered',
        date: 0,
        messageId: 'x@mx.example',
        text: input.toString('utf8', 0, 500),
        perMessage: [['Reporting-MTA', 'dns; mx.example']],
        perRecipient: [[['Diagnostic-Code', `smtp; ${input.toString('utf8', 0, 3000)}`]]],
        original: input,
        originalIs,
        utf8,
      })
      const { root, has8bit } = scanIn(report, report.length)
      assert.equal(root.parts?.length, 3)
      assert.ok(utf8 || !has8bit)
      let from = 0
      for (let lf = report.indexOf(10); lf >= 0; lf = report.indexOf(10, from)) {
        assert.ok(lf - from <= 999 && report[lf - 1] === 13)
        from = lf + 1
      }
    }
  }
}
