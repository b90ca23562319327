// What a message gets of TLS: the demands of domains against servers that are a table, over the whole queue.

import assert from 'node:assert/strict'
import { afterEach, describe, test } from 'node:test'
import { zoneResolver } from '../dns/index.ts'
import type { TlsResult } from '../mailauth/index.ts'
import {
  type CertificateFlaw,
  type ClientOptions,
  ConnectionFault,
  type ConnectionTls,
  type SmtpConnection,
} from '../smtp/client/index.ts'
import { issue } from '../tls/testing/authority.ts'
import type { QueueOptions } from './index.ts'
import type { Sts } from './sts.ts'
import { openWorld, type World } from './testing/world.ts'

const right = issue({ names: ['mx.b.test'] })
const other = issue({ names: ['mx.b.test'] })
const { createHash } = await import('node:crypto')
const digest = (one: typeof right) => createHash('sha256').update(one.certificate.raw).digest('hex')

/** How a host answers to TLS. */
interface Host {
  readonly tls?: 'none' | 'breaks'
  readonly flaw?: CertificateFlaw['kind']
  readonly shows?: typeof right
  readonly extensions?: readonly string[]
}

const hosts = 'b.test MX 10 mx.b.test\nmx.b.test A 192.0.2.1'
const two = 'b.test MX 10 mx.b.test\nb.test MX 20 mx2.b.test\nmx.b.test A 192.0.2.1\nmx2.b.test A 192.0.2.2'
const tlsa = `b.test SIGNED\n_25._tcp.mx.b.test TLSA 3 0 1 ${digest(right)}`
const enforce = (...mx: string[]): Sts => ({
  state: 'policy',
  policy: { mode: 'enforce', maxAge: 1, mx },
  lines: ['version: STSv1', 'mode: enforce'],
})
const testing = (...mx: string[]): Sts => {
  const found = enforce(...mx)
  return found.state === 'policy' ? { ...found, policy: { ...found.policy, mode: 'testing' } } : found
}

