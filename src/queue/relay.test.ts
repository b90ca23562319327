// The queue over real sockets: Postfix's smtp-sink as the other server, and scripted servers for what it cannot be made to do.

import assert from 'node:assert/strict'
import { type ChildProcess, spawn } from 'node:child_process'
import { existsSync } from 'node:fs'
import { createServer, type Server, type Socket } from 'node:net'
import { after, afterEach, describe, test } from 'node:test'
import { zoneResolver } from '../dns/index.ts'
import { connectSmtp } from '../smtp/client/index.ts'
import type { Queue, QueueOptions } from './index.ts'
import { parseRoutes } from './route.ts'
import { openWorld, type World } from './testing/world.ts'

const sinkPath = ['/usr/sbin/smtp-sink', '/usr/lib/postfix/sbin/smtp-sink'].find((path) => existsSync(path))
const skip = sinkPath ? false : 'smtp-sink is not installed (apt-get install postfix)'
const children: ChildProcess[] = []
const servers: Server[] = []
after(() => {
  for (const child of children) child.kill()
  for (const server of servers) server.close()
})

async function startSink(...flags: string[]): Promise<number> {
  const port = await freePort()
  const child = spawn(sinkPath!, ['-u', 'nobody', ...flags, `127.0.0.1:${port}`, '20'], { stdio: 'ignore' })
  children.push(child)
  for (let i = 0; i < 100 && !(await isOpen(port)); i++) await new Promise((resolve) => setTimeout(resolve, 20))
  return port
}

function isOpen(port: number): Promise<boolean> {
  return connectSmtp({ ip: '127.0.0.1', host: 'x', port, helo: 'us.test', tls: 'none', verify: false }).then(
    (connection) => connection.quit().then(() => true),
    () => false,
  )
}

async function freePort(): Promise<number> {
  const server = createServer()
  await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve))
  const { port } = server.address() as { port: number }
  await new Promise((resolve) => server.close(resolve))
  return port
}

/** A server that does as it likes with its sockets. */
async function serve(talk: (socket: Socket) => void): Promise<number> {
  const server = createServer((socket) => {
    socket.on('error', () => {})
    talk(socket)
  })
  servers.push(server)
  await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve))
  return (server.address() as { port: number }).port
}

/** A server that answers each command by `answer`; undefined closes the connection. */
function script(answer: (line: string, socket: Socket) => string | undefined): Promise<number> {
  return serve((socket) => {
    socket.write('220 scripted\r\n')
    let text = ''
    let data = false
    socket.on('data', (chunk) => {
      text += chunk
      for (let end = text.indexOf('\r\n'); end >= 0; end = text.indexOf('\r\n')) {
        const line = text.slice(0, end)
        text = text.slice(end + 2)
        if (data && line !== '.') continue
        data = false
        const reply = answer(line, socket)
        if (reply === undefined) return socket.destroy()
        data = reply.startsWith('354')
        socket.write(`${reply}\r\n`)
      }
    })
  })
}

const polite = (line: string): string =>
  ({ EHLO: '250-hi\r\n250 PIPELINING', DATA: '354 go', QUIT: '221 bye', '.': '250 2.0.0 queued' })[
    line.split(' ')[0]!
  ] ?? '250 ok'

