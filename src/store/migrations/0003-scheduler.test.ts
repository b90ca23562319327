// A queue from before there were lanes is opened with all that waits in it.

import assert from 'node:assert/strict'
import { onEachStore } from '../../../test/stores.ts'
import { type ContentId, toId } from '../../base/index.ts'
import { queueRows, sql } from '../index.ts'

onEachStore('a queue without lanes goes on', async ({ store, open }) => {
  await store.write([], async (tx) => {
    const message = await queueRows.insertMessage(tx, {
      content: toId<ContentId>(1),
      prefix: Buffer.alloc(0),
      sender: 'ann@a.test',
      account: null,
      utf8: 0,
      body8: 0,
      params: '{}',
      size: 1,
      created_at: 5,
      trace: '',
    })
    // Yesterday's: what 0003 made is not there.
    for (const statement of [
      sql`DROP INDEX queue_recipient_waiting`,
      sql`DROP INDEX queue_recipient_ready`,
      sql`DROP INDEX queue_recipient_held`,
      sql`DROP INDEX queue_recipient_claimed`,
      sql`ALTER TABLE queue_recipient DROP COLUMN lane`,
      sql`ALTER TABLE queue_recipient DROP COLUMN rank`,
      sql`ALTER TABLE queue_recipient DROP COLUMN turn`,
      sql`ALTER TABLE queue_recipient DROP COLUMN rule`,
    ])
      await tx.run(statement)
    await tx.run(sql`DROP TABLE queue_rule`)
    await tx.run(sql`CREATE INDEX queue_recipient_due ON queue_recipient (state, next_at)`)
    await tx.run(sql`DELETE FROM migration WHERE name = '0003-scheduler'`)
    for (const state of ['ready', 'held'])
      await tx.run(
        sql`INSERT INTO queue_recipient (message, address, domain, state, next_at) VALUES (${message}, 'bob@b.test', 'b.test', ${state}, 7)`,
      )
  })
  await store.close()

  const again = await open()
  const rows = await again.read((tx) => queueRows.recipientsOf(tx, 1, 0, 10))
  assert.deepEqual(
    rows.map(({ state, next_at }) => [state, next_at]),
    [
      ['waiting', 7],
      ['held', 7],
    ],
  )
  assert.equal(await again.read(queueRows.nextDue), 7)
})
