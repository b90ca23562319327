import assert from 'node:assert/strict'
import { test } from 'node:test'
import type { Envelope, Part } from '../../mime/index.ts'
import { formatBodyStructure, formatEnvelope } from './index.ts'

const none: Envelope = { from: [], sender: [], replyTo: [], to: [], cc: [], bcc: [] }
const ann = { name: 'Ann "A" B', local: 'ann', domain: 'example.test' }

test('sender and reply-to default to from', () => {
  const one = '(("Ann \\"A\\" B" NIL "ann" "example.test"))'
  assert.equal(
    formatEnvelope({ ...none, date: 'Mon, 1 Jan 2024 00:00:00 +0000', subject: 'Hi', from: [ann], messageId: '<1@x>' }),
    `("Mon, 1 Jan 2024 00:00:00 +0000" "Hi" ${one} ${one} ${one} NIL NIL NIL NIL "<1@x>")`,
  )
})

test('a message without From never shows NIL there', () => {
  const empty = '((NIL NIL "" ""))'
  assert.equal(formatEnvelope(none), `(NIL NIL ${empty} ${empty} ${empty} NIL NIL NIL NIL NIL)`)
})

test('a group is opened and closed', () => {
  const text = formatEnvelope({ ...none, from: [ann], to: [{ group: 'team' }, { local: 'b', domain: 'c' }, {}] })
  assert.ok(text.includes('((NIL NIL "team" NIL)(NIL NIL "b" "c")(NIL NIL NIL NIL))'), text)
})

const subjects: [string, string][] = [
  ['plain', '"plain"'],
  ['back\\slash "quote"', '"back\\\\slash \\"quote\\""'],
  ['Grüße an alle', '"=?utf-8?B?R3LDvMOfZQ==?= an alle"'],
  ['=?utf-8?Q?a?= é', '"=?utf-8?Q?a?= =?utf-8?B?w6k=?="'],
  ['a\r\nb\0c', '"a  b c"'],
  ['=?iso-8859-1?Q?gr\u00fcn_und?= more', '"=?utf-8?B?Z3LDvG4gdW5k?= more"'],
]
for (const [subject, expected] of subjects)
  test(`subject ${JSON.stringify(subject)} is 7-bit and quoted`, () => {
    assert.equal(formatEnvelope({ ...none, subject }).split(' ((')[0], `(NIL ${expected}`)
  })

test('long texts beyond ASCII become several encoded words that do not split a character', () => {
  const text = formatEnvelope({ ...none, subject: '😀'.repeat(30) })
  const words = text.slice(6, text.indexOf('" ((')).split(' ')
  assert.equal(words.length, 3)
  for (const word of words)
    assert.ok(word.length <= 75 && !Buffer.from(word.slice(10, -2), 'base64').toString().includes('\ufffd'))
})

const leaf: Part = {
  type: 'text',
  subtype: 'plain',
  params: [['charset', 'utf-8']],
  start: 0,
  body: 10,
  end: 30,
  lines: 2,
  encoding: '7bit',
}

const structures: [string, Part, boolean, string][] = [
  ['text', leaf, false, '("text" "plain" ("charset" "utf-8") NIL NIL "7bit" 20 2)'],
  ['text, extended', leaf, true, '("text" "plain" ("charset" "utf-8") NIL NIL "7bit" 20 2 NIL NIL NIL NIL)'],
  [
    'attachment with a name beyond ASCII',
    {
      ...leaf,
      type: 'image',
      subtype: 'png',
      params: [['name', 'ü.png']],
      encoding: 'base64',
      md5: 'x',
      language: ['de', 'en'],
      location: 'l',
      id: '<i>',
      description: 'd',
      disposition: { type: 'attachment', params: [['filename', 'a"b']] },
    },
    true,
    `("image" "png" ("name*" "utf-8''%C3%BC.png") "<i>" "d" "base64" 20 "x" ("attachment" ("filename" "a\\"b")) ("de" "en") "l")`,
  ],
  [
    'multipart',
    { ...leaf, type: 'multipart', subtype: 'mixed', params: [['boundary', 'b']], parts: [leaf, leaf] },
    true,
    '(("text" "plain" ("charset" "utf-8") NIL NIL "7bit" 20 2 NIL NIL NIL NIL)("text" "plain" ("charset" "utf-8") NIL NIL "7bit" 20 2 NIL NIL NIL NIL) "mixed" ("boundary" "b") NIL NIL NIL)',
  ],
  [
    'empty multipart',
    { ...leaf, type: 'multipart', subtype: 'mixed', parts: [] },
    false,
    '(("text" "plain" ("charset" "us-ascii") NIL NIL "7bit" 0 0) "mixed")',
  ],
  [
    'message',
    {
      ...leaf,
      type: 'message',
      subtype: 'rfc822',
      params: [],
      message: { envelope: { ...none, from: [ann] }, root: leaf },
    },
    false,
    `("message" "rfc822" NIL NIL NIL "7bit" 20 ${formatEnvelope({ ...none, from: [ann] })} ("text" "plain" ("charset" "utf-8") NIL NIL "7bit" 20 2) 2)`,
  ],
  [
    'message that could not be looked into',
    { ...leaf, type: 'message', subtype: 'rfc822', params: [], encoding: 'base64' },
    false,
    `("message" "rfc822" NIL NIL NIL "base64" 20 ${formatEnvelope(none)} ("text" "plain" ("charset" "us-ascii") NIL NIL "7bit" 0 0) 2)`,
  ],
]
for (const [name, part, extended, expected] of structures)
  test(`structure of ${name}`, () => assert.equal(formatBodyStructure(part, extended), expected))
