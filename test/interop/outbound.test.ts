// Mail leaves: to Postfix's smtp-sink by a route, to another Posthorn by MX records, and back as a bounce.

import assert from 'node:assert/strict'
import { test } from 'node:test'
import { serveZone } from '../../src/dns/testing/serve-zone.ts'
import { full, Installation, startInstallation } from '../server.ts'
import { curl, eventually, needs, smtpSink, smtpSource, swaks } from './programs.ts'

const users = { 'ada@posthorn.test': 'correct horse' }
const login = [
  '--tls',
  '--auth-user',
  'ada@posthorn.test',
  '--auth-password',
  'correct horse',
  '--from',
  'ada@posthorn.test',
]
const inbox = (server: Installation, uid: number) =>
  curl('--user', 'ada@posthorn.test:correct horse', `imap://127.0.0.1:${server.ports.imap}/INBOX;UID=${uid}`)

test('a submitted message leaves by its route', { skip: await needs('swaks', 'smtp-sink') }, async (t) => {
  const sink = await smtpSink(t)
  const server = await startInstallation(t, {
    users,
    config: { queue: { routes: { 'relay.test': `127.0.0.1:${sink.port}` } } },
  })
  const sent = await swaks(
    '--port',
    `${server.ports.submission}`,
    ...login,
    '--to',
    'eve@relay.test,zoe@relay.test',
    '--header',
    'Subject: outward',
    '--body',
    '.leading dot\n..two',
  )
  assert.equal(sent.code, 0, sent.stdout)
  const [message] = await eventually('the sink has it', async () => {
    const messages = await sink.messages()
    return messages.length > 0 && messages
  })
  assert.match(message!, /^X-Rcpt-Args: <eve@relay\.test>/m)
  assert.match(message!, /^X-Rcpt-Args: <zoe@relay\.test>/m)
  assert.match(message!, /^Received: from .*\n(\s.*\n)*\s+by mail\.example\.test/m)
  assert.match(message!, /^Subject: outward/m)
  assert.match(message!, /^\.leading dot\r?\n\.\.two/m)
  await eventually(
    'the queue is empty',
    async () => JSON.parse(await server.cliOk('queue', 'list', '--json')).length === 0,
  )
})

test('every message of a burst is relayed once', { skip: await needs('smtp-source', 'smtp-sink') }, async (t) => {
  const sink = await smtpSink(t)
  const count = full ? 3_000 : 200
  const server = await startInstallation(t, {
    users,
    config: {
      smtp: { trustedNetworks: ['127.0.0.0/8'] },
      queue: { routes: { 'relay.test': `127.0.0.1:${sink.port}` } },
    },
  })
  const ran = await smtpSource(
    '-s',
    '10',
    '-m',
    `${count}`,
    '-f',
    'eve@elsewhere.test',
    '-t',
    'zoe@relay.test',
    '-N',
    `inet:127.0.0.1:${server.ports.smtp}`,
  )
  assert.equal(ran.code, 0, ran.stderr)
  await eventually('all are relayed', async () => (await sink.messages()).length >= count, 60_000)
  await eventually(
    'the queue is empty',
    async () => JSON.parse(await server.cliOk('queue', 'list', '--json')).length === 0,
  )
  assert.equal((await sink.messages()).length, count)
})

test('a recipient refused for now waits in the queue, with the reason, and can be taken out', {
  skip: await needs('swaks', 'smtp-sink'),
}, async (t) => {
  const sink = await smtpSink(t, '-r', 'RCPT')
  const server = await startInstallation(t, {
    users,
    config: { queue: { routes: { 'relay.test': `127.0.0.1:${sink.port}` } } },
  })
  const sent = await swaks(
    '--port',
    `${server.ports.submission}`,
    ...login,
    '--to',
    'eve@relay.test',
    '--header',
    'Subject: will wait',
  )
  assert.equal(sent.code, 0, sent.stdout)
  // smtp-sink -r refuses for now (450): the message waits and says why.
  const [waiting] = await eventually('the first attempt was made', async () => {
    const list = JSON.parse(await server.cliOk('queue', 'list', '--json'))
    return list[0]?.recipients[0]?.attempts === 1 && list
  })
  assert.match(waiting.recipients[0].reason, /450/)
  assert.match(await server.cliOk('queue', 'list'), /eve@relay\.test/)
  await server.cliOk('queue', 'remove', `${waiting.id}`)
  assert.deepEqual(JSON.parse(await server.cliOk('queue', 'list', '--json')), [])
})

