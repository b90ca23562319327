// kill -9 under load, at random and at every named point between two steps. What was acknowledged is found exactly once,
// what was not at most once; the database is whole, counters equal rows, and after sweeping no file is left without a row.

import assert from 'node:assert/strict'
import { test } from 'node:test'
import { deliveryFaultPoints } from '../../src/delivery/index.ts'
import { faultPoints } from '../../src/store/index.ts'
import { full, Installation } from '../server.ts'
import { inspect } from './inspect.ts'
import { type Attempt, count, load } from './load.ts'
import { startSink } from './sink.ts'

const users = Object.fromEntries(Array.from({ length: 5 }, (_, i) => [`u${i}@posthorn.test`, 'password']))
const rounds = full ? 20 : 3
const roundsPerPoint = full ? 20 : 1
const connections = 20

/** Each point that mail on its way in and out passes; `blob.removed` is the sweeper's alone. */
const points = [
  ...faultPoints.filter((point) => point !== 'blob.removed'),
  ...deliveryFaultPoints,
  'queue.claimed',
  'queue.sent',
  'queue.recorded',
]

/** Which passage of the point is the last. The server's own start passes some a few times; few recipients are claimed a second time. */
const nth = (point: string) => (point === 'queue.claimed' ? 1 : 10 + Math.floor(Math.random() * 25))

interface Crashed {
  readonly server: Installation
  readonly sink: Awaited<ReturnType<typeof startSink>>
  readonly attempts: Attempt[]
}

async function prepare(t: { after(fn: () => Promise<void>): void }): Promise<Crashed> {
  const sink = await startSink()
  t.after(async () => sink.close())
  const config = {
    smtp: { trustedNetworks: ['127.0.0.0/8'] },
    queue: { routes: { 'relay.test': `127.0.0.1:${sink.port}` } },
    log: { level: 'warn' },
  }
  const server = await Installation.make({ users, config })
  t.after(() => server.remove())
  return { server, sink, attempts: [] }
}

/** Lets the server finish its queue, stops it and compares what is there with what was acknowledged. */
async function verify(t: { diagnostic(text: string): void }, { server, sink, attempts }: Crashed): Promise<void> {
  await server.start()
  const waits = async () => JSON.parse(await server.cliOk('queue', 'list', '--json')).length
  for (let i = 0; i < 200 && (await waits()) > 0; i++) {
    await server.cliOk('queue', 'retry')
    await new Promise((done) => setTimeout(done, 100))
  }
  await server.stop()
  const found = await inspect(server)
  assert.deepEqual(found.problems, [])
  assert.equal(found.queued, 0)
  const there = count(found.arrivals.map(({ id }) => id))
  const sent = count(sink.ids)
  const wrong = attempts
    .map((attempt) => ({ ...attempt, found: (attempt.remote ? sent : there).get(attempt.id) ?? 0 }))
    .filter(isWrong)
  assert.deepEqual(wrong, [], 'acknowledged: exactly once; not acknowledged: at most once')
  const twice = attempts.filter(({ remote, id }) => remote && (sent.get(id) ?? 0) > 1)
  t.diagnostic(
    `${attempts.length} attempts, ${attempts.filter(({ acknowledged }) => acknowledged).length} acknowledged, ${twice.length} sent twice in the window of RFC 5321 §4.1.1.4`,
  )
}

/** A relayed message may arrive twice when the process died between the other server's 250 and our note of it: no server can know better. */
function isWrong({ acknowledged, remote, found }: Attempt & { found: number }): boolean {
  if (remote) return acknowledged && found < 1
  return acknowledged ? found !== 1 : found > 1
}

test(`killed at random, ${rounds} rounds, ${connections} connections`, async (t) => {
  const crashed = await prepare(t)
  const { server, attempts } = crashed
  for (let round = 0; round < rounds; round++) {
    await server.start()
    const running = load(server, connections, `random-${round}`)
    await new Promise((done) => setTimeout(done, 300 + Math.random() * 1_500))
    await server.stop('SIGKILL')
    attempts.push(...(await running))
  }
  await verify(t, crashed)
  assert.ok(attempts.filter(({ acknowledged }) => acknowledged).length > rounds * connections, 'the load was real')
})

/** The load goes on until the process is dead: rare points come late on a crowded machine. */
const mostMs = 20_000

/** Whether the server came up: with mail waiting from the round before it may reach its point before it greets anybody. */
async function startWith(server: Installation, fault: string): Promise<boolean> {
  try {
    await server.start({ POSTHORN_TEST_FAULT: fault })
    return true
  } catch (error) {
    // A process that was killed has no exit code; one that refused to start has.
    if ((await server.exited) !== null) throw error
    return false
  }
}

test('killed between every pair of steps', async (t) => {
  const crashed = await prepare(t)
  const { server, attempts } = crashed
  const survived: string[] = []
  for (const point of points) {
    for (let round = 0; round < roundsPerPoint; round++) {
      // The server kills itself at the nth time that it passes the point.
      const begun = await startWith(server, `${point}:${nth(point)}`)
      const running = begun ? load(server, connections, `${point}-${round}`, mostMs) : Promise.resolve([])
      attempts.push(...(await running))
      // The load ends with its connections, a moment before the process is gone.
      const died = await Promise.race([
        server.exited.then(() => true),
        new Promise((done) => setTimeout(done, 1_000, false)),
      ])
      if (!died) survived.push(point)
      await server.stop('SIGKILL')
    }
  }
  await verify(t, crashed)
  assert.deepEqual(survived, [], 'each run reached its point')
})
