// DANE with real programs: zones signed by Knot below a root of our own, validated by Unbound; servers with real certificates, Postfix
// among them. Every usage, selector and digest; zones that are not signed, and such as somebody has tampered with.

import assert from 'node:assert/strict'
import { createHash, X509Certificate } from 'node:crypto'
import { readFileSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { type TestContext, test } from 'node:test'
import { realClock } from '../../src/base/index.ts'
import { createResolver } from '../../src/dns/index.ts'
import { lookUpDane } from '../../src/mailauth/index.ts'
import type { QueuedMessage } from '../../src/queue/index.ts'
import { connectSmtp } from '../../src/smtp/client/index.ts'
import { type Issued, issue } from '../../src/tls/testing/authority.ts'
import { freePorts, Installation } from '../server.ts'
import { startSink } from '../world/sink.ts'
import { startPeer } from './peers/peer.ts'
import { postfix } from './peers/postfix.ts'
import { eventually, needs } from './programs.ts'
import { type SignedZone, serveSigned } from './signed-dns.ts'

const digests = [undefined, 'sha256', 'sha512']
function tlsa(usage: number, selector: number, matching: number, certificate: X509Certificate): string {
  const bytes = selector === 0 ? certificate.raw : certificate.publicKey.export({ type: 'spki', format: 'der' })
  const digest = digests[matching]
  return `${usage} ${selector} ${matching} ${digest ? createHash(digest).update(bytes).digest('hex') : bytes.toString('hex')}`
}

async function submit(server: Installation, to: readonly string[], headers = ''): Promise<void> {
  const options = { ip: '127.0.0.1', host: 'localhost', port: server.ports.smtp, helo: 'client.test', verify: false }
  const connection = await connectSmtp({ ...options, tls: 'none' })
  const bytes = Buffer.from(`From: <ann@client.test>\r\nSubject: dane\r\n${headers}\r\nhello\r\n`)
  for (const address of to) {
    const [local = '', domain = ''] = address.split('@')
    const [result] = await connection.send({
      from: null,
      recipients: [{ address: { local, domain } }],
      size: bytes.length,
      utf8: false,
      body8: false,
      async *data() {
        yield bytes
      },
    })
    assert.equal(result!.reply.code, 250)
  }
  await connection.quit()
}

async function waiting(server: Installation): Promise<Map<string, string>> {
  const list: QueuedMessage[] = JSON.parse(await server.cliOk('queue', 'list', '--json', '--limit', '100'))
  return new Map(list.flatMap(({ recipients }) => recipients.map(({ address, reason }) => [address, reason] as const)))
}

const programs = await needs('knotd', 'keymgr', 'unbound')
const trusting = { trustedNetworks: ['127.0.0.0/8'] }

/** A server at that place that takes everything and hands it on to `end`; its certificate with what was above it. */
async function receive(t: TestContext, place: string, made: Issued, end: number): Promise<void> {
  const server = await Installation.make({ config: { smtp: trusting, queue: { routes: { '*': `127.0.0.1:${end}` } } } })
  t.after(() => server.remove())
  const tls = { cert: join(server.folder, 'cert.pem'), key: join(server.folder, 'key.pem') }
  writeFileSync(tls.cert, made.chain)
  writeFileSync(tls.key, made.key)
  const { smtp, imap } = server.ports
  await server.reconfigure({ tls, listen: { smtp: [`127.0.0.1:${smtp}`, place], imap: `127.0.0.1:${imap}` } })
  await server.start()
}

test('what Unbound vouches for, what it does not, and what it finds tampered with', { skip: programs }, async (t) => {
  const record = `3 1 1 ${'ab'.repeat(32)}`
  const zones: SignedZone[] = [
    {
      name: 'good.test',
      chain: 'signed',
      records: `@ MX 10 mx\nmx A 127.0.0.1\n_25._tcp.mx TLSA ${record}\nbare A 127.0.0.1\nalias CNAME mx\nout CNAME mx.open.test.`,
    },
    { name: '_tcp.half.good.test', chain: 'bogus', records: `_25 TLSA ${record}` },
    { name: 'half.good.test', chain: 'signed', records: '@ A 127.0.0.1' },
    { name: 'open.test', chain: 'unsigned', records: `@ MX 10 mx\nmx A 127.0.0.1\n_25._tcp.mx TLSA ${record}` },
    { name: 'bogus.test', chain: 'bogus', records: `@ MX 10 mx\nmx A 127.0.0.1\n_25._tcp.mx TLSA ${record}` },
  ]
  const address = await serveSigned(t, zones)
  const resolver = createResolver({ servers: [address], clock: realClock })
  t.after(async () => resolver.close())
  const mx = async (name: string) => {
    const answer = await resolver.mx(name)
    return answer.status === 'failed' ? 'failed' : `${answer.status} ${answer.authentic}`
  }
  assert.deepEqual(
    await Promise.all(['good.test', 'open.test', 'bogus.test', 'nobody.good.test', 'bare.good.test'].map(mx)),
    ['ok true', 'ok false', 'failed', 'nxdomain true', 'nodata true'],
  )
  const state = async (host: string) => (await lookUpDane(resolver, host, 25)).state
  const hosts = ['mx.good.test', 'alias.good.test', 'bare.good.test', 'half.good.test', 'mx.open.test', 'out.good.test']
  assert.deepEqual(await Promise.all(hosts.map(state)), ['usable', 'usable', 'none', 'failed', 'none', 'none'])
  const unbelieving = createResolver({ servers: [address], clock: realClock, dnssec: false })
  const answer = await unbelieving.mx('good.test')
  assert.equal(answer.status === 'ok' && answer.authentic, false)
  unbelieving.close()
})

test('every TLSA usage, selector and digest decides whether mail goes', { skip: programs }, async (t) => {
  const root = issue({ subject: 'Root of DANE', ca: true })
  const middle = issue({ subject: 'Authority of DANE', ca: true, by: root })
  const end = await startSink(t)
  const [port] = (await freePorts(1)) as [number]
  interface Case {
    readonly records: readonly string[]
    readonly at?: string
    readonly waits?: RegExp
  }
  const cases: { [name: string]: Case } = {}
  // The receiver's certificate is for its host in each of these domains that is to have one.
  const good: string[] = []
  const leafWish = () => ({ names: good.map((name) => `mx.${name}.test`), by: middle })
  for (const selector of [0, 1])
    for (const matching of [0, 1, 2]) {
      good.push(`ee${selector}${matching}`, `ta${selector}${matching}`, `root${selector}${matching}`)
    }
  good.push('wrong-ee', 'wrong-ta', 'rollover', 'stripped')
  const leaf = issue(leafWish())
  const expired = issue({ ...leafWish(), names: ['mx.old-ta.test', 'mx.old-ee.test'], to: Date.parse('2022-01-01') })
  const other = issue({ names: ['mx.other.test'] })
  for (const selector of [0, 1])
    for (const matching of [0, 1, 2]) {
      cases[`ee${selector}${matching}`] = { records: [tlsa(3, selector, matching, leaf.certificate)] }
      cases[`ta${selector}${matching}`] = { records: [tlsa(2, selector, matching, middle.certificate)] }
      cases[`root${selector}${matching}`] = { records: [tlsa(2, selector, matching, root.certificate)] }
      // RFC 7672 §3.1.3: unusable, so TLS and nothing more.
      cases[`pkix-ta${selector}${matching}`] = { records: [tlsa(0, selector, matching, root.certificate)] }
      cases[`pkix-ee${selector}${matching}`] = { records: [tlsa(1, selector, matching, other.certificate)] }
    }
  const demanded = (name: string) => new RegExp(`; DANE of mx\\.${name}\\.test demands it$`)
  Object.assign(cases, {
    'wrong-ee': { records: [tlsa(3, 1, 1, other.certificate)], waits: demanded('wrong-ee') },
    'wrong-ta': { records: [tlsa(2, 0, 1, other.certificate)], waits: demanded('wrong-ta') },
    rollover: { records: [tlsa(3, 1, 1, other.certificate), tlsa(3, 1, 1, leaf.certificate)] },
    // Names count below an authority, and for the certificate itself they do not.
    'foreign-ta': {
      records: [tlsa(2, 0, 1, root.certificate)],
      waits: /its certificate is not for mx\.foreign-ta\.test or foreign-ta\.test; DANE/,
    },
    'foreign-ee': { records: [tlsa(3, 0, 1, leaf.certificate)] },
    'old-ta': {
      records: [tlsa(2, 0, 1, root.certificate)],
      at: '127.0.0.2',
      waits: /its certificate has expired; DANE/,
    },
    'old-ee': { records: [tlsa(3, 1, 1, expired.certificate)], at: '127.0.0.2' },
    stripped: {
      records: [tlsa(3, 1, 1, leaf.certificate)],
      at: '127.0.0.3',
      waits: /does not offer STARTTLS; DANE of mx\.stripped\.test demands it/,
    },
    'stripped-pkix': {
      records: [tlsa(1, 1, 1, leaf.certificate)],
      at: '127.0.0.3',
      waits: /does not offer STARTTLS; DANE/,
    },
    none: { records: [], at: '127.0.0.3' },
  } satisfies typeof cases)
  const zones: SignedZone[] = [
    {
      name: 'test',
      chain: 'signed',
      records: Object.entries(cases)
        .map(([name, { records, at = '127.0.0.1' }]) =>
          [
            `${name} MX 10 mx.${name}`,
            `mx.${name} A ${at}`,
            ...records.map((one) => `_${port}._tcp.mx.${name} TLSA ${one}`),
          ].join('\n'),
        )
        .join('\n'),
    },
    // Records of a zone that nobody signs say nothing; a zone signed by somebody else is not believed at all.
    {
      name: 'open.test',
      chain: 'unsigned',
      records: `@ MX 10 mx\nmx A 127.0.0.1\n_${port}._tcp.mx TLSA ${tlsa(3, 1, 1, other.certificate)}`,
    },
    { name: 'bogus.test', chain: 'bogus', records: '@ MX 10 mx\nmx A 127.0.0.3' },
    { name: 'half.test', chain: 'signed', records: '@ MX 10 mx\nmx A 127.0.0.3' },
    { name: '_tcp.mx.half.test', chain: 'bogus', records: `_${port} TLSA ${tlsa(3, 1, 1, leaf.certificate)}` },
  ]
  const address = await serveSigned(t, zones)
  const bare = await startSink(t, { host: '127.0.0.3', port })
  const one = await Installation.make({
    config: { dns: { resolver: address }, smtp: trusting, queue: { port, schedule: ['30m'] } },
  })
  t.after(() => one.remove())
  await Promise.all([
    one.start(),
    receive(t, `127.0.0.1:${port}`, leaf, end.port),
    receive(t, `127.0.0.2:${port}`, expired, end.port),
  ])

  const expect: { readonly [name: string]: Case } = {
    ...cases,
    open: { records: [] },
    bogus: { records: [], waits: /could not say where mail for bogus\.test goes/ },
    half: { records: [], waits: /no answer about TLSA of mx\.half\.test/ },
  }
  const names = Object.keys(expect)
  await submit(
    one,
    names.map((name) => `eve@${name}.test`),
  )
  const came = () =>
    [...end.envelopes(), ...bare.envelopes()].flatMap(({ to }) => to.map((path) => /@([^>]+)\.test/.exec(path)![1]!))
  const going = names.filter((name) => !expect[name]!.waits)
  await eventually(
    'all that may go has come',
    async () => going.every((name) => came().includes(name)) || undefined,
    30_000,
  )
  const held = await eventually(
    'all else waits',
    async () => {
      const reasons = await waiting(one)
      return names.every((name) => !expect[name]!.waits || reasons.get(`eve@${name}.test`)) && reasons
    },
    20_000,
  )
  assert.deepEqual(came().sort(), [...going].sort())
  for (const name of names) {
    const { waits } = expect[name]!
    if (waits) assert.match(held.get(`eve@${name}.test`)!, waits, name)
    else assert.equal(held.get(`eve@${name}.test`), undefined, name)
  }
  // What was authenticated is told so, what was only encrypted is not.
  const tlsOf = (name: string) =>
    one.output.split('\n').flatMap((line) => {
      const told = line.includes(`eve@${name}.test"`) ? /"tls":"([^"]*)"/.exec(line)?.[1] : undefined
      return told === undefined ? [] : [told]
    })
  for (const name of ['ee11', 'ta02', 'root10', 'old-ee']) assert.match(tlsOf(name)[0]!, /, DANE$/, name)
  for (const name of ['pkix-ee11', 'open']) assert.match(tlsOf(name)[0]!, /^TLSv1\.3 [A-Z0-9_]+$/, name)
})

