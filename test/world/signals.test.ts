// TERM, a second TERM and HUP on a server that has work in hand.

import assert from 'node:assert/strict'
import { existsSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { test } from 'node:test'
import tls from 'node:tls'
import { serveZone } from '../../src/dns/testing/serve-zone.ts'
import { createSelfSigned } from '../../src/tls/self-signed.ts'
import { type Installation, startInstallation } from '../server.ts'
import { startSink } from './sink.ts'
import { dial, dialTls, Imap, message, Smtp, sleep } from './talk.ts'

const users = { 'ada@posthorn.test': 'correct horse' }

test('TERM: a message under way is taken, idle sessions are told, new ones are refused; a second start has the mail', async (t) => {
  const server = await startInstallation(t, { users })
  const busy = await Smtp.open(server.ports.smtp)
  await busy.say('MAIL FROM:<eve@elsewhere.test>')
  await busy.say('RCPT TO:<ada@posthorn.test>')
  await busy.say('DATA')
  busy.talk.send('Subject: late\r\n\r\nfirst half, ')
  const [idle, imap] = await Promise.all([Smtp.open(server.ports.smtp), dial(server.ports.imap)])
  await imap.until(/\r\n/)
  const idling = await Imap.open(server.ports.imap, 'ada@posthorn.test', 'correct horse')
  await idling.idle()
  const began = performance.now()
  const ended = server.stop('SIGTERM')
  assert.match(await idle.reply(), /^421 /)
  assert.match(await imap.ended(), /^\* BYE .*\r\n/m)
  assert.match(await idling.talk.ended(), /^\* BYE .*\r\n/m)
  await assert.rejects(dial(server.ports.smtp), /ECONNREFUSED/)
  busy.talk.send('second half\r\n.\r\n')
  assert.match(await busy.reply(), /^250 2\.0\.0 /)
  assert.match(await busy.reply(), /^421 /)
  assert.equal(await ended, 0, server.output)
  const ms = performance.now() - began
  assert.ok(ms < 5_000, `${ms} ms`)

  await server.start()
  const reader = await Imap.open(server.ports.imap, 'ada@posthorn.test', 'correct horse')
  assert.match(await reader.say('FETCH 1 BODY[TEXT]'), /first half, second half/)
  reader.close()
})

test('a second TERM ends at once', async (t) => {
  const server = await startInstallation(t, { users })
  const busy = await Smtp.open(server.ports.smtp)
  await busy.say('MAIL FROM:<eve@elsewhere.test>')
  const ended = server.stop('SIGTERM')
  await sleep(300)
  const began = performance.now()
  process.kill(server.pid, 'SIGTERM')
  assert.equal(await ended, 1)
  assert.ok(performance.now() - began < 1_000)
})

test('HUP while the server starts is heeded when it has started', async (t) => {
  const server = await startInstallation(t, { users })
  assert.equal(await server.stop(), 0)
  const started = server.start()
  // The store is open, the ports are not.
  while (!existsSync(join(server.data, 'posthorn.db-wal'))) await sleep(1)
  process.kill(server.pid, 'SIGHUP')
  await started
  for (let i = 0; i < 100 && !server.output.includes('"reloaded"'); i++) await sleep(50)
  assert.match(server.output, /"ready".*"reloaded"/s)
  assert.equal(await server.stop(), 0)
})

test('TERM while the server starts ends it in order when it has started', async (t) => {
  const server = await startInstallation(t, { users })
  assert.equal(await server.stop(), 0)
  const started = server.start()
  while (!existsSync(join(server.data, 'posthorn.db-wal'))) await sleep(1)
  assert.equal(await server.stop(), 0, server.output)
  await started.catch(() => {})
  assert.match(server.output, /"stopped"/)
})

test('HUP: new connections get the new certificate, a live session goes on, a bad file changes nothing', async (t) => {
  const server = await startInstallation(t, { users })
  const before = await dialTls(server.ports.imaps)
  await before.until(/^\* OK/m)
  const put = (name: string) => {
    const pair = createSelfSigned([name], Date.now())
    writeFileSync(join(server.folder, 'cert.pem'), pair.cert)
    writeFileSync(join(server.folder, 'key.pem'), pair.key)
  }
  put('first.example.test')
  await server.reconfigure({ tls: { cert: 'cert.pem', key: 'key.pem' }, queue: { port: 26 } })
  await reload(server, /"changed":\["tls"\],"waiting":\["queue\.port"\]/)
  const serials = [before.serial]
  for (const name of ['imaps', 'submissions', 'https'] as const) {
    const after = await dialTls(server.ports[name])
    assert.notEqual(after.serial, before.serial, name)
    serials.push(after.serial)
    after.close()
  }
  assert.equal(new Set(serials.slice(1)).size, 1)
  assert.equal(await startTlsSerial(server.ports.smtp), serials[1])
  before.send('a NOOP\r\n')
  assert.match(await before.until(/^a .*\r\n/m), /^a OK/m)

  writeFileSync(join(server.folder, 'cert.pem'), 'nonsense')
  await reload(server, /reload refused/)
  await server.reconfigure({ smtp: { maxRecipients: 'many' } })
  await reload(server, /maxRecipients: expected a whole number/)
  const still = await dialTls(server.ports.imaps)
  assert.equal(still.serial, serials[1])
  still.close()
  before.close()
  const smtp = await Smtp.open(server.ports.smtp)
  assert.match((await smtp.deliver('eve@elsewhere.test', ['ada@posthorn.test'], message('on')))[2]!, /^250/)
  smtp.close()
})

test('HUP: routes, trusted networks, limits and the log level change at once, and no session is cut', async (t) => {
  const sink = await startSink(t)
  const names = await serveZone('sink.test. A 127.0.0.1')
  t.after(() => names.close())
  // Nobody listens at the discard port of loopback.
  const config = { queue: { routes: { '*': '127.0.0.1:9' } } }
  const server = await startInstallation(t, { users, config })
  const live = await Smtp.open(server.ports.smtp)
  const relays = async (smtp: Smtp) => {
    await smtp.say('MAIL FROM:<eve@elsewhere.test>')
    const reply = await smtp.say('RCPT TO:<zoe@away.test>')
    await smtp.say('RSET')
    return reply
  }
  assert.match(await relays(live), /^550 5\.7\.1 /)
  const user = await Smtp.open(server.ports.submission)
  assert.match(await user.say(`AUTH PLAIN ${btoa('\0ada@posthorn.test\0correct horse')}`), /^235 /)
  assert.match((await user.deliver('ada@posthorn.test', ['zoe@away.test'], own))[2]!, /^250 /)
  await until(async () => /"put off"/.test(server.output))

  // What is wrong in one place changes nothing in another.
  await server.reconfigure({ smtp: { trustedNetworks: ['127.0.0.0/8'] }, queue: { routes: { '*': 'no port' } } })
  await reload(server, /reload refused/)
  assert.match(await relays(await Smtp.open(server.ports.smtp)), /^550 5\.7\.1 /)

  await server.reconfigure({
    hostname: 'other.example.test',
    smtp: { trustedNetworks: ['127.0.0.0/8'], maxMessageSize: 2000, maxRecipients: 1 },
    queue: { routes: { '*': `sink.test:${sink.port}` } },
    dns: { resolver: names.address },
    log: { level: 'debug' },
  })
  await reload(server, /"waiting":\["hostname"\]/)
  assert.equal(await server.cliOk('queue', 'retry'), '1 recipient will be tried now\n')
  await until(async () => sink.messages().length === 1)
  assert.match(await relays(live), /^550 5\.7\.1 /)
  assert.match(await user.say('MAIL FROM:<ada@posthorn.test> SIZE=1000'), /^250 /)
  const fresh = await Smtp.open(server.ports.smtp, 'NOOP')
  assert.match(await fresh.say('EHLO client.test'), /^250-mail\.example\.test [\s\S]*SIZE 2000/)
  assert.match(await relays(fresh), /^250 /)
  const replies = await fresh.deliver('eve@elsewhere.test', ['zoe@away.test', 'kim@away.test'], message('two'))
  assert.deepEqual(
    replies.map((reply) => reply.slice(0, 3)),
    ['250', '250', '452', '250'],
  )
  assert.match(await fresh.say('MAIL FROM:<eve@elsewhere.test> SIZE=3000'), /^552 /)
  // The doors' thread tells at debug what it tells nobody otherwise.
  const handshake = await dial(server.ports.submissions)
  handshake.send('this is no handshake\r\n')
  await handshake.ended()
  await until(async () => /"level":20,.*"TLS"/.test(server.output))

  const reader = await Imap.open(server.ports.imap, 'ada@posthorn.test', 'correct horse')
  await server.reconfigure({ auth: { plaintext: 'never' }, disk: { minimumFree: '1000T' }, log: { level: 'warn' } })
  process.kill(server.pid, 'SIGHUP')
  const guest = await guestUntil(server, /LOGINDISABLED/)
  assert.match(await guest.say('LOGIN ada@posthorn.test "correct horse"'), /^t1 NO /m)
  assert.match(await reader.say('NOOP'), / OK /)
  assert.match(await live.say('MAIL FROM:<eve@elsewhere.test>'), /^452 4\.3\.1 /)
  await until(async () =>
    /the configured line is/.test(await (await fetch(`http://127.0.0.1:${server.ports.http}/health`)).text()),
  )
  assert.doesNotMatch(server.output, /"level":30,[^\n]*"changed":\["auth/)
  for (const { talk } of [live, user, fresh, reader, guest]) talk.close()
})

const own = message('waiting').replace('eve@elsewhere.test', 'ada@posthorn.test')

async function reload(server: Installation, log: RegExp): Promise<void> {
  const from = server.output.length
  process.kill(server.pid, 'SIGHUP')
  for (let i = 0; i < 300 && !log.test(server.output.slice(from)); i++) await sleep(10)
  assert.match(server.output.slice(from), log)
}

async function until(holds: () => Promise<boolean>): Promise<void> {
  for (let i = 0; i < 300; i++) {
    if (await holds()) return
    await sleep(10)
  }
  assert.fail(`it did not come true: ${holds}`)
}

/** A new IMAP connection whose greeting matches. */
async function guestUntil(server: Installation, greeting: RegExp): Promise<Imap> {
  for (let i = 0; i < 300; i++) {
    const talk = await dial(server.ports.imap)
    if (greeting.test(await talk.until(/\r\n/))) return new Imap(talk)
    talk.close()
    await sleep(10)
  }
  throw new Error(`no greeting matched ${greeting}`)
}

async function startTlsSerial(port: number): Promise<string> {
  const smtp = await Smtp.open(port)
  await smtp.say('STARTTLS')
  const { socket } = smtp.talk
  socket.removeAllListeners('data')
  return new Promise((resolve) => {
    const secure = tls.connect({ socket, rejectUnauthorized: false }, () => {
      resolve(secure.getPeerCertificate().serialNumber)
      secure.destroy()
    })
  })
}
