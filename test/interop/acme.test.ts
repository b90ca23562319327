// Certificates from an authority: all three challenges against pebble, updates of a zone against knot, renewal, revocation, and what is
// said when it does not work.

import assert from 'node:assert/strict'
import { X509Certificate } from 'node:crypto'
import { readFile } from 'node:fs/promises'
import { test } from 'node:test'
import tls from 'node:tls'
import { realClock } from '../../src/base/index.ts'
import { createAuthority } from '../../src/dns/index.ts'
import { serveZone } from '../../src/dns/testing/serve-zone.ts'
import { freePorts, Installation } from '../server.ts'
import { Imap } from '../world/talk.ts'
import { extendPebble, startKnot, startPebble } from './authorities.ts'
import { eventually, needs } from './programs.ts'

const skip = await needs('pebble')
const skipKnot = skip || (await needs('knotd', 'kdig'))

interface Info {
  readonly name: string
  readonly names: string[]
  readonly state: string
  readonly source: string
  readonly daysLeft?: number
  readonly serial?: string
  readonly tlsa?: string
  readonly nextTlsa?: string
  readonly renewAt?: number
  readonly error?: string
}

async function serve(t: { after(fn: () => Promise<void>): void }, zone: string) {
  const served = await serveZone(zone)
  t.after(() => served.close())
  return served
}

const list = async (server: Installation): Promise<Info[]> => JSON.parse(await server.cliOk('cert', 'list', '--json'))
const show = async (server: Installation, name: string): Promise<Info> =>
  JSON.parse(await server.cliOk('cert', 'show', name, '--json'))

/** The certificate that a door shows for a name, believed only when it leads to `root`. */
function shown(port: number, servername: string, root?: string): Promise<X509Certificate> {
  return new Promise((resolve, reject) => {
    const socket = tls.connect(
      { port, host: '127.0.0.1', servername, ...(root ? { ca: root } : { rejectUnauthorized: false }) },
      () => {
        resolve(new X509Certificate(socket.getPeerX509Certificate()!.raw))
        socket.destroy()
      },
    )
    socket.on('error', reject)
  })
}

async function makeServer(
  t: { after(fn: () => Promise<void>): void },
  acme: object,
  more: { dns?: string; listen?: object; hostname?: string } = {},
) {
  const server = await Installation.make({ users: { 'ann@a.test': 'correct horse' } })
  t.after(() => server.remove())
  const config = JSON.parse(await readFile(server.configFile, 'utf8'))
  await server.reconfigure({
    hostname: more.hostname ?? 'mail.a.test',
    listen: { ...config.listen, ...more.listen },
    acme: { agree: true, email: 'ops@a.test', ...acme },
    ...(more.dns && { dns: { resolver: more.dns } }),
  })
  return server
}

test('HTTP-01: ordered at the start, served by every door, renewed with the same key while a connection goes on', {
  skip,
}, async (t) => {
  const zone = await serve(t, 'mail.a.test A 127.0.0.1\nimap.a.test A 127.0.0.1\nother.a.test A 192.0.2.9')
  const [acmePort = 0] = await freePorts(1)
  const pebble = await startPebble(t, { dns: zone.address, httpPort: acmePort })
  const server = await makeServer(
    t,
    { directory: pebble.directory, ca: pebble.ca, names: ['imap.a.test'] },
    { dns: zone.address, listen: { acme: `127.0.0.1:${acmePort}` } },
  )
  await server.start()
  const issued = await eventually(
    'a certificate is issued',
    async () => (await list(server)).find((one) => one.state === 'valid' && one.source === 'acme'),
    30_000,
  )
  assert.deepEqual([issued.names, issued.source], [['mail.a.test', 'imap.a.test'], 'acme'])
  const root = await pebble.root()
  const { imaps, submissions, https, pop3s } = server.ports
  for (const port of [imaps, submissions, https, pop3s])
    for (const name of ['mail.a.test', 'imap.a.test'])
      assert.ok((await shown(port, name, root)).checkHost(name), `${port} ${name}`)

  const open = await Imap.open(server.ports.imap, 'ann@a.test', 'correct horse')
  const before = await show(server, 'mail.a.test')
  await server.cliOk('cert', 'renew', 'mail.a.test')
  const after = await show(server, 'mail.a.test')
  assert.notEqual(after.serial, before.serial)
  assert.equal(after.tlsa, before.tlsa)
  await eventually(
    'the door shows it',
    async () => (await shown(imaps, 'mail.a.test')).serialNumber.toLowerCase() === after.serial,
  )
  assert.match(await open.say('NOOP'), /OK/)
  open.close()

  // Nothing else is answered there, and the challenge is gone.
  const challenge = await fetch(`http://127.0.0.1:${acmePort}/.well-known/acme-challenge/nobody`)
  assert.equal(challenge.status, 404)
  assert.equal((await fetch(`http://127.0.0.1:${acmePort}/health`)).status, 404)
  const metrics = await (await fetch(`http://127.0.0.1:${server.ports.http}/metrics`)).text()
  assert.match(metrics, /^posthorn_certificate_days_left\{name="mail\.a\.test",source="acme"\} \d+$/m)

  // A name that leads elsewhere is not asked for.
  const orders = pebble.output().match(/order-plz|\/order/g)?.length ?? 0
  const elsewhere = await server.cli('cert', 'request', 'other.a.test')
  assert.equal(elsewhere.code, 1)
  assert.match(elsewhere.stderr, /other\.a\.test leads to 192\.0\.2\.9, not here/)
  const wildcard = await server.cli('cert', 'request', '*.a.test')
  assert.match(wildcard.stderr, /a wildcard can only be proven by dns-01/)
  assert.equal(pebble.output().match(/order-plz|\/order/g)?.length ?? 0, orders)
  assert.match(await server.cliOk('cert', 'list'), /other\.a\.test +acme +waiting, failing[\s\S]*tried again in/)
  const health = (await (await fetch(`http://127.0.0.1:${server.ports.http}/health`)).json()) as {
    status: string
    remarks: Record<string, string>
  }
  assert.equal(health.status, 'ok')
  assert.match(health.remarks['certificate other.a.test']!, /leads to 192\.0\.2\.9/)
  await server.cliOk('cert', 'remove', 'other.a.test')

  // The key in use and what may issue are in the records that posthorn dns asks for.
  const wanted = JSON.parse(await server.cliOk('dns', 'a.test', '--json')) as { purpose: string; value: string }[]
  assert.equal(wanted.find(({ purpose }) => purpose === 'TLSA')?.value, after.tlsa)

  await server.cliOk('cert', 'revoke', 'mail.a.test', '--reason', 'keyCompromise')
  assert.equal((await show(server, 'mail.a.test')).state, 'waiting')
  await server.cliOk('cert', 'request')
  const anew = await show(server, 'mail.a.test')
  assert.notEqual(anew.tlsa, after.tlsa)
})

