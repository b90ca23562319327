// Requests for certificates, read back and verified; what is read of certificates.

import assert from 'node:assert/strict'
import { createPublicKey, verify, X509Certificate } from 'node:crypto'
import { test } from 'node:test'
import { isFault } from '../base/index.ts'
import { createChallengeCertificate } from './challenge-certificate.ts'
import { derChildren, octets, oid, readDer, sequence, tagged } from './der.ts'
import { checkPair, createRequest, keyTypes, makeKey, readCertificate, renewalId } from './request.ts'
import { createSelfSigned } from './self-signed.ts'

const now = Date.UTC(2026, 10, 22)

for (const type of keyTypes.filter((type) => type !== 'rsa4096'))
  test(`a request with a key of ${type} names its hosts and is signed with it`, async () => {
    const key = await makeKey(type)
    const request = createRequest(['mail.a.test', '*.a.test'], key)
    const [body, , signature] = derChildren(request, readDer(request, 0))
    const spki = createPublicKey(key)
    const signed = request.subarray(0, body!.end).subarray(readDer(request, 0).start)
    assert.ok(verify('sha256', signed, spki, request.subarray(signature!.start + 1, signature!.end)))
    const text = request.toString('latin1')
    for (const name of ['mail.a.test', '*.a.test'])
      assert.ok(text.includes(`\x82${String.fromCharCode(name.length)}${name}`), name)
    assert.ok(request.includes(spki.export({ type: 'spki', format: 'der' })))
  })

test('renewal information is asked for by the issuer’s key and the serial (RFC 9773 §4.1)', () => {
  const keyId = Buffer.from('69885b6b87464041e1b37b847ba0ae2cde01c8d4', 'hex')
  const identifier = sequence(oid('2.5.29.35'), octets(sequence(tagged(0, false, keyId))))
  const { cert } = createSelfSigned(['a.test'], now, [identifier])
  const serial = Buffer.from(new X509Certificate(cert).serialNumber, 'hex')
  assert.equal(renewalId(cert), `aYhba4dGQEHhs3uEe6CuLN4ByNQ.${serial.toString('base64url')}`)
  assert.equal(renewalId(createSelfSigned(['a.test'], now).cert), undefined)
})

test('names, times and the key of a certificate; what is none is refused in words', () => {
  const pair = createSelfSigned(['a.test', 'B.test', '127.0.0.1'], now)
  const found = readCertificate(pair.cert)
  assert.deepEqual(found.names, ['a.test', 'b.test'])
  assert.equal(found.notBefore, now - 86_400_000)
  assert.equal(found.issuer, 'a.test')
  checkPair(pair)
  const refused = (words: RegExp) => (error: unknown) => isFault(error, 'invalid') && words.test(error.message)
  const other = createSelfSigned(['a.test'], now)
  assert.throws(() => checkPair({ cert: pair.cert, key: other.key }), refused(/the key does not belong/))
  assert.throws(() => checkPair({ cert: pair.cert, key: 'x' }), refused(/no private key/))
  assert.throws(() => readCertificate('x'), refused(/no certificate/))
})

test('DER that goes beyond its bounds is refused', () => {
  for (const hex of ['', '30', '3005', '3082ffff00', '308500000000', '30820001'])
    assert.throws(() => derChildren(Buffer.from(hex, 'hex'), readDer(Buffer.from(hex, 'hex'), 0)), RangeError, hex)
})

test('the certificate of a challenge has the digest in a critical extension (RFC 8737 §3)', () => {
  const { cert } = createChallengeCertificate('a.test', 'token.thumbprint', now)
  const { raw, subjectAltName } = new X509Certificate(cert)
  assert.equal(subjectAltName, 'DNS:a.test')
  // OID 1.3.6.1.5.5.7.1.31, critical, an octet string of an octet string of 32 bytes.
  assert.ok(raw.toString('hex').includes('06082b0601050507011f0101ff04220420'))
})
