// What an excerpt gives for some field names is what the header itself gives.

import assert from 'node:assert/strict'
import { test } from 'node:test'
import { parseFields } from '../mime/index.ts'
import { endsWithEmptyLine, FieldChooser, makeExcerpt } from './header-excerpt.ts'

/** The fields of these names as they stand, and the empty line. */
function chosenFrom(header: Buffer, names: readonly string[]): string {
  const wanted = new Set(names.map((name) => name.toLowerCase()))
  const fields = parseFields(header).filter(({ name }) => wanted.has(name.toLowerCase()))
  const text = fields.map(({ start, end }) => header.toString('latin1', start, end)).join('')
  return text + (endsWithEmptyLine(header) ? '\r\n' : '')
}

function found(excerpt: Buffer, names: readonly string[], from = 0): string | undefined {
  const chooser = FieldChooser.of(names)
  if (!chooser) return undefined
  chooser.find(excerpt, from)
  let text = ''
  for (let i = 0; i < chooser.count; i++)
    text += excerpt.toString('latin1', chooser.runs[i * 2], chooser.runs[i * 2 + 1])
  assert.equal(text.length, chooser.size)
  return text
}

const headers = [
  'Received: from a\r\n\tby b\r\nFrom: ann@a.test\r\nTO: bob@b.test\r\nSubject: one\r\n two\r\nX-Own: 1\r\nx-own: 2\r\n\r\n',
  'From: ann@a.test\nSubject: bare line ends\nDate: now\n\n',
  'From: without an empty line\r\nTo: nobody\r\n',
  'From nobody Mon Jan 1\r\nTo: behind an mbox line\r\ngarbage\r\n more\r\nCc : blank before the colon\r\nX-Own : same\r\n\r\n',
  '\r\n',
  '',
  `Subject: ${'\xe4'.repeat(300)}\r\nReferences: <1@a>\r\n <2@a>\r\nDKIM-Signature: v=1\r\nARC-Seal: i=1\r\nMessage-ID: <3@a>\r\n\r\n`,
].map((text) => Buffer.from(text, 'latin1'))
const asked = [
  ['From'],
  ['SUBJECT', 'to'],
  ['from', 'To', 'Cc', 'Subject', 'Date', 'Message-ID', 'References', 'Content-Type'],
  ['x-own'],
  ['X-OWN', 'From'],
  ['nothing'],
  [],
]

test('an excerpt gives the fields that the header gives', () => {
  for (const header of headers)
    for (const names of asked) {
      const excerpt = makeExcerpt(header)!
      assert.equal(found(excerpt, names), chosenFrom(header, names), `${names} of ${JSON.stringify(`${header}`)}`)
      assert.equal(found(Buffer.concat([Buffer.alloc(7, 3), excerpt]), names, 7), chosenFrom(header, names))
    }
})

test('the trails of servers are left out, and who asks for them is told so', () => {
  assert.equal(makeExcerpt(headers[0]!)!.includes('Received'), false)
  for (const name of ['Received', 'DKIM-SIGNATURE', 'X-MS-Exchange-Whatever'])
    assert.equal(FieldChooser.of(['From', name]), undefined)
})

test('what is too long has no excerpt', () => {
  assert.equal(makeExcerpt(Buffer.from(`To: ${'a'.repeat(5_000)}\r\n\r\n`)), undefined)
  assert.equal(makeExcerpt(Buffer.from('X: 1\r\n'.repeat(200))), undefined)
})