test('TLS-ALPN-01: the HTTPS port answers in the handshake, and other clients notice nothing', { skip }, async (t) => {
  const zone = await serve(t, 'mail.a.test A 127.0.0.1')
  const server = await makeServer(t, { agree: false }, { dns: zone.address })
  const pebble = await startPebble(t, { dns: zone.address, tlsPort: server.ports.https })
  await server.reconfigure({
    acme: { agree: true, directory: pebble.directory, ca: pebble.ca, challenge: 'tls-alpn-01' },
  })
  await server.start()
  await eventually(
    'a certificate is issued',
    async () => (await list(server)).find((one) => one.state === 'valid' && one.source === 'acme'),
    30_000,
  )
  const root = await pebble.root()
  assert.ok((await shown(server.ports.https, 'mail.a.test', root)).checkHost('mail.a.test'))
})

test('DNS-01 by RFC 2136 against knot: a wildcard, with nothing left in the zone; a wrong key is named', {
  skip: skipKnot,
}, async (t) => {
  const zone = [
    'ns.a.test. 60 IN A 127.0.0.1',
    'mail.a.test. 60 IN A 127.0.0.1',
    '_acme-challenge.alias.a.test. 60 IN CNAME c.a.test.',
  ]
  const knot = await startKnot(t, 'a.test', zone)
  const pebble = await startPebble(t, { dns: knot.address })
  const acme = { directory: pebble.directory, ca: pebble.ca, challenge: 'dns-01', names: ['*.a.test'] }
  const dns = {
    provider: 'rfc2136',
    server: knot.address,
    keyName: knot.keyName,
    keySecret: knot.secret,
    servers: [knot.address],
  }
  const server = await makeServer(
    t,
    { ...acme, dns: { ...dns, keySecret: Buffer.alloc(32).toString('base64') } },
    { dns: knot.address },
  )

  // No server runs: a record in the DNS needs none.
  const wrong = await server.cli('cert', 'request')
  assert.equal(wrong.code, 1)
  assert.match(wrong.stderr, /the signature is wrong: is the secret the same on both sides\?/)
  await server.reconfigure({ acme: { agree: true, ...acme, dns } })
  await server.cliOk('cert', 'request')
  assert.deepEqual((await show(server, 'mail.a.test')).names, ['mail.a.test', '*.a.test'])
  // The challenge of an alias is proven where the alias leads.
  await server.cliOk('cert', 'request', 'alias.a.test')

  await server.start()
  const root = await pebble.root()
  assert.ok((await shown(server.ports.imaps, 'any.a.test', root)).checkHost('any.a.test'))
  assert.deepEqual((await shown(server.ports.imaps, 'alias.a.test', root)).subjectAltName, 'DNS:alias.a.test')
  const authority = createAuthority({ servers: [knot.address], clock: realClock })
  assert.deepEqual(await authority.serversOf('a.test'), ['127.0.0.1'])
  const { stdout } = await (await import('../server.ts')).run('kdig', [
    `@127.0.0.1`,
    '-p',
    knot.address.split(':')[1]!,
    '+short',
    '_acme-challenge.a.test',
    'TXT',
  ])
  assert.equal(stdout, '')
})

