// POP3 and sign-in in the running server: several threads, a crash, a reload, guesses that are remembered at every door, and a database
// from before SCRAM-SHA-1.

import assert from 'node:assert/strict'
import { join } from 'node:path'
import { DatabaseSync } from 'node:sqlite'
import { test } from 'node:test'
import { needs } from '../interop/programs.ts'
import { type Installation, run, startInstallation } from '../server.ts'
import { dial, dialTls, Smtp, type Talk } from './talk.ts'

const users = { 'ada@posthorn.test': 'correct horse' }
const letter = (n: number) => `From: eve@elsewhere.test\r\nSubject: ${n}\r\n\r\ntext\r\n`

async function signIn(port: number): Promise<{ talk: Talk; answer: string }> {
  const talk = await dialTls(port)
  await talk.until(/\+OK.*\r\n/)
  talk.send('USER ada@posthorn.test\r\nPASS correct horse\r\n')
  await talk.until(/\+OK.*\r\n/)
  return { talk, answer: await talk.until(/^(\+OK|-ERR).*\r\n/m) }
}

async function logs(server: Installation, wanted: RegExp): Promise<void> {
  for (let i = 0; !wanted.test(server.output); i++) {
    assert.ok(i < 500, `${wanted} is not in\n${server.output}`)
    await new Promise((resolve) => setTimeout(resolve, 10))
  }
}

test('of eight sessions in two threads one has the maildrop; what it removed stays removed after kill -9', async (t) => {
  const server = await startInstallation(t, { users, config: { doors: 2 } })
  const smtp = await Smtp.open(server.ports.smtp)
  for (let n = 1; n <= 3; n++) await smtp.deliver('eve@elsewhere.test', ['ada@posthorn.test'], letter(n))
  const all = await Promise.all(Array.from({ length: 8 }, () => signIn(server.ports.pop3s)))
  assert.equal(all.filter(({ answer }) => answer.startsWith('+OK 3 messages')).length, 1)
  assert.equal(all.filter(({ answer }) => answer.startsWith('-ERR [IN-USE]')).length, 7)
  const { talk } = all.find(({ answer }) => answer.startsWith('+OK'))!
  talk.send('DELE 1\r\nDELE 3\r\nQUIT\r\n')
  await talk.until(/2 removed, bye\r\n/)
  process.kill(server.pid, 'SIGKILL')
  await server.exited
  await server.start()
  const { talk: next, answer } = await signIn(server.ports.pop3s)
  assert.match(answer, /^\+OK 1 messages/)
  next.send('RETR 1\r\n')
  assert.match(await next.until(/^\.\r\n/m), /Subject: 2/)
  next.send('DELE 1\r\nNOOP\r\n')
  await next.until(/done\r\n/)
  process.kill(server.pid, 'SIGKILL')
  await server.exited
  await server.start()
  assert.match((await signIn(server.ports.pop3s)).answer, /^\+OK 1 messages/, 'there was no QUIT')
})

test('HUP names a proxy: from then on its connections begin with a header', async (t) => {
  const server = await startInstallation(t, { users })
  const before = await dial(server.ports.pop3, '127.0.0.1')
  await before.until(/\+OK.*\r\n/)
  // The doors greet before the process hears signals.
  await logs(server, /"ready"/)
  await server.reconfigure({ proxyProtocol: ['127.0.0.1'] })
  process.kill(server.pid, 'SIGHUP')
  await logs(server, /"changed":\["proxyProtocol"\]/)
  before.send('CAPA\r\n')
  await before.until(/^\.\r\n/m)
  for (const name of ['pop3', 'imap', 'smtp', 'lmtp'] as const) {
    const without = await dial(server.ports[name])
    without.send('NOOP\r\n')
    assert.equal(await without.ended(), '', name)
    const talk = await dial(server.ports[name])
    talk.send('PROXY TCP4 192.0.2.7 203.0.113.9 12345 25\r\n')
    await talk.until(/^(\+OK|\* OK|220) .*\r\n/m)
  }
})

test('wrong passwords at one door slow the next attempt at another', async (t) => {
  const server = await startInstallation(t, { users })
  const guess = async () => {
    const talk = await dialTls(server.ports.pop3s)
    await talk.until(/\+OK.*\r\n/)
    for (const word of ['one', 'two', 'three']) {
      talk.send(`USER ada@posthorn.test\r\nPASS ${word}\r\n`)
      await talk.until(/-ERR \[AUTH\].*\r\n/, 30_000)
    }
  }
  await Promise.all([guess(), guess()])
  const imap = await dialTls(server.ports.imaps)
  await imap.until(/^\* OK.*\r\n/m)
  const began = performance.now()
  imap.send('a LOGIN ada@posthorn.test "correct horse"\r\n')
  assert.match(await imap.until(/^a .*\r\n/m, 30_000), /^a OK/)
  assert.ok(performance.now() - began > 1500, 'IMAP did not know of the guesses at POP3')
})

test('a user from before SCRAM-SHA-1 has it after his next sign-in by password', {
  skip: await needs('gsasl'),
}, async (t) => {
  const server = await startInstallation(t, { users })
  await server.stop()
  const db = new DatabaseSync(join(server.data, 'posthorn.db'))
  const { scram } = db.prepare('SELECT scram FROM account_settings').get() as { scram: string }
  const [old] = scram.split(' ')
  assert.match(old!, /^SCRAM-SHA-256\$15000:/)
  db.prepare('UPDATE account_settings SET scram = ?').run(old!)
  db.close()
  await server.start()
  const gsasl = (mechanism: string) =>
    run('gsasl', [
      ...['--client', '--imap', '--no-starttls', '--connect', `127.0.0.1:${server.ports.imap}`],
      ...['-m', mechanism, '-a', 'ada@posthorn.test', '-p', 'correct horse'],
    ])
  assert.equal((await gsasl('SCRAM-SHA-256')).code, 0)
  const refused = await gsasl('SCRAM-SHA-1')
  assert.notEqual(refused.code, 0)
  assert.match(refused.stdout, /NO \[AUTHENTICATIONFAILED\] the name or password is wrong/)
  assert.match((await signIn(server.ports.pop3s)).answer, /^\+OK/)
  let signed = await gsasl('SCRAM-SHA-1')
  for (let i = 0; signed.code !== 0 && i < 20; i++) signed = await gsasl('SCRAM-SHA-1')
  assert.equal(signed.code, 0, signed.stdout)
})
