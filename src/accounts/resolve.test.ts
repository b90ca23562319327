// Where addresses lead, as a table on one small world, on every database.

import assert from 'node:assert/strict'
import { type Bench, onEachStore } from '../../test/stores.ts'
import { formatAddress, parsePath } from '../address/index.ts'
import { silentLog } from '../base/index.ts'
import { type AccountReads, type AccountWrites, createAccountReads, createAccountWrites } from './index.ts'

const ensureMailboxes = async () => {}
const open = ({ store, options }: Bench) => ({
  reads: createAccountReads({ store, hostname: 'mail.a.test', clock: options.clock, log: silentLog }),
  writes: createAccountWrites({ store, ensureMailboxes, log: silentLog }),
})

/** Who is who, and what an address came to, as one line of text. */
async function lead(reads: AccountReads, text: string): Promise<string> {
  const parsed = parsePath(`<${text}>`)
  assert.ok(parsed?.path, text)
  const found = await reads.resolve(parsed.path)
  if (found.kind !== 'local') return found.kind
  const local = await Promise.all(
    found.local.map(async ({ account, detail }) => {
      const name = (await reads.account(account))!.email
      return detail === undefined ? name : `${name} (${detail})`
    }),
  )
  return [...local, ...found.remote.map((address) => `> ${formatAddress(address)}`)].sort().join(' ')
}

async function addUsers(writes: AccountWrites, ...emails: string[]): Promise<void> {
  for (const email of emails) await writes.addAccount({ email, password: 'x' })
}

async function furnish(writes: AccountWrites): Promise<void> {
  await writes.addDomain('a.test')
  await writes.addDomain('Alias.Test', { aliasOf: 'a.test' })
  await writes.addDomain('b.test')
  await writes.addDomain('bücher.test')
  await addUsers(writes, 'anna@a.test', 'ben@a.test', 'gone@a.test', 'a+b@a.test', 'cleo@b.test', 'jürgen@bücher.test')
  await writes.setDisabled('gone@a.test', true)
  await writes.addAlias('sales@a.test', ['anna@a.test', 'ben@a.test', 'Out@Else.test', 'out@else.test'])
  await writes.addAlias('nest@a.test', ['sales@a.test', 'cleo@b.test'])
  await writes.addAlias('one@a.test', ['two@a.test', 'ben@a.test'])
  await writes.addAlias('two@a.test', ['one@a.test'])
  await writes.addAlias('dead@a.test', ['gone@a.test', 'nobody@a.test'])
  await writes.addAlias('void@a.test', ['nobody@a.test'])
  await writes.addAlias('@b.test', ['cleo@b.test'])
  await writes.setDomain('b.test', { detail: '-' })
}

const table: readonly (readonly [address: string, leads: string])[] = [
  ['anna@a.test', 'anna@a.test'],
  ['ANNA@a.test', 'anna@a.test'],
  ['anna@alias.test', 'anna@a.test'],
  ['anna+Books@a.test', 'anna@a.test (Books)'],
  ['anna+@a.test', 'anna@a.test ()'],
  ['anna+a+b@alias.test', 'anna@a.test (a+b)'],
  ['a+b@a.test', 'a+b@a.test'],
  ['a+c@a.test', 'unknown'],
  ['+anna@a.test', 'unknown'],
  ['""@a.test', 'unknown'],
  ['nobody@a.test', 'unknown'],
  ['gone@a.test', 'disabled'],
  ['gone+x@a.test', 'disabled'],
  ['dead@a.test', 'disabled'],
  ['void@a.test', 'unknown'],
  ['someone@else.test', 'remote'],
  ['someone@mail.a.test', 'unknown'],
  ['sales@a.test', '> Out@else.test anna@a.test ben@a.test'],
  ['sales+x@alias.test', '> Out@else.test anna@a.test ben@a.test'],
  ['nest@a.test', '> Out@else.test anna@a.test ben@a.test cleo@b.test'],
  ['one@a.test', 'ben@a.test'],
  ['two@a.test', 'ben@a.test'],
  ['cleo-x@b.test', 'cleo@b.test (x)'],
  ['cleo+x@b.test', 'cleo@b.test'],
  ['anything@b.test', 'cleo@b.test'],
  ['jürgen@bücher.test', 'jürgen@xn--bcher-kva.test'],
  ['JU\u0308RGEN+x@xn--bcher-kva.test', 'jürgen@xn--bcher-kva.test (x)'],
]