test('Postfix receives by DANE, with a certificate that it signed itself', {
  skip: programs || (await needs('postfix', 'openssl')),
}, async (t) => {
  const [next] = (await freePorts(1)) as [number]
  const peer = await startPeer(t, postfix, next)
  if ('skip' in peer) return t.skip(peer.skip)
  const certificate = new X509Certificate(readFileSync(join(peer.folder, 'cert.pem')))
  const address = await serveSigned(t, [
    {
      name: 'postfix.test',
      chain: 'signed',
      records: `@ MX 10 mx\nmx A 127.0.0.1\n_${peer.tls}._tcp.mx TLSA ${tlsa(3, 1, 1, certificate)}
plain MX 10 wrong\nwrong A 127.0.0.1\n_${peer.tls}._tcp.wrong TLSA 3 1 1 ${'ab'.repeat(32)}`,
    },
  ])
  const one = await Installation.make({
    config: { dns: { resolver: address }, smtp: trusting, queue: { port: peer.tls, schedule: ['30m'] } },
  })
  t.after(() => one.remove())
  await one.start()
  await submit(one, ['bob@postfix.test', 'bob@plain.postfix.test'])
  const [message] = await eventually('Postfix has it', async () => {
    const found = peer.messages()
    return found.length > 0 && found
  })
  assert.match(message!.toString(), /using TLSv1\.3/)
  const held = await eventually(
    'the other waits',
    async () => (await waiting(one)).get('bob@plain.postfix.test') || undefined,
  )
  assert.match(held, /its certificate is none that its TLSA records name; DANE of wrong\.postfix\.test demands it/)
  await submit(one, ['bob+optional@plain.postfix.test'], 'TLS-Required: No\r\n')
  await eventually('TLS-Required: No goes', async () => peer.messages().length === 2 || undefined)
})
