// The configuration: what is read, what is refused and in which words, and that example and docs agree with the schema.

import assert from 'node:assert/strict'
import { mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join, resolve } from 'node:path'
import { after, test } from 'node:test'
import { formatDocs, formatExample } from './document.ts'
import { ConfigError } from './error.ts'
import { checkConfig, embeddedDefault, loadConfig, nearest } from './load.ts'
import { takeOver } from './reload.ts'
import { isNetwork, parseDuration, parseEndpoint, parseSize } from './units.ts'

const folder = mkdtempSync(join(tmpdir(), 'posthorn-config-'))
after(() => rmSync(folder, { recursive: true }))
const file = join(folder, 'posthorn.yaml')

function linesOf(text: string, environment: Record<string, string> = {}): string[] {
  writeFileSync(file, text)
  try {
    loadConfig(file, environment)
  } catch (error) {
    assert.ok(error instanceof ConfigError)
    return error.lines.map((line) => line.replaceAll(file, 'F'))
  }
  assert.fail('nothing was refused')
}

test('the example is valid and says the defaults', () => {
  writeFileSync(file, formatExample())
  const { source: _, embedded: __, hostname: ___, listen: ____, ...example } = loadConfig(file, {})
  const plain = checkConfig({}, {}, folder)
  const { source: _____, embedded: ______, hostname: _______, listen: ________, ...defaults } = plain
  assert.deepEqual(example, defaults)
})

test('docs/configuration.md is what the schema says', () => {
  const path = resolve(import.meta.dirname, '../../../docs/configuration.md')
  assert.equal(readFileSync(path, 'utf8'), formatDocs(), 'run: bin/posthorn config docs > docs/configuration.md')
})

test('the configuration of the first issue is understood', () => {
  const config = checkConfig(
    {
      hostname: 'Mail.Example.Test',
      data: './data',
      store: 'postgres://user:pass@host/db',
      listen: { smtp: '[::]:25', imap: ['127.0.0.1:143', '*:1143'] },
      tls: { cert: 'c.pem', key: '/k.pem' },
      auth: { plaintext: 'loopback' },
      smtp: { trustedNetworks: ['10.0.0.0/8', '::1'], maxMessageSize: '50M', maxRecipients: 100 },
      dns: { resolver: '127.0.0.1:5353' },
      queue: { routes: { 'Relay.test': '127.0.0.1:2626', '*': 'user:pass@relay.example:587' }, schedule: ['5m', '1h'] },
    },
    {},
    '/etc/posthorn',
  )
  assert.equal(config.hostname, 'mail.example.test')
  assert.equal(config.data, '/etc/posthorn/data')
  assert.deepEqual(config.listen.smtp, [{ host: '::', port: 25 }])
  assert.deepEqual(config.listen.imap, [
    { host: '127.0.0.1', port: 143 },
    { host: '::', port: 1143 },
  ])
  assert.equal(config.listen.lmtp, undefined)
  assert.deepEqual(config.tls, { cert: '/etc/posthorn/c.pem', key: '/k.pem' })
  assert.equal(config.smtp.maxMessageSize, 52_428_800)
  assert.deepEqual(config.dns.resolver, ['127.0.0.1:5353'])
  assert.deepEqual(config.queue.routes, { 'relay.test': '127.0.0.1:2626', '*': 'user:pass@relay.example:587' })
  assert.deepEqual(config.queue.schedule, [300_000, 3_600_000])
})

test('an error names file, line, key, what was expected and what was found', () => {
  assert.deepEqual(linesOf('hostname: a.test\nlisten:\n  smtp: 25\n'), [
    'F:3: listen.smtp: expected an address and port as 127.0.0.1:25, [::]:25 or *:25, or a list of them, found 25',
  ])
  assert.deepEqual(linesOf('smtp:\n  maxRecipients: many\n'), [
    'F:2: smtp.maxRecipients: expected a whole number from 1 to 10000, found "many"',
  ])
  assert.deepEqual(linesOf('store: mysql\n'), ['F:1: store: expected sqlite or a postgres:// URL, found "mysql"'])
  assert.deepEqual(linesOf('tls: {cert: a}\n'), ['F:1: tls.key: expected a file, found nothing'])
  assert.deepEqual(linesOf('- a\n'), ['F: the file: expected a table of keys, found ["a"]'])
  assert.match(linesOf('a: [\n')[0]!, /^F:\d: /)
})

test('an unknown key is refused with the nearest known one', () => {
  assert.deepEqual(linesOf('listen:\n  imap: "127.0.0.1:1"\n  smpt: "127.0.0.1:2"\n'), [
    'F:3: listen.smpt: unknown key, did you mean smtp?',
  ])
  assert.match(linesOf('foo: 1\n')[0]!, /^F:1: foo: unknown key, known here: hostname, data, /)
  assert.equal(nearest('maxMesageSize', ['maxMessageSize', 'maxRecipients']), 'maxMessageSize')
  assert.equal(nearest('zzz', ['abc']), undefined)
})

