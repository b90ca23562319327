// A million recipients in one queue, as a process of its own, with the flags of the server: says line by line how far it is and
// how much memory it takes.
//   node src/queue/testing/million.ts [recipients]

import { becomeAsServer } from './as-server.ts'
import { openSimulation, type Temper } from './simulation.ts'

becomeAsServer()

const count = Number(process.argv[2] ?? 1_000_000)
const second = 1_000
const minute = 60 * second
const hour = 60 * minute

const fast: Temper = { connect: 20, serve: 50 }
/** Of each kind of server its part of all. */
const kinds: readonly (readonly [kind: string, temper: Temper, part: number])[] = [
  ['fast', fast, 0.6],
  ['slow', { connect: 100, serve: 5 * second }, 0.1],
  ['grey', { ...fast, greylist: 5 * minute }, 0.1],
  ['pit', { connect: 10 * second, serve: 3 * minute }, 0.02],
  ['dead', { ...fast, dead: 'silent' }, 0.08],
  ['refusing', { ...fast, most: 3 }, 0.05],
  ['rated', { ...fast, perMinute: 120 }, 0.05],
]

const rss = () => process.memoryUsage.rss() / 2 ** 20
/** Of all threads, milliseconds. */
const cpu = () => {
  const { user, system } = process.cpuUsage()
  return (user + system) / 1_000
}
const sim = await openSimulation({ concurrency: { total: 2_000 } })
for (const [kind, temper, part] of kinds) {
  const names = Array.from({ length: Math.round((count / 100) * part) }, (_, i) => `${kind}${i}.test`)
  sim.add(names, temper)
}
const domains = [...sim.hosts.keys()]

globalThis.gc?.()
const before = rss()
let most = before
let delivered = 0
const began = performance.now()
const say = async (what: string) => {
  const { recipients, inMemory } = await sim.queue.admin.stats()
  const facts = {
    what,
    count,
    delivered,
    waiting: recipients,
    inMemory,
    grownMiB: Math.round(most - before),
    heapMiB: Math.round(process.memoryUsage().heapUsed / 2 ** 20),
    simulatedMinutes: Math.round(sim.now() / minute),
    seconds: Math.round((performance.now() - began) / second),
    cpuSeconds: Math.round(cpu() / second),
  }
  process.stdout.write(`${JSON.stringify(facts)}\n`)
}

const batch = 10_000
for (let at = 0; at < count; at += batch) {
  const to = Array.from({ length: batch }, (_, i) => `u${at + i}@${domains[(at + i) % domains.length]}`)
  await sim.put(`s${(at / batch) % 20}@a.test`, to)
  most = Math.max(most, rss())
}
await say('put')
sim.onDelivery = () => {
  if (++delivered % 1_000 === 0) most = Math.max(most, rss())
}
await sim.queue.start()
const good = Math.floor(count * 0.91)
while (sim.now() < 30 * hour && delivered < good) {
  const next = delivered + count / 20
  await sim.run(hour / 2, () => delivered >= Math.min(good, next))
  await say('sending')
}
await say('end')
await sim.close()
