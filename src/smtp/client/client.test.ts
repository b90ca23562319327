// The client against servers that are scripts: each names what it expects and what it says.

import assert from 'node:assert/strict'
import { test } from 'node:test'
import { type ConnectionFault, connectSmtp } from './index.ts'
import { address, fault, hello, mail, oneByOne, options, run, type Script, withServer } from './testing/script.ts'

test('without PIPELINING each command waits; dots are stuffed', async () => {
  const script: Script = [...hello('SIZE 1000', '8BITMIME'), ...oneByOne('MAIL FROM:<me@a.test> SIZE=10 BODY=8BITMIME')]
  assert.deepEqual(await run(script, mail({ body8: true })), ['250 data true'])
})

test('with PIPELINING the envelope goes out at once, each recipient with its own answer', async () => {
  const script: Script = [
    ...hello('PIPELINING'),
    { hear: 'MAIL FROM:<>\r\nRCPT TO:<x@b.test>\r\nRCPT TO:<y@b.test>\r\nRCPT TO:<z@b.test>\r\nDATA\r\n' },
    { say: '250 ok\r\n550-5.1.1 no\r\n550 5.1.1 body\r\n250 ok\r\n452 full\r\n354 go\r\n' },
    { hear: 'a\r\n..b\r\n.\r\n' },
    { say: '250 ok\r\n' },
  ]
  const recipients = ['x', 'y', 'z'].map((local) => ({ address: address(local) }))
  assert.deepEqual(await run(script, mail({ from: null, recipients })), [
    '550 rcpt false',
    '250 data true',
    '452 rcpt false',
  ])
})

test('LMTP answers for each accepted recipient', async () => {
  const script: Script = [
    { say: '220 hi\r\n' },
    { hear: 'LHLO me.test\r\n' },
    { say: '250-x\r\n250 PIPELINING\r\n' },
    { hear: 'MAIL FROM:<me@a.test>\r\nRCPT TO:<x@b.test>\r\nRCPT TO:<y@b.test>\r\nRCPT TO:<z@b.test>\r\nDATA\r\n' },
    { say: '250 ok\r\n250 ok\r\n550 no\r\n250 ok\r\n354 go\r\n' },
    { hear: 'a\r\n..b\r\n.\r\n' },
    { say: '250 ok\r\n452 4.2.2 full\r\n' },
  ]
  const recipients = ['x', 'y', 'z'].map((local) => ({ address: address(local) }))
  const got = await run(script, mail({ recipients }), { lmtp: true })
  assert.deepEqual(got, ['250 data true', '550 rcpt false', '452 data false'])
})

test('a refused sender, nobody accepted, refused data: the content is never asked for', async () => {
  const never = {
    data: () => {
      throw new Error('asked for the content')
    },
  }
  const envelope = 'MAIL FROM:<me@a.test>\r\nRCPT TO:<x@b.test>\r\nDATA\r\n'
  const cases: [say: string, more: Script, expected: string][] = [
    ['550 no\r\n503 no\r\n503 no\r\n', [], '550 mail false'],
    ['250 ok\r\n550 no\r\n503 no\r\n', [], '550 rcpt false'],
    ['250 ok\r\n550 no\r\n354 go\r\n', [{ hear: '.\r\n' }, { say: '554 nobody\r\n' }], '550 rcpt false'],
    ['250 ok\r\n250 ok\r\n451 later\r\n', [], '451 data false'],
    ['421 closing\r\n', [], '421 mail false'],
    ['250 ok\r\n421 closing\r\n', [], '421 rcpt false'],
    ['250 ok\r\n250 ok\r\n421 closing\r\n', [], '421 data false'],
  ]
  for (const [say, more, expected] of cases) {
    const script = [...hello('PIPELINING'), { hear: envelope }, { say }, ...more]
    assert.deepEqual(await run(script, mail(never)), [expected], say)
  }
})

test('what the server cannot take is answered without sending it', async () => {
  assert.deepEqual(await run(hello(), mail({ utf8: true })), ['550 mail false'])
  assert.deepEqual(await run(hello('SIZE 5'), mail()), ['552 mail false'])
})

