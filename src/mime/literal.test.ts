// Of a literal message every word that a search could find stands in its bytes before the end that is told.

import assert from 'node:assert/strict'
import { test } from 'node:test'
import fc from 'fast-check'
import { createScanner, literalEnd, literalWord, searchBody, searchHeader } from './index.ts'

function look(text: string | Buffer) {
  const bytes = Buffer.from(text as string)
  const scanner = createScanner()
  scanner.write(bytes)
  const { root } = scanner.end()
  let found = searchHeader(bytes.subarray(0, root.body))
  const steps = searchBody(root)
  for (let step = steps.next(); !step.done; ) {
    if (typeof step.value === 'string') {
      found += `\n${step.value}`
      step = steps.next()
    } else step = steps.next(bytes.subarray(...step.value))
  }
  return { end: literalEnd(root, bytes), bytes, text: found }
}

/** Fails when a word of a literal message is not in its bytes. */
function check(message: string | Buffer): number | undefined {
  const { end, bytes, text } = look(message)
  if (end === undefined) return undefined
  const raw = bytes.toString('latin1', 0, end).toLowerCase()
  for (const word of text.split(/[\s:]+/))
    assert.ok(raw.includes(word), `${JSON.stringify(word)} of ${JSON.stringify(message)}`)
  return end
}

const part = (type: string, body: string, more = '') =>
  `Subject: One\r\n two\r\nContent-Type: ${type}\r\n${more}\r\n${body}`
const html = (body: string) => part('text/html; charset=utf-8', body)

test('what is literal, and how far', () => {
  const plain = part('text/plain; charset=utf-8', 'Hello world\r\n')
  assert.equal(check(plain), plain.length)
  const alternative = `Content-Type: multipart/alternative; boundary=b\r\n\r\n--b\r\n\r\ntext\r\n--b\r\nContent-Type: text/html\r\n\r\n<p>a <b>c</b> d</p>\r\n`
  const attached = `--b\r\nContent-Type: application/pdf; name="f.pdf"\r\nContent-Transfer-Encoding: base64\r\n\r\nAAAA\r\n--b--\r\n`
  assert.equal(check(alternative + attached), alternative.length + attached.indexOf('AAAA'))
  const forwarded = part('message/rfc822', 'Subject: within\r\n\r\ntext within\r\n')
  assert.equal(check(forwarded), forwarded.length)
  for (const literal of [
    html('<p>one</p><div>two</div>'),
    html('a <b>b</b> c'),
    html('<b>all</b>'),
    html('<td><b>x</b></td>'),
    part('text/plain', 'no sign of it\r\n', 'Content-Transfer-Encoding: quoted-printable\r\n'),
    part('text/plain; charset=ISO-8859-2', 'text'),
    'Subject: only a header\r\n',
    '',
  ])
    assert.notEqual(check(literal), undefined, literal)
  for (const other of [
    html('a<b>b</b> c'),
    html('a <b>b</b>c'),
    html('a<!-- -->b'),
    html('a&amp;b'),
    html('<style>a</style>b'),
    html('a<b'),
    part('text/plain', 'a=\r\nb', 'Content-Transfer-Encoding: quoted-printable\r\n'),
    part('text/plain', 'YWJj', 'Content-Transfer-Encoding: base64\r\n'),
    part('text/plain; charset=utf-7', '+AGE-'),
    part('text/plain; charset=iso-2022-jp', 'text'),
    part('text/plain; charset=utf-16', 'text'),
    part('text/plain', 'Größe'),
    part('text/plain', 'a\0b'),
    part('text/plain', 'text', 'X-Name: =?utf-8?q?a?=\r\n'),
    part(`application/pdf; name*=utf-8''%41`, 'AAAA'),
    part('application/pdf; name="a\\"b"', 'AAAA'),
  ])
    assert.equal(check(other), undefined, other)
})

test('every word of a literal message stands in it, whatever it is made of', () => {
  const piece = fc.oneof(
    fc.constantFrom(
      '<b>',
      '</b>',
      '<p>',
      '</p>',
      '<a href="x>y">',
      '<br/>',
      '<',
      '>',
      '<!--',
      '-->',
      '&amp;',
      '"',
      "'",
    ),
    fc.constantFrom(
      'a',
      'B',
      ' ',
      '\r\n',
      '\r\n ',
      ':',
      '=',
      '=41',
      '=\r\n',
      'word',
      'Subject: ',
      '\t',
      '=?utf-8?q?x?=',
    ),
  )
  const body = fc.array(piece, { maxLength: 20 }).map((pieces) => pieces.join(''))
  const type = fc.constantFrom(
    'text/plain',
    'text/html',
    'text/html; charset=utf-8',
    'text/plain; name=f.txt',
    'message/rfc822',
  )
  const encoding = fc.constantFrom('7bit', 'quoted-printable', 'base64', '8bit')
  let literal = 0
  fc.assert(
    fc.property(type, encoding, body, body, (type, encoding, head, body) => {
      const message = `Subject: ${head}\r\nContent-Type: ${type}\r\nContent-Transfer-Encoding: ${encoding}\r\n\r\n${body}`
      if (check(message) !== undefined) literal++
    }),
    { numRuns: 3000 },
  )
  assert.ok(literal > 100, `${literal} were literal`)
})

test('the word that is looked for is the longest, and begins within a limit', () => {
  assert.equal(literalWord('one three two'), 'three')
  assert.equal(literalWord('subject: x'), 'subject')
  assert.equal(literalWord('a\r\nbc\td'), 'bc')
  assert.equal(literalWord(' : '), '')
  assert.equal(literalWord('größe'), undefined)
  assert.equal(literalWord('x'.repeat(100)), 'x'.repeat(32))
})
