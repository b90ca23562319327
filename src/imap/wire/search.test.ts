import assert from 'node:assert/strict'
import { test } from 'node:test'
import { isFault, SyntaxFault } from '../../base/index.ts'
import {
  Cursor,
  parseMultiSearchProgram,
  parsePartialRange,
  parseSearchProgram,
  parseSortProgram,
  parseThreadProgram,
  savedResult,
  someKey,
} from './index.ts'

const cursor = (text: string, literals: readonly Buffer[] = []) => new Cursor({ segments: text.split('\n'), literals })
const parse = (text: string) => {
  const p = cursor(text)
  const program = parseSearchProgram(p)
  p.end()
  return program
}

const keys: [string, unknown][] = [
  ['$', { kind: 'sequence', set: savedResult }],
  ['UID $', { kind: 'uid', set: savedResult }],
  ['OLDER 1', { kind: 'older', seconds: 1 }],
  ['younger 4294967295', { kind: 'younger', seconds: 4294967295 }],
  ['SAVEDON 2-Jan-1970', { kind: 'saved', compare: 'on', day: 1 }],
  ['SAVEDATESUPPORTED', { kind: 'all' }],
  ['MODSEQ 0', { kind: 'modseq', modseq: 0 }],
  ['MODSEQ "/flags/\\\\Seen" priv 7', { kind: 'modseq', modseq: 7 }],
  ['EMAILID M17', { kind: 'email', id: 17 }],
  ['EMAILID m17', { kind: 'email', id: 0 }],
  ['EMAILID M017', { kind: 'email', id: 0 }],
  ['THREADID T9007199254740991', { kind: 'thread', id: 0 }],
  ['THREADID T900719925474099', { kind: 'thread', id: 900719925474099 }],
  ['UIDAFTER 4294967295', { kind: 'uid', set: [[4294967296, 4294967296]] }],
  ['UIDBEFORE 1', { kind: 'not', key: { kind: 'uid', set: [[1, 4294967296]] } }],
  ['HEADER Subject "x"', { kind: 'head', head: 'subject', needle: Buffer.from('x') }],
  ['HEADER X-Y ""', { kind: 'header', name: 'x-y', needle: Buffer.from('') }],
]
for (const [text, key] of keys) test(`search key ${text}`, () => assert.deepEqual(parse(text).key, key))

for (const bad of [
  '$,1',
  '1,$',
  'OLDER 0',
  'YOUNGER',
  'MODSEQ',
  'MODSEQ "/vendor/x" all 1',
  'MODSEQ "/flags/x" some 1',
  'MODSEQ 9223372036854775808',
  'EMAILID "M1"',
  'UIDAFTER 0',
  'UIDBEFORE 1:2',
  'SAVEDON',
])
  test(`no search key: ${bad}`, () => assert.throws(() => parse(bad), SyntaxFault))

test('RETURN options are told once each', () => {
  assert.deepEqual(parse('RETURN (min SAVE Partial -9:-3) ALL').returns, {
    options: new Set(['MIN', 'SAVE', 'PARTIAL']),
    partial: { from: 3, to: 9, last: true, text: '-9:-3' },
  })
  assert.deepEqual(parse('RETURN () ALL').returns?.options, new Set(['ALL']))
  for (const bad of ['RETURN (ALL ALL) 1', 'RETURN (ALL PARTIAL 1:2) 1', 'RETURN (MIN  MAX) 1', 'RETURN (PARTIAL) 1'])
    assert.throws(() => parse(bad), SyntaxFault, bad)
})

test('the range of PARTIAL has two numbers of one sign', () => {
  assert.deepEqual(parsePartialRange(cursor('4294967295:1')), {
    from: 1,
    to: 4294967295,
    last: false,
    text: '4294967295:1',
  })
  for (const bad of ['1', '1:', '0:1', '1:*', '-1:2', '1:-2', '"1:2"', '1:4294967296'])
    assert.throws(() => parsePartialRange(cursor(bad)), SyntaxFault, bad)
})

test('keys and texts are counted, levels too', () => {
  assert.equal(parse(`${'SEEN '.repeat(999)}SEEN`).key.kind, 'and')
  assert.throws(
    () => parse(`${'SEEN '.repeat(1000)}SEEN`),
    (error) => isFault(error, 'limit'),
  )
  assert.throws(
    () => parse('NOT BODY a '.repeat(101)),
    (error) => isFault(error, 'limit'),
  )
  assert.throws(() => parse(`${'NOT '.repeat(64)}SEEN`), SyntaxFault)
})

test('a key is found wherever it stands', () => {
  const has = (text: string) => someKey(parse(text).key, ({ kind }) => kind === 'modseq')
  assert.ok(has('SEEN OR 1 (NOT (2 MODSEQ 5))'))
  assert.ok(!has('SEEN OR 1 (NOT (2 3))'))
})

test('SORT takes criteria, a charset and keys', () => {
  const { criteria, charset, key, returns } = parseSortProgram(
    cursor('RETURN (COUNT) (reverse date Subject REVERSE DISPLAYTO) utf-8 SEEN'),
  )
  assert.deepEqual(criteria, [
    { key: 'DATE', reverse: true },
    { key: 'SUBJECT', reverse: false },
    { key: 'DISPLAYTO', reverse: true },
  ])
  assert.deepEqual([charset, key, returns?.options], ['UTF-8', { kind: 'flag', flag: '\\Seen' }, new Set(['COUNT'])])
  for (const bad of [
    '() UTF-8 ALL',
    '(DATE) UTF-8',
    'DATE UTF-8 ALL',
    '(REVERSE REVERSE DATE) UTF-8 ALL',
    '(X) UTF-8 ALL',
  ])
    assert.throws(() => parseSortProgram(cursor(bad)), SyntaxFault, bad)
})

test('THREAD takes an algorithm, a charset and keys', () => {
  const { algorithm, charset } = parseThreadProgram(cursor('references "us-ascii" 1:*'))
  assert.deepEqual([algorithm, charset], ['REFERENCES', 'US-ASCII'])
  for (const bad of ['REFS ALL', 'JWZ UTF-8 ALL', 'REFS UTF-8 '])
    assert.throws(() => parseThreadProgram(cursor(bad)), SyntaxFault, bad)
})

test('ESEARCH takes mailboxes, and the selected one without', () => {
  assert.deepEqual(parseMultiSearchProgram(cursor('ALL')).sources, [{ kind: 'selected', names: [] }])
  const { sources, returns } = parseMultiSearchProgram(
    cursor('IN (personal Subtree-One inbox/x mailboxes ("a b" INBOX)) RETURN (MIN) ALL'),
  )
  assert.deepEqual(sources, [
    { kind: 'personal', names: [] },
    { kind: 'subtree-one', names: ['INBOX/x'] },
    { kind: 'mailboxes', names: ['a b', 'INBOX'] },
  ])
  assert.deepEqual(returns?.options, new Set(['MIN']))
  for (const bad of [
    'IN () ALL',
    'IN personal ALL',
    'IN (subtree) ALL',
    'IN (selected-delayed) ALL',
    'IN (personal)ALL',
  ])
    assert.throws(() => parseMultiSearchProgram(cursor(bad)), SyntaxFault, bad)
})
