// The MTA-STS policies of our domains, from `posthorn domain set` to the text that is served.

import assert from 'node:assert/strict'
import { test } from 'node:test'
import { parseDomainSetting } from '../accounts/index.ts'
import { ownStsPolicy } from './own-sts.ts'

test('settings make a policy that names this server and those that are added', async () => {
  assert.equal(await ownStsPolicy({}, 'mx.a.test'), undefined)
  const settings = {
    ...parseDomainSetting('mtaSts', 'enforce'),
    ...parseDomainSetting('mtaStsMx', 'MX2.b.test, *.c.test,bücher.test,mx.a.test'),
  }
  const { text, policy } = (await ownStsPolicy(settings, 'MX.a.test'))!
  assert.deepEqual(text.split('\r\n'), [
    'version: STSv1',
    'mode: enforce',
    'mx: mx.a.test',
    'mx: mx2.b.test',
    'mx: *.c.test',
    'mx: xn--bcher-kva.test',
    `max_age: ${policy.maxAge}`,
    '',
  ])
  const testing = (await ownStsPolicy({ mtaSts: 'testing' }, 'mx.a.test'))!
  const none = (await ownStsPolicy({ mtaSts: 'none' }, 'mx.a.test'))!
  // What may still change is not kept for long.
  assert.ok(testing.policy.maxAge <= 86_400 && none.policy.maxAge <= 86_400 && policy.maxAge > 86_400)
  assert.equal(new Set([testing.id, none.id]).size, 2)
})

test('what is no mode and no host is refused', () => {
  for (const value of ['on', 'Enforce', '']) assert.throws(() => parseDomainSetting('mtaSts', value), /mtaSts/)
  for (const value of [
    '*',
    '*.',
    '**.a.test',
    'a..test',
    'a test',
    '-a.test',
    'a.*.test',
    Array(21).fill('a.test').join(','),
  ])
    assert.throws(() => parseDomainSetting('mtaStsMx', value), /mtaStsMx/, value)
  assert.deepEqual(parseDomainSetting('mtaSts', 'default'), { mtaSts: undefined })
  assert.deepEqual(parseDomainSetting('mtaStsMx', ''), { mtaStsMx: [] })
})