describe('the queue over sockets', () => {
  let world: World
  afterEach(() => world.close())
  const open = async (change: Partial<QueueOptions>): Promise<Queue> => {
    world = await openWorld('sqlite', { connect: connectSmtp, ...change })
    await world.queue.start()
    return world.queue
  }
  const to = (port: number) => ({ routes: parseRoutes({ '*': `127.0.0.1:${port}` }) })
  const waiting = async () => (await world.queue.admin.list()).flatMap(({ recipients }) => recipients)

  test('smtp-sink takes 50 messages', { skip }, async () => {
    await open(to(await startSink()))
    await Promise.all(Array.from({ length: 50 }, (_, i) => world.put([`u${i}@a.test`, `v${i}@b.test`])))
    await world.settle()
    assert.deepEqual(await waiting(), [])
    assert.deepEqual(await world.posted(), [])
  })

  for (const command of ['mail', 'rcpt', 'data', '.'])
    test(`smtp-sink refuses ${command}: for good (-f) it is returned, for now (-r) it waits`, { skip }, async () => {
      await open(to(await startSink('-f', command)))
      await world.put(['bob@a.test', 'eve@a.test'])
      await world.settle()
      const [report, ...more] = await world.posted()
      assert.equal(more.length, 0)
      for (const name of ['bob', 'eve']) assert.ok(report?.text.includes(`Final-Recipient: rfc822; ${name}@a.test`))
      assert.ok(report?.text.includes('Diagnostic-Code: smtp; 500 5.3.0 Error: command failed'), report?.text ?? '')
      assert.deepEqual(await waiting(), [])

      world.queue.reconfigure({ routes: to(await startSink('-r', command)).routes })
      await world.put(['bob@a.test'])
      await world.settle()
      const [left] = await waiting()
      assert.match(left?.reason ?? '', /^450 4\.3\.0 Error: command failed/)
      assert.equal((await world.posted()).length, 1)
    })

  test('a host that hangs up (smtp-sink -q) is like one that is dead', { skip }, async () => {
    await open(to(await startSink('-q', 'rcpt')))
    await world.put(['bob@a.test'])
    await world.settle()
    const [left] = await waiting()
    assert.equal(left?.state, 'waiting')
    assert.equal(left?.attempts, 1)
  })

  test('when STARTTLS cannot be done, mail goes without; when it is required, it waits', async () => {
    const heard: string[] = []
    const port = await script((line, socket) => {
      heard.push(line)
      if (line.startsWith('EHLO')) return '250-hi\r\n250 STARTTLS'
      if (line !== 'STARTTLS') return polite(line)
      socket.write('220 go\r\nnot TLS at all\r\n')
      return undefined
    })
    const queue = await open(to(port))
    await world.put(['bob@a.test'])
    await world.settle()
    assert.deepEqual(await waiting(), [])
    assert.ok(heard.indexOf('STARTTLS') >= 0 && heard.indexOf('STARTTLS') < heard.indexOf('DATA'))
    heard.length = 0
    queue.reconfigure({ routes: parseRoutes({ '*': `smtp://127.0.0.1:${port}?tls=insecure` }) })
    await world.put(['bob@a.test'])
    await world.settle()
    assert.ok(!heard.includes('DATA'))
    assert.match((await waiting())[0]?.reason ?? '', /TLS|tls|broke|plaintext/)
  })

  test('a connection that breaks after the final dot is not tried again at once: it may have arrived', async () => {
    let dots = 0
    const port = await script((line) => (line === '.' && ++dots ? undefined : polite(line)))
    await open(to(port))
    await world.put(['bob@a.test'])
    await world.settle()
    assert.equal(dots, 1)
    assert.equal((await waiting())[0]?.attempts, 1)
  })

  test('an idle connection that the other side closed costs nothing', async () => {
    let sockets = 0
    const port = await script((line, socket) => {
      if (line.startsWith('EHLO')) sockets++
      if (line === '.') setImmediate(() => socket.destroy())
      return polite(line)
    })
    await open(to(port))
    for (let i = 0; i < 3; i++) {
      await world.put(['bob@a.test'])
      await world.settle()
    }
    assert.deepEqual(await waiting(), [])
    assert.equal(sockets, 3)
  })

  test('by MX: the first host refuses connections, the second takes the message', async () => {
    const port = await script(polite)
    const dns = zoneResolver('x.test MX 10 a.x.test\nx.test MX 20 b.x.test\na.x.test A 127.0.0.2\nb.x.test A 127.0.0.1')
    await open({ dns, port })
    await world.put(['bob@x.test'])
    await world.settle()
    assert.deepEqual(await waiting(), [])
  })

  test('a host that offers PIPELINING and drops what is sent ahead costs one attempt; then it gets one command at a time', async () => {
    const flights: string[] = []
    let kept = 0
    const port = await serve((socket) => {
      socket.write('220 lies\r\n')
      let data = false
      socket.on('data', (chunk) => {
        const text = chunk.toString()
        if (data) {
          data = !text.endsWith('.\r\n')
          if (!data) socket.write(`250 2.0.0 kept ${++kept}\r\n`)
          return
        }
        flights.push(text)
        // It reads one line of what comes, and the rest is gone.
        const line = text.slice(0, text.indexOf('\r\n'))
        data = line === 'DATA'
        socket.write(`${polite(line)}\r\n`)
      })
    })
    await open({ ...to(port), timeouts: { command: 100 } })
    await world.put(['bob@a.test'])
    await world.settle()
    assert.match((await waiting())[0]!.reason, /did not answer in time/)
    assert.equal(flights.filter((text) => text.split('\r\n').length > 2).length, 1, 'it was tried ahead')
    await world.advance(10 * 60_000)
    assert.deepEqual(await waiting(), [])
    for (let i = 0; i < 3; i++) {
      await world.put(['eve@a.test'])
      await world.settle()
    }
    assert.equal(kept, 4)
    assert.equal(flights.filter((text) => text.split('\r\n').length > 2).length, 1, 'and not again')
  })
})
