// Servers that lie, drip, flood or talk out of turn: each costs its own message an attempt and nothing else.

import assert from 'node:assert/strict'
import net from 'node:net'
import { test } from 'node:test'
import type { Stage } from './fault.ts'
import { type ConnectionFault, connectSmtp } from './index.ts'
import { address, fault, hello, mail, oneByOne, options, run, type Script, withServer } from './testing/script.ts'

const flight = 'MAIL FROM:<me@a.test>\r\nRCPT TO:<x@b.test>\r\nDATA\r\n'

/** A server that does as it likes with the socket. */
async function withSocket<T>(serve: (socket: net.Socket) => void, work: (port: number) => Promise<T>): Promise<T> {
  const sockets = new Set<net.Socket>()
  const server = net.createServer((socket) => {
    sockets.add(socket)
    socket.on('error', () => {})
    serve(socket)
  })
  await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve))
  try {
    return await work((server.address() as net.AddressInfo).port)
  } finally {
    for (const socket of sockets) socket.destroy()
    server.close()
  }
}

test('reply before command: an early yes to the message is no yes', async () => {
  const early: Script = [
    ...hello('PIPELINING'),
    { hear: flight },
    { say: '250 ok\r\n250 ok\r\n354 go\r\n250 2.0.0 queued\r\n' },
  ]
  await assert.rejects(run(early, mail()), fault('data'))
  const refused: Script = [
    ...hello('PIPELINING'),
    { hear: flight },
    { say: '250 ok\r\n250 ok\r\n354 go\r\n552 too large\r\n' },
  ]
  assert.deepEqual(await run(refused, mail()), ['552 data false'])
})

test('reply before command: what was said between two messages answers neither', async () => {
  const script: Script = [
    ...hello('PIPELINING'),
    { hear: flight },
    { say: '250 ok\r\n250 ok\r\n354 go\r\n' },
    { hear: 'a\r\n..b\r\n.\r\n' },
    { say: '250 ok\r\n250 and this is for the next\r\n' },
    { hear: 'never' },
  ]
  await withServer(script, async (port) => {
    const connection = await connectSmtp(options(port))
    await connection.send(mail())
    await new Promise((resolve) => setTimeout(resolve, 20))
    await assert.rejects(connection.send(mail()), fault('mail'))
  })
})

test('421 at any place ends the session and is the answer for all who had none', async () => {
  const answers = ['421 bye\r\n', '250 ok\r\n421 bye\r\n', '250 ok\r\n250 ok\r\n421 bye\r\n']
  for (const say of answers)
    assert.deepEqual(
      (await run([...hello('PIPELINING'), { hear: flight }, { say }], mail()))[0]!.slice(0, 3),
      '421',
      say,
    )
  await assert.rejects(run([{ say: '421 busy\r\n' }], mail()), fault('greeting'))
  await assert.rejects(
    run([{ say: '220 hi\r\n' }, { hear: 'EHLO me.test\r\n' }, { say: '421 no\r\n' }], mail()),
    fault('hello'),
  )
})

test('endless reply: 10,000 lines end the session, and so does a line without end', async () => {
  const greet = { say: '220 hi\r\n' }
  const lines = `${'250-x\r\n'.repeat(10_000)}250 x\r\n`
  await assert.rejects(run([greet, { hear: 'EHLO me.test\r\n' }, { say: lines }], mail()), fault('hello'))
  await assert.rejects(
    run([greet, { hear: 'EHLO me.test\r\n' }, { say: `250 ${'x'.repeat(1_000_000)}` }], mail()),
    fault('hello'),
  )
})

test('flood: a server that never stops talking is not read without bound', async () => {
  const flood = Buffer.alloc(65_536, '250-more\r\n')
  let taken = 0
  const serve = (socket: net.Socket) => {
    const pour = () => {
      while (!socket.destroyed && socket.write(flood)) taken += flood.length
    }
    socket.on('drain', pour)
    socket.write('220 hi\r\n')
    socket.once('data', pour)
  }
  await withSocket(serve, (port) => assert.rejects(connectSmtp(options(port)), fault('hello')))
  assert.ok(taken < 50_000_000)
})

test('garbage: bytes that are no reply, also in the middle of one', async () => {
  for (const say of [
    '\0\0\0\0\r\n',
    'HTTP/1.1 400 Bad Request\r\n\r\n',
    '250\xff ok\r\n',
    '999 x\r\n',
    '-250 x\r\n',
    '\r\n',
  ])
    await assert.rejects(
      run([...hello('PIPELINING'), { hear: flight }, { say }], mail()),
      fault('mail'),
      JSON.stringify(say),
    )
  const mixed = '250-one\r\n550 two\r\n'
  await assert.rejects(run([...hello('PIPELINING'), { hear: flight }, { say: mixed }], mail()), fault('mail'))
})

test('slow drip: a reply byte by byte does not outlive its limit of time', async () => {
  const serve = (socket: net.Socket) => {
    const timer = setInterval(() => socket.write('2'), 5)
    socket.on('close', () => clearInterval(timer))
  }
  const began = performance.now()
  await withSocket(serve, (port) =>
    assert.rejects(connectSmtp(options(port, { timeouts: { greeting: 100 } })), fault('greeting')),
  )
  assert.ok(performance.now() - began < 5_000)
})

