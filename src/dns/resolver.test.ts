import assert from 'node:assert/strict'
import { createSocket } from 'node:dgram'
import { after, before, describe, test } from 'node:test'
import { fakeClock, realClock } from '../base/index.ts'
import { createResolver } from './resolver.ts'
import { serveZone, type ZoneServer } from './testing/serve-zone.ts'
import type { Resolver } from './types.ts'
import { parseZone, zoneResolver } from './zone.ts'

const long = 'v=spf1 '.padEnd(700, 'x')
const zone = `
; the world
a.test            IN MX 10 MX1.a.test.
a.test        60  IN MX 20 mx2.a.test.
mx1.a.test        A 192.0.2.1
mx1.a.test        AAAA 2001:db8::1
www.a.test        CNAME mx1.a.test
null.test         MX 0 .
text.test         TXT "v=spf1 " "ip4:192.0.2.0/24; -all" ; two strings
long.test         TXT "${long}"
*.wild.test       A 192.0.2.9
1.2.0.192.in-addr.arpa PTR mx1.a.test
loop.test         CNAME pool.test
pool.test         CNAME loop.test
broken.test       SERVFAIL
silent.test       TIMEOUT
`

/** The same questions to the fake and over the wire. */
function contract(name: string, open: () => Promise<{ resolver: Resolver; close(): Promise<void> }>) {
  describe(name, () => {
    let resolver: Resolver
    let close: () => Promise<void>
    before(async () => ({ resolver, close } = await open()))
    after(() => close())
    test('MX with its TTL', async () => {
      assert.deepEqual(await resolver.mx('A.TEST.'), {
        status: 'ok',
        records: [
          { preference: 10, exchange: 'mx1.a.test' },
          { preference: 20, exchange: 'mx2.a.test' },
        ],
        ttl: 60,
        authentic: false,
      })
    })
    test('addresses, also behind a CNAME and a wildcard', async () => {
      for (const [host, ip] of [
        ['mx1.a.test', '192.0.2.1'],
        ['www.a.test', '192.0.2.1'],
        ['any.wild.test', '192.0.2.9'],
      ] as const) {
        const found = await resolver.a(host)
        assert.deepEqual(found.status === 'ok' && found.records, [ip])
      }
      const six = await resolver.aaaa('www.a.test')
      assert.deepEqual(six.status === 'ok' && six.records, ['2001:db8::1'])
    })
    test('the null MX is an empty exchange', async () => {
      const found = await resolver.mx('null.test')
      assert.deepEqual(found.status === 'ok' && found.records, [{ preference: 0, exchange: '' }])
    })
    test('TXT is joined; long ones come whole', async () => {
      const text = await resolver.txt('text.test')
      assert.deepEqual(text.status === 'ok' && text.records, ['v=spf1 ip4:192.0.2.0/24; -all'])
      const whole = await resolver.txt('long.test')
      assert.deepEqual(whole.status === 'ok' && whole.records, [long])
    })
    test('PTR', async () => {
      const found = await resolver.ptr('192.0.2.1')
      assert.deepEqual(found.status === 'ok' && found.records, ['mx1.a.test'])
      assert.equal((await resolver.ptr('192.0.2.2')).status, 'nxdomain')
      assert.equal((await resolver.ptr('not an address')).status, 'nxdomain')
    })
    test('there is no such record, no such name, nobody could say', async () => {
      assert.equal((await resolver.mx('mx1.a.test')).status, 'nodata')
      assert.equal((await resolver.a('test')).status, 'nodata')
      assert.equal((await resolver.a('nobody.test')).status, 'nxdomain')
      for (const host of ['broken.test', 'silent.test', 'loop.test'])
        assert.equal((await resolver.a(host)).status, 'failed', host)
    })
  })
}

contract('the zone resolver', async () => ({ resolver: zoneResolver(zone), close: async () => {} }))
contract('the wire resolver', async () => {
  const server = await serveZone(zone)
  const resolver = createResolver({ servers: [server.address], clock: realClock, timeoutMs: 150 })
  return { resolver, close: () => server.close() }
})

