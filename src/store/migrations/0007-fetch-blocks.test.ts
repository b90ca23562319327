// A database from before there were fetch blocks is opened with its mailboxes, which are packed from then on.

import assert from 'node:assert/strict'
import { onEachStore } from '../../../test/stores.ts'
import { fetchBlockRows, mailboxRows, sql } from '../index.ts'

onEachStore('a database without fetch blocks learns to keep them', async ({ store, open }) => {
  await store.write('server', async (tx) => {
    await tx.run(sql`DROP TABLE fetch_block`)
    await tx.run(sql`ALTER TABLE mailbox DROP COLUMN packing`)
    await tx.run(sql`DELETE FROM migration WHERE name = '0007-fetch-blocks'`)
    await tx.run(sql`INSERT INTO domain (id, name, created_at) VALUES (1, 'a.test', 0)`)
    await tx.run(sql`INSERT INTO account (id, domain, local, created_at) VALUES (1, 1, 'ann', 0)`)
    await tx.run(
      sql`INSERT INTO mailbox (id, account, name, uidvalidity, modseq, epoch, created_at) VALUES (7, 1, 'INBOX', 1, 1, 0, 0)`,
    )
  })
  await store.close()

  const again = await open()
  assert.equal((await again.read((tx) => mailboxRows.find(tx, 7)))?.packing, 0)
  await again.write([], (tx) => fetchBlockRows.save(tx, 7, 0, 'facts', Buffer.from('x')))
  assert.equal((await again.read((tx) => fetchBlockRows.load(tx, 7, 0, 3, ['facts']))).length, 1)
})
