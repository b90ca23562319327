// What a node had claimed that is no more, on PostgreSQL.

import assert from 'node:assert/strict'
import { sql } from '../store/index.ts'
import { onWorld } from './testing/on-world.ts'

onWorld('postgres', 'claims of a dead node are found by one that is never at rest', async (world) => {
  world.answers = () => '451 4.3.0 not now'
  await world.queue.start()
  await world.put(['bob@a.test'])
  await world.settle()
  assert.equal(world.sent.length, 1)
  world.answers = () => '250 2.0.0 ok'
  await world.store.write([], async (tx) => {
    await tx.run(sql`UPDATE queue_recipient SET state = 'claimed', owner = 'gone', next_at = 0`)
  })
  // Each second something else asks it to look.
  for (let second = 0; second < 20 && world.sent.length < 2; second++) {
    await world.store.write([], async (tx) => tx.ring('queue'))
    await world.clock.advance(1_000)
    await new Promise((done) => setTimeout(done, 20))
  }
  await world.settle()
  assert.equal(world.sent.length, 2)
})
