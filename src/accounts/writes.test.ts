// Domains, users and aliases as the operator changes them, on every database.

import assert from 'node:assert/strict'
import { test } from 'node:test'
import { type Bench, onEachStore } from '../../test/stores.ts'
import { type FaultCode, isFault, silentLog } from '../base/index.ts'
import {
  createAccountReads,
  createAccountWrites,
  formatDomainSettings,
  parseDomainSetting,
  parseSize,
} from './index.ts'

const open = ({ store, options }: Bench) => ({
  reads: createAccountReads({ store, hostname: 'mail.a.test', clock: options.clock, log: silentLog }),
  writes: createAccountWrites({ store, ensureMailboxes: async () => {}, log: silentLog }),
})

const fails = (work: Promise<unknown>, code: FaultCode, words = '') =>
  assert.rejects(work, (error) => isFault(error, code) && error.message.includes(words))

onEachStore('domains: added once, found in any form, removed only when empty', async (bench) => {
  const { reads, writes } = open(bench)
  const { name } = await writes.addDomain(' BÜCHER.test ')
  assert.equal(name, 'xn--bcher-kva.test')
  await fails(writes.addDomain('bücher.test'), 'exists')
  await fails(writes.addDomain('not a domain'), 'invalid')
  await fails(writes.addDomain('c.test', { aliasOf: 'unknown.test' }), 'not-found')
  assert.equal((await writes.addDomain('c.test', { aliasOf: 'bücher.test' })).aliasOf, name)
  await fails(writes.addDomain('d.test', { aliasOf: 'c.test' }), 'invalid', name)
  await fails(writes.addAccount({ email: 'x@c.test', password: 'x' }), 'invalid', name)
  assert.deepEqual(
    (await reads.domains()).map((domain) => domain.name),
    ['c.test', name],
  )
  assert.equal(await reads.isLocalDomain('c.test'), true)
  assert.equal(await reads.isLocalDomain('d.test'), false)
  await fails(writes.removeDomain(name), 'in-use', 'c.test')
  await writes.removeDomain('c.test')
  await writes.addAlias(`a@${name}`, ['x@else.test'])
  await fails(writes.removeDomain(name), 'in-use', `a@${name}`)
  await writes.removeAlias(`a@${name}`)
  await writes.removeDomain(name)
  await fails(writes.removeDomain(name), 'not-found')
})

onEachStore('settings of a domain give new users their room', async (bench) => {
  const { reads, writes } = open(bench)
  await writes.addDomain('a.test')
  await writes.setDomain('a.test', parseDomainSetting('quotaBytes', '1.5M'))
  const { settings } = await writes.setDomain('a.test', parseDomainSetting('quotaMessages', '20'))
  assert.deepEqual(formatDomainSettings(settings), ['quotaBytes=1572864', 'quotaMessages=20'])
  const first = await writes.addAccount({ email: 'a@a.test', password: 'x' })
  assert.deepEqual([first.quotaBytes, first.quotaMessages], [1_572_864, 20])
  const second = await writes.addAccount({ email: 'b@a.test', password: 'x', quotaBytes: 5 })
  assert.deepEqual([second.quotaBytes, second.quotaMessages], [5, 20])
  await writes.setDomain('a.test', parseDomainSetting('quotaBytes', 'default'))
  assert.equal((await writes.addAccount({ email: 'c@a.test', password: 'x' })).quotaBytes, undefined)
  const freed = await writes.updateAccount('b@a.test', { quotaBytes: null, name: 'Ben' })
  assert.deepEqual([freed.quotaBytes, freed.quotaMessages, freed.name], [undefined, 20, 'Ben'])
  assert.equal(await reads.hasRoom(first.id, 1_572_864), true)
  assert.equal(await reads.hasRoom(first.id, 1_572_865), false)
  assert.equal(await reads.hasRoom(freed.id, 1e15), true)
  await writes.updateAccount('b@a.test', { quotaMessages: 0 })
  assert.equal(await reads.hasRoom(freed.id, 1), false)
})

