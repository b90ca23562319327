// The client of the web: which addresses it asks, what it takes, and the ways in which others try to turn it around.

import assert from 'node:assert/strict'
import { createServer as createPlain, type IncomingMessage, type RequestListener, type ServerResponse } from 'node:http'
import { createServer } from 'node:https'
import { createServer as createTcp } from 'node:net'
import { after, test } from 'node:test'
import { gzipSync } from 'node:zlib'
import { zoneResolver } from '../dns/index.ts'
import { issue } from '../tls/testing/authority.ts'
import { createAddressTest, createEgress, EgressFault, type EgressProblem } from './index.ts'

const closing: (() => void)[] = []
after(() => closing.forEach((close) => void close()))

const root = issue({ subject: 'Root', ca: true })
const certificate = issue({ names: ['web.test', 'other.test', 'private.test'], by: root })
const zone = `
web.test A 127.0.0.1
other.test A 127.0.0.1
wrong.test A 127.0.0.1
private.test A 10.0.0.1
private.test A 169.254.169.254
mixed.test A 192.168.1.1
mixed.test A 127.0.0.1
broken.test SERVFAIL`

/** A web server over TLS; resolves with its port. */
async function serve(
  listener: RequestListener,
  tls = { cert: certificate.chain, key: certificate.key },
): Promise<number> {
  const server = createServer(tls, listener)
  closing.push(() => {
    server.closeAllConnections()
    server.close()
  })
  await new Promise<void>((done) => server.listen(0, '127.0.0.1', done))
  return (server.address() as { port: number }).port
}

const open = (allow: readonly string[] = ['127.0.0.0/8']) =>
  createEgress({ dns: zoneResolver(zone), allow, ca: root.cert })
const limits = { maxBytes: 1_000, timeoutMs: 5_000 }
const problem = (expected: EgressProblem) => (error: unknown) => {
  assert.ok(error instanceof EgressFault, String(error))
  assert.equal(error.problem, expected, error.message)
  return true
}

test('special-use addresses are none that may be asked (SSRF), however they are written', () => {
  const may = createAddressTest([])
  const special = [
    ['0.0.0.0', '10.1.2.3', '100.64.0.1', '100.127.255.255', '127.0.0.1', '127.255.0.1', '169.254.169.254'],
    ['172.16.0.1', '172.31.255.255', '192.0.0.8', '192.0.2.1', '192.168.0.1', '198.18.0.1', '198.19.255.255'],
    ['198.51.100.7', '203.0.113.7', '224.0.0.1', '239.1.1.1', '240.0.0.1', '255.255.255.255'],
    [
      '::',
      '::1',
      '::ffff:127.0.0.1',
      '::ffff:10.0.0.1',
      '::ffff:7f00:1',
      '::127.0.0.1',
      '64:ff9b::7f00:1',
      '64:ff9b:1::1',
    ],
    ['100::1', '2001::1', '2001:2::1', '2001:20::1', '2001:db8::1', '2002:7f00:1::', '3fff::1', '5f00::1', 'fc00::1'],
    ['fd12:3456::1', 'fe80::1', 'fe80::1%eth0', 'fec0::1', 'ff02::1', '', 'localhost', '1.2.3', '2001:4860::1%1'],
  ].flat()
  for (const ip of special) assert.equal(may(ip), false, ip)
  for (const ip of [
    '1.1.1.1',
    '100.63.0.1',
    '172.32.0.1',
    '193.0.0.1',
    '2001:4860:4860::8888',
    '2a00:1450::1',
    '::ffff:8.8.8.8',
  ])
    assert.equal(may(ip), true, ip)
  const local = createAddressTest(['10.0.0.0/8', 'fd00::/8'])
  for (const [ip, is] of [
    ['10.1.1.1', true],
    ['::ffff:10.1.1.1', true],
    ['fd00::1', true],
    ['192.168.1.1', false],
    ['fc00::1', false],
  ] as const)
    assert.equal(local(ip), is, ip)
})

test('GET and POST, the name in the certificate and in Host, no compression asked for', async () => {
  const heard: (Pick<IncomingMessage, 'method' | 'url' | 'headers'> & { body: string })[] = []
  const port = await serve(async (request, response) => {
    let body = ''
    for await (const piece of request) body += piece
    heard.push({ method: request.method, url: request.url, headers: request.headers, body })
    response.setHeader('x-one', ['a', 'b']).writeHead(201).end('hello')
  })
  const egress = open()
  const got = await egress.fetch({ url: `https://web.test:${port}/a?b=c#d`, ...limits })
  assert.deepEqual([got.status, got.body.toString(), got.headers['x-one']], [201, 'hello', 'a, b'])
  const headers = {
    'content-type': 'text/plain',
    Host: 'evil.test',
    'Accept-Encoding': 'gzip',
    authorization: 'Bearer x',
  }
  await egress.fetch({ url: `https://web.test:${port}/post`, method: 'POST', body: 'grüße', headers, ...limits })
  const [first, second] = heard
  assert.deepEqual([first!.method, first!.url, first!.headers.host], ['GET', '/a?b=c', `web.test:${port}`])
  assert.equal(first!.headers['accept-encoding'], 'identity')
  assert.deepEqual([second!.method, second!.body, second!.headers['content-type']], ['POST', 'grüße', 'text/plain'])
  assert.deepEqual([second!.headers.host, second!.headers['accept-encoding']], [`web.test:${port}`, 'identity'])
  assert.equal(second!.headers['content-length'], '7')
})

