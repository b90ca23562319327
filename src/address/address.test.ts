import assert from 'node:assert/strict'
import { readFileSync } from 'node:fs'
import { resolve } from 'node:path'
import { test } from 'node:test'
import {
  addressKey,
  formatAddress,
  formatPath,
  needsUtf8,
  normaliseLocal,
  parseAddress,
  parsePath,
  sameAddress,
  toAscii,
  toUnicode,
} from './index.ts'

const table = (name: string) =>
  readFileSync(resolve(import.meta.dirname, `../../test/corpus/address/${name}.txt`), 'utf8')
    .split('\n')
    .filter((line) => line !== '' && !line.startsWith('#'))
    .map((line) => line.split('\t') as [text: string, local: string, domain: string])

test('valid addresses', () => {
  for (const [text, local, domain] of table('valid')) {
    assert.deepEqual(parseAddress(text), { local, domain }, text)
    assert.deepEqual(parseAddress(formatAddress({ local: local, domain: domain })), { local, domain }, text)
    assert.deepEqual(parsePath(Buffer.from(`x<${text}>y`), 1), {
      path: { local, domain },
      end: Buffer.byteLength(text) + 3,
    })
  }
})

test('invalid addresses', () => {
  for (const [text, why] of table('invalid')) {
    assert.equal(parseAddress(text), undefined, `${text}: ${why}`)
    assert.equal(parsePath(`<${text}>`, 0), undefined, `${text}: ${why}`)
  }
  assert.equal(parseAddress('a\x00b@example.org'), undefined)
  assert.equal(parseAddress('"a\r\nb"@example.org'), undefined)
  assert.equal(parseAddress('a\ud800@example.org'), undefined)
  assert.equal(parseAddress('a\x85@example.org'), undefined)
  assert.equal(parseAddress(`a@${'a.'.repeat(127)}example`), undefined)
})

test('paths', () => {
  assert.deepEqual(parsePath('<> SIZE=1', 0), { path: null, end: 2 })
  assert.deepEqual(parsePath(Buffer.from('<Postmaster>'), 0), { path: { local: 'Postmaster', domain: '' }, end: 12 })
  assert.deepEqual(parsePath('<@a.example,@[192.0.2.1]:b@c.example>', 0)?.path, { local: 'b', domain: 'c.example' })
  for (const text of ['', '<', 'a@b', '<a>', '<a@b', '<@a>', '<@a:>', '<@a,:b@c>', '<:a@b>', '< a@b>', '<a@b >'])
    assert.equal(parsePath(text, 0), undefined, text)
  assert.equal(parsePath(Buffer.from([0x3c, 0xff, 0x40, 0x62, 0x3e]), 0), undefined)
  assert.equal(parsePath(`<${'@a.example,'.repeat(200)}@b.example:c@d.example>`, 0), undefined)
  assert.equal(formatPath(null), '<>')
  assert.equal(formatPath({ local: 'a b', domain: 'c.example' }), '<"a b"@c.example>')
  assert.equal(formatPath({ local: 'postmaster', domain: '' }), '<postmaster>')
})

test('the same mailbox', () => {
  const a = { local: 'Jo\u0308rg', domain: 'x.example' }
  const b = { local: 'jÖrg', domain: 'x.example' }
  assert.ok(sameAddress(a, b))
  assert.equal(addressKey(a), addressKey(b))
  assert.ok(!sameAddress(a, { ...b, domain: 'y.example' }))
  assert.equal(normaliseLocal('ABC'), 'abc')
  assert.ok(needsUtf8(a))
  assert.ok(!needsUtf8(parseAddress('a@bücher.example')!))
})

test('domains', () => {
  assert.equal(toAscii('Example.ORG'), 'example.org')
  assert.equal(toAscii(''), undefined)
  assert.equal(toAscii('1.2.3.4'), undefined)
  assert.equal(toUnicode('xn--bcher-kva.example'), 'bücher.example')
  assert.equal(toUnicode('[192.0.2.1]'), '[192.0.2.1]')
})
