// TERM, a second TERM and HUP on a server that has work in hand.

import assert from 'node:assert/strict'
import { writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { test } from 'node:test'
import tls from 'node:tls'
import { createSelfSigned } from '../../src/tls/self-signed.ts'
import { startInstallation } from '../server.ts'
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
  await server.reconfigure({ tls: { cert: 'cert.pem', key: 'key.pem' }, smtp: { maxRecipients: 7 } })
  const reload = async (log: RegExp) => {
    const from = server.output.length
    process.kill(server.pid, 'SIGHUP')
    for (let i = 0; i < 300 && !log.test(server.output.slice(from)); i++) await sleep(10)
    assert.match(server.output.slice(from), log)
  }
  await reload(/"waiting":\["smtp\.maxRecipients"\]/)
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
  await reload(/reload refused/)
  await server.reconfigure({ smtp: { maxRecipients: 'many' } })
  await reload(/maxRecipients: expected a whole number/)
  const still = await dialTls(server.ports.imaps)
  assert.equal(still.serial, serials[1])
  still.close()
  before.close()
  const smtp = await Smtp.open(server.ports.smtp)
  assert.match((await smtp.deliver('eve@elsewhere.test', ['ada@posthorn.test'], message('on')))[2]!, /^250/)
  smtp.close()
})

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
