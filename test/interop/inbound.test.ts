// Other servers and people hand mail in: swaks and smtp-source on every port; curl reads it back.

import assert from 'node:assert/strict'
import { test } from 'node:test'
import { full, startInstallation } from '../server.ts'
import { curl, eventually, needs, smtpSource, swaks } from './programs.ts'

const users = { 'ada@posthorn.test': 'correct horse', 'bob@posthorn.test': 'battery staple' }
const ada = ['--user', 'ada@posthorn.test:correct horse']

test('swaks delivers to the MX port and curl reads the message over imap and imaps', {
  skip: await needs('swaks', 'curl'),
}, async (t) => {
  const server = await startInstallation(t, { users })
  const sent = await swaks(
    '--port',
    `${server.ports.smtp}`,
    '--from',
    'eve@elsewhere.test',
    '--to',
    'ada@posthorn.test',
    '--header',
    'Subject: first mail',
    '--body',
    'Hello Ada',
  )
  assert.equal(sent.code, 0, sent.stdout + sent.stderr)
  for (const url of [`imap://127.0.0.1:${server.ports.imap}`, `imaps://127.0.0.1:${server.ports.imaps}`]) {
    const read = await curl(...ada, `${url}/INBOX;UID=1`)
    assert.match(read.stdout, /^Return-Path: <eve@elsewhere\.test>\r\n/, read.stderr)
    assert.match(read.stdout, /\r\nReceived: from /)
    assert.match(read.stdout, /Subject: first mail\r\n/)
    assert.match(read.stdout, /Hello Ada/)
  }
})

test('the MX port knows its users and is no open relay', { skip: await needs('swaks') }, async (t) => {
  const server = await startInstallation(t, { users })
  const port = ['--port', `${server.ports.smtp}`, '--from', 'eve@elsewhere.test']
  assert.match((await swaks(...port, '--to', 'nobody@posthorn.test')).stdout, /<\*\* 550 5\.1\.1 /)
  assert.match((await swaks(...port, '--to', 'eve@elsewhere.test')).stdout, /<\*\* 550 5\.7\.1 /)
  assert.match((await swaks(...port, '--to', 'postmaster@posthorn.test')).stdout, /<-\s+250 2\.0\.0 /)
  assert.match((await swaks(...port, '--to', 'ADA+Lists@POSTHORN.test')).stdout, /<-\s+250 2\.0\.0 /)
})

for (const [name, args] of [
  ['submission with STARTTLS', ['--tls', 'submission']],
  ['submissions with TLS from the first byte', ['--tls-on-connect', 'submissions']],
] as const) {
  test(`${name} takes mail of a user who signs in, and only from the user's own addresses`, {
    skip: await needs('swaks', 'TLS for swaks'),
  }, async (t) => {
    const server = await startInstallation(t, { users })
    const at = [args[0], '--port', `${server.ports[args[1]]}`]
    const login = ['--auth-user', 'ada@posthorn.test', '--auth-password', 'correct horse']
    for (const mechanism of ['PLAIN', 'LOGIN']) {
      const ok = await swaks(
        ...at,
        ...login,
        '--auth',
        mechanism,
        '--from',
        'ada@posthorn.test',
        '--to',
        'bob@posthorn.test',
      )
      assert.equal(ok.code, 0, ok.stdout)
    }
    const other = await swaks(...at, ...login, '--from', 'bob@posthorn.test', '--to', 'bob@posthorn.test')
    assert.match(other.stdout, /<[*~]+ 550 5\.7\.1 /)
    const header = await swaks(
      ...at,
      ...login,
      '--from',
      'ada@posthorn.test',
      '--h-From',
      'bob@posthorn.test',
      '--to',
      'bob@posthorn.test',
    )
    assert.match(header.stdout, /<[*~]+ 550 5\.7\.1 /)
    const wrong = await swaks(
      ...at,
      '--auth-user',
      'ada@posthorn.test',
      '--auth-password',
      'wrong',
      '--from',
      'ada@posthorn.test',
      '--to',
      'bob@posthorn.test',
    )
    assert.match(wrong.stdout, /<[*~]+ 535 5\.7\.8 /)
    const nobody = await swaks(...at, '--from', 'ada@posthorn.test', '--to', 'bob@posthorn.test')
    assert.match(nobody.stdout, /<[*~]+ 5(30|50) 5\.7\./)
  })
}

test('smtp-source over SMTP and LMTP: every message accepted is in the mailbox', {
  skip: await needs('smtp-source', 'curl'),
}, async (t) => {
  const server = await startInstallation(t, { users })
  const count = full ? 5_000 : 300
  for (const [flags, port] of [
    [[], server.ports.smtp],
    [['-L'], server.ports.lmtp],
  ] as const) {
    const ran = await smtpSource(
      ...flags,
      '-s',
      '20',
      '-m',
      `${count}`,
      '-l',
      '4096',
      '-f',
      'eve@elsewhere.test',
      '-t',
      'ada@posthorn.test',
      `inet:127.0.0.1:${port}`,
    )
    assert.equal(ran.code, 0, ran.stderr)
  }
  const status = async () =>
    (await curl(...ada, `imap://127.0.0.1:${server.ports.imap}`, '--request', 'STATUS INBOX (MESSAGES)')).stdout
  assert.match(await status(), new RegExp(`MESSAGES ${2 * count}\\)`))
})

test('a message that a user submits with curl arrives without its Bcc line', {
  skip: await needs('curl'),
}, async (t) => {
  const server = await startInstallation(t, { users })
  const mail =
    'From: Ada <ada@posthorn.test>\nTo: bob@posthorn.test\nBcc: ada@posthorn.test,\n secret@elsewhere.test\nSubject: quiet\n\nHello\n'
  const { run } = await import('../server.ts')
  const sent = await run(
    'curl',
    [
      '--silent',
      '--show-error',
      '--insecure',
      '--ssl-reqd',
      ...ada,
      '--mail-from',
      'ada@posthorn.test',
      '--mail-rcpt',
      'bob@posthorn.test',
      '--crlf',
      '--upload-file',
      '-',
      `smtp://127.0.0.1:${server.ports.submission}`,
    ],
    { input: mail },
  )
  assert.equal(sent.code, 0, sent.stderr)
  const text = await eventually(
    'the message is in the mailbox',
    async () =>
      (await curl('--user', 'bob@posthorn.test:battery staple', `imap://127.0.0.1:${server.ports.imap}/INBOX;UID=1`))
        .stdout || undefined,
  )
  assert.match(text, /Subject: quiet/)
  assert.match(text, /\r\nDate: /)
  assert.match(text, /\r\nMessage-ID: </i)
  assert.doesNotMatch(text, /bcc|secret@elsewhere/i)
})
