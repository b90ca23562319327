// What needs more than a dialogue: time, back-pressure, floods, the stop, TLS from the client's side.

import assert from 'node:assert/strict'
import { once } from 'node:events'
import net from 'node:net'
import { test } from 'node:test'
import { testCertificate } from '../../../test/transcripts/certificate.ts'
import type { AccountReads } from '../../accounts/index.ts'
import { createNetworkTest, fakeClock, silentLog, toClientIp } from '../../base/index.ts'
import type { Delivery, DeliveryChecks } from '../../delivery/index.ts'
import type { NewContent } from '../../mail/index.ts'
import { connectSmtp, type OutgoingMail } from '../client/index.ts'
import { createSmtpServer, type SmtpServerOptions } from './index.ts'
import { parseListenAddress } from './listen.ts'

const yes = { ok: true } as const
const checks = {
  sender: async () => yes,
  recipient: async () => yes,
  header: async (_arrival, _envelope, header) => ({ header }),
  content: async (arrival) => ({ arrival }),
} satisfies DeliveryChecks

interface Setup {
  readonly limits?: SmtpServerOptions['limits']
  /** Resolves when delivery may answer. */
  readonly gate?: Promise<void>
}

async function start({ limits = {}, gate }: Setup = {}) {
  const clock = fakeClock()
  let messages = 0
  let bytes = 0
  let aborted = 0
  const delivery: Delivery = {
    async receive(_arrival, envelope) {
      await gate
      messages++
      return { verdicts: envelope.to.map(() => yes) }
    },
  }
  const server = createSmtpServer({
    hostname: 'mail.example.test',
    accounts: {} as AccountReads,
    checks,
    delivery,
    spool: () => ({
      write(chunk) {
        bytes += chunk.length
      },
      finish: async () => ({ size: bytes }) as NewContent,
      abort() {
        aborted++
      },
    }),
    tls: () => testCertificate,
    plaintextAuth: 'never',
    trustedNetworks: [],
    proxies: [],
    limits,
    log: silentLog,
    clock,
  })
  const { port } = await server.listen('mx', '127.0.0.1:0')
  const counts = () => ({ messages, bytes, aborted })
  return { server, port, clock, counts }
}

/** A client that collects what it is told. */
async function dial(port: number) {
  const socket = net.connect(port, '127.0.0.1')
  let text = ''
  socket.on('data', (chunk) => {
    text += chunk
  })
  socket.on('error', () => {})
  const closed = new Promise<void>((resolve) => socket.once('close', () => resolve()))
  const until = async (word: string) => {
    while (!text.includes(word)) await once(socket, 'data')
    const seen = text
    text = ''
    return seen
  }
  await until('220 ')
  return { socket, until, closed, said: () => text }
}
const envelope = 'EHLO c.test\r\nMAIL FROM:<a@b.test>\r\nRCPT TO:<c@d.test>\r\nDATA\r\n'

test('an idle session is told and closed; so is one that stops in the middle of DATA', async () => {
  const { server, port, clock, counts } = await start({ limits: { idleMs: 10_000, dataMs: 5_000 } })
  const idle = await dial(port)
  const stuck = await dial(port)
  stuck.socket.write(envelope)
  await stuck.until('354 ')
  stuck.socket.write('half')
  while (counts().bytes === 0) await new Promise(setImmediate)
  await clock.advance(7_000)
  assert.match(await stuck.until('421'), /^421 4\.4\.2/)
  await stuck.closed
  assert.equal(idle.said(), '')
  await clock.advance(5_000)
  assert.match(await idle.until('421'), /^421 4\.4\.2/)
  await idle.closed
  assert.deepEqual(counts(), { messages: 0, bytes: 4, aborted: 1 })
  await server.stop(0)
})

test('slow drip: a byte now and then does not hold a session longer than silence does', async () => {
  const { server, port, clock } = await start({ limits: { idleMs: 10_000 } })
  const client = await dial(port)
  for (const byte of 'NOOP ') {
    client.socket.write(byte)
    await new Promise((resolve) => setTimeout(resolve, 20))
    await clock.advance(3_000)
  }
  assert.match(await client.until('421'), /^421 4\.4\.2/)
  await client.closed
  await server.stop(0)
})

test('a stop lets the message under way finish and sends the others away', async () => {
  let open = () => {}
  const gate = new Promise<void>((resolve) => {
    open = resolve
  })
  const { server, port, counts } = await start({ gate })
  const idle = await dial(port)
  const busy = await dial(port)
  busy.socket.write(`${envelope}x\r\n.\r\n`)
  await busy.until('354 ')
  while (server.stats.commands['DATA'] !== 1) await new Promise(setImmediate)
  const stopped = server.stop(30_000)
  assert.match(await idle.until('421'), /^421 4\.3\.2/)
  await idle.closed
  await assert.rejects(dialFails(port))
  open()
  const last = await busy.until('421')
  assert.match(last, /^250 2\.0\.0 Ok: queued.*\r\n421 4\.3\.2/)
  await stopped
  assert.equal(counts().messages, 1)
})

function dialFails(port: number): Promise<void> {
  return new Promise((resolve, reject) => {
    net.connect(port, '127.0.0.1').once('connect', resolve).once('error', reject)
  })
}

test('a message far beyond the limit is not read to its end', async () => {
  const { server, port, counts } = await start({ limits: { maxMessageSize: 10_000, inputBuffer: 10_000 } })
  const client = await dial(port)
  client.socket.write(envelope)
  await client.until('354 ')
  client.socket.write(Buffer.alloc(200_000, 'x'))
  assert.match(await client.until('552'), /552 5\.3\.4/)
  client.socket.destroy()
  assert.ok(counts().bytes <= 10_000)
  assert.equal(counts().aborted, 1)
  await server.stop(0)
})

