// The filters' part of the configuration: addresses, lists, secrets, and that it may change while the server runs.

import assert from 'node:assert/strict'
import { mkdtempSync, rmSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { after, test } from 'node:test'
import { ConfigError } from './error.ts'
import { checkConfig } from './load.ts'
import { takeOver } from './reload.ts'
import { parseAnswers, parsePlace } from './units.ts'

const folder = mkdtempSync(join(tmpdir(), 'posthorn-config-'))
after(() => rmSync(folder, { recursive: true }))
const read = (filters: object) => checkConfig({ filters }, {}, folder)
const refusal = (filters: object) => {
  try {
    read(filters)
  } catch (error) {
    assert.ok(error instanceof ConfigError)
    return error.lines.join('\n')
  }
  return assert.fail('nothing was refused')
}

test('places of daemons', () => {
  for (const [text, expected] of [
    ['127.0.0.1:3310', { host: '127.0.0.1', port: 3310 }],
    ['[::1]:783', { host: '::1', port: 783 }],
    ['clamd.internal:3310', { host: 'clamd.internal', port: 3310 }],
    ['tcp:127.0.0.1:1', { host: '127.0.0.1', port: 1 }],
    ['/run/clamav/clamd.ctl', { path: '/run/clamav/clamd.ctl' }],
    ['unix:/run/x.sock', { path: '/run/x.sock' }],
    ['unix:x.sock', undefined],
    ['tcp:/run/x.sock', undefined],
    ['127.0.0.1', undefined],
    ['127.0.0.1:0', undefined],
    ['127.0.0.1:65536', undefined],
    ['127.0.0.1:1e3', undefined],
    [':25', undefined],
    ['::1:25', undefined],
    ['a b:25', undefined],
    ['', undefined],
  ] as const)
    assert.deepEqual(parsePlace(text), expected, text)
})

test('answers of DNS lists', () => {
  assert.deepEqual(parseAnswers('127.0.0.2'), [
    [127, 127],
    [0, 0],
    [0, 0],
    [2, 2],
  ])
  assert.deepEqual(parseAnswers('127.0.*.1-3')?.slice(2), [
    [0, 255],
    [1, 3],
  ])
  for (const text of [
    '127.0.0',
    '127.0.0.2.3',
    '127.0.0.256',
    '127.0.0.3-2',
    '10.0.0.1',
    '127.x.0.0.1',
    '127.0.0.-2',
    '*.0.0.1',
  ])
    assert.equal(parseAnswers(text), undefined, text)
})

test('all off unless named; what is named has its defaults', () => {
  const { filters } = read({})
  assert.deepEqual(
    [
      filters.clamav.address,
      filters.spamassassin.address,
      filters.rspamd.address,
      filters.milters,
      filters.dnsbl.lists,
    ],
    [undefined, undefined, undefined, [], []],
  )
  const named = read({
    clamav: { address: '/run/clamd.sock', maxSize: '10M', timeout: '1m' },
    milters: [{ name: 'dkim', address: '127.0.0.1:8891', onFailure: 'tempfail' }],
    dnsbl: { lists: [{ zone: 'zen.spamhaus.org', answers: ['127.0.0.2-11'] }] },
  }).filters
  assert.deepEqual(named.clamav, {
    address: { path: '/run/clamd.sock' },
    timeout: 60_000,
    onFailure: 'accept',
    connections: 10,
    maxSize: 10_485_760,
    submissions: true,
    action: 'reject',
  })
  assert.equal(named.milters[0]!.onFailure, 'tempfail')
  assert.equal(named.milters[0]!.timeout, 30_000)
  assert.deepEqual(named.dnsbl.lists[0]!.answers[0]!.at(-1), [2, 11])
  assert.deepEqual([named.dnsbl.lists[0]!.of, named.dnsbl.lists[0]!.weight], ['address', 1])
})

test('what means nothing is refused by its key', () => {
  assert.match(
    refusal({ clamav: { address: '/run/x', action: 'delete' } }),
    /filters\.clamav\.action: expected tag, junk/,
  )
  assert.match(refusal({ clamav: { adress: '/run/x' } }), /filters\.clamav\.adress: unknown key, did you mean address/)
  assert.match(
    refusal({ spamassassin: { address: '127.0.0.1' } }),
    /filters\.spamassassin\.address: expected host:port/,
  )
  assert.match(refusal({ milters: [{ name: 'a b', address: '127.0.0.1:1' }] }), /filters\.milters: expected a list of/)
  const twice = { name: 'a', address: '127.0.0.1:1' }
  assert.match(refusal({ milters: [twice, twice] }), /filters\.milters: expected a list of .* each name once/)
  assert.match(
    refusal({ dnsbl: { lists: [{ zone: 'x.test', answers: ['10.0.0.1'] }] } }),
    /filters\.dnsbl\.lists: expected/,
  )
})

test('the password of Rspamd may stand in a file, and is not repeated', () => {
  writeFileSync(join(folder, 'secret'), 'hidden\n')
  const { rspamd } = read({ rspamd: { password: { file: 'secret' } } }).filters
  assert.equal(rspamd.password, 'hidden')
  assert.match(refusal({ rspamd: { password: { file: 'nowhere' } } }), /filters\.rspamd\.password: cannot read nowhere/)
})

test('a running server takes every part of it over', () => {
  const before = read({})
  const next = read({
    clamav: { address: '127.0.0.1:3310' },
    spamassassin: { address: '127.0.0.1:783' },
    rspamd: { address: '127.0.0.1:11333', password: 'x' },
    milters: [{ name: 'a', address: '127.0.0.1:1' }],
    dnsbl: { lists: [{ zone: 'a.test' }], junk: 1 },
  })
  const { config, waiting, changed } = takeOver(before, next)
  assert.deepEqual(waiting, [])
  assert.deepEqual(changed.toSorted(), [
    'filters.clamav',
    'filters.dnsbl',
    'filters.milters',
    'filters.rspamd',
    'filters.spamassassin',
  ])
  assert.deepEqual(config.filters, next.filters)
})
