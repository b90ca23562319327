// A proxy says whose connection it carries: swaks as the proxy, curl reads what was written down.

import assert from 'node:assert/strict'
import { test } from 'node:test'
import { startInstallation } from '../server.ts'
import { curl, needs, swaks } from './programs.ts'

const users = { 'ada@posthorn.test': 'correct horse', 'bob@posthorn.test': 'battery staple' }

test('swaks as a proxy: the client stands in Received, and a user is signed in without a password', {
  skip: await needs('swaks', 'curl', 'TLS for swaks'),
}, async (t) => {
  const server = await startInstallation(t, { users, config: { smtp: { xclient: ['127.0.0.1'] } } })
  await server.cliOk('domain', 'set', 'posthorn.test', 'greylist=off')
  const read = async (uid: number) =>
    (await curl('--user', 'ada@posthorn.test:correct horse', `imap://127.0.0.1:${server.ports.imap}/INBOX;UID=${uid}`))
      .stdout
  const mx = ['--port', `${server.ports.smtp}`, '--from', 'eve@elsewhere.test', '--to', 'ada@posthorn.test']
  const client = ['--xclient-addr', '198.51.100.7', '--xclient-name', 'client.elsewhere.test', '--helo', 'c.test']
  const sent = await swaks(...mx, ...client)
  assert.equal(sent.code, 0, sent.stdout)
  assert.match(await read(1), /^Received: from c\.test \(client\.elsewhere\.test \[198\.51\.100\.7\]\)\r$/m)
  const six = await swaks(...mx, '--tls', '--xclient', 'ADDR=IPV6:2001:db8::7 NAME=[UNAVAILABLE]', '--helo', 'six.test')
  assert.equal(six.code, 0, six.stdout)
  assert.match(await read(2), /^Received: from six\.test \(\[IPv6:2001:db8::7\]\)\r\n\tby .* with ESMTPS /m)

  const submission = ['--port', `${server.ports.submission}`, '--to', 'ada@posthorn.test']
  const bob = ['--xclient-login', 'bob@posthorn.test', '--xclient-addr', '198.51.100.8']
  const signedIn = await swaks(...submission, ...bob, '--from', 'bob@posthorn.test')
  assert.equal(signedIn.code, 0, signedIn.stdout)
  assert.match(await read(3), /^Received: .*\(\[198\.51\.100\.8\]\)\r\n\tby .* with ESMTPA\r$/m)
  const other = await swaks(...submission, ...bob, '--from', 'ada@posthorn.test')
  assert.match(other.stdout, /<\*\* 550 5\.7\.1 /)
})
