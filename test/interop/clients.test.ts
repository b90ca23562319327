// Programs of other people that speak IMAP and submission: Python's imaplib, nodemailer and openssl's s_client.

import assert from 'node:assert/strict'
import { test } from 'node:test'
import nodemailer from 'nodemailer'
import { run, startInstallation } from '../server.ts'
import { curl, eventually, needs } from './programs.ts'

const users = { 'ada@posthorn.test': 'correct horse', 'bob@posthorn.test': 'battery staple' }

/** What a script of imaplib does in a mailbox's life; each assertion names what is wrong. */
const imaplibScript = String.raw`
import imaplib, ssl, sys, time
from email import message_from_bytes
plain, secure = int(sys.argv[1]), int(sys.argv[2])
context = ssl.create_default_context()
context.check_hostname, context.verify_mode = False, ssl.CERT_NONE

def ok(answer):
    assert answer[0] == 'OK', answer
    return answer[1]

first = imaplib.IMAP4('127.0.0.1', plain)
ok(first.starttls(context))
ok(first.login('ada@posthorn.test', 'correct horse'))
assert 'UIDPLUS' in first.capabilities and 'IDLE' in first.capabilities, first.capabilities
ok(first.create('Post/2026'))
ok(first.subscribe('Post/2026'))
assert any(b'Post/2026' in line for line in ok(first.lsub())), 'LSUB'
for n in range(3):
    text = f'From: eve@elsewhere.test\r\nTo: ada@posthorn.test\r\nSubject: letter {n}\r\n\r\nWord{n} and sn\u00f6w\r\n'
    uid = ok(first.append('Post/2026', r'\Seen' if n == 1 else '', imaplib.Time2Internaldate(1e9 + n), text.encode()))
    assert b'APPENDUID' in uid[0], uid
assert ok(first.select('Post/2026')) == [b'3']
assert ok(first.search(None, 'UNSEEN')) == [b'1 3']
assert ok(first.search(None, 'BODY', 'word2')) == [b'3']
first.literal = 'snöw'.encode()
assert ok(first.search('UTF-8', 'BODY')) == [b'1 2 3'], 'SEARCH by a literal'
message = message_from_bytes(ok(first.fetch('2', '(RFC822)'))[0][1])
assert message['Subject'] == 'letter 1', message
assert time.mktime(imaplib.Internaldate2tuple(ok(first.fetch('1', '(INTERNALDATE)'))[0])) == 1e9, 'INTERNALDATE'

second = imaplib.IMAP4_SSL('127.0.0.1', secure, ssl_context=context)
ok(second.authenticate('PLAIN', lambda _: b'\0ada@posthorn.test\0correct horse'))
ok(second.select('Post/2026'))
ok(first.store('1', '+FLAGS', r'(\Deleted $Label1)'))
ok(first.expunge())
ok(second.noop())
assert second.response('EXPUNGE') == ('EXPUNGE', [b'1']), 'the other session was not told'
assert ok(second.uid('COPY', '3', 'Archive')) is not None
moved = ok(second.uid('MOVE', '2', 'Archive'))
assert ok(second.select('Archive')) == [b'2'], moved
assert ok(second.search(None, 'SEEN')) == [b'2'], 'a flag was lost on the way'
ok(second.select('Post/2026'))
assert ok(second.search(None, 'ALL')) == [b'1'], 'MOVE left it behind'
ok(second.close())
ok(second.rename('Post/2026', 'Post/2027'))
ok(second.delete('Post/2027'))
status = ok(second.status('Archive', '(MESSAGES UNSEEN)'))
assert b'(MESSAGES 2 UNSEEN 1)' in status[0], status
second.logout()
first.logout()
`

test("Python's imaplib creates, appends, searches, fetches, stores, expunges, copies and renames", {
  skip: await needs('python3'),
}, async (t) => {
  const { ports } = await startInstallation(t, { users })
  const ran = await run('python3', ['-c', imaplibScript, `${ports.imap}`, `${ports.imaps}`])
  assert.equal(ran.code, 0, ran.stderr)
})

test('nodemailer submits over STARTTLS and over TLS: the parts arrive as they were', {
  skip: await needs('curl'),
}, async (t) => {
  const { ports } = await startInstallation(t, { users })
  const attachment = Buffer.from(Array.from({ length: 100_000 }, (_, i) => (i * 31) & 255))
  for (const [i, transport] of [
    { port: ports.submission, secure: false, requireTLS: true },
    { port: ports.submissions, secure: true },
  ].entries()) {
    const mailer = nodemailer.createTransport({
      host: '127.0.0.1',
      ...transport,
      tls: { rejectUnauthorized: false },
      auth: { user: 'ada@posthorn.test', pass: 'correct horse' },
    })
    const sent = await mailer.sendMail({
      from: '"Ada Lovelace" <ada@posthorn.test>',
      to: '"Böb" <bob@posthorn.test>',
      subject: 'Grüße aus London',
      text: 'Fünfzig Stellen\n.\n..two dots\n',
      attachments: [{ filename: 'karten.bin', content: attachment }],
    })
    mailer.close()
    assert.deepEqual(sent.accepted, ['bob@posthorn.test'])
    const read = () =>
      curl('--user', 'bob@posthorn.test:battery staple', `imap://127.0.0.1:${ports.imap}/INBOX;UID=${i + 1}`)
    const text = await eventually('the message is in the mailbox', async () => (await read()).stdout || undefined)
    assert.match(text, /^Subject: =\?UTF-8\?/m)
    assert.match(text, new RegExp(`Message-ID: ${sent.messageId}`))
    const encoded = text.split('\r\n\r\n').find((part) => part.startsWith(attachment.toString('base64').slice(0, 40)))!
    assert.ok(Buffer.from(encoded.split('--')[0]!, 'base64').equals(attachment), 'the attachment changed')
  }
})

test('openssl s_client: TLS 1.2 and 1.3 on every port that has it, nothing older', {
  skip: await needs('openssl'),
}, async (t) => {
  const { ports } = await startInstallation(t, { users })
  const doors = [
    { port: ports.imaps, last: 'a LOGOUT', said: /^\* BYE/m },
    { port: ports.imap, starttls: 'imap', last: 'a LOGOUT', said: /^\* BYE/m },
    { port: ports.submissions, last: 'QUIT', said: /^221 2\.0\.0/m },
    { port: ports.submission, starttls: 'smtp', last: 'QUIT', said: /^221 2\.0\.0/m },
    { port: ports.smtp, starttls: 'smtp', last: 'QUIT', said: /^221 2\.0\.0/m },
  ]
  for (const { port, starttls, last, said } of doors) {
    const talk = (...versions: string[]) =>
      run(
        'openssl',
        [
          ...['s_client', '-connect', `127.0.0.1:${port}`, '-crlf', '-ign_eof', '-servername', 'mail.example.test'],
          ...(starttls ? ['-starttls', starttls] : []),
          ...versions,
        ],
        { input: `${last}\n`, timeoutMs: 15_000 },
      )
    for (const version of ['-tls1_2', '-tls1_3']) {
      const { stdout, stderr } = await talk(version)
      assert.match(stdout, /subject=CN = mail\.example\.test/, `${port} ${version}: ${stderr}`)
      assert.match(stdout, said, `${port} ${version}`)
    }
    // Level 0, or openssl itself would refuse.
    const old = await talk('-tls1_1', '-cipher', 'DEFAULT@SECLEVEL=0')
    assert.match(old.stdout, /Cipher is \(NONE\)/, `port ${port} speaks TLS 1.1`)
  }
})
