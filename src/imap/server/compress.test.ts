// COMPRESS=DEFLATE: a session goes on through deflate, and a bomb is read no faster than anything else.

import assert from 'node:assert/strict'
import { randomBytes } from 'node:crypto'
import { type Duplex, duplexPair } from 'node:stream'
import { test } from 'node:test'
import { constants, createDeflateRaw, createInflateRaw, deflateRawSync } from 'node:zlib'
import { directClient } from '../../base/index.ts'
import { CompressedSocket } from './compress.ts'
import { ImapClient, openImapWorld } from './testing/world.ts'

/** A client's side of the compression, as a stream that ImapClient can speak to. */
function compressed(socket: Duplex): Duplex {
  const [near, far] = duplexPair()
  const deflate = createDeflateRaw()
  const inflate = createInflateRaw()
  far.on('data', (bytes: Buffer) => {
    deflate.write(bytes)
    deflate.flush(constants.Z_SYNC_FLUSH)
  })
  deflate.on('data', (bytes: Buffer) => socket.write(bytes))
  socket.on('data', (bytes: Buffer) => inflate.write(bytes))
  socket.on('end', () => inflate.end())
  socket.on('close', () => inflate.end())
  inflate.on('data', (bytes: Buffer) => far.write(bytes))
  inflate.on('end', () => far.end())
  inflate.on('error', () => far.destroy())
  return near
}

async function openCompressed(t: { after(done: () => Promise<void>): void }, user = 'ann') {
  const world = await openImapWorld()
  t.after(() => world.close())
  const [near, far] = duplexPair()
  void world.server.handle(far, directClient('127.0.0.1'))
  const plain = new ImapClient(near)
  await plain.login(user)
  assert.match((await plain.command('COMPRESS DEFLATE')).at(-1)!, /^x OK/)
  near.removeAllListeners('data')
  return { world, socket: near, client: new ImapClient(compressed(near)) }
}

test('a compressed session: commands, literals, a large FETCH, IDLE, good-bye', async (t) => {
  const { world, client } = await openCompressed(t)
  assert.match((await client.command('COMPRESS DEFLATE')).at(-1)!, /^x NO \[COMPRESSIONACTIVE\]/)
  const line = `${'0123456789'.repeat(7)}\r\n`
  const message = `Subject: large\r\n\r\n${line.repeat(10_000)}`
  assert.match((await client.append('INBOX', message)).at(-1)!, /^x OK/)
  await client.command('SELECT INBOX')
  const fetched = await client.command('FETCH 1 BODY[]')
  assert.equal(fetched[0], `* 1 FETCH (BODY[] {${message.length}}`)
  assert.equal(fetched.length, 10_000 + 5)
  client.say('i IDLE\r\n')
  await client.until('+')
  const other = world.connect()
  await other.login()
  await other.append('INBOX', 'a: b\r\n')
  await client.until('* 2 EXISTS')
  client.say('DONE\r\ny NOOP\r\n')
  await client.until('y OK')
  assert.ok((await client.command('LOGOUT')).some((text) => text.startsWith('* BYE')))
})

test('what came with the command is taken for compressed; plain text there ends the connection', async (t) => {
  const world = await openImapWorld()
  t.after(() => world.close())
  for (const [behind, answered] of [
    [deflateRawSync('y NOOP\r\n', { finishFlush: constants.Z_SYNC_FLUSH }), true],
    [Buffer.from('y NOOP\r\n'), false],
  ] as const) {
    const [near, far] = duplexPair()
    const served = world.server.handle(far, directClient('127.0.0.1'))
    const plain = new ImapClient(near)
    await plain.login()
    near.write(Buffer.concat([Buffer.from('x COMPRESS DEFLATE\r\n'), behind]))
    await plain.until('x OK')
    near.removeAllListeners('data')
    const client = new ImapClient(compressed(near))
    if (answered) assert.match((await client.until('y '))[0]!, /^y OK/)
    else await served
    client.close()
    near.destroy()
  }
})