describe('the wire resolver', () => {
  let server: ZoneServer
  before(async () => {
    server = await serveZone(zone)
  })
  after(() => server.close())

  test('asks once for many who ask together, and again only when the TTL is over', async () => {
    const clock = fakeClock()
    const resolver = createResolver({ servers: [server.address], clock })
    const asked = () => server.heard.filter((line) => line === 'MX a.test').length
    const start = asked()
    await Promise.all(Array.from({ length: 20 }, () => resolver.mx('a.test')))
    await resolver.mx('a.test')
    assert.equal(asked() - start, 1)
    await clock.advance(59_000)
    await resolver.mx('a.test')
    assert.equal(asked() - start, 1)
    await clock.advance(2_000)
    await resolver.mx('a.test')
    assert.equal(asked() - start, 2)
  })
  test('goes over TCP when the answer is cut', async () => {
    const resolver = createResolver({ servers: [server.address], clock: realClock })
    const found = await resolver.txt('long.test')
    assert.ok(found.status === 'ok')
    assert.ok(server.heard.includes('TXT long.test tcp'))
  })
  test('goes on to the next server when one is dead', async () => {
    const resolver = createResolver({ servers: ['127.0.0.1:1', server.address], clock: realClock })
    assert.equal((await resolver.a('mx1.a.test')).status, 'ok')
    const alone = createResolver({ servers: ['127.0.0.1:1'], clock: realClock })
    const answer = await alone.a('mx1.a.test')
    assert.ok(answer.status === 'failed' && answer.reason.includes('ECONNREFUSED'), JSON.stringify(answer))
  })
  test('believes DNSSEC of a server on this machine, and of none when it is told so', async () => {
    const signed =
      await serveZone(`a.test SIGNED\na.test MX 10 mx.a.test\nalias.a.test CNAME mx.b.test\nmx.b.test A 192.0.2.1
own.a.test CNAME mx.a.test\nmx.a.test A 192.0.2.2`)
    const resolver = createResolver({ servers: [signed.address], clock: realClock })
    const [mx, out, own, none] = await Promise.all([
      resolver.mx('a.test'),
      resolver.a('alias.a.test'),
      resolver.a('own.a.test'),
      resolver.a('nobody.a.test'),
    ])
    assert.deepEqual(
      [mx, out, own, none].map((answer) => 'authentic' in answer && answer.authentic),
      [true, false, true, true],
    )
    assert.deepEqual(
      [out, own].map((answer) => 'canonical' in answer && answer.canonical),
      ['mx.b.test', 'mx.a.test'],
    )
    const unbelieving = createResolver({ servers: [signed.address], clock: realClock, dnssec: false })
    const answer = await unbelieving.mx('a.test')
    assert.equal('authentic' in answer && answer.authentic, false)
    await signed.close()
  })
  test('does not ask elsewhere for what a server on this machine refuses to answer (downgrade by false answers)', async () => {
    const broken = await serveZone('bogus.test SERVFAIL')
    const resolver = createResolver({ servers: [broken.address, '192.0.2.53'], timeoutMs: 60_000, clock: realClock })
    const answer = await resolver.a('bogus.test')
    assert.ok(answer.status === 'failed' && answer.reason.includes('127.0.0.1'), JSON.stringify(answer))
    await broken.close()
  })
  test('passes over forged replies and waits for the true one', async () => {
    const liar = createSocket('udp4')
    await new Promise<void>((resolve) => liar.bind(0, '127.0.0.1', resolve))
    liar.on('message', (query, peer) => {
      const forged = Buffer.from(query)
      forged.writeUInt16BE((query.readUInt16BE(0) + 1) & 0xffff, 0)
      forged.writeUInt16BE(0x8183, 2)
      const truth = Buffer.from(query)
      truth.writeUInt16BE(0x8180, 2)
      for (const bytes of [forged, Buffer.from('noise'), truth]) liar.send(bytes, peer.port, peer.address)
    })
    const resolver = createResolver({ servers: [`127.0.0.1:${liar.address().port}`], clock: realClock })
    assert.equal((await resolver.a('x.test')).status, 'nodata')
    liar.close()
  })
  test('never asks the system about names reserved for tests', async () => {
    const resolver = createResolver({ servers: [server.address], named: false, clock: realClock })
    const start = server.heard.length
    for (const name of ['a.test', 'test', 'x.example', 'y.invalid', 'localhost'])
      assert.equal((await resolver.a(name)).status, 'nxdomain', name)
    assert.equal(server.heard.length, start)
  })
  test('answers nxdomain to what is no name', async () => {
    const resolver = createResolver({ servers: [server.address], clock: realClock })
    for (const name of ['', '.', 'a b', 'x\0y.test', '[192.0.2.1]'])
      assert.equal((await resolver.a(name)).status, 'nxdomain', name)
  })
})

test('a zone line that means nothing is named', () => {
  assert.throws(() => parseZone('a.test IN BOGUS x'), /BOGUS/)
  assert.throws(() => parseZone('a.test MX'), /a.test MX/)
})
