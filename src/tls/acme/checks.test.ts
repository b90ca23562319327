// What is looked at before an authority is asked.

import assert from 'node:assert/strict'
import { test } from 'node:test'
import { isFault } from '../../base/index.ts'
import { zoneResolver } from '../../dns/index.ts'
import { checkForm, checkNames, leadsHere } from './checks.ts'

const zone = `
mail.a.test A 192.0.2.1
here.a.test AAAA 2001:db8::1
alias.a.test CNAME mail.a.test
away.a.test A 192.0.2.9
broken.a.test SERVFAIL
b.test CAA 0 issue "other.test"
b.test CAA 0 issuewild "ca.test"
x.b.test A 192.0.2.1
c.test CAA 0 issue "ca.test; accounturi=https://ca.test/me; validationmethods=dns-01,http-01"
x.c.test A 192.0.2.1
d.test CAA 0 issue ";"
e.test CAA 0 iodef "mailto:x@e.test"
x.d.test A 192.0.2.1
x.e.test A 192.0.2.1
`
const parts = { resolver: zoneResolver(zone), hostname: 'mail.a.test', addresses: () => ['2001:db8::1'] }
const check = (names: string[], more: object = {}) =>
  checkNames(parts, { names, challenge: 'http-01', issuers: ['ca.test'], account: 'https://ca.test/me', ...more })

test('a name must lead here, except where the DNS itself is the proof', async () => {
  await check(['mail.a.test', 'here.a.test', 'alias.a.test'])
  await assert.rejects(
    check(['away.a.test']),
    /away\.a\.test leads to 192\.0\.2\.9, not here \(192\.0\.2\.1, 2001:db8::1\)/,
  )
  await assert.rejects(check(['mail.a.test', 'none.a.test']), /none\.a\.test has no address/)
  await assert.rejects(check(['broken.a.test']), (error) => isFault(error, 'unavailable'))
  await check(['away.a.test', '*.a.test'], { challenge: 'dns-01' })
  assert.deepEqual(
    await Promise.all(['here.a.test', 'away.a.test', 'broken.a.test'].map((name) => leadsHere(parts, name))),
    [true, false, false],
  )
})

test('CAA records of the name or above it decide', async () => {
  await assert.rejects(check(['x.b.test']), /the CAA records of b\.test do not allow ca\.test to issue/)
  await check(['*.b.test'], { challenge: 'dns-01' })
  await check(['x.c.test'])
  await assert.rejects(check(['x.c.test'], { challenge: 'tls-alpn-01' }), /CAA/)
  await assert.rejects(check(['x.c.test'], { account: 'https://ca.test/you' }), /CAA/)
  await assert.rejects(check(['x.d.test']), /CAA/)
  await check(['x.e.test'])
  await check(['x.d.test'], { issuers: [] })
})

test('names that no authority issues for are refused', () => {
  const bad = [
    'localhost',
    '127.0.0.1',
    '::1',
    'a..test',
    '-a.test',
    'a b.test',
    'a.test.',
    '*.*.test',
    `${'a'.repeat(64)}.test`,
    'ä.test',
  ]
  for (const name of bad)
    assert.throws(
      () => checkForm(name, 'dns-01'),
      (error) => isFault(error, 'invalid'),
      name,
    )
  assert.throws(() => checkForm('*.a.test', 'http-01'), /only be proven by dns-01/)
  for (const name of ['a.test', 'xn--4ca.test', '*.a.test', 'x.test']) checkForm(name, 'dns-01')
})
