// Source addresses with real sockets: mail leaves from 127.0.0.2 to 127.0.0.9, each with its own name, by rules and within limits.

import assert from 'node:assert/strict'
import type { Socket } from 'node:net'
import { test } from 'node:test'
import { serveZone } from '../../src/dns/testing/serve-zone.ts'
import { full, type Installation, startInstallation } from '../server.ts'
import { startSink } from '../world/sink.ts'
import { message, Smtp } from '../world/talk.ts'

/** Connections at this moment, and at the most. */
interface Open {
  open: number
  most: number
}
interface Seen extends Open {
  readonly names: Set<string>
}

/** A server that takes all mail, slowly, and knows from where; it turns away who is in `blocked`. */
async function startHost(t: Parameters<typeof startSink>[0], blocked: ReadonlySet<string> = new Set()) {
  const seen = new Map<string, Seen>()
  /** By the address that was connected to: a provider's. */
  const at = new Map<string, Open>()
  const leaving = new WeakMap<Socket, () => void>()
  const sink = await startSink(t, {
    host: '0.0.0.0',
    serveMs: 30,
    onConnect(socket) {
      const address = socket.remoteAddress!
      const me = seen.getOrInsertComputed(address, () => ({ names: new Set(), open: 0, most: 0 }))
      const there = at.getOrInsertComputed(socket.localAddress!, () => ({ open: 0, most: 0 }))
      const counted = new Set<Open>([me, there])
      for (const one of counted) one.most = Math.max(one.most, ++one.open)
      const leave = () => {
        for (const one of counted) one.open--
        counted.clear()
      }
      leaving.set(socket, leave)
      socket.on('close', leave)
      return blocked.has(address) ? '554 5.7.1 your address is on our list' : undefined
    },
    onCommand(socket, line) {
      if (line.startsWith('EHLO ')) seen.get(socket.remoteAddress!)!.names.add(line.slice(5))
      // A goodbye is heard before the next connection is; that the socket is closed may not be.
      if (line === 'QUIT') leaving.get(socket)!()
    },
  })
  /** What was taken for a domain, from one address of ours or all. */
  const taken = (domain: string, by?: string) =>
    sink.arrivals().filter((one) => one.to[0]!.endsWith(`@${domain}`) && (by === undefined || one.by === by))
  return { port: sink.port, seen, at, taken, arrivals: sink.arrivals, count: () => sink.messages().length }
}

const pool = [2, 3, 4, 5, 6, 7, 8, 9].map((n) => ({ address: `127.0.0.${n}`, helo: `out${n}.a.test` }))
/** Two providers, at one address of two names, so that one port serves both. */
const zone = `
  big.test. MX 10 mx1.big-provider.test.
  mx1.big-provider.test. A 127.0.0.1
  small.test. MX 10 mx.small-provider.test.
  mx.small-provider.test. A 127.0.0.11
  slow.test. MX 10 mx.slow-provider.test.
  mx.slow-provider.test. A 127.0.0.12`

async function start(t: Parameters<typeof startInstallation>[0], port: number, queue: object): Promise<Installation> {
  const names = await serveZone(zone)
  t.after(() => names.close())
  return startInstallation(t, {
    config: {
      smtp: { trustedNetworks: ['127.0.0.1'] },
      dns: { resolver: names.address },
      queue: { port, ...queue },
    },
  })
}

async function send(server: Installation, from: string, to: readonly string[]): Promise<void> {
  const smtp = await Smtp.open(server.ports.smtp)
  for (const one of to) assert.match((await smtp.deliver(from, [one], message(one))).at(-1)!, /^250/)
  smtp.close()
}
const people = (domain: string, count: number) => Array.from({ length: count }, (_, i) => `u${i}@${domain}`)

async function until(what: () => boolean | Promise<boolean>, ms = 20_000): Promise<void> {
  const end = performance.now() + ms
  while (!(await what()) && performance.now() < end) await new Promise((done) => setTimeout(done, 20))
}