test('an authority that wants an account it knows; an account that it forgot is made again', { skip }, async (t) => {
  const zone = await serve(t, 'mail.a.test A 127.0.0.1')
  const [acmePort = 0] = await freePorts(1)
  const hmac = Buffer.alloc(48, 3).toString('base64url')
  const pebble = await startPebble(t, { dns: zone.address, httpPort: acmePort, accounts: { 'kid-1': hmac } })
  const server = await makeServer(t, { agree: false }, { dns: zone.address, listen: { acme: `127.0.0.1:${acmePort}` } })
  await server.start()
  const none = await server.cli('cert', 'request')
  assert.match(none.stderr, /no authority is configured: set acme\.agree/)
  const acme = { agree: true, directory: pebble.directory, ca: pebble.ca }
  await server.reconfigure({ acme })
  process.kill(server.pid, 'SIGHUP')
  await eventually(
    'it is refused',
    async () => (await list(server)).find((one) => one.error?.includes('set acme.eab')),
    20_000,
  )
  await server.reconfigure({ acme: { ...acme, eab: { kid: 'kid-1', hmac } } })
  process.kill(server.pid, 'SIGHUP')
  await eventually('the new settings are there', async () => server.output.includes('"changed":["acme.eab"]'))
  await server.cliOk('cert', 'request')
  assert.equal((await show(server, 'mail.a.test')).state, 'valid')
  const accounts = () => pebble.output().match(/sign-me-up/g)?.length ?? 0
  const made = accounts()
  await server.cliOk('cert', 'renew', 'mail.a.test')
  assert.equal(accounts(), made)
  await pebble.restart()
  await server.cliOk('cert', 'renew', 'mail.a.test')
  assert.ok(accounts() > made)
})

test('an order that fails says why and for which name; a missing door too', { skip }, async (t) => {
  const zone = await serve(t, 'mail.a.test A 127.0.0.1')
  const [acmePort = 0, dead = 0] = await freePorts(2)
  const pebble = await startPebble(t, { dns: zone.address, httpPort: dead })
  const server = await makeServer(
    t,
    { directory: pebble.directory, ca: pebble.ca },
    { dns: zone.address, listen: { acme: `127.0.0.1:${acmePort}` } },
  )
  const offline = await server.cli('cert', 'request')
  assert.match(offline.stderr, /the server does not run, so nobody would answer the authority/)
  await server.start()
  const failed = await server.cli('cert', 'request')
  assert.equal(failed.code, 1)
  assert.match(failed.stderr, /mail\.a\.test: the authority could not connect to us: is the port open/)
})

test('renewal information decides when; the new order says what it replaces; a rate limit is heeded', {
  skip,
}, async (t) => {
  const zone = await serve(t, 'mail.a.test A 127.0.0.1')
  const [acmePort = 0] = await freePorts(1)
  const pebble = await startPebble(t, { dns: zone.address, httpPort: acmePort })
  const cert = await readFile(pebble.ca, 'utf8')
  const key = await readFile(pebble.ca.replace('cert.pem', 'key.pem'), 'utf8')
  const extended = await extendPebble(t, pebble, { cert, key })
  const soon = Date.now() + 40 * 86_400_000
  extended.window = { start: new Date(soon).toISOString(), end: new Date(soon + 1000).toISOString() }
  const server = await makeServer(
    t,
    { directory: extended.directory, ca: pebble.ca },
    { dns: zone.address, listen: { acme: `127.0.0.1:${acmePort}` } },
  )
  await server.start()
  const first = await eventually(
    'a certificate is issued',
    async () => (await list(server)).find((one) => one.state === 'valid' && one.source === 'acme'),
    30_000,
  )
  assert.ok(first.renewAt! >= soon && first.renewAt! <= soon + 1000)
  assert.equal(extended.asked.length, 1)

  await server.cliOk('cert', 'renew', 'mail.a.test')
  // A refused nonce makes the same order come again.
  assert.deepEqual([...new Set(extended.replaced)], extended.asked.slice(0, 1))

  extended.refusal = {
    status: 429,
    problem: { type: 'urn:ietf:params:acme:error:rateLimited', detail: 'too many certificates for a.test' },
    headers: { 'retry-after': '86400' },
  }
  const before = Date.now()
  const limited = await server.cli('cert', 'renew', 'mail.a.test')
  assert.match(
    limited.stderr,
    /has had enough requests of this kind for now \(it says: too many certificates for a\.test\)/,
  )
  const [row] = JSON.parse(await server.cliOk('cert', 'list', '--json')) as { retryAt: number; state: string }[]
  assert.equal(row!.state, 'valid')
  assert.ok(row!.retryAt >= before + 86_400_000 - 5_000)
})