onEachStore('an address leads where the table says', async (bench) => {
  const { reads, writes } = open(bench)
  await furnish(writes)
  for (const [address, leads] of table) assert.equal(await lead(reads, address), leads, address)
})

onEachStore('a domain of others that becomes ours is ours at once', async (bench) => {
  const { reads, writes } = open(bench)
  assert.equal(await lead(reads, 'one@later.test'), 'remote')
  assert.equal(await lead(reads, 'two@later.test'), 'remote')
  await writes.addDomain('later.test')
  assert.equal(await lead(reads, 'one@later.test'), 'unknown')
  await writes.removeDomain('later.test')
  assert.equal(await lead(reads, 'one@later.test'), 'remote')
})

onEachStore('an address means one user, or nobody', async (bench) => {
  const { reads, writes } = open(bench)
  await furnish(writes)
  await writes.addAlias('boss@a.test', ['anna@alias.test'])
  await writes.addAlias('chief@b.test', ['boss@a.test'])
  await writes.addAlias('ring@a.test', ['ring2@a.test'])
  await writes.addAlias('ring2@a.test', ['ring@a.test'])
  const meant: readonly (readonly [address: string, user: string | undefined])[] = [
    ['ANNA@alias.test', 'anna@a.test'],
    ['boss@a.test', 'anna@a.test'],
    ['chief@b.test', 'anna@a.test'],
    ['gone@a.test', 'gone@a.test'],
    ['JU\u0308RGEN@bücher.test', 'jürgen@xn--bcher-kva.test'],
    // Neither details nor catch-alls, nobody elsewhere, and no alias of several.
    ['anna+x@a.test', undefined],
    ['anything@b.test', undefined],
    ['""@b.test', undefined],
    ['someone@else.test', undefined],
    ['sales@a.test', undefined],
    ['void@a.test', undefined],
    ['ring@a.test', undefined],
    ['anna', undefined],
  ]
  for (const [address, user] of meant) assert.equal((await reads.findUser(address))?.email, user, address)
})

onEachStore('postmaster and abuse reach somebody in every domain', async (bench) => {
  const { reads, writes } = open(bench)
  assert.equal(await lead(reads, 'postmaster'), 'unknown')
  await writes.addDomain('a.test')
  await writes.addDomain('b.test')
  await addUsers(writes, 'old@a.test', 'older@b.test', 'boss@a.test')
  const offices = ['postmaster@a.test', 'postmaster@b.test', 'abuse@b.test', 'postmaster@mail.a.test', 'Postmaster']
  const leads = async () => {
    const found: string[] = []
    for (const office of offices) found.push(await lead(reads, office))
    return found.map((email) => email.slice(0, email.indexOf('@')))
  }
  // The oldest user of the domain, or of the server.
  assert.deepEqual(await leads(), ['old', 'older', 'older', 'old', 'old'])
  // An administrator of the server, then one of the domain itself.
  await writes.updateAccount('boss@a.test', { admin: true })
  assert.deepEqual(await leads(), ['boss', 'boss', 'boss', 'boss', 'boss'])
  await writes.updateAccount('older@b.test', { admin: true })
  assert.deepEqual(await leads(), ['boss', 'older', 'older', 'older', 'older'])
  await writes.addAlias('postmaster@b.test', ['old@a.test'])
  await writes.addAlias('@a.test', ['older@b.test'])
  assert.equal(await lead(reads, 'postmaster@b.test'), 'old@a.test')
  assert.equal(await lead(reads, 'postmaster@a.test'), 'boss@a.test', 'a catch-all does not stand for the office')
  await writes.removeAccount('old@a.test')
  assert.equal(await lead(reads, 'postmaster@b.test'), 'older@b.test', 'an alias into nothing does not end the office')
})

