// A database from before there were timelines is opened with its queue, whose messages have none.

import assert from 'node:assert/strict'
import { onEachStore } from '../../../test/stores.ts'
import { type ContentId, toId } from '../../base/index.ts'
import { queueRows, sql, traceRows } from '../index.ts'

onEachStore('a database without timelines learns to keep them', async ({ store, open }) => {
  await store.write('server', async (tx) => {
    for (const table of [sql`DROP TABLE trace`, sql`DROP TABLE trace_event`, sql`DROP TABLE trace_segment`])
      await tx.run(table)
    await tx.run(sql`ALTER TABLE queue_message DROP COLUMN trace`)
    await tx.run(sql`DELETE FROM migration WHERE name = '0005-trace'`)
    await tx.run(
      sql`INSERT INTO queue_message (content, prefix, sender, size, created_at)
          VALUES (${toId<ContentId>(1)}, ${Buffer.from('x')}, 'a@a.test', 10, 1)`,
    )
  })
  await store.close()

  const again = await open()
  const [waiting] = await again.read((tx) => queueRows.listMessages(tx, 0, 10))
  assert.deepEqual([waiting?.sender, waiting?.trace], ['a@a.test', ''])
  await again.write([], (tx) => traceRows.insert(tx, { id: 'one', keys: Buffer.alloc(0), data: '{}' }))
  assert.equal((await again.read((tx) => traceRows.byNumbers(tx, [1, 2]))).length, 1)
})
