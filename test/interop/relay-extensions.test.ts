// Extensions on the way out: to Postfix's smtp-sink that lacks them, to another Posthorn that has them all, to Dovecot by LMTP.

import assert from 'node:assert/strict'
import { join } from 'node:path'
import { test } from 'node:test'
import { serveZone } from '../../src/dns/testing/serve-zone.ts'
import { connectSmtp, type OutgoingMail } from '../../src/smtp/client/index.ts'
import { freePorts, Installation, run, startInstallation } from '../server.ts'
import { dovecotLmtp } from './dovecot.ts'
import { curl, eventually, needs, smtpSink } from './programs.ts'

const users = { 'ada@posthorn.test': 'correct horse' }
const trusting = { trustedNetworks: ['127.0.0.0/8'] }
const inbox = (server: Installation, uid: number, who = 'ada@posthorn.test:correct horse') =>
  curl('--user', who, `imap://127.0.0.1:${server.ports.imap}/INBOX;UID=${uid}`)
const arrived = (server: Installation, uid: number, who?: string) =>
  eventually(`message ${uid} is there`, async () => (await inbox(server, uid, who)).stdout || undefined, 20_000)

/** Hands a message to the server as a trusted client, which may ask for everything. */
async function submit(
  server: Installation,
  to: string,
  bytes: Buffer,
  more: Partial<OutgoingMail> = {},
): Promise<string> {
  const options = { ip: '127.0.0.1', host: 'localhost', port: server.ports.smtp, helo: 'client.test', verify: false }
  const connection = await connectSmtp({ ...options, tls: 'none' })
  const [local = '', domain = ''] = to.split('@')
  const [result] = await connection.send({
    from: { local: 'ada', domain: 'posthorn.test' },
    recipients: [{ address: { local, domain } }],
    size: bytes.length,
    utf8: false,
    body8: true,
    whole: bytes,
    async *data() {
      yield bytes
    },
    ...more,
  })
  await connection.quit()
  return `${result!.reply.code} ${result!.reply.enhanced}`
}
/** Python's smtplib over STARTTLS, without a look at the certificate: `mail` and `rcpt` are the parameters of the two commands. */
async function submitOverTls(server: Installation, to: string, bytes: Buffer, mail: string, rcpt = ''): Promise<void> {
  const script = `import smtplib, ssl, sys
client = smtplib.SMTP('127.0.0.1', ${server.ports.smtp})
client.starttls(context=ssl._create_unverified_context())
client.sendmail('ada@posthorn.test', '${to}', sys.stdin.buffer.read(), '${mail}'.split(), '${rcpt}'.split())
client.quit()`
  const ran = await run('python3', ['-c', script], { input: bytes })
  assert.equal(ran.code, 0, ran.stderr)
}

const message = (...lines: string[]) => Buffer.from(['From: ada@posthorn.test', ...lines, ''].join('\r\n'), 'latin1')
const multipart = (subtype: string) =>
  message(
    'Subject: eight bits',
    'MIME-Version: 1.0',
    `Content-Type: multipart/${subtype}; boundary=x`,
    'Content-Transfer-Encoding: 8bit',
    '',
    '--x',
    'Content-Type: text/plain; charset=iso-8859-1',
    'Content-Transfer-Encoding: 8bit',
    '',
    'Gr\xfc\xdfe',
    '.',
    '--x',
    'Content-Type: image/png',
    'Content-Transfer-Encoding: 8bit',
    '',
    '\xff\xfe\xfd',
    '--x--',
  )

test('a host without 8BITMIME gets seven bits; what is signed comes back', {
  skip: await needs('smtp-sink', 'curl'),
}, async (t) => {
  const sink = await smtpSink(t, '-8')
  const routes = { 'relay.test': `127.0.0.1:${sink.port}` }
  const server = await startInstallation(t, { users, config: { smtp: trusting, queue: { routes } } })
  assert.equal(await submit(server, 'eve@relay.test', multipart('mixed')), '250 2.0.0')
  const [got] = await eventually('the sink has it', async () => {
    const messages = await sink.messages()
    return messages.length > 0 && messages
  })
  assert.doesNotMatch(got!, /[^\0-\x7f]/)
  assert.match(
    got!,
    /Content-Transfer-Encoding: 7bit\r?\n(.+\r?\n)*\r?\n--x\r?\n.*\r?\nContent-Transfer-Encoding: quoted-printable\r?\n\r?\nGr=FC=DFe\r?\n=2E\r?\n--x/,
  )
  assert.match(got!, /Content-Transfer-Encoding: base64\r?\n\r?\n\/\/79\r?\n--x--/)

  assert.equal(await submit(server, 'eve@relay.test', multipart('signed')), '250 2.0.0')
  const bounce = await arrived(server, 1)
  assert.match(bounce, /^Status: 5\.6\.2/m)
  assert.match(bounce, /does not offer 8BITMIME, and it is signed/)
})

test('an address beyond ASCII does not go where SMTPUTF8 is not offered; a domain beyond it does', {
  skip: await needs('smtp-sink', 'curl'),
}, async (t) => {
  const sink = await smtpSink(t)
  const server = await startInstallation(t, {
    users,
    config: { smtp: trusting, queue: { routes: { '*': `127.0.0.1:${sink.port}` } } },
  })
  const bytes = message('Subject: hello', '', 'hi')
  assert.equal(await submit(server, 'jörg@relay.test', bytes, { utf8: true }), '250 2.0.0')
  assert.match(await arrived(server, 1), /^Status: 5\.6\.7/m)
  assert.equal(await submit(server, 'eve@bücher.test', bytes, { utf8: true }), '250 2.0.0')
  const [got] = await eventually('the sink has it', async () => {
    const messages = await sink.messages()
    return messages.length > 0 && messages
  })
  assert.match(got!, /^X-Rcpt-Args: <eve@xn--bcher-kva\.test>/m)
  assert.doesNotMatch(got!, /^X-Mail-Args:.*SMTPUTF8/m)
})

