import assert from 'node:assert/strict'
import { test } from 'node:test'
import { fakeClock } from '../base/index.ts'
import type { SmtpConnection } from '../smtp/client/index.ts'
import { Limit } from './limit.ts'
import { createPool } from './pool.ts'
import type { Target } from './targets.ts'

const target = {} as Target
/** A connection whose goodbye is answered when `bye` says so. */
function connect() {
  const { promise, resolve } = Promise.withResolvers<void>()
  let ended = false
  const connection = {
    quit() {
      ended = true
      return promise
    },
    close() {},
  } as unknown as SmtpConnection
  return { pooled: { connection, target, sent: 1 }, bye: resolve, ended: () => ended }
}

test('idle connections make room under a limit of connections, the oldest first, and are gone before it is used', async () => {
  const clock = fakeClock()
  const pool = createPool(clock)
  const limit = new Limit({ source: '127.0.0.2', connections: 3 }, clock)
  const bounds = { atOnce: [limit] }
  const [old, young, other] = [connect(), connect(), connect()]
  pool.put('a', old.pooled, bounds)
  await clock.advance(1_000)
  pool.put('b', young.pooled, bounds)
  pool.put('c', other.pooled, {})
  limit.begin()
  await pool.makeRoom([limit])
  assert.equal(old.ended(), false, 'one active and two idle are three')
  limit.begin()
  let room = false
  const made = pool.makeRoom([limit]).then(() => {
    room = true
  })
  await new Promise((done) => setImmediate(done))
  assert.deepEqual([old.ended(), young.ended(), room], [true, false, false])
  old.bye()
  await made
  limit.begin()
  young.bye()
  await pool.makeRoom([limit])
  assert.deepEqual([young.ended(), other.ended()], [true, false], 'one without the limit stays')
})

test('one that goes the same way is used again, up to its messages', () => {
  const pool = createPool(fakeClock())
  const one = connect()
  pool.put('a', one.pooled, { perConnection: 2 })
  assert.equal(pool.take('b'), undefined)
  assert.equal(pool.take('a')!.connection, one.pooled.connection)
  assert.equal(pool.take('a'), undefined)
  pool.put('a', { ...one.pooled, sent: 2 }, { perConnection: 2 })
  assert.equal(one.ended(), true)
  pool.close()
})