onEachStore(
  'users: added with all their faults told, listed by page, renamed with what leads to them',
  async (bench) => {
    const { reads, writes } = open(bench)
    await writes.addDomain('a.test')
    await writes.addDomain('b.test')
    const anna = await writes.addAccount({ email: 'Anna@a.test', password: 'x', name: 'Anna', admin: true })
    assert.deepEqual([anna.email, anna.name, anna.admin, anna.disabled], ['anna@a.test', 'Anna', true, false])
    await fails(writes.addAccount({ email: 'ANNA@a.test', password: 'x' }), 'exists')
    await fails(writes.addAccount({ email: 'anna', password: 'x' }), 'invalid')
    await fails(writes.addAccount({ email: 'ben@c.test', password: 'x' }), 'not-found')
    await fails(writes.addAccount({ email: 'ben@a.test', password: '' }), 'invalid')
    await fails(writes.addAccount({ email: 'ben@a.test', password: 'x', quotaBytes: -1 }), 'invalid')
    await fails(writes.addAccount({ email: 'ben@a.test', password: 'x', name: 'a\r\nb' }), 'invalid')
    await writes.addAlias('all@b.test', ['Anna@a.test', 'x@else.test'])
    await fails(writes.addAlias('anna@a.test', ['x@else.test']), 'exists')
    await fails(writes.addAlias('self@a.test', ['Self@a.test']), 'invalid')
    await fails(writes.addAlias('none@a.test', []), 'invalid')
    await fails(writes.addAccount({ email: 'all@b.test', password: 'x' }), 'exists')
    const ben = await writes.addAccount({ email: 'ben@a.test', password: 'x' })
    await writes.updateAccount('ben@a.test', { settings: { forward: ['anna@a.test'], saveSent: true } })
    await fails(writes.updateAccount('ben@a.test', { settings: { forward: ['Ben@a.test'] } }), 'invalid')
    await fails(writes.renameAccount('anna@a.test', 'ben@a.test'), 'exists')
    const renamed = await writes.renameAccount('anna@a.test', 'Ann@b.test')
    assert.deepEqual([renamed.id, renamed.email], [anna.id, 'ann@b.test'])
    assert.deepEqual((await reads.aliases('b.test'))[0]!.destinations, ['ann@b.test', 'x@else.test'])
    assert.deepEqual((await reads.account(ben.id))!.settings, { forward: ['ann@b.test'], saveSent: true })
    assert.equal(await reads.findAccount('anna@a.test'), undefined)
    assert.deepEqual(
      (await reads.accounts()).map(({ email }) => email),
      ['ben@a.test', 'ann@b.test'],
    )
    assert.deepEqual(
      (await reads.accounts({ after: 'ben@a.test' })).map(({ email }) => email),
      ['ann@b.test'],
    )
    assert.deepEqual(
      (await reads.accounts({ domain: 'A.test' })).map(({ email }) => email),
      ['ben@a.test'],
    )
  },
)

onEachStore('many users at once: each answers by itself', async (bench) => {
  const { reads, writes } = open(bench)
  await writes.addDomain('a.test')
  const emails = [...Array.from({ length: 12 }, (_, i) => `u${i}@a.test`), 'U1@a.test', 'x@unknown.test', 'broken']
  const results = await writes.addAccounts(emails.map((email) => ({ email, password: `password of ${email}` })))
  assert.equal(results.filter(({ error }) => error === undefined).length, 12)
  assert.ok(results.find(({ email, error }) => email.toLowerCase() === 'u1@a.test' && error?.includes('exists')))
  assert.ok(results.at(-1)!.error?.includes('not an e-mail address'))
  assert.equal((await reads.accounts()).length, 12)
  assert.equal((await reads.login('u3@a.test', 'password of u3@a.test', '192.0.2.1')).email, 'u3@a.test')
})

onEachStore(
  'a removed user is gone at once and his address is free; his row goes with the last of his mail',
  async (bench) => {
    const { reads, writes } = open(bench)
    await writes.addDomain('a.test')
    const { id } = await writes.addAccount({ email: 'anna@a.test', password: 'x', admin: true })
    await writes.addAlias('a@a.test', ['anna@a.test'])
    await writes.addAlias('b@a.test', ['anna@a.test', 'x@else.test'])
    const described = await writes.describeRemoval('anna@a.test')
    assert.deepEqual(described, { email: 'anna@a.test', mailboxes: 0, messages: 0, bytes: 0, aliases: ['a@a.test'] })
    await writes.removeAccount('anna@a.test')
    assert.equal(await reads.account(id), undefined)
    assert.deepEqual(await reads.accounts(), [])
    assert.equal((await reads.resolve({ local: 'anna', domain: 'a.test' })).kind, 'unknown')
    assert.equal((await reads.resolve({ local: `REMOVED ${id}`, domain: 'a.test' })).kind, 'unknown')
    await fails(reads.login('anna@a.test', 'x', '192.0.2.1'), 'unauthenticated')
    await fails(writes.removeAccount('anna@a.test'), 'not-found')
    const again = await writes.addAccount({ email: 'anna@a.test', password: 'y' })
    assert.notEqual(again.id, id)
    await writes.removeAccount('anna@a.test')
    await writes.removeAlias('a@a.test')
    await writes.removeAlias('b@a.test')
    await fails(writes.removeDomain('a.test'), 'in-use', 'being deleted')
    const { eraseAccount } = await import('./index.ts')
    await bench.store.write('server', async (tx) => {
      await eraseAccount(tx, id)
      await eraseAccount(tx, again.id)
    })
    await writes.removeDomain('a.test')
  },
)

test('settings are told what they may be', () => {
  assert.deepEqual(parseDomainSetting('detail', '-'), { detail: '-' })
  assert.deepEqual(parseDomainSetting('detail', ''), { detail: '' })
  for (const [key, value] of [
    ['colour', 'blue'],
    ['detail', 'a'],
    ['detail', '@'],
    ['quotaBytes', '-1'],
    ['quotaBytes', 'G'],
    ['quotaMessages', '1.5'],
    ['toString', ''],
  ] as const)
    assert.throws(
      () => parseDomainSetting(key, value),
      (error) => isFault(error, 'invalid'),
      `${key}=${value}`,
    )
  const sizes = ['0', '12', '1k', '2M', '1.5G', '1T'].map(parseSize)
  assert.deepEqual(sizes, [0, 12, 1024, 2 ** 21, 1.5 * 2 ** 30, 2 ** 40])
})
