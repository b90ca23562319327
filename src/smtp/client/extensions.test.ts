// What a server offers, and what the client then says: each extension as it stands on the wire.

import assert from 'node:assert/strict'
import { test } from 'node:test'
import { formatMail, formatRecipient, refuseUnsent } from './commands.ts'
import { connectSmtp, type OutgoingMail } from './index.ts'
import { address, fault, hello, mail, options, run, type Script, withServer } from './testing/script.ts'

const whole = Buffer.from('a\r\n.b\r\n')
const envelope = 'MAIL FROM:<me@a.test>\r\nRCPT TO:<x@b.test>\r\n'

/** MAIL and RCPT for a server with these extensions. */
function spoken(keywords: readonly string[], outgoing: Partial<OutgoingMail>): string {
  const extensions = new Map(keywords.map((one) => one.split(' ', 2) as [string, string]))
  const one = mail(outgoing)
  return [formatMail({ extensions }, one), ...one.recipients.map((to) => formatRecipient({ extensions }, to))].join('|')
}

test('what is asked for is passed on where it is offered, and only there', async () => {
  const all = ['SIZE', '8BITMIME', 'SMTPUTF8', 'DSN', 'DELIVERBY', 'MT-PRIORITY MIXER', 'FUTURERELEASE 100 200']
  const params = { ret: 'hdrs', envid: 'a+b=c', priority: -3, holdUntil: 5 } as const
  const recipients = [
    {
      address: address('x'),
      params: { notify: ['success', 'delay'], orcpt: { type: 'rfc822', address: 'x y@b.test' } },
    },
    { address: address('y'), params: { notify: [], orcpt: { type: 'utf-8', address: 'ü+@b.test' } } },
    { address: address('z') },
  ] as const
  const by = { seconds: 119.9, mode: 'return', trace: true } as const
  assert.equal(
    spoken(all, { params, recipients, by, body8: true }),
    'MAIL FROM:<me@a.test> SIZE=10 BODY=8BITMIME RET=HDRS ENVID=a+2Bb+3Dc BY=119;RT MT-PRIORITY=-3|' +
      'RCPT TO:<x@b.test> NOTIFY=SUCCESS,DELAY ORCPT=rfc822;x+20y@b.test|' +
      'RCPT TO:<y@b.test> NOTIFY=NEVER ORCPT=utf-8;\\x{FC}\\x{2B}@b.test|RCPT TO:<z@b.test>',
  )
  assert.equal(spoken([], { params, by }), 'MAIL FROM:<me@a.test>|RCPT TO:<x@b.test>')
})

test('the time that is left: late is negative, what must come back has at least a second', async () => {
  const table = [
    [{ seconds: -12.5, mode: 'notify', trace: false }, 'BY=-13;N'],
    [{ seconds: 0.4, mode: 'return', trace: false }, 'BY=1;R'],
    [{ seconds: 5e9, mode: 'notify', trace: true }, 'BY=999999999;NT'],
  ] as const
  for (const [by, expected] of table)
    assert.equal(spoken(['DELIVERBY 60'], { by }), `MAIL FROM:<me@a.test> ${expected}|RCPT TO:<x@b.test>`)
})

test('a domain beyond ASCII is sent as A-labels, which need no SMTPUTF8', async () => {
  const recipients = [{ address: { local: 'x', domain: 'xn--bcher-kva.test' } }]
  assert.equal(spoken([], { recipients }), 'MAIL FROM:<me@a.test>|RCPT TO:<x@xn--bcher-kva.test>')
  const utf8 = [{ address: { local: 'jörg', domain: 'xn--bcher-kva.test' } }]
  const expected = 'MAIL FROM:<me@a.test> SMTPUTF8|RCPT TO:<jörg@xn--bcher-kva.test>'
  assert.equal(spoken(['SMTPUTF8'], { recipients: utf8, utf8: true }), expected)
})

test('what may not be sent to this server is refused in its place, and nothing is sent', () => {
  const tls = { version: 'TLSv1.3', cipher: 'x', authorized: true }
  const offer = (...keywords: string[]) => ({
    extensions: new Map(keywords.map((one) => one.split('=') as [string, string])),
  })
  const requireTls = { params: { requireTls: true } }
  const table: readonly [object, ReturnType<typeof offer>, Partial<OutgoingMail>, string | undefined][] = [
    [{}, offer(), { utf8: true }, '5.6.7'],
    [{}, offer('SMTPUTF8'), { utf8: true, body8: true }, undefined],
    [{}, offer(), { body8: true }, '5.6.3'],
    [{}, offer('8BITMIME'), { body8: true }, undefined],
    [{}, offer('8BITMIME', 'BINARYMIME'), { binary: true }, '5.6.3'],
    [{}, offer('CHUNKING', 'BINARYMIME'), { binary: true, body8: true }, undefined],
    [{}, offer('REQUIRETLS'), requireTls, '5.7.30'],
    [{ tls: { ...tls, authorized: false } }, offer('REQUIRETLS'), requireTls, '5.7.30'],
    [{ tls }, offer(), requireTls, '5.7.30'],
    [{ tls }, offer('REQUIRETLS'), requireTls, undefined],
    [{}, offer('SIZE=9'), {}, '5.3.4'],
    [{}, offer('SIZE=0'), {}, undefined],
  ]
  for (const [more, what, outgoing, expected] of table)
    assert.equal(refuseUnsent({ ...what, ...more }, mail(outgoing))?.enhanced, expected, JSON.stringify(outgoing))
})