describe('TLS as it is demanded', () => {
  let world: World
  afterEach(() => world.close())

  /** `at`: what each host is; absent: TLS with a certificate that all trust. */
  const open = async (
    zone: string,
    {
      sts = {},
      at = {},
      ...more
    }: { sts?: Record<string, Sts>; at?: Record<string, Host> } & Omit<Partial<QueueOptions>, 'sts'> = {},
  ) => {
    const results: TlsResult[] = []
    const sent: string[] = []
    let opened = 0
    const connect = async (options: ClientOptions): Promise<SmtpConnection> => {
      const host = at[options.host] ?? {}
      const number = ++opened
      const tls = handshake(options, host)
      return {
        extensions: new Map((host.extensions ?? []).map((word) => [word, ''])),
        ...(tls && { tls }),
        async send(mail) {
          for await (const _ of mail.data());
          const { domain } = mail.recipients[0]!.address
          sent.push(`${domain} ${options.host} #${number} ${tls ? (tls.authorized ? 'trusted' : 'tls') : 'plain'}`)
          return mail.recipients.map(() => ({
            reply: { code: 250, lines: ['ok'] },
            accepted: true,
            stage: 'data' as const,
          }))
        },
        quit: async () => {},
        close() {},
      }
    }
    world = await openWorld('sqlite', {
      connect,
      dns: zoneResolver(zone),
      sts: { of: async (domain) => sts[domain] ?? { state: 'none' } },
      onTlsResult: (result) => void results.push(result),
      ...more,
    })
    await world.queue.start()
    const put = async (params: object = {}, to = 'eve@b.test') => {
      await world.put([to], { params })
      await world.settle()
    }
    const told = () =>
      results.splice(0).map(({ policyType, outcome, receivingMx }) => `${policyType} ${outcome} ${receivingMx}`)
    const waiting = async () =>
      (await world.queue.admin.list()).flatMap((one) => one.recipients.map(({ reason }) => reason))
    return { put, sent: () => sent.splice(0), told, waiting, results }
  }

  function handshake(options: ClientOptions, { tls, flaw: kind, shows = right }: Host): ConnectionTls | undefined {
    if (options.tls === 'none') return undefined
    if (tls === 'none') {
      if (options.tls === 'opportunistic') return undefined
      throw new ConnectionFault('tls', 'the server does not offer STARTTLS', undefined, {
        tls: 'starttls-not-supported',
      })
    }
    if (tls === 'breaks') throw new ConnectionFault('tls', 'the connection broke')
    const flaw = kind && { kind, words: kind }
    const refused = options.judge ? options.judge({ chain: [shows.certificate] }) : options.verify ? flaw : undefined
    if (refused) throw new ConnectionFault('tls', refused.words, undefined, { tls: refused.kind })
    const authorized = options.judge !== undefined || flaw === undefined
    return { version: 'TLSv1.3', cipher: 'X', authorized, ...(flaw && { flaw }) }
  }

  test('without any policy TLS is taken as it comes, and plaintext when it breaks; each session is told', async () => {
    const { put, sent, told } = await open(
      `${hosts}\nc.test MX 10 mx.c.test\nmx.c.test A 192.0.2.3\nd.test MX 10 mx.d.test\nmx.d.test A 192.0.2.4`,
      {
        at: {
          'mx.b.test': { flaw: 'certificate-not-trusted' },
          'mx.c.test': { tls: 'breaks' },
          'mx.d.test': { tls: 'none' },
        },
      },
    )
    for (const to of ['eve@b.test', 'eve@c.test', 'eve@d.test']) await put({}, to)
    assert.deepEqual(sent(), ['b.test mx.b.test #1 tls', 'c.test mx.c.test #3 plain', 'd.test mx.d.test #4 plain'])
    const none = 'no-policy-found'
    assert.deepEqual(told(), [
      `${none} success mx.b.test`,
      `${none} validation-failure mx.c.test`,
      `${none} starttls-not-supported mx.d.test`,
    ])
  })

  test('STARTTLS stripped under MTA-STS enforce: the message waits, and the reason says why', async () => {
    const { put, sent, told, waiting, results } = await open(hosts, {
      sts: { 'b.test': enforce('mx.b.test') },
      at: { 'mx.b.test': { tls: 'none' } },
    })
    await put()
    const { policyStrings, mxPatterns, receivingIp, domain } = results[0]!
    assert.deepEqual(
      [policyStrings, mxPatterns, receivingIp, domain],
      [['version: STSv1', 'mode: enforce'], ['mx.b.test'], '192.0.2.1', 'b.test'],
    )
    assert.deepEqual([sent(), told()], [[], ['sts starttls-not-supported mx.b.test']])
    assert.deepEqual(await waiting(), ['the server does not offer STARTTLS; the MTA-STS policy of b.test demands it'])
    // What one domain demands is no fault of the server: others that it serves go on.
    assert.deepEqual(
      (await world.queue.admin.sites()).filter(({ deadForMs }) => deadForMs > 0),
      [],
    )
  })

  test('MX spoofed under MTA-STS enforce: a host that the policy does not name gets nothing, the next one does', async () => {
    const sts = { 'b.test': enforce('mx2.b.test') }
    const { put, sent, told, waiting } = await open(two, { sts })
    await put()
    assert.deepEqual(sent(), ['b.test mx2.b.test #1 trusted'])
    assert.deepEqual(told(), ['sts validation-failure mx.b.test', 'sts success mx2.b.test'])
    await world.close()
    const spoofed = await open(hosts, { sts })
    await spoofed.put()
    assert.deepEqual(spoofed.sent(), [])
    assert.deepEqual(await spoofed.waiting(), ['the MTA-STS policy of b.test does not name mx.b.test'])
    assert.deepEqual(await waiting(), await spoofed.waiting())
  })

  for (const flaw of ['certificate-host-mismatch', 'certificate-expired', 'certificate-not-trusted'] as const)
    test(`${flaw} under MTA-STS: enforce waits, testing delivers and reports, none does neither`, async () => {
      const at = { 'mx.b.test': { flaw } }
      const zone = `${hosts}\nc.test MX 10 mx.b.test\nd.test MX 10 mx.b.test`
      const off = testing('mx.b.test')
      const sts = {
        'b.test': enforce('mx.b.test'),
        'c.test': testing('mx.b.test'),
        'd.test': off.state === 'policy' ? { ...off, policy: { ...off.policy, mode: 'none' as const } } : off,
      }
      const { put, sent, told, waiting } = await open(zone, { at, sts })
      await put()
      assert.deepEqual([sent(), told()], [[], [`sts ${flaw} mx.b.test`]])
      assert.match((await waiting())[0]!, /the MTA-STS policy of b\.test demands it$/)
      await put({}, 'eve@c.test')
      assert.deepEqual([sent(), told()], [['c.test mx.b.test #2 tls'], [`sts ${flaw} mx.b.test`]])
      await world.advance(10_000)
      told()
      await put({}, 'eve@d.test')
      assert.deepEqual(sent().length, 1)
      assert.deepEqual(told(), ['no-policy-found success mx.b.test'])
    })

  test('testing: hosts that the policy does not name, and no TLS at all, are told and get their mail', async () => {
    const { put, sent, told } = await open(two, {
      sts: { 'b.test': testing('mx2.b.test') },
      at: { 'mx.b.test': { tls: 'none' } },
    })
    await put()
    assert.deepEqual([sent(), told()], [['b.test mx.b.test #1 plain'], ['sts starttls-not-supported mx.b.test']])
  })

  test('DANE: the certificate that the records name is taken, also one that no authority knows; MTA-STS is not asked', async () => {
    const { put, sent, told } = await open(`${hosts}\n${tlsa}`, {
      at: { 'mx.b.test': { flaw: 'certificate-not-trusted' } },
      sts: { 'b.test': enforce('elsewhere.test') },
    })
    await put()
    assert.deepEqual([sent(), told()], [['b.test mx.b.test #1 trusted'], ['tlsa success mx.b.test']])
  })

  test('DANE: another certificate, a stripped STARTTLS, a broken handshake: the message waits, whatever MTA-STS says', async () => {
    const cases: [Host, string][] = [
      [{ shows: other }, 'certificate-not-trusted'],
      [{ tls: 'none' }, 'starttls-not-supported'],
      [{ tls: 'breaks' }, 'validation-failure'],
    ]
    for (const [host, outcome] of cases) {
      const { put, sent, told, waiting } = await open(`${hosts}\n${tlsa}`, {
        at: { 'mx.b.test': host },
        sts: { 'b.test': enforce('mx.b.test') },
      })
      await put()
      assert.deepEqual([sent(), told()], [[], [`tlsa ${outcome} mx.b.test`]])
      assert.match((await waiting())[0]!, /; DANE of mx\.b\.test demands it$/)
      if (host.tls !== 'breaks') await world.close()
    }
  })

  test('DANE: records that cannot be had put off (bogus is no absence); unusable ones ask for TLS and no more', async () => {
    const bogus = await open(`${hosts}\nb.test SIGNED\n_25._tcp.mx.b.test SERVFAIL`)
    await bogus.put()
    assert.deepEqual([bogus.sent(), bogus.told()], [[], ['tlsa dnssec-invalid mx.b.test']])
    assert.match((await bogus.waiting())[0]!, /no answer about TLSA of mx\.b\.test/)
    await world.close()
    const zone = `${hosts}\nb.test SIGNED\n_25._tcp.mx.b.test TLSA 0 0 1 ${digest(right)}`
    const unusable = await open(zone, { at: { 'mx.b.test': { flaw: 'certificate-not-trusted' } } })
    await unusable.put()
    assert.deepEqual([unusable.sent(), unusable.told()], [['b.test mx.b.test #1 tls'], ['tlsa tlsa-invalid mx.b.test']])
    await world.close()
    const stripped = await open(zone, { at: { 'mx.b.test': { tls: 'none' } } })
    await stripped.put()
    assert.deepEqual(stripped.sent(), [])
  })

  test('MX spoofed below DANE: records of a host that an unsigned MX record names say nothing', async () => {
    const zone = `b.test MX 10 mx.evil.test\nmx.evil.test A 192.0.2.9\nevil.test SIGNED\n_25._tcp.mx.evil.test TLSA 3 0 1 ${digest(other)}`
    const { put, sent, told } = await open(zone, { at: { 'mx.evil.test': { shows: right } } })
    await put()
    assert.deepEqual([sent(), told()], [['b.test mx.evil.test #1 trusted'], ['no-policy-found success mx.evil.test']])
  })

  test('downgrade by reuse: a connection that stands open serves only messages whose demands it keeps', async () => {
    // Both domains have the same hosts, and so share connections.
    const zone = `${hosts}\nc.test MX 10 mx.b.test`
    const sts = { 'c.test': enforce('mx.b.test') }
    const weak = await open(zone, { sts, at: { 'mx.b.test': { flaw: 'certificate-not-trusted' } } })
    await weak.put()
    await weak.put({}, 'eve@c.test')
    assert.deepEqual(weak.sent(), ['b.test mx.b.test #1 tls'])
    // The other way round nothing is lost.
    await weak.put()
    assert.deepEqual(weak.sent(), ['b.test mx.b.test #1 tls'])
    await world.close()
    const strong = await open(zone, { sts })
    await strong.put()
    await strong.put({}, 'eve@c.test')
    assert.deepEqual(strong.sent(), ['b.test mx.b.test #1 trusted', 'c.test mx.b.test #1 trusted'])
    await world.close()
    // The same server, and a policy that does not name it.
    const foreign = await open(zone, { sts: { 'c.test': enforce('other.test') } })
    await foreign.put()
    await foreign.put({}, 'eve@c.test')
    assert.deepEqual(foreign.sent(), ['b.test mx.b.test #1 trusted'])
    await world.close()
    // Judged by authorities, not by the records.
    const signed = `${zone}\nc.test SIGNED\nmx.b.test SIGNED\n_25._tcp.mx.b.test TLSA 3 0 1 ${digest(right)}`
    const dane = await open(signed)
    await dane.put()
    await dane.put({}, 'eve@c.test')
    await dane.put()
    await dane.put({}, 'eve@c.test')
    assert.deepEqual(
      dane.sent().map((line) => line.split(' ')[2]),
      ['#1', '#2', '#2', '#2'],
    )
  })

  test('REQUIRETLS: the host must be vouched for by DNSSEC or MTA-STS, its certificate by DANE or an authority', async () => {
    const requireTls = { requireTls: true }
    const takes = { 'mx.b.test': { extensions: ['REQUIRETLS'] } }
    const cases: [zone: string, Parameters<typeof open>[1], delivered: boolean, reported?: RegExp][] = [
      [hosts, { at: takes }, false, /neither DNSSEC nor MTA-STS vouches that mx\.b\.test is a mail server of b\.test/],
      [hosts, { at: takes, sts: { 'b.test': enforce('mx.b.test') } }, true],
      [hosts, { at: takes, sts: { 'b.test': testing('mx.b.test') } }, true],
      [hosts, { at: takes, sts: { 'b.test': testing('other.test') } }, false, /neither DNSSEC/],
      [`${hosts}\nb.test SIGNED`, { at: takes }, true],
      [`${hosts}\n${tlsa}`, { at: { 'mx.b.test': { ...takes['mx.b.test'], flaw: 'certificate-not-trusted' } } }, true],
      [
        `${hosts}\nb.test SIGNED`,
        { at: { 'mx.b.test': { ...takes['mx.b.test'], flaw: 'certificate-expired' } } },
        false,
        /no certificate for its name that we trust/,
      ],
      [`${hosts}\nb.test SIGNED`, {}, false, /does not offer REQUIRETLS/],
      [`${hosts}\nb.test SIGNED`, { at: { 'mx.b.test': { tls: 'none' } } }, false, /gave no TLS/],
      ['b.test A 192.0.2.1', { at: { 'b.test': { extensions: ['REQUIRETLS'] } } }, true],
      [`${hosts}\nb.test SIGNED`, { at: takes, tls: () => 'none' }, false, /gave no TLS/],
    ]
    for (const [i, [zone, options, delivered, reported]] of cases.entries()) {
      const { put, sent } = await open(zone, options)
      await put(requireTls)
      assert.equal(sent().length, delivered ? 1 : 0, `case ${i}`)
      const [report] = await world.posted()
      if (!delivered) {
        assert.match(report!.text, /^Status: 5\.7\.30/m, `case ${i}`)
        assert.match(report!.text.replaceAll(/\r\n\s+/g, ' '), reported!, `case ${i}`)
        // RFC 8689 §5: what comes back is as careful.
        assert.equal(report!.job.requireTls, true)
      } else assert.equal(report, undefined, `case ${i}`)
      if (i < cases.length - 1) await world.close()
    }
  })

  test('REQUIRETLS waits where only a policy that cannot be had would vouch for the host', async () => {
    const { put, sent, waiting } = await open(hosts, {
      at: { 'mx.b.test': { extensions: ['REQUIRETLS'] } },
      sts: { 'b.test': { state: 'failed', words: 'no answer' } },
    })
    await put({ requireTls: true })
    assert.deepEqual(sent(), [])
    assert.match((await waiting())[0]!, /the MTA-STS policy of b\.test cannot be had: no answer/)
  })

  test('TLS-Required: No is delivered where DANE or MTA-STS would keep it, and is not reported', async () => {
    for (const [zone, host] of [
      [`${hosts}\n${tlsa}`, { shows: other }],
      [`${hosts}\nb.test SIGNED\n_25._tcp.mx.b.test SERVFAIL`, {}],
      [hosts, { tls: 'breaks' }],
      [hosts, { tls: 'none' }],
    ] as const) {
      const { put, sent, told } = await open(zone, {
        at: { 'mx.b.test': host },
        sts: { 'b.test': enforce('other.test') },
      })
      await put({ tlsOptional: true })
      assert.deepEqual([sent().length, told()], [1, []])
      if (!('tls' in host) || host.tls !== 'none') await world.close()
    }
  })

  test('the operator: may and none stand above what a domain publishes, verify asks where it publishes nothing', async () => {
    const at = { 'mx.b.test': { flaw: 'certificate-not-trusted' as const } }
    const sts = { 'b.test': enforce('other.test') }
    const cases: ['none' | 'may' | 'encrypt' | 'verify', Parameters<typeof open>[1], string[]][] = [
      ['may', { at, sts }, ['b.test mx.b.test #1 tls']],
      ['none', { at, sts }, ['b.test mx.b.test #1 plain']],
      ['encrypt', { at }, ['b.test mx.b.test #1 tls']],
      ['encrypt', { at: { 'mx.b.test': { tls: 'none' } } }, []],
      ['verify', { at }, []],
      ['verify', {}, ['b.test mx.b.test #1 trusted']],
    ]
    for (const [i, [word, options, expected]] of cases.entries()) {
      const { put, sent, waiting } = await open(hosts, {
        ...options,
        tls: (domain) => (domain === 'b.test' ? word : undefined),
      })
      await put()
      assert.deepEqual(sent(), expected, `${word} ${i}`)
      if (expected.length === 0)
        assert.match((await waiting())[0]!, /; queue\.tls of this server for b\.test demands it$/)
      if (i < cases.length - 1) await world.close()
    }
  })
})
