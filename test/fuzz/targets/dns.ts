// Replies of name servers, which anybody may forge: read or dropped, never an error, never more records than the bound.

import assert from 'node:assert/strict'
import { type Answer, AUTHORITATIVE_ANSWER, encode, RECURSION_AVAILABLE } from 'dns-packet'
import { toCaa, toHost, toIp4, toIp6, toMx, toText } from '../../../src/dns/records.ts'
import { readAnswer } from '../../../src/dns/update.ts'
import { formatQuery, maxRecords, parseReply, type Question } from '../../../src/dns/wire.ts'
import type { Target } from '../engine.ts'

const id = 0x1234
const name = 'example.test'
const questions: readonly Question[] = (['A', 'AAAA', 'MX', 'TXT', 'PTR', 'CAA'] as const).map((type) => ({
  id,
  name,
  type,
}))

const reply = (type: Question['type'], answers: Answer[], authorities: Answer[] = [], rcode = 0) =>
  encode({
    type: 'response',
    id,
    flags: AUTHORITATIVE_ANSWER | RECURSION_AVAILABLE | rcode,
    questions: [{ type, name }],
    answers,
    authorities,
  })

const soa: Answer = {
  type: 'SOA',
  name,
  ttl: 60,
  data: { mname: 'ns.test', rname: 'h.test', serial: 1, refresh: 1, retry: 1, expire: 1, minimum: 30 },
}

export const target: Target = {
  name: 'dns',
  files: ['src/dns/wire.ts', 'src/dns/records.ts', 'src/dns/update.ts'],
  tokens: ['\xc0\x0c', '\xc0\xff', '\0\x01', '\0\x05', '\0\x0f', '\0\x10', '\0\x1c', '\xff\xff', '\x3f', '\x80\0\0\0'],
  seeds: () => [
    reply('A', [{ type: 'A', name, ttl: 60, data: '192.0.2.1' }]),
    reply('AAAA', [{ type: 'AAAA', name, ttl: 0x80000000, data: '2001:db8::1' }]),
    reply('MX', [
      { type: 'MX', name, ttl: 60, data: { preference: 10, exchange: 'mx1.example.test' } },
      { type: 'MX', name, ttl: 60, data: { preference: 0, exchange: '.' } },
    ]),
    reply('TXT', [{ type: 'TXT', name, ttl: 60, data: ['v=spf1 ', Buffer.from([0xff, 0]), '-all'] }]),
    reply('CAA', [{ type: 'CAA', name, ttl: 60, data: { flags: 128, tag: 'issue', value: 'ca.test' } as never }]),
    // The answer to an update, with a signature.
    Buffer.from(
      '1234a8000001000000000001016104746573740000060001016b0000fa00ff000000000015016800000000000001012c0002abcd123400000000',
      'hex',
    ),
    reply('PTR', [{ type: 'PTR', name, ttl: 60, data: 'host.example.test' }]),
    reply('A', [
      { type: 'CNAME', name, ttl: 60, data: 'a.test' },
      { type: 'CNAME', name: 'a.test', ttl: 60, data: 'b.test' },
      { type: 'A', name: 'b.test', ttl: 60, data: '192.0.2.2' },
    ]),
    reply('A', [{ type: 'CNAME', name, ttl: 60, data: name }]),
    reply('A', [{ type: 'CNAME', name, ttl: 60, data: 'far.test' }]),
    reply('MX', [], [soa]),
    reply('A', [], [soa], 3),
    reply('A', [], [], 2),
    ...questions.map((question) => formatQuery(question)),
    formatQuery(questions[0]!, false),
  ],
  run(input) {
    readAnswer(input, id)
    for (const question of questions) {
      const found = parseReply(input, question)
      if (!found) continue
      assert.ok(found.records.length <= maxRecords)
      assert.ok(found.ttl >= 0 && (found.ttl <= 0x7fffffff || found.records.length === 0))
      for (const read of [toMx, toIp4, toIp6, toText, toHost, toCaa]) for (const record of found.records) read(record)
      assert.equal(parseReply(input, { ...question, id: id + 1 }), undefined)
    }
  },
}
