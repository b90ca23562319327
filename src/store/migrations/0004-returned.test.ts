// A database from before suppression lists is opened with all that it holds.

import assert from 'node:assert/strict'
import { onEachStore } from '../../../test/stores.ts'
import { domainRows, sql, suppressionRows } from '../index.ts'

onEachStore('a database without suppression lists learns to keep them', async ({ store, open }) => {
  await store.write('server', async (tx) => {
    for (const table of [sql`DROP TABLE suppression`, sql`DROP TABLE sent`]) await tx.run(table)
    await tx.run(sql`DELETE FROM migration WHERE name = '0004-returned'`)
    await domainRows.insert(tx, { name: 'a.test', aliasOf: null })
  })
  await store.close()
  const again = await open()
  const domain = (await again.read((tx) => domainRows.find(tx, 'a.test')))!.id
  assert.equal(await again.read((tx) => suppressionRows.hasAny(tx, domain)), false)
  const row = { domain, address: 'x@b.test', class: 'manual', source: 'hand', reason: 'asked', created_by: 'ann' }
  const times = { active: 1, times: 1, first_at: 1, last_at: 2, expires_at: null }
  await again.write('server', (tx) => suppressionRows.put(tx, { ...row, ...times }))
  const found = await again.read((tx) => suppressionRows.findActive(tx, domain, ['x@b.test', 'y@b.test'], 3))
  assert.deepEqual(
    found.map(({ address, reason }) => [address, reason]),
    [['x@b.test', 'asked']],
  )
})