test('the environment wins over the file; its names are keys in capitals', () => {
  writeFileSync(file, 'hostname: a.test\nlisten: {smtp: "127.0.0.1:1"}\n')
  const config = loadConfig(file, {
    POSTHORN_LISTEN__SMTP: '[127.0.0.1:2, 127.0.0.1:3]',
    POSTHORN_SMTP__MAX_RECIPIENTS: '7',
    POSTHORN_QUEUE__ROUTES: '{relay.test: 127.0.0.1:4}',
    OTHER: 'x',
  })
  assert.deepEqual(
    (config.listen.smtp ?? []).map((at) => at.port),
    [2, 3],
  )
  assert.equal(config.smtp.maxRecipients, 7)
  assert.deepEqual(config.queue.routes, { 'relay.test': '127.0.0.1:4' })
  assert.deepEqual(linesOf('', { POSTHORN_FOO: '1', POSTHORN_DOORS: 'x' }), [
    'environment: POSTHORN_FOO: there is no such key',
    'environment: POSTHORN_DOORS: doors: expected a whole number from 1 to 64, found "x"',
  ])
})

test('secrets come from files and are not repeated in errors', () => {
  writeFileSync(join(folder, 'secret'), 'postgres://u:hidden@h/d\n')
  assert.equal(checkConfig({ store: { file: 'secret' } }, {}, folder).store, 'postgres://u:hidden@h/d')
  const [missing] = linesOf('store: {file: nowhere}\n')
  assert.match(missing!, /^F: store: cannot read nowhere: there is no such file$/)
  const [refused] = linesOf('store: "mysql://user:hidden@host/d"\n')
  assert.equal(refused!.includes('hidden'), false)
})

test('without a file the embedded default runs; a named file must exist', () => {
  const config = loadConfig(undefined, {}, folder === '' ? '.' : mkdtempSync(join(folder, 'empty-')))
  assert.equal(config.embedded, true)
  assert.deepEqual(Object.keys(config.listen), Object.keys(embeddedDefault.listen))
  assert.throws(() => loadConfig('/nowhere.yaml', {}), /there is no such file/)
})

test('sizes, durations and endpoints', () => {
  const sizes: [string | number, number | undefined][] = [
    [52_428_800, 52_428_800],
    ['50M', 52_428_800],
    ['50 MiB', 52_428_800],
    ['1.5k', 1536],
    ['x', undefined],
    ['', undefined],
    ['-1', undefined],
  ]
  for (const [text, bytes] of sizes) assert.equal(parseSize(text), bytes, String(text))
  const durations: [string | number, number | undefined][] = [
    ['5m', 300_000],
    ['1.5h', 5_400_000],
    ['5d', 432_000_000],
    [30, 30_000],
    ['250ms', 250],
    ['5 weeks', undefined],
  ]
  for (const [text, ms] of durations) assert.equal(parseDuration(text), ms, String(text))
  assert.deepEqual(parseEndpoint('localhost:1'), { host: 'localhost', port: 1 })
  for (const text of ['10.0.0.0/8', '192.0.2.1', '2001:db8::/32']) assert.ok(isNetwork(text), text)
  for (const text of ['10.0.0.0/33', '10.0.0.0/8/9', '10.0.0', '']) assert.ok(!isNetwork(text), text)
  for (const text of ['25', ':25', 'mail.test:25', '[127.0.0.1]:25', '::1:25', '127.0.0.1:70000', '127.0.0.1:'])
    assert.equal(parseEndpoint(text), undefined, text)
})

test('a running server takes over the keys that may change; the others keep their value and are named', () => {
  const before = checkConfig({ hostname: 'a.test', queue: { port: 26 } }, {}, '/')
  const next = checkConfig(
    {
      hostname: 'b.test',
      queue: { port: 27, routes: { '*': '127.0.0.1:9' } },
      tls: { cert: 'c', key: 'k' },
      limits: { connections: 5 },
      listen: { smtp: '127.0.0.1:25' },
    },
    {},
    '/',
  )
  const { config, changed, waiting } = takeOver(before, next)
  assert.deepEqual([...changed].sort(), ['limits.connections', 'queue.routes', 'tls'])
  assert.deepEqual([...waiting].sort(), ['hostname', 'listen.smtp', 'queue.port'])
  assert.deepEqual([config.hostname, config.queue.port, config.listen], ['a.test', 26, before.listen])
  assert.deepEqual([config.queue.routes, config.tls, config.limits], [next.queue.routes, next.tls, next.limits])
  // What was taken over can be taken back, and what waits is named again.
  const back = takeOver(config, { ...before, hostname: 'b.test' })
  assert.deepEqual(
    [back.config.tls, back.config.limits.connections, back.waiting],
    [undefined, undefined, ['hostname']],
  )
})
