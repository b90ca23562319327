// One server hands on what it takes to another; either or both are killed, again and again, under load. Every accepted message ends in the
// other's mailboxes, once; twice only when a kill cut off the reply that would have ended it (RFC 5321 §4.1.1.4).

import assert from 'node:assert/strict'
import { after, type TestContext, test } from 'node:test'
import { type Postgres, startPostgres } from '../postgres.ts'
import { full, Installation } from '../server.ts'
import { type Arrival, inspect } from './inspect.ts'
import { type Attempt, load } from './load.ts'

const connections = 10
const domain = 'away.test'
const users = Array.from({ length: 5 }, (_, i) => `u${i}@${domain}`)
const recipient = (n: number) => users[n % users.length]!

const database = startPostgres()
after(async () => {
  const started = await database
  if ('stop' in started) await started.stop()
})

/** A moment at which somebody was killed, and when he was there again. */
interface Kill {
  readonly at: number
  readonly back: number
}

interface Pair {
  readonly sender: Installation
  readonly receiver: Installation
  readonly attempts: Attempt[]
  readonly kills: Kill[]
}

// On PostgreSQL what a killed node had claimed waits until its beat is a minute old: too long for the small size.
for (const [store, rounds] of [
  ['SQLite', full ? 100 : 3],
  ['PostgreSQL', full ? 30 : 0],
] as const)
  test(`sender (${store}) and receiver killed at random, ${rounds} rounds`, {
    skip: rounds === 0 && 'only with POSTHORN_FULL=1',
  }, async (t) => {
    const started = await database
    if (store === 'PostgreSQL' && 'skip' in started) return t.skip(started.skip)
    const pair = await prepare(t, store === 'PostgreSQL' ? await (started as Postgres).url() : 'sqlite')
    await Promise.all([pair.sender.start(), pair.receiver.start()])
    for (let round = 0; round < rounds; round++) await killUnderLoad(pair, round)
    await verify(t, pair)
  })

async function prepare(t: TestContext, store: string): Promise<Pair> {
  const receiver = await Installation.make({
    users: Object.fromEntries(users.map((email) => [email, 'password'])),
    config: { log: { level: 'warn' } },
  })
  t.after(() => receiver.remove())
  const sender = await Installation.make({
    config: {
      store,
      smtp: { trustedNetworks: ['127.0.0.0/8'] },
      queue: { routes: { [domain]: `127.0.0.1:${receiver.ports.smtp}` } },
      log: { level: 'warn' },
    },
  })
  t.after(() => sender.remove())
  return { sender, receiver, attempts: [], kills: [] }
}

/** The sender, the receiver or both in turn; each is started again at once. The load ends with the sender or after the receiver is back. */
async function killUnderLoad({ sender, receiver, attempts, kills }: Pair, round: number): Promise<void> {
  const running = load(sender, connections, `round-${round}`, 2_500, recipient)
  await pause(300 + Math.random() * 1_200)
  const whom = [[sender], [receiver], [sender, receiver]][round % 3]!
  await Promise.all(
    whom.map(async (server) => {
      const at = Date.now()
      await server.stop('SIGKILL')
      await pause(Math.random() * 300)
      await server.start()
      kills.push({ at, back: Date.now() })
    }),
  )
  attempts.push(...(await running))
}

async function verify(t: TestContext, { sender, receiver, attempts, kills }: Pair): Promise<void> {
  const waits = async () => JSON.parse(await sender.cliOk('queue', 'list', '--json')).length
  const deadline = Date.now() + 120_000
  while ((await waits()) > 0) {
    assert.ok(Date.now() < deadline, `the queue does not empty: ${await sender.cliOk('queue', 'list')}`)
    await sender.cliOk('queue', 'retry')
    await pause(200)
  }
  await Promise.all([sender.stop(), receiver.stop()])
  const found = await inspect(receiver)
  assert.deepEqual(found.problems, [])
  const there = new Map<string, number[]>()
  for (const { id, at } of found.arrivals)
    there.set(
      id,
      [...(there.get(id) ?? []), at].sort((a, b) => a - b),
    )
  const accepted = attempts.filter(({ acknowledged }) => acknowledged)
  assert.ok(accepted.length > connections * 2, 'the load was real')
  assert.deepEqual(
    accepted.filter(({ id }) => !there.has(id)),
    [],
    'every accepted message is there',
  )
  const known = new Set(attempts.map(({ id }) => id))
  assert.deepEqual(
    found.arrivals.filter(({ id }: Arrival) => !known.has(id)),
    [],
    'and nothing that nobody sent',
  )
  const twice = [...there].filter(([, times]) => times.length > 1)
  t.diagnostic(
    `${attempts.length} attempts, ${accepted.length} accepted, ${kills.length} kills; ${twice.length} there twice in the window of RFC 5321 §4.1.1.4`,
  )
  assert.deepEqual(
    twice.filter(([, times]) => !times.slice(0, -1).every((at) => isCutOff(at, kills))),
    [],
    'twice only what arrived just before a kill',
  )
}

/** The message arrived, and before the sender had written that down somebody was killed. */
const isCutOff = (arrived: number, kills: readonly Kill[]) =>
  kills.some(({ at, back }) => arrived > at - windowMs && arrived < back)
/** From the receiver's decision to the sender's commit: a reply and a sync, on a machine that may be busy. */
const windowMs = 1_000

const pause = (ms: number) => new Promise<void>((done) => setTimeout(done, ms))