onEachStore('what users forward is followed, keeps a copy or not, and never swallows mail', async (bench) => {
  const { reads, writes } = open(bench)
  await furnish(writes)
  const forward = (email: string, to: string[], keepCopy?: boolean) =>
    writes.updateAccount(email, { settings: { forward: to, keepCopy } })
  await forward('anna@a.test', ['far@else.test'])
  assert.equal(await lead(reads, 'anna+x@a.test'), '> far@else.test anna@a.test (x)')
  await forward('anna@a.test', ['far@else.test'], false)
  assert.equal(await lead(reads, 'anna@a.test'), '> far@else.test')
  assert.equal(await lead(reads, 'sales@a.test'), '> Out@else.test > far@else.test ben@a.test')
  await forward('anna@a.test', ['sales@a.test'], false)
  assert.equal(await lead(reads, 'anna@a.test'), '> Out@else.test ben@a.test', 'the way back is cut')
  // Two who forward to each other and keep nothing: one of them keeps it.
  await forward('anna@a.test', ['ben@a.test'], false)
  await forward('ben@a.test', ['anna@a.test'], false)
  assert.equal(await lead(reads, 'anna@a.test'), 'ben@a.test')
  await forward('ben@a.test', ['nobody@a.test'], false)
  assert.equal(await lead(reads, 'anna@a.test'), 'ben@a.test', 'who forwards into nothing keeps it')
})

onEachStore('aliases end at ten levels, and at a thousand destinations', async (bench) => {
  const { reads, writes } = open(bench)
  await writes.addDomain('a.test')
  await addUsers(writes, 'end@a.test')
  for (let i = 1; i <= 12; i++) await writes.addAlias(`l${i}@a.test`, [i === 1 ? 'end@a.test' : `l${i - 1}@a.test`])
  assert.equal(await lead(reads, 'l10@a.test'), 'end@a.test')
  assert.equal(await lead(reads, 'l11@a.test'), 'unknown')
  const many = (prefix: string) => Array.from({ length: 700 }, (_, i) => `${prefix}${i}@else.test`)
  await writes.addAlias('x@a.test', many('x'))
  await writes.addAlias('y@a.test', many('y'))
  await writes.addAlias('both@a.test', ['x@a.test', 'y@a.test'])
  const found = await reads.resolve({ local: 'both', domain: 'a.test' })
  assert.equal(found.kind === 'local' && found.remote.length, 1000)
})

onEachStore(
  'a user owns his address, its details, and the aliases that lead to him; not what is forwarded to him',
  async (bench) => {
    const { reads, writes } = open(bench)
    await furnish(writes)
    await writes.updateAccount('anna@a.test', { settings: { forward: ['ben@a.test'] } })
    const id = async (email: string) => (await reads.findAccount(email))!.id
    const owns = async (email: string, address: string) => reads.owns(await id(email), parsePath(`<${address}>`)!.path!)
    for (const address of ['anna@a.test', 'Anna+x@alias.test', 'sales@a.test', 'nest@a.test'])
      assert.equal(await owns('anna@a.test', address), true, address)
    for (const address of [
      'ben@a.test',
      'cleo@b.test',
      'anna@b.test',
      'anna@else.test',
      'nobody@a.test',
      'Out@else.test',
    ])
      assert.equal(await owns('anna@a.test', address), false, address)
    assert.equal(await owns('ben@a.test', 'anna@a.test'), false)
    assert.equal(await owns('cleo@b.test', 'anything@b.test'), true)
  },
)
