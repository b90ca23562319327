// A database from before abuse control is opened with all that it holds.

import assert from 'node:assert/strict'
import { onEachStore } from '../../../test/stores.ts'
import { abuseBanRows, abuseListRows, domainRows, sql } from '../index.ts'

const tables = [
  sql`DROP TABLE abuse_rate`,
  sql`DROP TABLE abuse_ban`,
  sql`DROP TABLE abuse_list`,
  sql`DROP TABLE abuse_history`,
  sql`DROP TABLE greylist`,
  sql`DROP TABLE known_address`,
  sql`DROP TABLE correspondent`,
]

onEachStore('a database without bans and lists learns to keep them', async ({ store, open }) => {
  const domain = await store.write('server', async (tx) => {
    for (const table of tables) await tx.run(table)
    await tx.run(sql`DELETE FROM migration WHERE name = '0010-abuse'`)
    return domainRows.insert(tx, { name: 'a.test', aliasOf: null })
  })
  await store.close()
  const again = await open()
  const by = { reason: 'spam', created_by: 'ann', created_at: 1 }
  await again.write('server', async (tx) => {
    await abuseBanRows.put(tx, { network: '192.0.2.1', scope: 'all', until: 0, times: 1, ...by })
    await abuseListRows.put(tx, { domain, account: 0, value: 'x@b.test', action: 'block', ...by })
  })
  assert.equal((await again.read((tx) => abuseBanRows.inForce(tx, ['192.0.2.1'], 5)))?.scope, 'all')
  assert.equal((await again.read((tx) => abuseListRows.matching(tx, ['x@b.test'], [domain], []))).length, 1)
})