test('UNAUTHENTICATE ends the compression: its answer is the last that is compressed', async (t) => {
  const world = await openImapWorld()
  t.after(() => world.close())
  const [near, far] = duplexPair()
  void world.server.handle(far, directClient('127.0.0.1'))
  const plain = new ImapClient(near)
  await plain.login('ann')
  for (let round = 0; round < 3; round++) {
    await plain.command('COMPRESS DEFLATE')
    const heard = near.listeners('data') as ((chunk: Buffer) => void)[]
    near.removeAllListeners('data')
    const client = new ImapClient(compressed(near))
    const line = `${'0123456789'.repeat(7)}\r\n`
    await client.append('INBOX', `Subject: large\r\n\r\n${line.repeat(5000)}`)
    await client.command('SELECT INBOX')
    assert.match((await client.command('FETCH 1 BODY[]')).at(-1)!, /^x OK/)
    assert.match((await client.command('UNAUTHENTICATE')).at(-1)!, /^x OK \[CAPABILITY /)
    near.removeAllListeners('data')
    for (const listener of heard) near.on('data', listener)
    assert.match((await plain.command('NOOP')).at(-1)!, /^x OK/)
    await plain.command('LOGIN bob@example.test secret-word')
    await plain.command('UNAUTHENTICATE')
    await plain.command('LOGIN ann@example.test secret-word')
  }
})

test('a bomb inflates only as far as a line may be long', async (t) => {
  const { socket, client } = await openCompressed(t)
  const bomb = deflateRawSync(Buffer.alloc(200_000_000, 'x'), { finishFlush: constants.Z_SYNC_FLUSH })
  assert.ok(bomb.length < 250_000)
  const before = process.memoryUsage()
  socket.write(bomb)
  await client.until('* BYE [LIMIT]')
  const after = process.memoryUsage()
  assert.ok(after.arrayBuffers - before.arrayBuffers < 8_000_000)
})

test('a reader that stops is waited for, with little in memory', async (t) => {
  const { world, socket, client } = await openCompressed(t)
  // Noise does not compress.
  const noise = Array.from({ length: 300 }, () => randomBytes(600).toString('base64')).join('\r\n')
  await client.append('INBOX', `Subject: noise\r\n\r\n${noise}\r\n`)
  await client.command('SELECT INBOX')
  const before = process.memoryUsage().arrayBuffers
  socket.pause()
  for (let i = 0; i < 60; i++) client.say(`n${i} FETCH 1 BODY.PEEK[]\r\n`)
  await new Promise((resolve) => setTimeout(resolve, 300))
  const other = world.connect()
  await other.login()
  const held = process.memoryUsage().arrayBuffers - before
  assert.ok(held < 4_000_000, `${held} bytes`)
  socket.resume()
  await client.until('n59 OK')
})

test('replies of all sizes are one deflate stream, and what was said before makes the next shorter', async () => {
  const [near, far] = duplexPair()
  const socket = new CompressedSocket(far, Buffer.alloc(0))
  let wire = 0
  near.on('data', (bytes: Buffer) => (wire += bytes.length))
  const client = new ImapClient(compressed(near))
  const line = '* 1234 FETCH (UID 5678 FLAGS (\\Seen $Forwarded) MODSEQ (98765))'
  for (const times of [1, 1, 50, 200, 3000, 1]) {
    const before = wire
    socket.write(`${line}\r\n`.repeat(times))
    for (let i = 0; i < times; i++) assert.equal(await client.hear(), line)
    assert.ok(before === 0 || wire - before < 40 + times * 2, `${wire - before} bytes for ${times} lines`)
  }
  client.say('hello\r\n')
  const [said] = (await new Promise<unknown>((resolve) => socket.once('data', (bytes) => resolve([bytes])))) as [Buffer]
  assert.equal(String(said), 'hello\r\n')
  socket.end()
  assert.equal(await client.hear(), undefined)
})