test('a hard refusal bounces to the sender within moments', { skip: await needs('swaks', 'smtp-sink') }, async (t) => {
  const sink = await smtpSink(t, '-f', 'RCPT')
  const server = await startInstallation(t, {
    users,
    config: { queue: { routes: { 'relay.test': `127.0.0.1:${sink.port}` } } },
  })
  assert.equal(
    (
      await swaks(
        '--port',
        `${server.ports.submission}`,
        ...login,
        '--to',
        'eve@relay.test',
        '--header',
        'Subject: will bounce',
      )
    ).code,
    0,
  )
  const bounce = await eventually('the bounce arrived', async () => (await inbox(server, 1)).stdout || undefined)
  assert.match(bounce, /^Return-Path: <>\r\n/)
  assert.match(bounce, /Content-Type: multipart\/report;[\s\S]*report-type="?delivery-status/i)
  assert.match(bounce, /^Final-Recipient: rfc822; ?eve@relay\.test/im)
  assert.match(bounce, /^Action: failed/im)
  assert.match(bounce, /^Status: 5\.\d+\.\d+/im)
  assert.match(bounce, /^Diagnostic-Code: smtp; ?5\d\d/im)
  assert.match(bounce, /Subject: will bounce/)
})

test('two servers find each other by MX records and mail each other', { skip: await needs('swaks') }, async (t) => {
  const one = await Installation.make({ users })
  t.after(() => one.remove())
  const two = await Installation.make({
    users: { 'bob@other.test': 'battery staple' },
    config: { hostname: 'mx.other.test' },
  })
  t.after(() => two.remove())
  const zone = await serveZone(
    'other.test MX 10 mx.other.test\nmx.other.test A 127.0.0.1\nposthorn.test MX 10 mail.example.test\nmail.example.test A 127.0.0.1\nnull.test MX 0 .\n',
  )
  t.after(async () => zone.close())
  await one.reconfigure({ dns: { resolver: zone.address }, queue: { port: two.ports.smtp } })
  await two.reconfigure({ dns: { resolver: zone.address }, queue: { port: one.ports.smtp } })
  await Promise.all([one.start(), two.start()])
  assert.equal(
    (
      await swaks(
        '--port',
        `${one.ports.submission}`,
        ...login,
        '--to',
        'bob@other.test',
        '--header',
        'Subject: over there',
      )
    ).code,
    0,
  )
  const there = await eventually(
    'it crossed',
    async () =>
      (await curl('--user', 'bob@other.test:battery staple', `imap://127.0.0.1:${two.ports.imap}/INBOX;UID=1`))
        .stdout || undefined,
  )
  assert.match(there, /Subject: over there/)
  assert.match(there, /with ESMTPS/)
  assert.equal(
    (
      await swaks(
        '--port',
        `${two.ports.submission}`,
        '--tls',
        '--auth-user',
        'bob@other.test',
        '--auth-password',
        'battery staple',
        '--from',
        'bob@other.test',
        '--to',
        'ada@posthorn.test',
        '--header',
        'Subject: Re: over there',
      )
    ).code,
    0,
  )
  const back = await eventually('the reply crossed', async () => (await inbox(one, 1)).stdout || undefined)
  assert.match(back, /Subject: Re: over there/)
  assert.equal((await swaks('--port', `${one.ports.submission}`, ...login, '--to', 'nobody@null.test')).code, 0)
  const refused = await eventually('the null MX bounced', async () => (await inbox(one, 2)).stdout || undefined)
  assert.match(refused, /5\.1\.10/)
})
