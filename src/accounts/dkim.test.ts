import assert from 'node:assert/strict'
import { randomBytes } from 'node:crypto'
import { onEachStore } from '../../test/stores.ts'
import { createSealer, isFault, type Log, realClock } from '../base/index.ts'
import { dkimKeyRows, domainRows } from '../store/index.ts'
import { createDkimAdmin, createDkimKeys } from './index.ts'

onEachStore('keys of DKIM: made, switched, thrown away; sealed where they stand', async ({ store }) => {
  const errors: object[] = []
  const log = { error: (fields: object) => void errors.push(fields) } as unknown as Log
  const sealer = createSealer(randomBytes(32))
  const admin = createDkimAdmin({ store, sealer })
  const keys = createDkimKeys({ store, clock: realClock, log, sealer })
  await store.write('server', async (tx) => {
    await domainRows.insert(tx, { name: 'a.test', aliasOf: null })
    await domainRows.insert(tx, { name: 'b.test', aliasOf: null })
  })
  const first = await admin.add('A.test', 'ed25519')
  assert.match(first.selector, /^e\d{6}$/)
  assert.equal(first.name, `${first.selector}._domainkey.a.test`)
  const second = await admin.add('a.test', 'ed25519')
  assert.equal(second.selector, `${first.selector}b`)
  await assert.rejects(admin.add('a.test', 'ed25519', first.selector), (error) => isFault(error, 'exists'))
  await assert.rejects(admin.add('a.test', 'dsa'), (error) => isFault(error, 'invalid'))
  await assert.rejects(admin.add('a.test', 'ed25519', 'a b'), (error) => isFault(error, 'invalid'))
  await assert.rejects(admin.add('c.test', 'ed25519'), (error) => isFault(error, 'not-found'))

  assert.deepEqual(await keys.of('a.test'), [])
  await admin.setState('a.test', first.selector, 'active')
  assert.deepEqual(
    (await keys.of('a.test')).map(({ selector }) => selector),
    [first.selector],
  )
  assert.deepEqual(await keys.of('b.test'), [])
  await assert.rejects(admin.remove('a.test', first.selector), (error) => isFault(error, 'in-use'))

  const id = (await store.read((tx) => domainRows.find(tx, 'a.test')))!.id
  const [row] = await store.read((tx) => dkimKeyRows.ofDomain(tx, id))
  assert.ok(!Buffer.from(row!.private_key).includes('PRIVATE KEY'))
  const stranger = createDkimKeys({ store, clock: realClock, log, sealer: createSealer(randomBytes(32)) })
  assert.deepEqual(await stranger.of('a.test'), [], 'a key that does not open signs nothing')
  assert.equal(errors.length, 1)

  await admin.setState('a.test', first.selector, 'retired')
  assert.deepEqual(await keys.of('a.test'), [])
  await admin.remove('a.test', first.selector)
  assert.deepEqual(
    (await admin.list()).map(({ selector }) => selector),
    [second.selector],
  )
})
