// DANE: which records can be gone by, and which certificates they name.

import assert from 'node:assert/strict'
import { createHash, type X509Certificate } from 'node:crypto'
import { test } from 'node:test'
import { type TlsaRecord, zoneResolver } from '../dns/index.ts'
import { readCertificate } from './certificate.ts'
import { findDaneFlaw, usableTlsa } from './dane.ts'
import { lookUpDane } from './dane-lookup.ts'
import { certificates } from './testing/certificates.ts'

const made = certificates()
const now = Date.parse('2026-06-01T00:00:00Z')
const hex = (bytes: Uint8Array, hash?: string) =>
  hash ? createHash(hash).update(bytes).digest('hex') : Buffer.from(bytes).toString('hex')
const keyOf = (certificate: X509Certificate) => certificate.publicKey.export({ type: 'spki', format: 'der' })
const hashes = [undefined, 'sha256', 'sha512']
const record = (usage: number, selector: number, matching: number, certificate: X509Certificate): TlsaRecord => ({
  usage,
  selector,
  matching,
  data: hex(selector === 0 ? certificate.raw : keyOf(certificate), hashes[matching]),
})

const kindOf = (chain: readonly X509Certificate[], records: readonly TlsaRecord[], names = ['mx.a.test'], at = now) =>
  findDaneFlaw(chain, { records: usableTlsa(records), names, now: at })?.kind

test('DANE-EE: each selector and digest names the certificate, and no other', () => {
  const { leaf, other } = made
  for (const selector of [0, 1])
    for (const matching of [0, 1, 2]) {
      const what = `3 ${selector} ${matching}`
      assert.equal(kindOf([leaf], [record(3, selector, matching, leaf)]), undefined, what)
      assert.equal(kindOf([other], [record(3, selector, matching, leaf)]), 'certificate-not-trusted', what)
    }
})

test('DANE-EE looks at neither names nor dates (RFC 7672 §3.1.1)', () => {
  const records = [record(3, 1, 1, made.leaf)]
  assert.equal(kindOf([made.leaf], records, ['elsewhere.test']), undefined)
  assert.equal(kindOf([made.leaf], records, undefined, Date.parse('2199-01-01')), undefined)
  assert.equal(kindOf([made.expired], [record(3, 0, 1, made.expired)]), undefined)
})

test('DANE-TA: each selector and digest, the anchor in the chain; what it did not sign is not trusted', () => {
  const { leaf, middle, root, other } = made
  for (const selector of [0, 1])
    for (const matching of [0, 1, 2]) {
      const what = `2 ${selector} ${matching}`
      for (const anchor of [middle, root])
        assert.equal(kindOf([leaf, middle, root], [record(2, selector, matching, anchor)]), undefined, what)
      assert.equal(kindOf([other], [record(2, selector, matching, root)]), 'certificate-not-trusted', what)
      assert.equal(
        kindOf([other, middle, root], [record(2, selector, matching, root)]),
        'certificate-not-trusted',
        what,
      )
      // A leaf is no anchor.
      assert.equal(kindOf([leaf, middle], [record(2, selector, matching, leaf)]), 'certificate-not-trusted', what)
      // The anchor is not shown: only the record that holds it whole can do without.
      const absent = matching === 0 ? undefined : 'certificate-not-trusted'
      assert.equal(kindOf([leaf, middle], [record(2, selector, matching, root)]), absent, what)
    }
})

test('DANE-TA: names, dates, and what an authority may sign', () => {
  const { leaf, middle, root, expired, deep, deepMiddle, constrained, constrainedLeaf, mailLeaf, wild } = made
  const chain = [leaf, middle, root]
  const anchor = [record(2, 0, 1, root)]
  assert.equal(kindOf(chain, anchor, ['elsewhere.test']), 'certificate-host-mismatch')
  assert.equal(kindOf(chain, anchor, ['elsewhere.test', 'mx.a.test']), undefined)
  assert.equal(kindOf([wild, middle, root], anchor, ['mx.b.test']), undefined)
  assert.equal(kindOf([wild, middle, root], anchor, ['x.mx.b.test']), 'certificate-host-mismatch')
  assert.equal(kindOf([expired, middle, root], anchor), 'certificate-expired')
  assert.equal(kindOf(chain, anchor, undefined, Date.parse('2199-01-01')), 'certificate-expired')
  assert.equal(kindOf(chain, anchor, undefined, Date.parse('2001-01-01')), 'validation-failure')
  assert.equal(kindOf([deep, deepMiddle, middle, root], anchor), 'validation-failure', 'path length')
  assert.equal(kindOf([constrainedLeaf, constrained, root], anchor), 'validation-failure', 'name constraints')
  assert.equal(kindOf([mailLeaf, middle, root], anchor), 'validation-failure', 'for no server')
  // In no order, with what belongs to nobody, and the leaf again.
  assert.equal(kindOf([leaf, root, made.other, leaf, middle], anchor), undefined)
  // One anchor that fits is enough.
  assert.equal(kindOf(chain, [record(2, 0, 1, made.other), ...anchor]), undefined)
  assert.equal(kindOf([], anchor), 'validation-failure')
})