test('SSRF: private addresses are refused by name, as a number in any form, and where only some are private', async () => {
  let asked = 0
  const port = await serve((_, response) => void response.end(`${++asked}`))
  const strict = open([])
  for (const host of [
    'private.test',
    'web.test',
    '127.0.0.1',
    '0x7f.1',
    '2130706433',
    '017700000001',
    '127.1',
    '[::1]',
    '[::ffff:127.0.0.1]',
    '[::ffff:7f00:1]',
    '169.254.169.254',
  ])
    await assert.rejects(strict.fetch({ url: `https://${host}:${port}/`, ...limits }), problem('address'), host)
  assert.equal(asked, 0)
  // Of several addresses only such are asked as may be.
  await assert.rejects(open().fetch({ url: `https://mixed.test:${port}/`, ...limits }), problem('certificate'))
  await assert.rejects(open().fetch({ url: 'https://private.test/', ...limits }), problem('address'))
})

test('DNS rebinding: the address that was looked at is the one that is asked', async () => {
  const port = await serve((_, response) => void response.end('ok'))
  let asked = 0
  const dns = {
    a: async () => {
      asked++
      const records = [asked === 1 ? '127.0.0.1' : '10.0.0.1']
      return { status: 'ok' as const, records, ttl: 0, authentic: false }
    },
    aaaa: async () => ({ status: 'nodata' as const, authentic: false }),
  }
  const egress = createEgress({ dns, allow: ['127.0.0.0/8'], ca: root.cert })
  assert.equal((await egress.fetch({ url: `https://web.test:${port}/`, ...limits })).status, 200)
  assert.equal(asked, 1)
  await assert.rejects(egress.fetch({ url: `https://web.test:${port}/`, ...limits }), problem('address'))
})

test('URLs that are not asked', async () => {
  const egress = open()
  for (const url of [
    '',
    'web.test',
    'http://web.test/',
    'file:///etc/passwd',
    'ftp://web.test/',
    'https://web.test@evil.test/',
    'https://a:b@web.test/',
    'https://',
    `https://web.test/${'a'.repeat(5_000)}`,
    'data:text/plain,x',
  ])
    await assert.rejects(egress.fetch({ url, ...limits }), problem('url'), url)
  for (const host of ['nobody.test', 'broken.test', 'localhost'])
    await assert.rejects(egress.fetch({ url: `https://${host}/`, ...limits }), problem('name'), host)
})

test('redirects are followed only where they were asked for, and every address is looked at anew (SSRF by redirect)', async () => {
  const plain = createPlain((_, response) => void response.end('plain'))
  closing.push(() => plain.close())
  await new Promise<void>((done) => plain.listen(0, '127.0.0.1', done))
  const plainPort = (plain.address() as { port: number }).port
  const seen: string[] = []
  const port: number = await serve((request, response) => {
    seen.push(`${request.headers.host?.split(':')[0]} ${request.headers.authorization ?? '-'}`)
    const to: { readonly [path: string]: string } = {
      '/other': `https://other.test:${port}/end`,
      '/same': '/end',
      '/private': 'https://private.test/',
      '/meta': 'https://169.254.169.254/latest',
      '/plain': `http://web.test:${plainPort}/`,
      '/loop': '/loop',
      '/user': 'https://x@web.test/',
    }
    const location = to[request.url!]
    if (location) response.writeHead(302, { location })
    response.end('end')
  })
  const egress = open()
  const get = (path: string, redirects?: number) =>
    egress.fetch({
      url: `https://web.test:${port}${path}`,
      headers: { authorization: 'secret' },
      ...limits,
      ...(redirects !== undefined && { redirects }),
    })
  assert.equal((await get('/other')).status, 302)
  assert.equal((await get('/same', 1)).status, 200)
  seen.length = 0
  assert.equal((await get('/other', 1)).status, 200)
  // Secrets are told to nobody else.
  assert.deepEqual(seen, ['web.test secret', 'other.test -'])
  for (const path of ['/private', '/meta']) await assert.rejects(get(path, 3), problem('address'), path)
  await assert.rejects(get('/plain', 3), problem('url'))
  await assert.rejects(get('/user', 3), problem('url'))
  await assert.rejects(get('/loop', 3), problem('redirect'))
  const downgrade = egress.fetch({ url: `https://web.test:${port}/plain`, redirects: 2, plain: true, ...limits })
  await assert.rejects(downgrade, problem('redirect'))
  // What was posted is posted to nobody else.
  const posted = egress.fetch({
    url: `https://web.test:${port}/other`,
    method: 'POST',
    body: 'x',
    redirects: 2,
    ...limits,
  })
  await assert.rejects(posted, problem('redirect'))
  assert.equal(
    (await egress.fetch({ url: `http://web.test:${plainPort}/`, plain: true, ...limits })).body.toString(),
    'plain',
  )
})

