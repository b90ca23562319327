// Whose settings count: a domain's, and a user's in their place as far as his domain lets them.

import assert from 'node:assert/strict'
import { test } from 'node:test'
import { isFault } from '../base/index.ts'
import { withOwn } from './policies.ts'
import { formatDomainSettings, parseDomainSetting } from './settings.ts'
import type { AccountSettings, DomainSettings } from './types.ts'

test("a user's own settings of verdicts, as far as his domain lets them count", () => {
  const own: AccountSettings = { spam: 'off', spamScore: 9, virus: 'off', quarantineDigest: 'daily', keepCopy: true }
  const base: DomainSettings = { spam: 'reject', spamRejectScore: 15, dmarc: 'junk' }
  const table: readonly (readonly [DomainSettings, AccountSettings, DomainSettings])[] = [
    [base, {}, base],
    [base, own, { ...base, spam: 'off', spamScore: 9, quarantineDigest: 'daily' }],
    [
      { ...base, userVerdicts: 'all' },
      own,
      { ...base, userVerdicts: 'all', spam: 'off', spamScore: 9, virus: 'off', quarantineDigest: 'daily' },
    ],
    [{ ...base, userVerdicts: 'none' }, own, { ...base, userVerdicts: 'none', quarantineDigest: 'daily' }],
  ]
  for (const [domain, user, expected] of table) assert.deepEqual(withOwn(domain, user), expected)
})

test('settings of a domain about verdicts are read, refused in words, and written again', () => {
  const good = [
    'spam=tag',
    'spamScore=4.5',
    'spamRejectScore=-3',
    'virus=quarantine',
    'dmarc=quarantine',
    'userVerdicts=none',
    'quarantineDays=365',
    'quarantineDigest=daily',
  ]
  for (const pair of good) {
    const [key, value] = pair.split('=') as [string, string]
    assert.deepEqual(formatDomainSettings(parseDomainSetting(key, value)), [pair])
    assert.deepEqual(parseDomainSetting(key, 'default'), { [key]: undefined })
  }
  for (const pair of [
    'spam=',
    'spam=constructor',
    'spamScore=x',
    'spamScore=NaN',
    'virus=junk',
    'quarantineDays=0',
    'quarantineDays=366',
    'quarantineDays=1.5',
    'userVerdicts=yes',
  ]) {
    const [key, value] = pair.split('=') as [string, string]
    assert.throws(
      () => parseDomainSetting(key, value),
      (error: Error) => isFault(error, 'invalid') && error.message.startsWith(`${key}: `),
      pair,
    )
  }
})