test('a chain whose signatures do not hold is none, whatever names it bears (forged authority)', () => {
  const { leaf, middle, root, forgedRoot } = made
  // The same subject as the true one, another key.
  assert.equal(forgedRoot.subject, root.subject)
  assert.equal(kindOf([leaf, middle, forgedRoot], [record(2, 0, 1, forgedRoot)]), 'certificate-not-trusted')
  assert.equal(kindOf([leaf, root], [record(2, 0, 1, root)]), 'certificate-not-trusted')
})

test('records that a mail server cannot be authenticated by are left out; of digests the strongest counts', () => {
  const { leaf, other } = made
  const table: [TlsaRecord, boolean][] = [
    [record(0, 0, 1, leaf), false],
    [record(1, 1, 1, leaf), false],
    [record(4, 1, 1, leaf), false],
    [{ ...record(3, 1, 1, leaf), selector: 2 }, false],
    [{ ...record(3, 1, 1, leaf), matching: 3 }, false],
    [{ ...record(3, 1, 1, leaf), data: 'ab' }, false],
    [{ ...record(3, 1, 1, leaf), data: '' }, false],
    [{ ...record(3, 1, 2, leaf), data: hex(keyOf(leaf), 'sha256') }, false],
    [{ ...record(3, 0, 0, leaf), data: 'abcd' }, false],
    [{ ...record(2, 1, 0, leaf), data: 'abcd' }, false],
    [record(3, 1, 1, leaf), true],
    [record(2, 0, 0, leaf), true],
  ]
  for (const [one, usable] of table) assert.equal(usableTlsa([one]).length === 1, usable, JSON.stringify(one))
  const agile = usableTlsa([
    record(3, 1, 1, other),
    record(3, 1, 2, leaf),
    record(3, 0, 1, leaf),
    record(2, 1, 1, leaf),
  ])
  assert.deepEqual(
    agile.map(({ usage, selector, matching }) => `${usage} ${selector} ${matching}`),
    ['3 1 2', '3 0 1', '2 1 1'],
  )
  assert.equal(usableTlsa(Array<TlsaRecord>(100).fill(record(3, 1, 1, leaf))).length, 20)
})

test('the key of a certificate as it stands in it; damaged bytes are nothing, and never an error', () => {
  for (const certificate of Object.values(made)) {
    const facts = readCertificate(certificate.raw)
    assert.deepEqual(facts?.key, keyOf(certificate))
    for (let i = 0; i < certificate.raw.length; i += 3) {
      readCertificate(certificate.raw.subarray(0, i))
      const broken = Buffer.from(certificate.raw)
      broken[i]! ^= 0xff
      readCertificate(broken)
    }
  }
  assert.equal(readCertificate(Buffer.alloc(0)), undefined)
  assert.equal(readCertificate(made.leaf.raw.subarray(0, 200)), undefined)
  assert.equal(readCertificate(made.deepMiddle.raw)?.pathLength, undefined)
  assert.equal(readCertificate(made.middle.raw)?.pathLength, 0)
})

const zone = `
signed.test SIGNED
mx.signed.test A 192.0.2.1
_25._tcp.mx.signed.test TLSA 3 1 1 ${'ab'.repeat(32)}
_25._tcp.mx.signed.test TLSA 1 1 1 ${'ab'.repeat(32)}
only.signed.test A 192.0.2.1
_25._tcp.only.signed.test TLSA 1 1 1 ${'ab'.repeat(32)}
bare.signed.test A 192.0.2.1
broken.signed.test A 192.0.2.1
_25._tcp.broken.signed.test SERVFAIL
alias.signed.test CNAME mx.signed.test
own.signed.test CNAME bare.signed.test
_25._tcp.own.signed.test TLSA 3 0 1 ${'cd'.repeat(32)}
out.signed.test CNAME mx.open.test
_25._tcp.out.signed.test TLSA 3 0 1 ${'cd'.repeat(32)}
mx.open.test A 192.0.2.2
_25._tcp.mx.open.test TLSA 3 1 1 ${'ab'.repeat(32)}
half.signed.test A 192.0.2.1
_25._tcp.half.signed.test CNAME _25._tcp.mx.open.test
`

test('only what DNSSEC vouches for all the way speaks for a host; silence about records is not their absence', async () => {
  const dns = zoneResolver(zone)
  const table: [host: string, state: string, base?: string][] = [
    ['mx.signed.test', 'usable', 'mx.signed.test'],
    ['only.signed.test', 'unusable', 'only.signed.test'],
    ['bare.signed.test', 'none'],
    ['broken.signed.test', 'failed'],
    ['alias.signed.test', 'usable', 'mx.signed.test'],
    ['own.signed.test', 'usable', 'own.signed.test'],
    ['out.signed.test', 'none'],
    ['mx.open.test', 'none'],
    ['half.signed.test', 'none'],
    ['nobody.signed.test', 'none'],
  ]
  for (const [host, state, base] of table) {
    const found = await lookUpDane(dns, host, 25)
    assert.deepEqual([found.state, 'base' in found ? found.base : undefined], [state, base], host)
  }
  const found = await lookUpDane(dns, 'mx.signed.test', 25)
  assert.equal('published' in found && found.published.length, 2)
  assert.equal('records' in found && found.records.length, 1)
  assert.equal((await lookUpDane(dns, 'mx.signed.test', 26)).state, 'none')
})
