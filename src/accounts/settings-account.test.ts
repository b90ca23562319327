import assert from 'node:assert/strict'
import { test } from 'node:test'
import { isFault } from '../base/index.ts'
import { type AccountChange, joinAccountChanges, parseAccountSetting } from './settings-account.ts'

test('one KEY=VALUE is one change', () => {
  const table: [string, string, AccountChange | RegExp][] = [
    ['name', 'Anna B.', { name: 'Anna B.' }],
    ['name', '', { name: '' }],
    ['quota', '1.5G', { quotaBytes: 1_610_612_736 }],
    ['quota', '0', { quotaBytes: 0 }],
    ['quota', 'none', { quotaBytes: null }],
    ['quota', '-1', /^quota: -1 is not room for mail/],
    ['quota', '', /^quota: {2}is not/],
    ['quotaMessages', '10', { quotaMessages: 10 }],
    ['quotaMessages', 'none', { quotaMessages: null }],
    ['quotaMessages', '1.5', /^quotaMessages: 1\.5 is not/],
    ['forward', 'a@a.test, b@b.test', { settings: { forward: ['a@a.test', 'b@b.test'] } }],
    ['forward', 'none', { settings: { forward: [] } }],
    ['keepCopy', 'false', { settings: { keepCopy: false } }],
    ['saveSent', 'true', { settings: { saveSent: true } }],
    ['imap.hide', 'notify, THREAD,X-1=a', { settings: { imapHide: ['NOTIFY', 'THREAD', 'X-1=A'] } }],
    ['imap.hide', 'none', { settings: { imapHide: [] } }],
    ['imap.hide', 'NOTIFY,,', /^imap\.hide: NOTIFY,, is not extensions/],
    ['imap.hide', 'A B', /^imap\.hide: A B is not/],
    ['spam', 'quarantine', { settings: { spam: 'quarantine' } }],
    ['spam', 'default', { settings: { spam: undefined } }],
    ['spam', 'eat', /^spam: eat is not reject, quarantine, junk, tag or off/],
    ['spamScore', '-1.5', { settings: { spamScore: -1.5 } }],
    ['spamScore', '', /^spamScore: {2}is not the score/],
    ['spamRejectScore', '1e9', /^spamRejectScore: 1e9 is not/],
    ['virus', 'junk', /^virus: junk is not reject, quarantine or off/],
    ['quarantineDigest', 'daily', { settings: { quarantineDigest: 'daily' } }],
    ['admin', 'true', { admin: true }],
    ['admin', 'yes', /^admin: yes is not true or false/],
    ['admin', 'constructor', /^admin: constructor is not/],
    ['toString', 'x', /^there is no setting toString; there are name, quota/],
  ]
  for (const [key, value, expected] of table) {
    const parse = () => parseAccountSetting(key, value)
    if (!(expected instanceof RegExp)) assert.deepEqual(parse(), expected, `${key}=${value}`)
    else assert.throws(parse, (error: Error) => isFault(error, 'invalid') && expected.test(error.message), key)
  }
})

test('several changes are one; the last of a key holds', () => {
  const pairs = ['name=a', 'keepCopy=true', 'forward=x@a.test', 'keepCopy=false', 'name=b'] as const
  const changes = pairs.map((pair) => parseAccountSetting(...(pair.split('=') as [string, string])))
  assert.deepEqual(joinAccountChanges(changes), { name: 'b', settings: { keepCopy: false, forward: ['x@a.test'] } })
  assert.deepEqual(joinAccountChanges([{ admin: true }]), { admin: true })
})
