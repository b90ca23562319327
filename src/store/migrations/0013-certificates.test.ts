// A database from before certificates were kept in the store is opened with all that it holds.

import assert from 'node:assert/strict'
import { onEachStore } from '../../../test/stores.ts'
import { certificateRows, sql } from '../index.ts'

onEachStore('a database without certificates learns to keep them', async ({ store, open }) => {
  await store.write('server', async (tx) => {
    for (const table of [sql`DROP TABLE certificate`, sql`DROP TABLE acme_account`, sql`DROP TABLE acme_challenge`])
      await tx.run(table)
    await tx.run(sql`DELETE FROM migration WHERE name = '0013-certificates'`)
  })
  await store.close()
  const again = await open()
  const id = await again.write('server', async (tx) => {
    await certificateRows.put(tx, { name: 'a.test', names: '["a.test"]', source: 'acme', directory: 'd' })
    return (await certificateRows.find(tx, 'a.test'))!.id
  })
  const lease = () => again.write('server', (tx) => certificateRows.lease(tx, id, 1000))
  assert.deepEqual([await lease(), await lease()], [true, false])
  await again.write('server', (tx) => certificateRows.release(tx, id))
  assert.equal(await lease(), true)
  assert.deepEqual(await again.read((tx) => certificateRows.versions(tx, 0)), [])
  const issued = {
    chain: 'PEM',
    private_key: Buffer.from('sealed'),
    next_key: null,
    next_key_seen_at: null,
    directory: 'd',
    not_before: 1,
    not_after: 2,
  }
  await again.write('server', (tx) => certificateRows.setIssued(tx, id, { ...issued, due_at: 3, renew_at: 3 }))
  assert.deepEqual(await again.read((tx) => certificateRows.versions(tx, 0)), [{ id, version: 1 }])
  const [row] = await again.read((tx) => certificateRows.withChains(tx, [id]))
  assert.equal(Buffer.from(row!.private_key!).toString(), 'sealed')

  await again.write('server', (tx) => certificateRows.putChallenge(tx, 'http-01', 'token', 'value', tx.now + 1000))
  await again.write('server', (tx) => certificateRows.putChallenge(tx, 'http-01', 'token', 'other', tx.now + 1000))
  assert.deepEqual(await again.read((tx) => certificateRows.challenges(tx, 0)), [
    { kind: 'http-01', identifier: 'token', value: 'other' },
  ])
  await again.write('server', (tx) => certificateRows.removeChallenge(tx, 'http-01', 'token'))
  const account = { directory: 'd', url: 'u', private_key: Buffer.from('k'), caa: '[]' }
  await again.write('server', (tx) => certificateRows.putAccount(tx, account))
  await again.write('server', (tx) => certificateRows.putAccount(tx, { ...account, url: 'v' }))
  assert.equal((await again.read((tx) => certificateRows.findAccount(tx, 'd')))?.url, 'v')
})