test('unbounded line: a gigabyte without an end costs no memory', async () => {
  const { server, port } = await start()
  const client = await dial(port)
  const block = Buffer.alloc(1 << 20, 'a')
  const before = process.memoryUsage().arrayBuffers
  let sent = 0
  let peak = 0
  const gone = client.closed
  let open = true
  void gone.then(() => {
    open = false
  })
  while (open && sent < 1 << 30) {
    sent += block.length
    if (!client.socket.write(block))
      await Promise.race([new Promise((resolve) => client.socket.once('drain', resolve)), gone])
    peak = Math.max(peak, process.memoryUsage().arrayBuffers - before)
  }
  assert.equal(open, false)
  assert.ok(sent < 64 << 20, `${sent} bytes were taken`)
  assert.ok(peak < 32 << 20, `${peak} bytes were held`)
  await server.stop(0)
})

test('500 idle connections from one address: the rest is told so, the server serves on', async () => {
  const { server, port } = await start({ limits: { connectionsPerTrustedIp: 300 } })
  const clients = await Promise.all(
    Array.from({ length: 500 }, async () => {
      const socket = net.connect(port, '127.0.0.1')
      socket.on('error', () => {})
      const [chunk] = (await once(socket, 'data')) as [Buffer]
      return { socket, greeting: chunk.toString().slice(0, 3) }
    }),
  )
  assert.equal(clients.filter(({ greeting }) => greeting === '220').length, 300)
  assert.equal(clients.filter(({ greeting }) => greeting === '421').length, 200)
  const one = clients.find(({ greeting }) => greeting === '220')!
  one.socket.write(`${envelope}x\r\n.\r\n`)
  let text = ''
  while (!text.includes('queued')) text += ((await once(one.socket, 'data')) as [Buffer])[0]
  for (const { socket } of clients) socket.destroy()
  await server.stop(0)
})

test('a client that sends and never reads is not answered without end', async () => {
  const { server, port } = await start()
  const client = await dial(port)
  client.socket.pause()
  const block = Buffer.from('HELP\r\n'.repeat(10_000))
  let before = -1
  // It stops being read: the count of commands stands still while more waits.
  for (let still = 0; still < 20; ) {
    if (client.socket.writableLength < 4 << 20) client.socket.write(block)
    await new Promise((resolve) => setTimeout(resolve, 10))
    const now = server.stats.commands['HELP'] ?? 0
    still = now === before ? still + 1 : 0
    before = now
  }
  assert.ok(before > 0 && before < 100_000, `${before} commands were answered`)
  client.socket.destroy()
  await server.stop(0)
})

const outgoing = (data: OutgoingMail['data']): OutgoingMail => ({
  from: null,
  recipients: [{ address: { local: 'c', domain: 'd.test' } }],
  size: 0,
  utf8: false,
  body8: false,
  data,
})

test('our client over STARTTLS with the certificate checked, and a large message with back-pressure', async () => {
  const { server, port, counts } = await start()
  const connection = await connectSmtp({
    ip: '127.0.0.1',
    host: 'mail.example.test',
    port,
    helo: 'c.test',
    tls: 'required',
    verify: true,
    ca: testCertificate.cert,
  })
  assert.equal(connection.tls?.authorized, true)
  const line = Buffer.from(`.${'x'.repeat(997)}\r\n`)
  const block = Buffer.concat(Array.from({ length: 64 }, () => line))
  const [result] = await connection.send(
    outgoing(async function* () {
      for (let i = 0; i < 320; i++) yield block
    }),
  )
  assert.equal(result?.reply.code, 250)
  assert.equal(counts().bytes, 320 * block.length)
  await connection.quit()
  await server.stop(0)
})

test('our client refuses a certificate of another name or another authority', async () => {
  const { server, port } = await start()
  const options = { ip: '127.0.0.1', port, helo: 'c.test', tls: 'required', verify: true } as const
  const refused = { name: 'ConnectionFault', stage: 'tls' }
  await assert.rejects(connectSmtp({ ...options, host: 'other.test', ca: testCertificate.cert }), refused)
  await assert.rejects(connectSmtp({ ...options, host: 'mail.example.test' }), refused)
  await server.stop(0)
})

test('networks, client addresses, listen addresses, trace ids', () => {
  const inside = createNetworkTest(['10.0.0.0/8', '192.0.2.1', '2001:db8::/32'])
  const table: [string, boolean][] = [
    ['10.1.2.3', true],
    ['11.1.2.3', false],
    ['192.0.2.1', true],
    ['192.0.2.2', false],
    ['2001:db8::5', true],
    ['2001:db9::5', false],
    ['nonsense', false],
  ]
  for (const [ip, expected] of table) assert.equal(inside(ip), expected, ip)
  assert.ok(inside(toClientIp('::ffff:10.1.2.3')))
  for (const bad of ['10.0.0.0/33', '10.0.0.0/', 'a/8', '10.0.0.0/8/8', ''])
    assert.throws(() => createNetworkTest([bad]), TypeError, bad)
  assert.deepEqual(parseListenAddress('[::]:25'), { host: '::', port: 25 })
  assert.deepEqual(parseListenAddress('127.0.0.1:0'), { host: '127.0.0.1', port: 0 })
  assert.deepEqual(parseListenAddress('*:25'), { host: undefined, port: 25 })
  for (const bad of ['25', 'a:', 'a:b', 'a:70000']) assert.throws(() => parseListenAddress(bad), TypeError, bad)
})
