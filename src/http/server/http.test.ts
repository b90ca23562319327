// The web door's answers, through its handler without a port.

import assert from 'node:assert/strict'
import http from 'node:http'
import { duplexPair } from 'node:stream'
import { test } from 'node:test'
import { silentLog } from '../../base/index.ts'
import { createHandler } from './app.ts'
import type { Admission, Health } from './types.ts'

let health: Health = { status: 'ok', parts: { disk: 'ok' } }
const sources = {
  health: async () => health,
  metrics: async () => 'posthorn_up 1\n',
  stsPolicy: async (host: string) => (host === 'mta-sts.a.test' ? 'version: STSv1\r\n' : undefined),
}
const handler = createHandler(sources, silentLog)

/** One request over a pair of joined streams: a whole HTTP server without a port. */
async function get(url: string, method = 'GET', { host = 'localhost', by = handler } = {}) {
  const [client, ours] = duplexPair()
  http.createServer(by).emit('connection', ours)
  client.write(`${method} ${url} HTTP/1.1\r\nHost: ${host}\r\nConnection: close\r\n\r\n`)
  let text = ''
  for await (const chunk of client) text += chunk
  const [head = '', body = ''] = text.split('\r\n\r\n')
  return { status: Number(head.split(' ')[1]), head, body }
}

test('/health is 200 while all is well and 503 naming what fails', async () => {
  assert.deepEqual(JSON.parse((await get('/health')).body), { status: 'ok', parts: { disk: 'ok' } })
  assert.equal((await get('/health')).status, 200)
  health = { status: 'failing', parts: { disk: '1 MiB free' } }
  const failing = await get('/health')
  assert.equal(failing.status, 503)
  assert.equal(JSON.parse(failing.body).parts.disk, '1 MiB free')
})

test('/metrics is Prometheus text', async () => {
  const found = await get('/metrics')
  assert.equal(found.status, 200)
  assert.match(found.head, /content-type: text\/plain; version=0\.0\.4/)
  assert.equal(found.body, 'posthorn_up 1\n')
})

test('an MTA-STS policy is text, at the host that others ask and nowhere else', async () => {
  const path = '/.well-known/mta-sts.txt'
  for (const host of ['mta-sts.a.test', 'mta-sts.a.test:8443']) {
    const found = await get(path, 'GET', { host })
    assert.deepEqual([found.status, found.body], [200, 'version: STSv1\r\n'], host)
    assert.match(found.head, /content-type: text\/plain/)
  }
  for (const host of ['a.test', 'mta-sts.b.test', 'localhost', 'x.mta-sts.a.test', '127.0.0.1'])
    assert.equal((await get(path, 'GET', { host })).status, 404, host)
})

test('who asks too much is told when to come again; /health is not counted', async () => {
  const sources = { health: async () => health, metrics: async () => '', admit: async () => admission }
  let admission: Admission = { ok: false, retryMs: 1_200 }
  const limited = createHandler(sources, silentLog)
  health = { status: 'ok', parts: { disk: 'ok' } }
  const refused = await get('/metrics', 'GET', { by: limited })
  assert.equal(refused.status, 429)
  assert.match(refused.head, /^retry-after: 2$/m)
  assert.equal((await get('/nothing', 'GET', { by: limited })).status, 429)
  assert.equal((await get('/health', 'GET', { by: limited })).status, 200)
  admission = { ok: true }
  assert.equal((await get('/metrics', 'GET', { by: limited })).status, 200)
})

test('everything else is 404', async () => {
  for (const url of ['/', '/health/', '/metrics/x', '/%', '/..%2f'])
    assert.ok([404, 400].includes((await get(url)).status), url)
  assert.equal((await get('/health', 'POST')).status, 404)
})
