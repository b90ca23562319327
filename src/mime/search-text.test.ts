// Text read in windows against the same text decoded at once.

import assert from 'node:assert/strict'
import { readdirSync, readFileSync } from 'node:fs'
import { join, resolve } from 'node:path'
import { test } from 'node:test'
import fc from 'fast-check'
import iconv from 'iconv-lite'
import { createScanner, fold, type Scan } from './index.ts'
import { encodeQuotedPrintable } from './quoted-printable.ts'
import { bodyOf } from './testing/search.ts'

const runs = { numRuns: 200 }

function scanOf(bytes: Buffer): Scan {
  const scanner = createScanner()
  scanner.write(bytes)
  return scanner.end()
}

function assertSame(bytes: Buffer, window: number): void {
  const { root } = scanOf(bytes)
  assert.equal(bodyOf(root, bytes, window).join(''), bodyOf(root, bytes, bytes.length + 1).join(''), `window ${window}`)
}

/** Text as people of all scripts write it, with what changes length or order when folded. */
const words = fc.constantFrom(
  ...[
    'word',
    'ΣΊΣΥΦΟΣ',
    'Straße',
    '日本語テキスト',
    '한국어',
    'e\u0301\u0323',
    'ﷺ',
    '😀👩‍👩‍👧',
    'İı',
    'ﬁn',
    'क्षि',
    'ก็',
  ],
  ...[' ', '\t', '  ', '\r\n', '\r\n\r\n', '=', '=3D', '.', 'x'.repeat(90)],
)
const texts = fc.array(words, { maxLength: 60 }).map((list) => list.join(''))
const utf8 = 'Content-Type: text/plain; charset=utf-8\r\n'
const message = (head: string, body: Buffer): Buffer => Buffer.concat([Buffer.from(`${head}\r\n\r\n`), body])
const wrap = (base64: string): string => base64.replace(/.{1,76}/g, '$&\r\n')

const encodings: { readonly [name: string]: (bytes: Buffer) => Buffer } = {
  '8bit': (bytes) => bytes,
  base64: (bytes) => Buffer.from(wrap(bytes.toString('base64'))),
  'quoted-printable': encodeQuotedPrintable,
}

for (const [encoding, encode] of Object.entries(encodings))
  test(`${encoding} text is the same however it is cut`, () => {
    fc.assert(
      fc.property(texts, fc.integer({ min: 1, max: 100 }), (text, window) => {
        for (const charset of ['utf-8', 'us-ascii']) {
          const head = `Content-Type: text/plain; charset=${charset}\r\nContent-Transfer-Encoding: ${encoding}`
          assertSame(message(head, encode(Buffer.from(text))), window)
        }
      }),
      runs,
    )
  })

test('charsets with states and with several bytes are the same however they are cut', () => {
  const charsets = {
    shift_jis: '日本語',
    'euc-kr': '한국어',
    gb18030: '中文😀',
    big5: '中文',
    'utf-16le': 'añ😀',
  }
  for (const [charset, sample] of Object.entries(charsets)) {
    const head = `Content-Type: text/plain; charset=${charset}\r\nContent-Transfer-Encoding: base64`
    const text = `${sample} abc `.repeat(40)
    const body = Buffer.from(wrap(iconv.encode(text, charset).toString('base64')))
    for (let window = 1; window < 100; window++) assertSame(message(head, body), window)
    assert.ok(
      bodyOf(scanOf(message(head, body)).root, message(head, body), 50)
        .join('')
        .includes(fold(sample)),
      charset,
    )
  }
  const japanese = Buffer.from('\x1b$B$"$$\x1b(B abc '.repeat(40), 'latin1')
  for (let window = 1; window < 100; window++)
    assertSame(message('Content-Type: text/plain; charset=iso-2022-jp', japanese), window)
  const latin = Buffer.from('Grüße '.repeat(40), 'latin1')
  for (let window = 1; window < 100; window++) assertSame(message('Content-Type: text/plain', latin), window)
})

test('untidy encodings are the same however they are cut', () => {
  const quoted = ['a =\r\n\r\nb', 'a  \t \r\nb=20 \r\n', '=e', '=', '= \r\n', '=C3=BC', ' '.repeat(9), '\n', 'long ']
  const base64 = ['YWJj', 'YQ==', 'YQ', '=', '\r\n', '!', '-_', 'ZGVm']
  for (const [encoding, pieces] of [
    ['quoted-printable', quoted],
    ['base64', base64],
  ] as const)
    fc.assert(
      fc.property(
        fc.array(fc.constantFrom(...pieces), { maxLength: 80 }),
        fc.integer({ min: 1, max: 60 }),
        (list, window) =>
          assertSame(message(`${utf8}Content-Transfer-Encoding: ${encoding}`, Buffer.from(list.join(''))), window),
      ),
      runs,
    )
  // A line without end is cut within.
  const endless = Buffer.from(`${'=C3=BC x =\r\n'.repeat(3000)}${'=C3=BC 1=3D1  '.repeat(3000)}`)
  for (const window of [1000, 5000, 7777])
    assertSame(message('Content-Transfer-Encoding: quoted-printable', endless), window)
  const file = `before\r\nbegin 644 x.txt\r\n${'#86)C\r\n'.repeat(100)}\`\r\nend\r\nafter`
  for (let window = 20; window < 200; window++)
    assertSame(message('Content-Transfer-Encoding: x-uuencode', Buffer.from(file)), window)
})

test('HTML is the same however it is cut', () => {
  const markup = fc.constantFrom(
    ...[
      '<p>',
      '</p>',
      '<b>',
      '<a href="x>y">',
      "<img alt='>' src=\"",
      '">',
      '<!-- a > b -->',
      '<!doctype html>',
      '<',
      '< 1',
    ],
    ...[
      '<style>p > a { }</style>',
      '<script>"</styl"',
      '</script>',
      '&amp;',
      '&',
      '&nbsp',
      '&#228;',
      '&eacute;',
      '\r\n',
    ],
    ...['Grüße ', 'word ', '-->', `<img src="data:${'A'.repeat(3000)}">`, 'x'.repeat(2000)],
  )
  fc.assert(
    fc.property(
      fc.array(markup, { minLength: 50, maxLength: 200 }),
      fc.integer({ min: 100, max: 3000 }),
      (list, window) =>
        assertSame(message('Content-Type: text/html; charset=utf-8', Buffer.from(list.join(''))), window),
    ),
    { numRuns: 100 },
  )
})

test('a tag, a comment and a style sheet longer than any window are passed over', () => {
  const long = 'A'.repeat(100_000)
  const html = `<p>one<img src="data:${long}">two<!-- ${long} -->three<style>${long}</style>four`
  const bytes = message('Content-Type: text/html', Buffer.from(html))
  assert.equal(bodyOf(scanOf(bytes).root, bytes, 1000).join(''), '\none\ntwothree\n\nfour\n')
})

test('the corpus reads the same in windows of any size', () => {
  const folder = resolve(import.meta.dirname, '../../test/corpus/mime')
  for (const name of readdirSync(folder).filter((name) => name.endsWith('.eml'))) {
    const bytes = readFileSync(join(folder, name))
    // Latin letters that claim to be Korean: what a decoder makes of them depends on the cut.
    if (name === 'legacy-034.eml') continue
    for (const window of [7, 64, 1000]) assertSame(bytes, window)
  }
})
