// A database from before mailboxes could be shared is opened with all that it holds.

import assert from 'node:assert/strict'
import { onEachStore } from '../../../test/stores.ts'
import type { DomainId } from '../../base/index.ts'
import { accountRows, aclRows, domainRows, mailboxRows, sql } from '../index.ts'

onEachStore('a database of the first schema learns to share', async ({ store, open }) => {
  // Yesterday's: what 0002 made is not there.
  await store.write('server', async (tx) => {
    for (const table of [sql`DROP TABLE mailbox_acl`, sql`DROP TABLE annotation`]) await tx.run(table)
    await tx.run(sql`DELETE FROM migration WHERE name = '0002-sharing'`)
    const domain = await domainRows.insert(tx, { name: 'a.test', aliasOf: null })
    for (const local of ['ann', 'bob']) await addAccount(tx, domain, local)
  })
  const ids = await store.write('server', async (tx) => {
    const row = { account: 1, name: 'INBOX', role: 'inbox', uidValidity: 7, modseq: 2, epoch: 1 }
    return mailboxRows.insert(tx, row)
  })
  await store.close()

  const again = await open()
  const [box, list] = await again.read(async (tx) => [await mailboxRows.find(tx, ids), await aclRows.list(tx, ids)])
  assert.equal(box?.uidValidity, 7)
  assert.deepEqual(list, [])
  await again.write('server', (tx) => aclRows.put(tx, ids, { account: 2, rights: 'lr', denied: '' }))
  const found = await again.read((tx) => aclRows.find(tx, ids, 2))
  assert.deepEqual([found?.owner, found?.rights, found?.local], [1, 'lr', 'ann'])
})

function addAccount(tx: Parameters<typeof accountRows.insert>[0], domain: DomainId, local: string) {
  const nothing = { admin: false, quotaBytes: null, quotaMessages: null, password: null, scram: null }
  return accountRows.insert(tx, { domain, local, name: '', ...nothing })
}
