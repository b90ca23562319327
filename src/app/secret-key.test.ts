import assert from 'node:assert/strict'
import { mkdtempSync, readdirSync, rmSync, statSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { type TestContext, test } from 'node:test'
import { openSealer } from './secret-key.ts'

function folder(t: TestContext): string {
  const made = mkdtempSync(join(tmpdir(), 'posthorn-secret-'))
  t.after(() => rmSync(made, { recursive: true, force: true }))
  return made
}

test('the secret key is made once, for its owner alone, and opens what it sealed', (t) => {
  const data = folder(t)
  const sealed = openSealer(data).seal(Buffer.from('secret'), 'a test')
  assert.equal(openSealer(data).open(sealed, 'a test').toString(), 'secret')
  assert.throws(() => openSealer(data).open(sealed, 'another'), /sealed with another secret key/)
  assert.throws(() => openSealer(folder(t)).open(sealed, 'a test'), /sealed with another secret key/)
  assert.deepEqual(readdirSync(data), ['secret.key'])
  assert.equal(statSync(join(data, 'secret.key')).mode & 0o777, 0o600)
})

test('a process that died while it made the secret key leaves nothing that the next one stumbles over', (t) => {
  const data = folder(t)
  writeFileSync(join(data, 'secret.key.new'), 'abc')
  const sealed = openSealer(data).seal(Buffer.from('x'), 'a test')
  assert.equal(openSealer(data).open(sealed, 'a test').toString(), 'x')
})

test('a damaged or unreadable secret key is named, and not made anew', (t) => {
  const data = folder(t)
  writeFileSync(join(data, 'secret.key'), 'abc')
  assert.throws(() => openSealer(data), /secret\.key: expected 64 hexadecimal digits; take the file back/)
  assert.throws(() => openSealer(join(data, 'nowhere')), /secret\.key: there is no such file/)
})
