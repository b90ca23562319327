// Two servers that know of each other: bounces find their way back through rewritten senders, circles end, and a backup keeps mail
// until the first server is there again.

import assert from 'node:assert/strict'
import { test } from 'node:test'
import { serveZone } from '../../src/dns/testing/serve-zone.ts'
import type { Timeline } from '../../src/trace/index.ts'
import { Installation } from '../server.ts'
import { type Envelope, startSink } from './sink.ts'
import { Smtp } from './talk.ts'

type Context = { after(fn: () => Promise<void>): void }

async function make(t: Context, hostname: string, users: string, config: { readonly [key: string]: unknown }) {
  const made = await Installation.make({ users: { [users]: 'correct horse' }, config: { hostname, ...config } })
  t.after(() => made.remove())
  return made
}

async function send(server: Installation, from: string, to: readonly string[], id: string): Promise<string[]> {
  const client = await Smtp.open(server.ports.smtp)
  const replies = await client.deliver(from, to, `From: <${from}>\r\nMessage-ID: <${id}>\r\nSubject: x\r\n\r\ntext\r\n`)
  client.talk.close()
  return replies
}

async function until<T>(look: () => T | undefined | Promise<T | undefined>, what: string): Promise<T> {
  for (let i = 0; i < 150; i++) {
    const found = await look()
    if (found !== undefined) return found
    await new Promise((done) => setTimeout(done, 100))
  }
  throw new Error(`never came: ${what}`)
}

async function trace(server: Installation, what: string): Promise<Timeline[]> {
  return JSON.parse(await server.cliOk('trace', what, '--json')).timelines
}

const schedule = { schedule: ['1s', '2s', '3s'] }

test('two servers that forward to each other end it soon, and the sender hears', async (t) => {
  const sink = await startSink(t)
  const a = await make(t, 'mail.a.test', 'ann@a.test', {})
  const b = await make(t, 'mail.b.test', 'bob@b.test', {})
  const origin = `127.0.0.1:${sink.port}`
  await a.reconfigure({
    queue: { ...schedule, routes: { 'b.test': `127.0.0.1:${b.ports.smtp}`, 'origin.test': origin } },
  })
  await b.reconfigure({
    queue: { ...schedule, routes: { 'a.test': `127.0.0.1:${a.ports.smtp}`, 'origin.test': origin } },
  })
  await a.cliOk('alias', 'add', 'round@a.test', 'round@b.test')
  await b.cliOk('alias', 'add', 'round@b.test', 'round@a.test')
  await b.cliOk('alias', 'add', 'gone@b.test', 'nobody@a.test')
  await a.start()
  await b.start()

  await t.test('a circle of two', async () => {
    await send(a, 'sam@origin.test', ['round@a.test'], 'circle@origin.test')
    const report = await until(() => sink.messages()[0], 'the report')
    const [envelope] = sink.envelopes() as readonly Envelope[]
    assert.deepEqual(envelope, { from: '', to: ['sam@origin.test'] })
    assert.match(report, /delivered to this address before: it is in a loop/)
    // Once there and once back: two hops and no more.
    const hops = [...(await trace(a, 'circle@origin.test')), ...(await trace(b, 'circle@origin.test'))]
    assert.ok(hops.length <= 3, `${hops.length} timelines`)
    const [first] = (await trace(a, 'sam@origin.test')).filter(({ messageId }) => messageId === 'circle@origin.test')
    const queued = first!.events.find((event) => event.kind === 'queued')
    assert.ok(queued?.kind === 'queued' && queued.as?.startsWith('SRS0='), 'what leaves is rewritten')
    await new Promise((done) => setTimeout(done, 2_000))
    assert.equal(sink.messages().length, 1, 'one report')
  })

  await t.test('a bounce of what was forwarded goes the way back, and nobody else goes it', async () => {
    await send(b, 'tom@origin.test', ['gone@b.test'], 'gone@origin.test')
    await until(() => sink.messages()[1], 'the report')
    assert.deepEqual(sink.envelopes()[1], { from: '', to: ['tom@origin.test'] })
    const [sent] = (await trace(b, 'gone@origin.test')).flatMap(({ events }) =>
      events.flatMap((event) => (event.kind === 'queued' && event.as !== undefined ? [event.as] : [])),
    )
    const [, ok] = await send(b, '', [sent!], 'forged@evil.test')
    const [, notReport] = await send(b, 'evil@evil.test', [sent!], 'forged@evil.test')
    const [, forged] = await send(b, '', [sent!.replace('tom', 'eve')], 'forged@evil.test')
    assert.match(ok!, /^250 /)
    assert.match(notReport!, /^550 5\.7\.1 /)
    assert.match(forged!, /^550 5\.1\.1 /)
  })
})

test('a backup MX keeps mail while the first is down, delivers nothing itself and relays for nobody', async (t) => {
  const first = await make(t, 'mx1.back.test', 'ann@back.test', {})
  const zone = await serveZone(
    ['back.test MX 10 mx1.back.test', 'back.test MX 20 mx2.other.test', 'mx1.back.test A 127.0.0.1'].join('\n'),
  )
  t.after(() => zone.close())
  const second = await make(t, 'mx2.other.test', 'ben@other.test', {
    dns: { resolver: zone.address },
    queue: { ...schedule, port: first.ports.smtp },
  })
  await second.cliOk('domain', 'add', 'back.test', '--backup-mx')
  await second.cliOk('domain', 'set', 'back.test', 'backupDays=30')
  await second.start()
  const replies = await send(second, 'sam@origin.test', ['ann@back.test', 'x@elsewhere.test'], 'kept@origin.test')
  assert.match(replies[1]!, /^250 /)
  assert.match(replies[2]!, /^550 5\.7\.1 /)
  const waiting = await until(
    async () =>
      (await trace(second, 'kept@origin.test')).find(({ events }) => events.some((e) => e.kind === 'attempt')),
    'an attempt',
  )
  assert.equal(waiting.states.waiting, 1)
  // Started, killed and started again in between: it is kept.
  await second.stop('SIGKILL')
  await second.start()
  await first.start()
  await second.cliOk('queue', 'retry')
  const there = await until(
    async () => (await trace(first, 'kept@origin.test')).find(({ states }) => states.delivered === 1),
    'the message at the first server',
  )
  assert.deepEqual([there.from, there.to], ['sam@origin.test', ['ann@back.test']])
  // The first server knows before the second does: its reply is still to be read and written down.
  await until(
    async () => (await trace(second, 'kept@origin.test')).find(({ states }) => states.delivered === 1),
    'the reply in the trace of the second server',
  )
  assert.deepEqual(JSON.parse(await second.cliOk('queue', 'list', '--json')), [])
})
