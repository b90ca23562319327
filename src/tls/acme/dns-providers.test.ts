// Cloudflare's API as its documentation has it, spoken by a small server: zones by name, records, errors.

import assert from 'node:assert/strict'
import http from 'node:http'
import { test } from 'node:test'
import { isFault } from '../../base/index.ts'
import { createAcmeTransport } from '../../egress/acme-transport.ts'
import { createCloudflare } from './dns-providers.ts'

interface Made {
  readonly id: string
  readonly type: string
  readonly name: string
  readonly content: string
  readonly ttl: number
}

async function serveCloudflare(t: { after(fn: () => Promise<void>): void }) {
  const records = new Map<string, Made>()
  const heard: string[] = []
  const server = http.createServer((request, response) => {
    let text = ''
    request.on('data', (chunk) => (text += chunk))
    request.on('end', () => {
      const url = new URL(request.url!, 'http://x')
      heard.push(`${request.method} ${request.url}`)
      const say = (status: number, result: unknown, errors: object[] = []) =>
        response
          .writeHead(status, { 'content-type': 'application/json' })
          .end(JSON.stringify({ success: errors.length === 0, errors, messages: [], result }))
      if (request.headers.authorization !== 'Bearer good')
        return say(403, null, [{ code: 10000, message: 'Authentication error' }])
      if (url.pathname === '/v4/zones') {
        const known = url.searchParams.get('name') === 'example.org'
        return say(200, known ? [{ id: 'z0ne', name: 'example.org', status: 'active' }] : [])
      }
      const found = /^\/v4\/zones\/z0ne\/dns_records(?:\/(\w+))?$/.exec(url.pathname)
      if (request.method === 'POST' && found) {
        const made = { ...JSON.parse(text), id: `r${records.size + 1}` } as Made
        if ([...records.values()].some((one) => one.name === made.name && one.content === made.content))
          return say(400, null, [{ code: 81058, message: 'An identical record already exists.' }])
        records.set(made.id, made)
        return say(200, made)
      }
      if (request.method === 'DELETE' && found?.[1] && records.delete(found[1])) return say(200, { id: found[1] })
      say(404, null, [{ code: 7003, message: 'Could not route' }])
    })
  })
  await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve))
  t.after(() => new Promise((done) => void server.close(() => done())))
  return { api: `http://127.0.0.1:${(server.address() as { port: number }).port}/v4`, records, heard }
}

test('Cloudflare: the zone is found, records are made and exactly these taken away', async (t) => {
  const { api, records, heard } = await serveCloudflare(t)
  const dns = createCloudflare({ token: 'good', api }, createAcmeTransport())
  await dns.add('_acme-challenge.mail.example.org', 'one')
  await dns.add('_acme-challenge.mail.example.org', 'two')
  assert.deepEqual([...records.values()][0], {
    id: 'r1',
    type: 'TXT',
    name: '_acme-challenge.mail.example.org',
    content: '"one"',
    ttl: 60,
  })
  assert.deepEqual(heard.slice(0, 4), [
    'GET /v4/zones?name=_acme-challenge.mail.example.org&status=active',
    'GET /v4/zones?name=mail.example.org&status=active',
    'GET /v4/zones?name=example.org&status=active',
    'POST /v4/zones/z0ne/dns_records',
  ])
  await assert.rejects(
    dns.add('_acme-challenge.mail.example.org', 'one'),
    /An identical record already exists\. \(81058\)/,
  )
  await dns.remove('_acme-challenge.mail.example.org', 'one')
  await dns.remove('_acme-challenge.mail.example.org', 'never made')
  assert.deepEqual([...records.keys()], ['r2'])
})

test('Cloudflare: a token without rights, a zone of somebody else and an outage are named', async (t) => {
  const { api } = await serveCloudflare(t)
  const add = (token: string, name: string, at = api) =>
    createCloudflare({ token, api: at }, createAcmeTransport()).add(name, 'x')
  await assert.rejects(
    add('bad', 'a.example.org'),
    (error) => isFault(error, 'denied') && /Zone:Read and DNS:Edit/.test(error.message),
  )
  await assert.rejects(add('good', 'a.example.net'), /the token sees no zone that holds a\.example\.net/)
  await assert.rejects(add('good', 'a.example.org', 'http://127.0.0.1:1'), (error) => isFault(error, 'unavailable'))
  await assert.rejects(add('good', 'a.example.org', 'http://192.0.2.1'), /only https is spoken with others/)
})
