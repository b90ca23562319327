// The POP3 door beyond what a transcript shows: large maildrops and messages, other sessions, the end of the server, accounts that go.

import assert from 'node:assert/strict'
import { connect, type Socket } from 'node:net'
import { type TestContext, test } from 'node:test'
import { listenPop3 } from './index.ts'
import { openPop3World, type Pop3World } from './testing/world.ts'

/** A client that speaks lines. */
class Client {
  readonly socket: Socket
  #text = ''
  #ended = false
  #wake = () => {}

  constructor(port: number) {
    this.socket = connect(port, '127.0.0.1')
    const end = () => {
      this.#ended = true
      this.#wake()
    }
    this.socket.on('close', end).on('error', end)
    this.socket.on('data', (chunk: Buffer) => {
      this.#text += chunk.toString('latin1')
      this.#wake()
    })
  }

  /** The next line; undefined when the server hung up. */
  async line(): Promise<string | undefined> {
    for (;;) {
      const at = this.#text.indexOf('\r\n')
      if (at >= 0) {
        const line = this.#text.slice(0, at)
        this.#text = this.#text.slice(at + 2)
        return line
      }
      if (this.#ended) return undefined
      await new Promise<void>((resolve) => {
        this.#wake = resolve
      })
    }
  }

  async lines(): Promise<string[]> {
    const out: string[] = []
    for (let line = await this.line(); line !== '.' && line !== undefined; line = await this.line()) out.push(line)
    return out
  }

  /** Sends one command and takes the first line of its answer. */
  async ask(command: string): Promise<string> {
    this.socket.write(`${command}\r\n`)
    return (await this.line()) ?? '<closed>'
  }
}

async function serve(t: TestContext, options: Parameters<typeof openPop3World>[0] = {}) {
  const world = await openPop3World(options)
  const listener = await listenPop3(world.server, { host: '127.0.0.1', port: 0, implicitTls: false })
  const clients: Client[] = []
  t.after(async () => {
    for (const { socket } of clients) socket.destroy()
    const closed = listener.close()
    await world.close()
    await closed
  })
  const signIn = async () => {
    const client = new Client(listener.port)
    clients.push(client)
    assert.match((await client.line())!, /^\+OK/)
    await client.ask('USER ann@example.test')
    return { client, answer: await client.ask('PASS secret-word') }
  }
  return { world, signIn }
}

/** When `what` is so, at last. */
async function until(what: () => boolean): Promise<void> {
  for (let i = 0; !what(); i++) {
    assert.ok(i < 500, 'it did not come')
    await new Promise((resolve) => setTimeout(resolve, 10))
  }
}

const fill = async (world: Pop3World, count: number) => {
  for (let at = 0; at < count; at += 500) {
    const messages = Array.from({ length: Math.min(500, count - at) }, (_, i) => `Subject: ${at + i + 1}\r\n\r\nx\r\n`)
    await world.append(...messages)
  }
}

test('a maildrop of several pages is listed whole, in order, without what is marked', async (t) => {
  const { world, signIn } = await serve(t)
  await fill(world, 2500)
  const { client, answer } = await signIn()
  assert.match(answer, /^\+OK 2500 messages/)
  await client.ask('DELE 1')
  await client.ask('DELE 1001')
  assert.match(await client.ask('LIST'), /^\+OK 2498/)
  const list = (await client.lines()).map((line) => line.split(' '))
  assert.equal(list.length, 2498)
  assert.deepEqual(list[0], ['2', '17'])
  assert.deepEqual(list[998], ['1000', '20'])
  assert.deepEqual(list[999], ['1002', '20'])
  await client.ask('UIDL')
  const ids = await client.lines()
  assert.equal(new Set(ids.map((line) => line.split(' ')[1])).size, 2498)
  assert.ok(ids.every((line) => /^\d+ \d+\.\d+$/.test(line)))
  const sum = list.reduce((total, [, size]) => total + Number(size), 0)
  assert.equal(await client.ask('STAT'), `+OK 2498 ${sum}`)
  assert.match(await client.ask('QUIT'), /^\+OK 2 removed/)
  assert.equal((await world.contents()).length, 2498)
})

test('a message of many megabytes passes through a client that reads slowly', async (t) => {
  const { world, signIn } = await serve(t)
  const line = `${'.'.repeat(70)}\r\n`
  await world.append(`Subject: large\r\n\r\n${line.repeat(150_000)}`)
  const { client } = await signIn()
  client.socket.pause()
  setTimeout(() => client.socket.resume(), 200)
  assert.equal(await client.ask('RETR 1'), `+OK ${18 + 72 * 150_000} octets`)
  const lines = await client.lines()
  assert.equal(lines.length, 150_002)
  assert.ok(lines.slice(2).every((each) => each === `.${'.'.repeat(70)}`))
  assert.match(await client.ask('TOP 1 1'), /^\+OK/)
  assert.equal((await client.lines()).length, 3)
  assert.match(await client.ask('NOOP'), /^\+OK/)
})

test('what another session removes is missed when it is asked for, and new mail waits for the next session', async (t) => {
  const { world, signIn } = await serve(t)
  const uids = await world.append('Subject: a\r\n\r\n', 'Subject: b\r\n\r\n')
  const { client } = await signIn()
  await world.expunge(uids[0]!)
  await world.append('Subject: c\r\n\r\n')
  assert.match(await client.ask('RETR 1'), /^-ERR the message is gone/)
  assert.match(await client.ask('RETR 2'), /^\+OK 14 octets/)
  await client.lines()
  assert.match(await client.ask('RETR 3'), /^-ERR no such message/)
  await client.ask('DELE 1')
  await client.ask('DELE 2')
  assert.match(await client.ask('QUIT'), /^\+OK/)
  assert.deepEqual(await world.contents(), [`${uids[1]! + 1}:`])
})

test('QUIT answers -ERR and removes nothing when the store refuses', async (t) => {
  const { world, signIn } = await serve(t)
  await world.append('Subject: a\r\n\r\n')
  const { client } = await signIn()
  await client.ask('DELE 1')
  world.failWrites()
  assert.match(await client.ask('QUIT'), /^-ERR \[SYS\/TEMP\]/)
  assert.equal(await client.line(), undefined)
  assert.deepEqual(await world.contents(), ['1:'])
  assert.match((await signIn()).answer, /^\+OK 1 messages/, 'the lock was given back')
})

test('the end of the server is no QUIT, and a disabled account is shown out', async (t) => {
  const { world, signIn } = await serve(t)
  await world.append('Subject: a\r\n\r\n')
  const first = await signIn()
  await first.client.ask('DELE 1')
  await world.accounts.setDisabled('ann@example.test', true)
  assert.match((await first.client.line())!, /^-ERR \[SYS\/TEMP\] the account was disabled/)
  assert.equal(await first.client.line(), undefined)
  assert.match((await signIn()).answer, /^-ERR \[SYS\/PERM\]/)
  await world.accounts.setDisabled('ann@example.test', false)
  const second = await signIn()
  assert.match(second.answer, /^\+OK 1 messages/)
  await second.client.ask('DELE 1')
  const stopped = world.server.stop(1000)
  assert.match((await second.client.line())!, /^-ERR \[SYS\/TEMP\] the server is stopping/)
  await stopped
  assert.deepEqual(await world.contents(), ['1:'])
  await until(() => world.server.stats.connections === 0)
  assert.equal(world.server.stats.authenticated, 0)
})
