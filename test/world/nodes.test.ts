// The whole server on PostgreSQL: alone, as two nodes that share a database and the folder of large contents, and with a node that dies.

import assert from 'node:assert/strict'
import { copyFile, writeFile } from 'node:fs/promises'
import { join } from 'node:path'
import { after, type TestContext, test } from 'node:test'
import tls from 'node:tls'
import pg from 'pg'
import { composeDoors } from '../../src/app/compose-doors.ts'
import { checkConfig } from '../../src/app/config/index.ts'
import { startServer } from '../../src/app/core.ts'
import { fakeClock, silentLog } from '../../src/base/index.ts'
import { zoneResolver } from '../../src/dns/index.ts'
import { createSelfSigned } from '../../src/tls/self-signed.ts'
import { type Postgres, startPostgres } from '../postgres.ts'
import { full, Installation } from '../server.ts'
import { report } from './report.ts'
import { startSink } from './sink.ts'
import { Imap, message, Smtp, sleep } from './talk.ts'

const users = { 'ada@posthorn.test': 'correct horse' }
const started = await startPostgres()
const skip = 'skip' in started ? started.skip : false
const postgres = started as Postgres
after(() => (skip ? undefined : postgres.stop()))

async function twoNodes(
  t: TestContext,
  config: { readonly [key: string]: unknown } = {},
): Promise<[Installation, Installation, string]> {
  const store = await postgres.url()
  const a = await Installation.make({ users, config: { store, ...config } })
  t.after(() => a.remove())
  const blobs = join(a.folder, 'blobs')
  await a.reconfigure({ blobs })
  const b = await Installation.make({ config: { store, blobs, ...config } })
  t.after(() => b.remove())
  await a.start()
  await b.start()
  return [a, b, store]
}

const text = (subject: string, size: number) =>
  message(subject, `${'0123456789abcdef'.repeat(4)}\r\n`.repeat(Math.ceil(size / 66)))

test('two nodes: one IDLE hears what the other takes within 100 ms; flags, large messages and quotas agree', {
  skip,
}, async (t) => {
  const [a, b] = await twoNodes(t)
  const watcher = await Imap.open(b.ports.imap, 'ada@posthorn.test', 'correct horse')
  const other = await Imap.open(a.ports.imap, 'ada@posthorn.test', 'correct horse')
  const smtp = await Smtp.open(a.ports.smtp)
  await watcher.idle()
  const rounds = full ? 100 : 20
  const deliveries: number[] = []
  const flags: number[] = []
  for (let n = 1; n <= rounds; n++) {
    const heard = watcher.talk.until(new RegExp(`^\\* ${n} EXISTS`, 'm'))
    assert.match((await smtp.deliver('eve@elsewhere.test', ['ada@posthorn.test'], text(`${n}`, 2_000)))[2]!, /^250/)
    const acted = performance.now()
    await heard
    deliveries.push(performance.now() - acted)
  }
  await other.say('NOOP')
  for (let n = 1; n <= rounds; n++) {
    const heard = watcher.talk.until(new RegExp(`^\\* ${n} FETCH .*Flagged`, 'm'))
    await other.say(`STORE ${n} +FLAGS.SILENT (\\Flagged)`)
    const acted = performance.now()
    await heard
    flags.push(performance.now() - acted)
  }
  report(t, 'a delivery through the other node', deliveries)
  report(t, 'a flag set through the other node', flags)
  await watcher.done()
  // Larger than what stands in the database: a file in the shared folder.
  const large = text('large', 300_000)
  await smtp.deliver('eve@elsewhere.test', ['ada@posthorn.test'], large)
  await watcher.say('NOOP')
  const read = await watcher.say(`FETCH ${rounds + 1} BODY[TEXT]`)
  assert.ok(read.includes(large.slice(large.indexOf('\r\n\r\n') + 4)))
  const [one, two] = await Promise.all([a, b].map((node) => node.cliOk('user', 'list', '--json')))
  assert.equal(one, two)
  assert.equal(JSON.parse(one!)[0].usedMessages, rounds + 1)
  for (const client of [watcher, other, smtp]) client.close()
})

test('a certificate that one node takes in, the other shows within a second; it needs the same secret key', {
  skip,
}, async (t) => {
  const [a, b] = await twoNodes(t)
  await b.stop()
  await copyFile(join(a.data, 'secret.key'), join(b.data, 'secret.key'))
  await b.start()
  const pair = createSelfSigned(['shared.test'], Date.now())
  const [cert, key] = ['cert.pem', 'key.pem'].map((name) => join(a.folder, name)) as [string, string]
  await writeFile(cert, pair.cert)
  await writeFile(key, pair.key)
  await a.cliOk('cert', 'import', cert, key)
  const shown = (port: number) =>
    new Promise<string>((resolve, reject) => {
      const options = { port, host: '127.0.0.1', servername: 'shared.test', rejectUnauthorized: false }
      const socket = tls.connect(options, () => {
        resolve(socket.getPeerX509Certificate()!.subject)
        socket.destroy()
      })
      socket.on('error', reject)
    })
  const began = performance.now()
  while ((await shown(b.ports.imaps)) !== 'CN=shared.test') {
    assert.ok(performance.now() - began < 1_000, 'the other node does not show it')
    await sleep(20)
  }
  assert.equal(await shown(a.ports.imaps), 'CN=shared.test')
  const listed = JSON.parse(await b.cliOk('cert', 'list', '--json')) as { name: string; source: string }[]
  assert.ok(listed.some(({ name, source }) => name === 'shared.test' && source === 'imported'))
})