test('every address of a pool is used under its own name; rules choose a pool; a provider that blocks one gets the others', async (t) => {
  const blocked = new Set<string>()
  const host = await startHost(t, blocked)
  const server = await start(t, host.port, {
    sources: { default: pool, one: [pool[0]], two: [pool[1], pool[2]] },
    sourceRules: [
      { sender: 'boss@a.test', pool: 'one' },
      { recipient: 'small.test', pool: 'two' },
    ],
  })
  await send(server, 'ann@a.test', people('big.test', 80))
  await until(() => host.count() === 80)
  assert.deepEqual(
    [...host.seen.keys()].sort(),
    pool.map(({ address }) => address),
  )
  for (const { address, helo } of pool) assert.deepEqual([...host.seen.get(address)!.names], [helo])
  assert.equal(host.count(), 80)

  const of = (address: string, domain: string) => host.taken(domain, address).length
  await send(server, 'boss@a.test', people('small.test', 10))
  await send(server, 'ann@a.test', people('small.test', 20))
  await until(() => host.count() === 110)
  const used = pool.map(({ address }) => of(address, 'small.test'))
  assert.equal(used[0], 10, `${used}`)
  assert.ok(used[1]! > 0 && used[2]! > 0 && used[1]! + used[2]! === 20, `${used}`)

  blocked.add('127.0.0.3')
  await send(server, 'ann@a.test', people('slow.test', 40))
  await until(() => host.count() === 150)
  assert.equal(host.count(), 150, 'what one address may not bring, the others do')
  assert.equal(of('127.0.0.3', 'slow.test'), 0)
  const sites = JSON.parse(await server.cliOk('queue', 'sites', '--json'))
  assert.ok(JSON.stringify(sites).includes('on our list'), JSON.stringify(sites))
})

test('limits of a source address and of a provider hold, and all arrives', async (t) => {
  const host = await startHost(t)
  const server = await start(t, host.port, {
    sources: { default: pool },
    limits: [
      { source: '127.0.0.4', connections: 1 },
      { source: '127.0.0.5', perMinute: 3 },
      { provider: 'small-provider.test', connections: 2 },
      { domain: 'slow.test', perMinute: 5 },
    ],
  })
  // All at once, so that they would take more if they might.
  await Promise.all([
    send(server, 'ann@a.test', people('big.test', 100)),
    send(server, 'bob@a.test', people('small.test', 30)),
    send(server, 'eve@a.test', people('slow.test', 8)),
  ])
  const count = (domain: string) => host.taken(domain).length
  await until(() => count('big.test') === 100 && count('small.test') === 30 && count('slow.test') > 0)
  assert.deepEqual([count('big.test'), count('small.test')], [100, 30])
  assert.ok(count('slow.test') > 0 && count('slow.test') <= 5)
  assert.equal(host.seen.get('127.0.0.4')?.most, 1)
  assert.equal(host.at.get('127.0.0.11')?.most, 2, 'connections from all our addresses to a provider')
  assert.ok(host.arrivals().filter(({ by }) => by === '127.0.0.5').length <= 3)
  // The others wait for their minute.
  const left = JSON.parse(await server.cliOk('queue', 'list', '--json'))
  assert.equal(left.length + count('slow.test'), 8)
  if (!full) return
  await until(() => count('slow.test') === 8, 120_000)
  const times = host.taken('slow.test').map(({ at }) => at)
  times.sort((a, b) => a - b)
  assert.equal(times.length, 8)
  for (const [i, at] of times.entries()) assert.ok((times[i + 5] ?? Infinity) - at >= 59_000, `${times}`)
})

test('an address that this machine does not have loses no mail: its part waits or goes from the others, and it is said', async (t) => {
  const host = await startHost(t)
  const server = await start(t, host.port, {
    sources: { default: [{ address: '192.0.2.1' }, pool[0]!], gone: [{ address: '192.0.2.1' }] },
    sourceRules: [{ sender: 'eve@a.test', pool: 'gone' }],
  })
  await send(server, 'ann@a.test', people('big.test', 20))
  await send(server, 'eve@a.test', people('big.test', 1))
  await until(() => host.count() === 20)
  assert.equal(host.count(), 20)
  const waiting = async () => JSON.parse(await server.cliOk('queue', 'list', '--json'))
  const reason = async () => (await waiting())[0]?.recipients[0].reason as string
  await until(async () => (await reason()) !== '')
  assert.match(await reason(), /cannot send from 192\.0\.2\.1 \(EADDRNOTAVAIL\)/)
  assert.match(await server.cliOk('queue', 'sites'), /192\.0\.2\.1/)
  assert.match(server.output, /"source":"192\.0\.2\.1".*a source address is left out for a next hop/)
})