test('certificates: of another name, of nobody, expired, self-signed', async () => {
  const listener = (_: IncomingMessage, response: ServerResponse) => void response.end()
  const egress = open()
  const port = await serve(listener)
  await assert.rejects(egress.fetch({ url: `https://wrong.test:${port}/`, ...limits }), problem('certificate'))
  for (const wish of [{}, { by: root, to: Date.parse('2021-01-01') }, { by: issue({ subject: 'Root', ca: true }) }]) {
    const bad = issue({ names: ['web.test'], ...wish })
    const other = await serve(listener, { cert: bad.chain, key: bad.key })
    await assert.rejects(egress.fetch({ url: `https://web.test:${other}/`, ...limits }), problem('certificate'))
  }
  // Without the authority of this test nobody is believed.
  const without = createEgress({ dns: zoneResolver(zone), allow: ['127.0.0.0/8'] })
  await assert.rejects(without.fetch({ url: `https://web.test:${port}/`, ...limits }), problem('certificate'))
  without.reconfigure({ allow: ['127.0.0.0/8'], ca: root.cert })
  assert.equal((await without.fetch({ url: `https://web.test:${port}/`, ...limits })).status, 200)
  without.reconfigure({})
  await assert.rejects(without.fetch({ url: `https://web.test:${port}/`, ...limits }), problem('address'))
})

test('an answer without end, too large, compressed, dripping, silent, or none of HTTP ends', async () => {
  const egress = open()
  const answers: { readonly [path: string]: (response: ServerResponse) => void } = {
    '/large': (response) => void response.end(Buffer.alloc(1_001)),
    '/exact': (response) => void response.end(Buffer.alloc(1_000)),
    '/endless': (response) => {
      const timer = setInterval(() => response.write(Buffer.alloc(300)), 5)
      response.on('close', () => clearInterval(timer))
    },
    '/bomb': (response) => void response.setHeader('content-encoding', 'gzip').end(gzipSync(Buffer.alloc(1e6))),
    '/drip': (response) => {
      const timer = setInterval(() => response.write('.'), 20)
      response.on('close', () => clearInterval(timer))
    },
    '/silent': () => {},
    '/headers': (response) => void response.setHeader('x', 'y'.repeat(20_000)).end(),
    '/cut': (response) => {
      response.writeHead(200, { 'content-length': '100' }).write('half')
      setTimeout(() => response.destroy(), 20)
    },
  }
  const port = await serve((request, response) => answers[request.url!]!(response))
  const get = (path: string) =>
    egress.fetch({ url: `https://web.test:${port}${path}`, maxBytes: 1_000, timeoutMs: 400 })
  assert.equal((await get('/exact')).body.length, 1_000)
  for (const [path, expected] of [
    ['/large', 'too-large'],
    ['/endless', 'too-large'],
    ['/bomb', 'protocol'],
    ['/drip', 'timeout'],
    ['/silent', 'timeout'],
    ['/headers', 'protocol'],
    ['/cut', 'connect'],
  ] as const)
    await assert.rejects(get(path), problem(expected), path)
  const deaf = createTcp((socket) => void socket.on('error', () => {}).end('SSH-2.0\r\n'))
  closing.push(() => deaf.close())
  await new Promise<void>((done) => deaf.listen(0, '127.0.0.1', done))
  const deafPort = (deaf.address() as { port: number }).port
  await assert.rejects(egress.fetch({ url: `https://web.test:${deafPort}/`, ...limits }), problem('connect'))
  await assert.rejects(
    egress.fetch({ url: `http://web.test:${deafPort}/`, plain: true, ...limits }),
    problem('protocol'),
  )
  await assert.rejects(egress.fetch({ url: `https://web.test:1/`, ...limits }), problem('connect'))
})

test('headers of others never reach the wire as lines (request splitting)', async () => {
  const port = await serve((_, response) => void response.end())
  const url = `https://web.test:${port}/`
  await assert.rejects(open().fetch({ url, headers: { 'x-a': 'b\r\nx-c: d' }, ...limits }), TypeError)
})