test('two nodes send each message exactly once; what a killed node had claimed, the other sends', {
  skip,
}, async (t) => {
  const sink = await startSink(t)
  const route = {
    queue: { routes: { 'away.test': `127.0.0.1:${sink.port}` } },
    smtp: { trustedNetworks: ['127.0.0.0/8'] },
  }
  const [a, b] = await twoNodes(t, route)
  const count = full ? 500 : 40
  await Promise.all(
    [a, b].map(async (node, which) => {
      const smtp = await Smtp.open(node.ports.smtp)
      for (let n = 0; n < count; n++)
        await smtp.deliver('ada@posthorn.test', ['zoe@away.test'], message(`${which}-${n}`))
      smtp.close()
    }),
  )
  const sent = () => sink.messages().map((one) => /^Subject: (.*)\r$/m.exec(one)![1]!)
  for (let i = 0; i < 200 && sent().length < 2 * count; i++) await sleep(100)
  assert.equal(sent().length, 2 * count)
  assert.equal(new Set(sent()).size, 2 * count)

  // The sink stops answering; node a claims and hangs, and is killed.
  sink.pause(true)
  const smtp = await Smtp.open(a.ports.smtp)
  for (let n = 0; n < 5; n++)
    assert.match((await smtp.deliver('ada@posthorn.test', ['zoe@away.test'], message(`left ${n}`)))[2]!, /^250/)
  smtp.close()
  await sleep(300)
  await a.stop('SIGKILL')
  sink.pause(false)
  const killed = performance.now()
  // A node counts as dead a minute after its last beat, and the others look each minute: the gate does not wait for that.
  if (!full) return t.diagnostic('taking over is waited for with full counts only')
  const left = () => sent().filter((subject) => subject.startsWith('left'))
  for (let i = 0; i < 1_500 && left().length < 5; i++) await sleep(100)
  t.diagnostic(`the other node had sent all ${((performance.now() - killed) / 1000).toFixed(0)} s after the kill`)
  assert.deepEqual(
    left().sort(),
    [0, 1, 2, 3, 4].map((n) => `left ${n}`),
  )
  assert.deepEqual(JSON.parse(await b.cliOk('queue', 'list', '--json')), [])
})

test('mail that is due and that nobody can take stalls the queue: /health says so', { skip }, async (t) => {
  const store = await postgres.url()
  const made = await Installation.make({ config: { store } })
  t.after(() => made.remove())
  const clock = fakeClock(Date.now())
  const routes = { '*': '127.0.0.1:9' }
  const value = {
    hostname: 'mail.example.test',
    store,
    data: './data',
    listen: { smtp: '127.0.0.1:0', http: '127.0.0.1:0' },
    queue: { routes },
    smtp: { trustedNetworks: ['127.0.0.0/8'] },
  }
  const server = await startServer(checkConfig(value, {}, made.folder), {
    here: composeDoors,
    log: silentLog,
    clock,
    dns: zoneResolver(''),
    control: false,
  })
  t.after(() => server.stop(0))
  const health = async () => {
    const answer = await fetch(`http://127.0.0.1:${server.ports.http}/health`)
    return [answer.status, ((await answer.json()) as { parts: { queue: string } }).parts.queue]
  }
  const smtp = await Smtp.open(server.ports.smtp!)
  assert.match((await smtp.deliver('eve@elsewhere.test', ['zoe@away.test'], message('waits')))[2]!, /^250/)
  smtp.close()
  const client = new pg.Client(store)
  await client.connect()
  t.after(() => client.end())
  for (let i = 0; i < 100; i++) {
    const { rows } = await client.query("SELECT 1 FROM queue_recipient WHERE attempts = 1 AND state = 'waiting'")
    if (rows.length === 1) break
    await sleep(50)
  }
  assert.deepEqual(await health(), [200, 'ok'])
  // Somebody else's transaction holds the row: every look passes it over.
  await client.query('BEGIN')
  await client.query('SELECT * FROM queue_recipient FOR UPDATE')
  for (let minute = 0; minute < 25; minute++) {
    await clock.advance(60_000)
    await sleep(20)
  }
  const [status, words] = await health()
  assert.match(`${words}`, /mail is due since \d+ minutes and was not tried/)
  assert.equal(status, 503)
  await client.query('ROLLBACK')
  for (let i = 0; i < 50 && (await health())[0] !== 200; i++) {
    await clock.advance(2_000)
    await sleep(50)
  }
  assert.deepEqual(await health(), [200, 'ok'])
})
