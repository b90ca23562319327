// Challenges of certificate authorities at the web door: tokens over HTTP, certificates in handshakes, and nothing else at the port for them.

import assert from 'node:assert/strict'
import { test } from 'node:test'
import tls from 'node:tls'
import { realClock, silentLog } from '../../base/index.ts'
import { createSelfSigned, createServerTls, tlsOptions } from '../../tls/index.ts'
import { createHttpServer } from './listen.ts'

const pair = (name: string) => createSelfSigned([name], realClock.now())
const [first, named, proof] = [pair('first.test'), pair('named.test'), pair('proof.test')]

async function open(t: { after(fn: () => Promise<void>): void }) {
  const server = createHttpServer({
    sources: {
      health: async () => ({ status: 'ok', parts: {} }),
      metrics: async () => '',
      challenge: (token) => (token === 'tok_en-1' ? 'tok_en-1.thumb' : undefined),
      challengeCertificate: (name) => (name === 'named.test' ? tlsOptions(proof) : undefined),
    },
    tls: createServerTls({ first, others: [named], fallback: first, hostname: 'first.test' }, realClock.now()),
    log: silentLog,
  })
  t.after(() => server.stop(0))
  const at = { host: '127.0.0.1', port: 0 }
  return {
    server,
    plain: await server.listen({ ...at, kind: 'plain' }),
    acme: await server.listen({ ...at, kind: 'acme' }),
    secure: await server.listen({ ...at, kind: 'tls' }),
  }
}

/** What the handshake comes to, and whether the server ends the connection by itself. */
function shake(port: number, options: tls.ConnectionOptions): Promise<string> {
  return new Promise((resolve) => {
    const socket = tls.connect({ port, host: '127.0.0.1', rejectUnauthorized: false, ...options }, () => {
      const said = `${socket.getPeerX509Certificate()!.subject} ${socket.alpnProtocol}`
      const timer = setTimeout(() => {
        resolve(`${said} open`)
        socket.destroy()
      }, 200)
      socket.once('end', () => {
        clearTimeout(timer)
        resolve(`${said} ended`)
      })
    })
    socket.on('error', (error) => resolve((error as { code?: string }).code ?? error.message)).resume()
  })
}

test('a token is answered at the plain port and at the one for challenges, where nothing else is', async (t) => {
  const { plain, acme } = await open(t)
  const get = (port: number, path: string, method = 'GET') => fetch(`http://127.0.0.1:${port}${path}`, { method })
  const path = '/.well-known/acme-challenge/tok_en-1'
  for (const port of [plain, acme]) {
    const answer = await get(port, path)
    assert.deepEqual([answer.status, await answer.text()], [200, 'tok_en-1.thumb'])
    assert.equal((await get(port, path, 'HEAD')).status, 200)
    for (const other of [`${path}2`, '/.well-known/acme-challenge/', `${path}?x`, `${path}/..`])
      assert.equal((await get(port, other)).status, 404, other)
    assert.equal((await get(port, path, 'POST')).status, 404)
  }
  assert.equal((await get(plain, '/health')).status, 200)
  assert.equal((await get(acme, '/health')).status, 404)
})

for (const maxVersion of ['TLSv1.2', 'TLSv1.3'] as const)
  test(`${maxVersion}: acme-tls/1 is shown the proof and ended, everybody else the certificate of the name`, async (t) => {
    const { secure, server } = await open(t)
    const ask = (servername: string, ...protocols: string[]) =>
      shake(secure, { servername, maxVersion, ...(protocols.length > 0 && { ALPNProtocols: protocols }) })
    assert.equal(await ask('named.test', 'acme-tls/1'), 'CN=proof.test acme-tls/1 ended')
    assert.equal(await ask('named.test'), 'CN=named.test false open')
    assert.equal(await ask('named.test', 'h2', 'http/1.1'), 'CN=named.test http/1.1 open')
    assert.equal(await ask('nobody.test', 'http/1.1'), 'CN=first.test http/1.1 open')
    assert.match(await ask('nobody.test', 'acme-tls/1'), /NO_APPLICATION_PROTOCOL/)
    // A connection that is open outlives a change of certificates.
    const live = tls.connect({
      port: secure,
      host: '127.0.0.1',
      rejectUnauthorized: false,
      maxVersion,
      servername: 'named.test',
    })
    await new Promise((resolve) => live.once('secureConnect', resolve))
    const next = pair('next.test')
    server.setCertificate(createServerTls({ first: next, others: [], fallback: next, hostname: 'x' }, realClock.now()))
    assert.equal(await ask('named.test'), 'CN=next.test false open')
    live.write('GET /health HTTP/1.1\r\nHost: x\r\nConnection: close\r\n\r\n')
    let text = ''
    for await (const chunk of live) text += chunk
    assert.match(text, /^HTTP\/1\.1 200 /)
  })
