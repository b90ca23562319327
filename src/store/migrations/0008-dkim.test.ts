// A database from before keys of DKIM is opened with all that it holds.

import assert from 'node:assert/strict'
import { onEachStore } from '../../../test/stores.ts'
import { dkimKeyRows, domainRows, sql } from '../index.ts'

onEachStore('a database without keys of DKIM learns to keep them', async ({ store, open }) => {
  const id = await store.write('server', async (tx) => {
    await tx.run(sql`DROP TABLE dkim_key`)
    await tx.run(sql`DELETE FROM migration WHERE name = '0008-dkim'`)
    return domainRows.insert(tx, { name: 'a.test', aliasOf: null })
  })
  await store.close()
  const again = await open()
  const row = {
    domain: id,
    selector: 's',
    algorithm: 'rsa2048',
    record: 'v=DKIM1',
    state: 'waiting',
    created_at: 1,
    state_at: 1,
  } as const
  await again.write('server', (tx) => dkimKeyRows.insert(tx, { ...row, private_key: Buffer.from('sealed') }))
  assert.deepEqual(await again.read((tx) => dkimKeyRows.active(tx, 'a.test')), [])
  const [found] = await again.read((tx) => dkimKeyRows.ofDomain(tx, id))
  await again.write('server', (tx) => dkimKeyRows.setState(tx, found!.id, 'active'))
  const [active] = await again.read((tx) => dkimKeyRows.active(tx, 'a.test'))
  assert.equal(Buffer.from(active!.private_key).toString(), 'sealed')
})
