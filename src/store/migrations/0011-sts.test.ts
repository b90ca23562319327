// A database from before MTA-STS policies is opened with all that it holds.

import assert from 'node:assert/strict'
import { onEachStore } from '../../../test/stores.ts'
import { sql, stsRows } from '../index.ts'

onEachStore('a database without MTA-STS policies learns to keep them', async ({ store, open }) => {
  await store.write('server', async (tx) => {
    await tx.run(sql`DROP TABLE sts_policy`)
    await tx.run(sql`DELETE FROM migration WHERE name = '0011-sts'`)
  })
  await store.close()
  const again = await open()
  const row = { policy_id: 'a', policy: 'version: STSv1', fetched_at: 1, expires_at: 100, refresh_at: 50, used_at: 1 }
  const put = (domain: string, change: object = {}) =>
    again.write('server', (tx) => stsRows.put(tx, { ...row, domain, failure: '', ...change }))
  await put('a.test')
  await put('b.test', { refresh_at: 60, expires_at: 300 })
  await put('a.test', { policy_id: 'b', refresh_at: 70 })
  const find = (domain: string) => again.read((tx) => stsRows.find(tx, domain))
  assert.deepEqual(
    { ...(await find('a.test')) },
    { ...row, domain: 'a.test', policy_id: 'b', refresh_at: 70, failure: '' },
  )
  assert.equal(await find('c.test'), undefined)

  const due = (now: number) => again.read((tx) => stsRows.due(tx, now, 0))
  assert.deepEqual(
    (await due(65)).map(({ domain }) => domain),
    ['b.test'],
  )
  assert.deepEqual(
    (await due(70)).map(({ domain }) => domain),
    ['b.test', 'a.test'],
  )
  assert.deepEqual(await again.read((tx) => stsRows.due(tx, 70, 2)), [])
  await again.write('server', (tx) => stsRows.noteFailure(tx, 'b.test', { failure: 'gone', refreshAt: 80 }))
  await again.write('server', (tx) => stsRows.noteUse(tx, 'b.test', 7))
  const { failure, refresh_at, used_at } = (await find('b.test'))!
  assert.deepEqual([failure, refresh_at, used_at], ['gone', 80, 7])
  assert.equal(await again.write('server', (tx) => stsRows.removeExpired(tx, 200)), 1)
  assert.equal(await find('a.test'), undefined)
  assert.ok(await find('b.test'))
})
