import assert from 'node:assert/strict'
import { test } from 'node:test'
import { parseRoute, parseRoutes } from './route.ts'

const plain = { lmtp: false, tls: 'opportunistic', verify: false }
const auth = { user: 'user', password: 'pass' }

test('targets', () => {
  const table: readonly [string, object][] = [
    ['127.0.0.1:2626', { ...plain, host: '127.0.0.1', port: 2626 }],
    ['relay.example', { ...plain, host: 'relay.example', port: 25 }],
    ['[::1]:2525', { ...plain, host: '::1', port: 2525 }],
    ['[2001:db8::1]', { ...plain, host: '2001:db8::1', port: 25 }],
    [
      'user:pass@relay.example:587',
      { host: 'relay.example', port: 587, lmtp: false, tls: 'required', verify: true, auth },
    ],
    ['user:pass@relay.example', { host: 'relay.example', port: 587, lmtp: false, tls: 'required', verify: true, auth }],
    ['user:pass@127.0.0.1:2587', { ...plain, host: '127.0.0.1', port: 2587, auth }],
    [
      'me%40a.test:p%3A%40ss@relay.example:587',
      {
        host: 'relay.example',
        port: 587,
        lmtp: false,
        tls: 'required',
        verify: true,
        auth: { user: 'me@a.test', password: 'p:@ss' },
      },
    ],
    [
      'smtp://relay.example?tls=required',
      { host: 'relay.example', port: 25, lmtp: false, tls: 'required', verify: true },
    ],
    [
      'smtp://relay.example?tls=insecure',
      { host: 'relay.example', port: 25, lmtp: false, tls: 'required', verify: false },
    ],
    ['smtp://relay.example?tls=none', { host: 'relay.example', port: 25, lmtp: false, tls: 'none', verify: false }],
    ['smtps://relay.example', { host: 'relay.example', port: 465, lmtp: false, tls: 'implicit', verify: true }],
    [
      'smtps://user:pass@10.0.0.1:4465?tls=insecure',
      { host: '10.0.0.1', port: 4465, lmtp: false, tls: 'implicit', verify: false, auth },
    ],
    ['lmtp:127.0.0.1:2424', { ...plain, lmtp: true, host: '127.0.0.1', port: 2424 }],
    ['lmtp://store.example', { ...plain, lmtp: true, host: 'store.example', port: 24 }],
  ]
  for (const [text, expected] of table) {
    const { name, key, ...route } = parseRoute(text)
    assert.equal(key, text)
    assert.deepEqual(route, expected, text)
    assert.ok(!name.includes('pass'), name)
  }
})

test('bad targets are named without their password', () => {
  for (const text of [
    '',
    ':25',
    'host:port',
    'host:0',
    'host:70000',
    '[bogus]:25',
    'onlyuser@host',
    'u:%zz@host',
    'http://host',
    'smtp://host?tls=maybe',
    'smtp://host?x=1',
    'user:secret@relay.example?tls=none',
    'user:secret@relay.example?tls=opportunistic',
  ])
    assert.throws(
      () => parseRoute(text),
      (error: Error) => error.name === 'Fault' && !error.message.includes('secret'),
      text,
    )
})

test('the most exact pattern wins', () => {
  const routes = parseRoutes({ '*': 'all:25', 'A.test': 'a:25', '.b.test': 'b:25', '.c.b.test': 'c:25' })
  const table: readonly [string, string][] = [
    ['a.test', 'a'],
    ['x.a.test', 'all'],
    ['b.test', 'all'],
    ['x.b.test', 'b'],
    ['x.c.b.test', 'c'],
    ['[192.0.2.1]', 'all'],
  ]
  for (const [domain, host] of table) assert.equal(routes(domain)?.host, host, domain)
  assert.equal(parseRoutes({})('a.test'), undefined)
  for (const pattern of ['', '.', '*.a.test', 'x@a.test'])
    assert.throws(() => parseRoutes({ [pattern]: 'a:25' }), /a route is for/)
})