test('slow reader: a server that takes no bytes of the message does not hold it for ever', async () => {
  const serve = (socket: net.Socket) => {
    socket.write('220 hi\r\n')
    socket.once('data', () => {
      socket.write('250-x\r\n250 PIPELINING\r\n')
      socket.once('data', () => {
        socket.write('250 ok\r\n250 ok\r\n354 go\r\n')
        socket.pause()
      })
    })
  }
  const endless = mail({
    async *data() {
      for (;;) yield Buffer.alloc(65_536, 'x'.repeat(70))
    },
  })
  await withSocket(serve, async (port) => {
    const connection = await connectSmtp(options(port, { timeouts: { data: 200 } }))
    await assert.rejects(connection.send(endless), fault('data'))
  })
})

test('pipelining lie: a server that drops what was sent ahead costs an attempt, no wrong answer', async () => {
  // It answers MAIL and forgets the rest.
  const script: Script = [...hello('PIPELINING'), { hear: flight }, { say: '250 ok\r\n' }, { hear: 'never' }]
  const ahead = (stage: Stage, is: boolean) => (error: unknown) =>
    fault(stage)(error) && (error as ConnectionFault).ahead === is
  await assert.rejects(run(script, mail(), { timeouts: { command: 100 } }), ahead('rcpt', true))
  const chunk = 'MAIL FROM:<me@a.test>\r\nRCPT TO:<x@b.test>\r\nBDAT 3 LAST\r\na\r\n'
  const chunked = (say: string): Script => [...hello('PIPELINING', 'CHUNKING'), { hear: chunk }, { say }]
  const small = mail({ whole: Buffer.from('a\r\n') })
  await assert.rejects(run(chunked('250 ok\r\n'), small), ahead('end', true))
  // Here all was answered but the message.
  await assert.rejects(run(chunked('250 ok\r\n250 ok\r\n'), small), ahead('end', false))
  const data: Script = [...hello('PIPELINING'), { hear: flight }, { say: '250 ok\r\n250 ok\r\n354 go\r\n' }]
  await assert.rejects(run(data, mail()), (error) => (error as ConnectionFault).ahead === false)
})

test('pipelining lie: who is known for it gets one command at a time, whatever it offers', async () => {
  const script: Script = [...hello('PIPELINING', 'CHUNKING'), ...oneByOne('MAIL FROM:<me@a.test>')]
  assert.deepEqual(await run(script, mail(), { pipelining: false }), ['250 data true'])
})

test('smuggling outward: bare CR, bare LF and dots of any content leave as lines, by DATA and by BDAT', async () => {
  const content = 'a\n.\nMAIL FROM:<x@y>\r.\r\nb\r\n.\rc\n.\r\n.'
  const lines = ['a', '.', 'MAIL FROM:<x@y>', '.', 'b', '.', 'c', '.', '.', '']
  const text = lines.join('\r\n')
  const stuffed = lines.map((line) => (line.startsWith('.') ? `.${line}` : line)).join('\r\n')
  for (const size of [1, 2, 3, 100]) {
    const pieces = Array.from({ length: Math.ceil(content.length / size) }, (_, i) =>
      content.slice(i * size, (i + 1) * size),
    )
    const outgoing = mail({
      async *data() {
        for (const piece of pieces) yield Buffer.from(piece)
      },
    })
    const data: Script = [
      ...hello('PIPELINING'),
      { hear: flight },
      { say: '250 ok\r\n250 ok\r\n354 go\r\n' },
      { hear: `${stuffed}.\r\n` },
      { say: '250 ok\r\n' },
    ]
    assert.deepEqual(await run(data, outgoing), ['250 data true'], `${size}`)
  }
  const whole = Buffer.from(content)
  const bdat: Script = [
    ...hello('PIPELINING', 'CHUNKING'),
    { hear: `MAIL FROM:<me@a.test>\r\nRCPT TO:<x@b.test>\r\nBDAT ${text.length} LAST\r\n${text}` },
    { say: '250 ok\r\n250 ok\r\n250 ok\r\n' },
  ]
  assert.deepEqual(await run(bdat, mail({ whole })), ['250 data true'])
})

test('command injection: line ends in an address, in ENVID or ORCPT never reach the wire as such', async () => {
  const recipients = [{ address: { local: 'x\r\nRCPT TO:<y', domain: 'b.test' } }]
  await assert.rejects(run([...hello('PIPELINING', 'DSN')], mail({ recipients })), TypeError)
  const script: Script = [
    ...hello('PIPELINING', 'DSN'),
    { hear: 'MAIL FROM:<me@a.test> ENVID=a+0D+0ARSET\r\nRCPT TO:<x@b.test> ORCPT=rfc822;x+0D+0ARSET\r\nDATA\r\n' },
    { say: '550 no\r\n503 no\r\n503 no\r\n' },
  ]
  const orcpt = { type: 'rfc822', address: 'x\r\nRSET' }
  const outgoing = mail({ params: { envid: 'a\r\nRSET' }, recipients: [{ address: address('x'), params: { orcpt } }] })
  assert.deepEqual(await run(script, outgoing), ['550 mail false'])
})

test('starttls injection: what came in plaintext behind the 220 is not read as TLS said it', async () => {
  const script: Script = [
    ...hello('STARTTLS'),
    { hear: 'STARTTLS\r\n' },
    { say: '220 go\r\n250-x\r\n250 AUTH PLAIN\r\n' },
  ]
  await assert.rejects(run(script, mail(), { tls: 'required' }), fault('tls'))
})