test('two servers: BINARYMIME, DSN and REQUIRETLS go the whole way', {
  skip: await needs('curl', 'openssl', 'python3'),
}, async (t) => {
  const [one, two] = await Promise.all([
    Installation.make({ users, config: { smtp: trusting } }),
    Installation.make({ users: { 'bob@other.test': 'battery staple' }, config: { hostname: 'mx.other.test' } }),
  ])
  t.after(() => Promise.all([one.remove(), two.remove()]).then(() => {}))
  const files = { cert: join(two.folder, 'cert.pem'), key: join(two.folder, 'key.pem') }
  const request = ['req', '-x509', '-newkey', 'ec', '-pkeyopt', 'ec_paramgen_curve:P-256', '-nodes', '-days', '2']
  const names = ['-subj', '/CN=mx.other.test', '-addext', 'subjectAltName=DNS:mx.other.test']
  const made = await run('openssl', [...request, ...names, '-keyout', files.key, '-out', files.cert])
  assert.equal(made.code, 0, made.stderr)
  const zone = await serveZone(
    // REQUIRETLS needs somebody who vouches for the name of the host.
    'other.test SIGNED\nother.test MX 10 mx.other.test\nmx.other.test A 127.0.0.1\nposthorn.test MX 10 mail.example.test\nmail.example.test A 127.0.0.1\n',
  )
  t.after(async () => zone.close())
  const dns = { resolver: zone.address }
  await one.reconfigure({ dns, queue: { port: two.ports.smtp } })
  await two.reconfigure({ dns, queue: { port: one.ports.smtp }, tls: files })
  await Promise.all([one.start({ NODE_EXTRA_CA_CERTS: files.cert }), two.start()])
  const bob = 'bob@other.test:battery staple'

  const binary = message(
    'Subject: binary',
    'MIME-Version: 1.0',
    'Content-Type: image/png',
    'Content-Transfer-Encoding: binary',
    '',
    '\0\xff\n\r\xfe',
  )
  assert.equal(await submit(one, 'bob@other.test', binary, { binary: true }), '250 2.0.0')
  const there = await arrived(two, 1, bob)
  assert.match(there, /^Content-Transfer-Encoding: (binary|base64)\r$/m)

  const plain = message('Subject: over TLS only', '', 'hi')
  await submitOverTls(one, 'bob@other.test', plain, 'REQUIRETLS')
  assert.match(await arrived(two, 2, bob), /Subject: over TLS only/)
  const told = message('Subject: tell me', '', 'hi')
  await submitOverTls(one, 'bob@other.test', told, 'ENVID=first+2Bone', 'NOTIFY=SUCCESS')
  const report = await arrived(one, 1)
  assert.match(report, /^Action: delivered/m)
  assert.match(report, /^Original-Envelope-Id: first\+one/m)
})

test('REQUIRETLS comes back from a host whose certificate nobody vouches for', {
  skip: await needs('curl', 'python3'),
}, async (t) => {
  const two = await startInstallation(t, { users: { 'bob@other.test': 'battery staple' } })
  const routes = { 'other.test': `localhost:${two.ports.smtp}` }
  const one = await startInstallation(t, { users, config: { smtp: trusting, queue: { routes } } })
  const bytes = message('Subject: secret', '', 'hi')
  await submitOverTls(one, 'bob@other.test', bytes, 'REQUIRETLS')
  const bounce = await arrived(one, 1)
  assert.match(bounce, /^Status: 5\.7\.30/m)
  assert.doesNotMatch(bounce, /^hi/m)
})

const notRoot = process.getuid?.() === 0 ? false : 'Dovecot is started by root'
test("Dovecot's LMTP on a local socket and on a port, each recipient with an answer of his own", {
  skip: notRoot || (await needs('LMTP of Dovecot')),
}, async (t) => {
  const [port] = await freePorts(1)
  const dovecot = await dovecotLmtp(t, port!)
  const routes = { 'socket.test': `lmtp:unix:${dovecot.socket}`, 'port.test': `lmtp:127.0.0.1:${port}` }
  const server = await startInstallation(t, { users, config: { smtp: trusting, queue: { routes } } })
  for (const domain of ['socket.test', 'port.test']) {
    const recipients = ['eve', 'zoe'].map((local) => ({ address: { local, domain } }))
    const large = Buffer.concat([message('Subject: large', '', ''), Buffer.alloc(3_000_000, `${'.x'.repeat(30)}\r\n`)])
    assert.equal(await submit(server, '', message('Subject: small', '', '.dot'), { recipients }), '250 2.0.0')
    assert.equal(await submit(server, '', large, { recipients, whole: undefined as never }), '250 2.0.0')
    for (const local of ['eve', 'zoe']) {
      const found = await eventually(
        `${local}@${domain} has both`,
        async () => {
          const messages = await dovecot.messages(`${local}@${domain}`)
          return messages.length === 2 && messages
        },
        20_000,
      )
      const small = found
        .find((bytes) => bytes.length < 10_000)!
        .toString()
        .replaceAll('\r\n', '\n')
      assert.match(small, /Subject: small\n(.+\n)*\n\.dot\n/)
    }
  }
})