test('CHUNKING and PIPELINING: a small message goes with its envelope in one flight', async () => {
  const script: Script = [
    ...hello('PIPELINING', 'CHUNKING'),
    { hear: `${envelope}BDAT 7 LAST\r\na\r\n.b\r\n` },
    { say: '250 ok\r\n250 ok\r\n250 2.0.0 queued\r\n' },
    { hear: `${envelope}BDAT 7 LAST\r\na\r\n.b\r\n` },
    { say: '250 ok\r\n550 no\r\n503 nobody\r\n' },
    { hear: `RSET\r\n${envelope}BDAT 7 LAST\r\na\r\n.b\r\n` },
    { say: '250 ok\r\n550 no\r\n503 no\r\n503 no\r\n' },
  ]
  await withServer(script, async (port) => {
    const connection = await connectSmtp(options(port))
    const codes = []
    for (let i = 0; i < 3; i++)
      codes.push(...(await connection.send(mail({ whole }))).map(({ reply, stage }) => `${reply.code} ${stage}`))
    assert.deepEqual(codes, ['250 data', '550 rcpt', '550 mail'])
    connection.close()
  })
})

test('a large message goes in chunks; the last one waits until all others are taken', async () => {
  const parts = ['one\r\n', 'two\n', 'three']
  const large = mail({
    async *data() {
      for (const part of parts) yield Buffer.from(part)
    },
  })
  const script: Script = [
    ...hello('PIPELINING', 'CHUNKING'),
    { hear: envelope },
    { say: '250 ok\r\n250 ok\r\n' },
    // A bare LF leaves as a line end, a last line without one is completed.
    { hear: 'BDAT 5\r\none\r\nBDAT 5\r\ntwo\r\nBDAT 5\r\nthree' },
    { say: '250 1\r\n250 2\r\n250 3\r\n' },
    { hear: 'BDAT 2 LAST\r\n\r\n' },
    { say: '250 2.0.0 queued\r\n' },
  ]
  assert.deepEqual(await run(script, large), ['250 data true'])
  const refused: Script = [
    ...script.slice(0, -4),
    { hear: 'BDAT 5\r\none\r\n' },
    { say: '552 5.3.4 too large\r\n' },
    { hear: 'BDAT 5\r\ntwo\r\nBDAT 5\r\nthree' },
    { say: '503 no\r\n503 no\r\n' },
  ]
  assert.deepEqual(await run(refused, large), ['552 data false'])
})

test('binary content goes as it is, one chunk after the other where nothing may be sent ahead', async () => {
  const bytes = Buffer.from([0, 10, 13, 200, 46, 13, 10])
  const binary = mail({
    binary: true,
    body8: true,
    async *data() {
      yield bytes
    },
  })
  const script: Script = [
    ...hello('CHUNKING', 'BINARYMIME'),
    { hear: 'MAIL FROM:<me@a.test> BODY=BINARYMIME\r\n' },
    { say: '250 ok\r\n' },
    { hear: 'RCPT TO:<x@b.test>\r\n' },
    { say: '250 ok\r\n' },
    { hear: `BDAT 7 LAST\r\n${bytes.toString('latin1')}` },
    { say: '250 ok\r\n' },
  ]
  assert.deepEqual(await run(script, binary), ['250 data true'])
})

test('LMTP with chunks answers for each recipient; with nobody accepted the connection ends', async () => {
  const recipients = ['x', 'y'].map((local) => ({ address: address(local) }))
  const start: Script = [
    { say: '220 hi\r\n' },
    { hear: 'LHLO me.test\r\n' },
    { say: '250-x\r\n250-CHUNKING\r\n250 PIPELINING\r\n' },
    { hear: 'MAIL FROM:<me@a.test>\r\nRCPT TO:<x@b.test>\r\nRCPT TO:<y@b.test>\r\nBDAT 7 LAST\r\na\r\n.b\r\n' },
  ]
  const answers = async (say: string) => run([...start, { say }], mail({ whole, recipients }), { lmtp: true })
  assert.deepEqual(await answers('250 ok\r\n250 ok\r\n250 ok\r\n250 ok\r\n452 4.2.2 full\r\n'), [
    '250 data true',
    '452 data false',
  ])
  assert.deepEqual(await answers('250 ok\r\n550 no\r\n550 no\r\n'), ['550 rcpt false', '550 rcpt false'])
})

test('a connection that breaks behind the last chunk: nobody knows whether it arrived', async () => {
  const script = (say: string): Script => [
    ...hello('PIPELINING', 'CHUNKING'),
    { hear: `${envelope}BDAT 7 LAST\r\na\r\n.b\r\n` },
    ...(say ? [{ say }] : []),
  ]
  await assert.rejects(run(script('250 ok\r\n'), mail({ whole })), fault('end'))
  // Without any answer the server had closed before it heard the first command.
  await assert.rejects(run(script(''), mail({ whole })), fault('mail'))
})
