// A database from before there was a quarantine is opened with its mail, and then keeps some apart.

import assert from 'node:assert/strict'
import { onEachStore } from '../../../test/stores.ts'
import { type ContentId, type DomainId, toId } from '../../base/index.ts'
import { domainRows, quarantineRows, sql } from '../index.ts'

onEachStore('a database without a quarantine learns to keep one', async ({ store, open }) => {
  await store.write('server', async (tx) => {
    await tx.run(sql`DROP TABLE quarantine`)
    await tx.run(sql`DELETE FROM migration WHERE name = '0009-quarantine'`)
    await domainRows.insert(tx, { name: 'a.test', aliasOf: null })
  })
  await store.close()
  const again = await open()
  assert.equal((await again.read((tx) => domainRows.list(tx, ''))).length, 1)
  const row = {
    trace: 't1',
    domain: toId<DomainId>(1),
    account: null,
    address: 'x@a.test',
    sender: null,
    author: 'A',
    subject: 'B',
    content: toId<ContentId>(1),
    prefix: Buffer.from('X-One: 1\r\n'),
    size: 10,
    kind: 'spam',
    reasons: '[]',
    params: '{}',
    received_at: 1,
    expires_at: 2,
  }
  const id = await again.write([], (tx) => quarantineRows.insert(tx, row))
  const found = await again.read((tx) => quarantineRows.find(tx, id))
  assert.deepEqual({ ...found, prefix: Buffer.from(found!.prefix) }, { ...row, id, told: 0 })
})
