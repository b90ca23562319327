// A database from before the spam filter is opened with all that it holds.

import assert from 'node:assert/strict'
import { onEachStore } from '../../../test/stores.ts'
import { type AccountId, toId } from '../../base/index.ts'
import { classifierRows, domainRows, sql } from '../index.ts'

onEachStore('a database without a classifier learns to keep what it has learnt', async ({ store, open }) => {
  await store.write('server', async (tx) => {
    await tx.run(sql`DROP TABLE classifier_model`)
    await tx.run(sql`DROP TABLE classifier_learnt`)
    await tx.run(sql`DELETE FROM migration WHERE name = '0014-classifier'`)
    await domainRows.insert(tx, { name: 'a.test', aliasOf: null })
  })
  await store.close()
  const again = await open()
  const account = toId<AccountId>(3)
  const row = { spam: 16, ham: 0, generation: 0, data: Buffer.from('counts') }
  await again.write(account, (tx) => classifierRows.save(tx, account, row))
  await again.write(account, (tx) => classifierRows.save(tx, account, { ...row, spam: 32 }))
  const model = await again.read((tx) => classifierRows.find(tx, account))
  assert.deepEqual([model?.spam, model?.version, Buffer.from(model!.data!).toString()], [32, 2, 'counts'])
  assert.equal((await again.read((tx) => classifierRows.find(tx, account, 2)))?.data, null)
  assert.equal((await again.read((tx) => domainRows.findTarget(tx, 'a.test')))?.name, 'a.test')
})
