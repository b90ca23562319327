// kill -9 under load, at random and at every named point between two steps. What was acknowledged is found exactly once,
// what was not at most once; the database is whole, counters equal rows, and after sweeping no file is left without a row.

import assert from 'node:assert/strict'
import { test } from 'node:test'
import { full, Installation } from '../server.ts'
import { faultPoints, inspect } from './inspect.ts'
import { type Attempt, load } from './load.ts'

const users = Object.fromEntries(Array.from({ length: 5 }, (_, i) => [`u${i}@posthorn.test`, 'password']))
const rounds = full ? 20 : 3
const connections = full ? 20 : 10

async function verify(server: Installation, attempts: readonly Attempt[]) {
  const found = await inspect(server)
  const counted = new Map<string, number>()
  for (const id of found.ids) counted.set(id, (counted.get(id) ?? 0) + 1)
  const wrong = attempts
    .map((attempt) => ({ ...attempt, found: counted.get(attempt.id) ?? 0 }))
    .filter(({ acknowledged, found }) => (acknowledged ? found !== 1 : found > 1))
  assert.deepEqual(wrong, [], 'acknowledged: exactly once; not acknowledged: at most once')
  assert.deepEqual(found.problems, [])
}

test(`killed at random, ${rounds} rounds, ${connections} connections`, async (t) => {
  const server = await Installation.make({ users })
  t.after(() => server.remove())
  const attempts: Attempt[] = []
  for (let round = 0; round < rounds; round++) {
    await server.start()
    const running = load(server, connections, `random-${round}`)
    await new Promise((done) => setTimeout(done, 200 + Math.random() * 1_500))
    await server.stop('SIGKILL')
    attempts.push(...(await running))
  }
  await verify(server, attempts)
  assert.ok(attempts.filter((attempt) => attempt.acknowledged).length > rounds * connections, 'the load was real')
})

test('killed between every pair of steps', async (t) => {
  const server = await Installation.make({ users })
  t.after(() => server.remove())
  const attempts: Attempt[] = []
  let died = 0
  for (const point of faultPoints) {
    for (let round = 0; round < (full ? 20 : 1); round++) {
      // The server kills itself at the nth time that it passes the point.
      await server.start({ POSTHORN_TEST_FAULT: `${point}:${1 + Math.floor(Math.random() * 25)}` })
      const running = load(server, connections, `${point}-${round}`, full ? 4_000 : 2_000)
      const ended = await Promise.race([server.exited.then(() => true), running.then(() => false)])
      if (ended) died++
      await server.stop('SIGKILL')
      attempts.push(...(await running))
    }
  }
  t.diagnostic(
    `${died} of ${faultPoints.length * (full ? 20 : 1)} runs died at their point; ${attempts.length} attempts`,
  )
  assert.ok(died >= faultPoints.length * 0.8, `only ${died} runs reached their fault point`)
  await verify(server, attempts)
})
