// The extensions of SMTP as programs of other people ask for them: Python's smtplib with every parameter, nodemailer with a receipt.

import assert from 'node:assert/strict'
import { test } from 'node:test'
import nodemailer from 'nodemailer'
import { run, startInstallation } from '../server.ts'
import { curl, eventually, needs } from './programs.ts'

const users = { 'ada@posthorn.test': 'correct horse', 'bob@posthorn.test': 'battery staple' }

/** Each assertion names what is wrong. */
const script = String.raw`
import email, imaplib, smtplib, ssl, sys, time
submission, mx, imap = map(int, sys.argv[1:4])
context = ssl.create_default_context()
context.check_hostname, context.verify_mode = False, ssl.CERT_NONE

def messages(user, password):
    box = imaplib.IMAP4('127.0.0.1', imap)
    box.login(user, password)
    box.select()
    found = {}
    for n in box.search(None, 'ALL')[1][0].split():
        raw = box.fetch(n, '(BODY[])')[1][0][1]
        found[email.message_from_bytes(raw)['Subject']] = raw
    box.logout()
    return found
bob = lambda: messages('bob@posthorn.test', 'battery staple')
ada = lambda: messages('ada@posthorn.test', 'correct horse')

def wait(what, box, subject):
    end = time.time() + 20
    while time.time() < end:
        raw = box().get(subject)
        if raw: return raw
        time.sleep(0.2)
    raise AssertionError(what)

def send(client, subject, mail=[], rcpt=[]):
    code, said = client.mail('ada@posthorn.test', mail)
    assert code == 250, (subject, code, said)
    assert client.rcpt('bob@posthorn.test', rcpt)[0] == 250, subject
    assert client.data(f'Subject: {subject}\r\n\r\nhello\r\n')[0] == 250, subject
    return said

client = smtplib.SMTP('127.0.0.1', submission)
client.ehlo('client.test')
assert 'requiretls' not in client.esmtp_features
assert client.mail('ada@posthorn.test', ['REQUIRETLS'])[0] in (530, 538)
client.starttls(context=context)
client.ehlo('client.test')
for name in ('dsn', 'requiretls', 'deliverby', 'futurerelease', 'mt-priority', 'binarymime', 'chunking', 'limits', 'smtputf8'):
    assert client.has_extn(name), name
client.login('ada@posthorn.test', 'correct horse')

held = time.time()
send(client, 'later', ['HOLDFOR=4', 'RET=HDRS', 'ENVID=held+2B1'], ['NOTIFY=SUCCESS', 'ORCPT=rfc822;bob@posthorn.test'])
send(client, 'now', ['MT-PRIORITY=5', 'BY=600;R', 'REQUIRETLS'])
assert 'later' not in bob(), 'it was not held'
raw = wait('at once', bob, 'now')
assert b'priority 5;' in raw, raw
raw = wait('after its time', bob, 'later')
assert time.time() - held >= 3.5, 'it came too early'
report = wait('the report of success', ada, 'Delivered: later')
for field in (b'Original-Envelope-Id: held+1', b'Original-Recipient: rfc822; bob@posthorn.test', b'Action: delivered'):
    assert field in report, (field, report)

data = bytes(range(256)) * 300 + b'\r\n.\r\nMAIL FROM:<evil@x>\r\n\n.\n'
whole = (b'From: ada@posthorn.test\r\nSubject: binary\r\nMIME-Version: 1.0\r\nContent-Type: multipart/mixed; boundary=b\r\n'
  b'Content-Transfer-Encoding: binary\r\n\r\n--b\r\nContent-Type: application/octet-stream\r\n'
  b'Content-Transfer-Encoding: binary\r\n\r\n' + data + b'\r\n--b--\r\n')
assert client.mail('ada@posthorn.test', ['BODY=BINARYMIME'])[0] == 250
assert client.rcpt('bob@posthorn.test')[0] == 250
assert client.docmd('DATA')[0] == 503, 'DATA for a binary message'
half = len(whole) // 2
client.send(b'BDAT %d\r\n' % half + whole[:half] + b'BDAT %d LAST\r\n' % (len(whole) - half) + whole[half:])
assert [client.getreply()[0], client.getreply()[0]] == [250, 250], 'BDAT'
raw = wait('the binary message', bob, 'binary')
part = email.message_from_bytes(raw).get_payload(0)
assert part.get_payload(decode=True) == data, 'the bytes changed'
client.quit()

stranger = smtplib.SMTP('127.0.0.1', mx)
stranger.ehlo('client.test')
assert not stranger.has_extn('futurerelease')
code, said = stranger.mail('eve@elsewhere.test', ['MT-PRIORITY=9'])
assert (code, said[:7]) == (250, b'2.3.6 0'), said
stranger.rset()
assert stranger.mail('eve@elsewhere.test', ['HOLDFOR=60'])[0] == 555
assert stranger.mail('eve@elsewhere.test', ['ENVID=a+0D+0ABcc:+20x'])[0] == 501
assert stranger.vrfy('ada@posthorn.test')[0] == 252 and stranger.expn('ada@posthorn.test')[0] == 502
stranger.quit()
`

test("Python's smtplib asks for DSN, a later time, a deadline, a priority, TLS and binary content", {
  skip: await needs('python3'),
}, async (t) => {
  const { ports } = await startInstallation(t, { users })
  const ran = await run('python3', ['-c', script, `${ports.submission}`, `${ports.smtp}`, `${ports.imap}`])
  assert.equal(ran.code, 0, ran.stderr)
})

test('nodemailer asks for a receipt and gets it', { skip: await needs('curl') }, async (t) => {
  const { ports } = await startInstallation(t, { users })
  const mailer = nodemailer.createTransport({
    host: '127.0.0.1',
    port: ports.submission,
    requireTLS: true,
    tls: { rejectUnauthorized: false },
    auth: { user: 'ada@posthorn.test', pass: 'correct horse' },
  })
  await mailer.sendMail({
    from: 'ada@posthorn.test',
    to: 'bob@posthorn.test',
    subject: 'with a receipt',
    text: 'hello',
    dsn: { id: 'receipt=1', return: 'headers', notify: ['success', 'failure'], recipient: 'ada@posthorn.test' },
  })
  mailer.close()
  const report = await eventually(
    'the receipt',
    async () =>
      (await curl('--user', 'ada@posthorn.test:correct horse', `imap://127.0.0.1:${ports.imap}/INBOX;UID=1`)).stdout ||
      undefined,
  )
  assert.match(report, /^Original-Envelope-Id: receipt=1\r$/m)
  assert.match(report, /^Action: delivered\r$/m)
})