test('a connection that breaks tells where', async () => {
  await assert.rejects(run([{ say: '554 go away\r\n' }], mail()), fault('greeting'))
  await assert.rejects(run([{ say: 'SSH-2.0\r\n' }], mail()), fault('greeting'))
  await assert.rejects(run([{ say: `220 ${'x'.repeat(3000)}` }], mail()), fault('greeting'))
  await assert.rejects(run([{ say: '220 hi\r\n' }, { hear: 'EHLO me.test\r\n' }], mail()), fault('hello'))
  const envelope = { hear: 'MAIL FROM:<me@a.test>\r\nRCPT TO:<x@b.test>\r\nDATA\r\n' }
  await assert.rejects(run([...hello('PIPELINING'), envelope], mail()), fault('mail'))
  await assert.rejects(run([...hello('PIPELINING'), envelope, { say: '250 ok\r\n' }], mail()), fault('rcpt'))
  const lost: Script = [
    ...hello('PIPELINING'),
    envelope,
    { say: '250 ok\r\n250 ok\r\n354 go\r\n' },
    { hear: 'a\r\n..b\r\n.\r\n' },
  ]
  await assert.rejects(run(lost, mail()), fault('end'))
})

test('a server without EHLO gets HELO; one without TLS where it is required gets nothing', async () => {
  const old: Script = [
    { say: '220 hi\r\n' },
    { hear: 'EHLO me.test\r\n' },
    { say: '500 what\r\n' },
    { hear: 'HELO me.test\r\n' },
    { say: '250 hi\r\n' },
    { hear: 'MAIL FROM:<me@a.test>\r\n' },
    { say: '550 no\r\n' },
  ]
  assert.deepEqual(await run(old, mail()), ['550 mail false'])
  await assert.rejects(run(hello('PIPELINING'), mail(), { tls: 'required' }), fault('tls'))
  const refused: Script = [...hello('STARTTLS'), { hear: 'STARTTLS\r\n' }, { say: '454 not now\r\n' }]
  await assert.rejects(run(refused, mail(), { tls: 'opportunistic' }), fault('tls'))
})

test('starttls injection: an answer that came before TLS ends the connection', async () => {
  const script: Script = [...hello('STARTTLS'), { hear: 'STARTTLS\r\n' }, { say: '220 go\r\n250 AUTH PLAIN\r\n' }]
  await assert.rejects(run(script, mail(), { tls: 'opportunistic' }), fault('tls'))
})

test('command injection: an address with a line end is not sent', async () => {
  const recipients = [{ address: { local: 'x\r\nRCPT TO:<y', domain: 'b.test' } }]
  await assert.rejects(run([...hello('PIPELINING')], mail({ recipients })), TypeError)
})

test('AUTH PLAIN or LOGIN, and what a refusal says', async () => {
  const auth = { user: 'u', password: 'p' }
  const plain: Script = [...hello('AUTH LOGIN PLAIN'), { hear: 'AUTH PLAIN AHUAcA==\r\n' }, { say: '535 5.7.8 no\r\n' }]
  await assert.rejects(
    run(plain, mail(), { auth }),
    (error) => fault('auth')(error) && (error as ConnectionFault).reply?.code === 535,
  )
  const login: Script = [
    ...hello('AUTH LOGIN'),
    { hear: 'AUTH LOGIN\r\n' },
    { say: '334 VXNlcm5hbWU6\r\n' },
    { hear: 'dQ==\r\n' },
    { say: '334 UGFzc3dvcmQ6\r\n' },
    { hear: 'cA==\r\n' },
    { say: '235 ok\r\n' },
    { hear: 'MAIL FROM:<me@a.test>\r\n' },
    { say: '550 no\r\n' },
  ]
  assert.deepEqual(await run(login, mail(), { auth }), ['550 mail false'])
})

test('RSET stands only where the transaction before was not carried to its end', async () => {
  const envelope = 'MAIL FROM:<me@a.test>\r\nRCPT TO:<x@b.test>\r\nDATA\r\n'
  const script: Script = [
    ...hello('PIPELINING'),
    { hear: envelope },
    { say: '250 ok\r\n250 ok\r\n354 go\r\n' },
    { hear: 'a\r\n..b\r\n.\r\n' },
    { say: '250 ok\r\n' },
    { hear: envelope },
    { say: '250 ok\r\n550 no\r\n503 no\r\n' },
    { hear: `RSET\r\n${envelope}` },
    { say: '250 ok\r\n550 no\r\n503 no\r\n503 no\r\n' },
  ]
  await withServer(script, async (port) => {
    const connection = await connectSmtp(options(port))
    const codes = []
    for (let i = 0; i < 3; i++)
      codes.push((await connection.send(mail())).map(({ reply, stage }) => `${reply.code} ${stage}`))
    assert.deepEqual(codes, [['250 data'], ['550 rcpt'], ['550 mail']])
    connection.close()
  })
})

test('nobody answers: the limit of time ends it', async () => {
  await assert.rejects(run([{ hear: 'never' }], mail(), { timeouts: { greeting: 30 } }), fault('greeting'))
})
