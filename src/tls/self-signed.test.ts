// Our own certificate: read back by Node's parser and used in a real handshake over a pipe.

import assert from 'node:assert/strict'
import { X509Certificate } from 'node:crypto'
import { mkdtempSync, readFileSync, rmSync, statSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { duplexPair } from 'node:stream'
import { test } from 'node:test'
import { connect, TLSSocket } from 'node:tls'
import { isFault } from '../base/index.ts'
import { tlsOptions } from './by-name.ts'
import { loadCertificates } from './certificates.ts'
import { createSelfSigned, stillServes } from './self-signed.ts'

const now = Date.UTC(2026, 10, 22)

test('a self-signed certificate names its hosts and addresses and lasts ten years', () => {
  const found = new X509Certificate(createSelfSigned(['mail.example.test', '127.0.0.1', '2001:db8::7'], now).cert)
  assert.equal(found.subject, 'CN=mail.example.test')
  assert.equal(found.checkHost('mail.example.test'), 'mail.example.test')
  assert.equal(found.checkHost('other.example.test'), undefined)
  assert.equal(found.checkIP('127.0.0.1'), '127.0.0.1')
  assert.equal(found.checkIP('2001:db8::7'), '2001:db8::7')
  assert.ok(found.verify(found.publicKey))
  assert.equal(new Date(found.validFrom).getTime(), now - 86_400_000)
  assert.equal(new Date(found.validTo).getUTCFullYear(), 2036)
})

test('a client that trusts it completes a handshake', async () => {
  const pair = createSelfSigned(['mail.example.test'], Date.now())
  const [ours, theirs] = duplexPair()
  const server = new TLSSocket(ours as never, { isServer: true, ...tlsOptions(pair) })
  server.on('error', () => {})
  const client = connect({ socket: theirs as never, ca: pair.cert, servername: 'mail.example.test' })
  await new Promise<void>((resolve, reject) => client.once('secureConnect', resolve).once('error', reject))
  assert.equal(client.authorized, true)
  client.destroy()
  server.destroy()
})

test('it is renewed a month before its end or when the host is called otherwise', () => {
  const { cert } = createSelfSigned(['a.test'], now)
  assert.equal(stillServes(cert, ['a.test'], now), true)
  assert.equal(stillServes(cert, ['b.test'], now), false)
  assert.equal(stillServes(cert, ['a.test'], now + 3640 * 86_400_000), false)
})

test('the own certificate is kept, its key is for us alone, damage is repaired, bad files are named', () => {
  const folder = mkdtempSync(join(tmpdir(), 'posthorn-tls-'))
  try {
    const source = { hostname: 'a.test', folder: join(folder, 'tls') }
    const first = loadCertificates(source, now).fallback
    assert.equal(loadCertificates(source, now).fallback.cert, first.cert)
    assert.equal(statSync(join(folder, 'tls/key.pem')).mode & 0o777, 0o600)
    writeFileSync(join(folder, 'tls/key.pem'), 'nonsense')
    assert.notEqual(loadCertificates(source, now).fallback.cert, first.cert)
    assert.match(readFileSync(join(folder, 'tls/key.pem'), 'utf8'), /PRIVATE KEY/)
    assert.throws(
      () => loadCertificates({ ...source, files: { cert: '/nowhere.pem', key: '/nowhere.key' } }, now),
      (error) => isFault(error, 'invalid') && error.message.includes('/nowhere.pem'),
    )
  } finally {
    rmSync(folder, { recursive: true })
  }
})
