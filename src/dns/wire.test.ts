import assert from 'node:assert/strict'
import { describe, test } from 'node:test'
import { type Answer, AUTHENTIC_DATA, decode, encode, TRUNCATED_RESPONSE } from 'dns-packet'
import fc from 'fast-check'
import { toReverseName } from './reverse.ts'
import { parseResolvConf, parseServer } from './servers.ts'
import { formatQuery, isAskable, isPlainName, parseReply, type Question } from './wire.ts'

const question: Question = { id: 7, name: 'a.test', type: 'A' }
const reply = (answers: Answer[], change: object = {}) =>
  encode({ type: 'response', id: 7, flags: 0, questions: [{ type: 'A', name: 'a.test' }], answers, ...change })
const a = (name: string, data: string, ttl = 60): Answer => ({ type: 'A', name, ttl, data })
const cname = (name: string, data: string, ttl = 60): Answer => ({ type: 'CNAME', name, ttl, data })
const soa = (minimum: number): Answer => ({
  type: 'SOA',
  name: 'test',
  ttl: 900,
  data: { mname: 'ns.test', rname: 'x.test', serial: 1, refresh: 1, retry: 1, expire: 1, minimum },
})

test('a query asks for recursion, AD and 1,232 bytes', () => {
  const query = decode(formatQuery(question))
  assert.equal(query.id, 7)
  assert.ok(query.flag_rd && query.flag_ad)
  assert.deepEqual(query.questions?.[0]?.name, 'a.test')
  assert.ok(query.additionals?.[0]?.type === 'OPT' && query.additionals[0].udpPayloadSize === 1232)
  assert.equal(decode(formatQuery(question, false)).additionals?.length, 0)
})

describe('a reply', () => {
  test('gives its records and the lowest TTL', () => {
    const found = parseReply(reply([a('A.test', '192.0.2.1', 60), a('a.test', '192.0.2.2', 30)]), question)
    assert.deepEqual(found?.records, ['192.0.2.1', '192.0.2.2'])
    assert.equal(found?.ttl, 30)
  })
  test('is followed along its CNAMEs, in any order', () => {
    const found = parseReply(
      reply([a('c.test', '192.0.2.3'), cname('b.test', 'c.test', 5), cname('a.test', 'b.test')]),
      question,
    )
    assert.deepEqual(found?.records, ['192.0.2.3'])
    assert.equal(found?.ttl, 5)
  })
  test('that ends in a CNAME names what to ask next', () => {
    const found = parseReply(reply([cname('a.test', 'B.test.')]), question)
    assert.equal(found?.alias, 'b.test')
    assert.equal(found?.ttl, 60)
  })
  test('with a CNAME loop ends', () => {
    assert.deepEqual(parseReply(reply([cname('a.test', 'b.test'), cname('b.test', 'a.test')]), question)?.records, [])
  })
  test('without records says how long that holds', () => {
    assert.equal(parseReply(reply([], { authorities: [soa(120)] }), question)?.ttl, 120)
  })
  test('tells NXDOMAIN, failure, truncation and authenticity', () => {
    assert.equal(parseReply(reply([], { flags: 3 }), question)?.rcode, 'nxdomain')
    assert.equal(parseReply(reply([], { flags: 2 }), question)?.rcode, 'failure')
    assert.equal(parseReply(reply([], { flags: 5 }), question)?.rcode, 'failure')
    assert.equal(parseReply(reply([], { flags: TRUNCATED_RESPONSE }), question)?.truncated, true)
    assert.equal(parseReply(reply([], { flags: AUTHENTIC_DATA }), question)?.authentic, true)
  })
  test('of another name holds nothing for us (cache poisoning)', () => {
    assert.deepEqual(parseReply(reply([a('victim.test', '192.0.2.66')]), question)?.records, [])
  })
  test('to another question is none', () => {
    for (const change of [
      { id: 8 },
      { type: 'query' },
      { questions: [] },
      { questions: [{ type: 'A', name: 'b.test' }] },
      { questions: [{ type: 'MX', name: 'a.test' }] },
    ])
      assert.equal(parseReply(reply([a('a.test', '192.0.2.1')], change), question), undefined)
  })
  test('with 5,000 records gives 100; with impossible counts it is none', () => {
    const many = reply(Array.from({ length: 900 }, (_, i) => a('a.test', `192.0.${i >> 8}.${i & 255}`)))
    assert.equal(parseReply(many, question)?.records.length, 100)
    const bomb = reply([])
    bomb.writeUInt16BE(65535, 6)
    assert.equal(parseReply(bomb, question), undefined)
  })
  test('of random bytes never throws', () => {
    const head = reply([]).subarray(0, 24)
    fc.assert(
      fc.property(fc.uint8Array({ maxLength: 200 }), (bytes) => {
        parseReply(Buffer.from(bytes), question)
        const tail = Buffer.concat([head, bytes])
        tail.writeUInt16BE(3, 6)
        parseReply(tail, question)
      }),
    )
  })
})

test('names that can be asked', () => {
  for (const name of ['a.test', '_dmarc.a.test', 'xn--mnchen-3ya.de', '1/25.2.0.192.in-addr.arpa']) {
    assert.ok(isAskable(name), name)
    assert.ok(isPlainName(name), name)
  }
  for (const name of ['a+b=c.test', 'foo:bar.test', '(x).test', '"x".test', 'a b.test']) {
    assert.ok(isAskable(name), name)
    assert.ok(!isPlainName(name), name)
  }
  for (const name of ['', '.', 'a..test', 'a\r\nb', 'ä.test', `${'a'.repeat(64)}.test`, `${'a.'.repeat(127)}aa`])
    assert.ok(!isAskable(name), name)
})

test('reverse names', () => {
  const table: readonly [string, string | undefined][] = [
    ['192.0.2.1', '1.2.0.192.in-addr.arpa'],
    ['2001:db8::1', '1.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.8.b.d.0.1.0.0.2.ip6.arpa'],
    ['::', `${'0.'.repeat(32)}ip6.arpa`],
    ['::ffff:192.0.2.1', `1.0.2.0.0.0.0.c.f.f.f.f.${'0.'.repeat(20)}ip6.arpa`],
    ['a.test', undefined],
  ]
  for (const [ip, name] of table) assert.equal(toReverseName(ip), name)
})

test('servers by configuration and by resolv.conf', () => {
  assert.deepEqual(parseServer('192.0.2.53'), { ip: '192.0.2.53', port: 53 })
  assert.deepEqual(parseServer('127.0.0.1:5353'), { ip: '127.0.0.1', port: 5353 })
  assert.deepEqual(parseServer('2001:db8::53'), { ip: '2001:db8::53', port: 53 })
  assert.deepEqual(parseServer('[2001:db8::53]:5353'), { ip: '2001:db8::53', port: 5353 })
  for (const text of ['', 'dns.test', '192.0.2.53:0', '192.0.2.53:x', '[::1'])
    assert.throws(() => parseServer(text), /named by its address/)
  const text = '# x\nsearch lan\nnameserver 192.0.2.1\nnameserver\t2001:db8::1\nnameserver bogus\noptions edns0\n'
  assert.deepEqual(
    parseResolvConf(text).map((server) => server.ip),
    ['192.0.2.1', '2001:db8::1'],
  )
  assert.deepEqual(parseResolvConf(''), [{ ip: '127.0.0.1', port: 53 }])
})
