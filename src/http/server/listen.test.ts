// The web door's ports: the first connection loads what speaks HTTP, and none holds up the end.

import assert from 'node:assert/strict'
import { once } from 'node:events'
import net from 'node:net'
import { test } from 'node:test'
import tls from 'node:tls'
import { realClock, silentLog } from '../../base/index.ts'
import { createSelfSigned, tlsOptions } from '../../tls/index.ts'
import { createHttpServer } from './listen.ts'

async function open() {
  const server = createHttpServer({
    sources: { health: async () => ({ status: 'ok', parts: {} }), metrics: async () => '' },
    tls: tlsOptions(createSelfSigned(['localhost'], realClock.now())),
    log: silentLog,
  })
  const at = { host: '127.0.0.1', port: 0 }
  return {
    server,
    plain: await server.listen({ ...at, kind: 'plain' }),
    secure: await server.listen({ ...at, kind: 'tls' }),
  }
}

/** What comes until the other side ends. */
async function read(socket: net.Socket): Promise<string> {
  let text = ''
  for await (const chunk of socket) text += chunk
  return text
}

const request = 'GET /health HTTP/1.1\r\nHost: localhost\r\nConnection: close\r\n\r\n'

test('the first connections are answered, plain and over TLS, at once or byte by byte; who resets harms nobody', async () => {
  const { server, plain, secure } = await open()
  const rude = net.connect(plain, '127.0.0.1', () => rude.resetAndDestroy())
  const slow = net.connect(plain, '127.0.0.1')
  for (const char of request) slow.write(char)
  const quick = net.connect(plain, '127.0.0.1')
  quick.write(request)
  const safe = tls.connect({ port: secure, host: '127.0.0.1', rejectUnauthorized: false })
  safe.write(request)
  for (const text of await Promise.all([slow, quick, safe].map(read))) assert.match(text, /^HTTP\/1\.1 200 OK\r\n/)
  await server.stop(0)
})

test('a request that never ends, a silent connection and half a handshake are cut off when the grace is over', async () => {
  const { server, plain, secure } = await open()
  const first = net.connect(plain, '127.0.0.1')
  first.write(request)
  await read(first)
  const hanging = [plain, plain, secure].map((port) => net.connect(port, '127.0.0.1'))
  hanging[0]!.write('GET /heal')
  hanging[2]!.write(Buffer.from([22, 3, 1, 0, 200]))
  const closed = hanging.map((socket) => new Promise((done) => socket.on('error', () => {}).once('close', done)))
  await Promise.all(hanging.map((socket) => once(socket, 'connect')))
  await server.stop(50)
  await Promise.all(closed)
})
