// Mail from outside is asked who sent it: what is found stands in its header and its timeline, and its author's domain is heard.

import assert from 'node:assert/strict'
import { generateKeyPairSync } from 'node:crypto'
import { test } from 'node:test'
import nodemailer from 'nodemailer'
import { serveZone } from '../../src/dns/testing/serve-zone.ts'
import { type Installation, startInstallation } from '../server.ts'
import { Imap, Smtp } from './talk.ts'

const password = 'correct horse'
const outside = '192.0.2.1'

/** Signed by somebody else's code. */
async function sign(from: string, subject: string, privateKey: string, text = 'Good day.\n'): Promise<string> {
  const domainName = from.split('@')[1]!
  const dkim = { domainName, keySelector: 'k1', privateKey }
  const transport = nodemailer.createTransport({ streamTransport: true, buffer: true, newline: 'windows', dkim })
  const { message } = await transport.sendMail({ from, to: 'ann@here.test', subject, text })
  return (message as Buffer).toString().trimEnd()
}

async function deliver(server: Installation, from: string, message: string, to = 'ann@here.test'): Promise<string> {
  const client = await Smtp.open(server.ports.smtp)
  await client.say(`XCLIENT ADDR=${outside}`)
  await client.say('EHLO out.good.test')
  const replies = await client.deliver(from, [to], message)
  client.talk.close()
  return replies.at(-1)!
}

test('mail from outside: results in its header, Junk and refusal as its domain asks', async (t) => {
  const keys = generateKeyPairSync('rsa', {
    modulusLength: 2048,
    publicKeyEncoding: { type: 'spki', format: 'der' },
    privateKeyEncoding: { type: 'pkcs8', format: 'pem' },
  })
  const p = keys.publicKey.toString('base64')
  const record = [p.slice(0, 200), p.slice(200)].map((piece, i) => `"${i === 0 ? 'v=DKIM1; k=rsa; p=' : ''}${piece}"`)
  const zone = await serveZone(`
    good.test TXT "v=spf1 ip4:${outside} -all"
    _dmarc.good.test TXT "v=DMARC1; p=reject"
    k1._domainkey.good.test TXT ${record.join(' ')}
    out.good.test A ${outside}
    1.2.0.192.in-addr.arpa PTR out.good.test
    strict.test TXT "v=spf1 -all"
    _dmarc.strict.test TXT "v=DMARC1; p=reject"
    careful.test A 192.0.2.9
    _dmarc.careful.test TXT "v=DMARC1; p=quarantine"`)
  t.after(() => zone.close())
  const server = await startInstallation(t, {
    users: { 'ann@here.test': password, 'bob@mild.test': password },
    config: {
      hostname: 'mx.here.test',
      dns: { resolver: zone.address },
      smtp: { xclient: ['127.0.0.0/8'] },
    },
  })
  // Strangers whom nobody vouches for would have to come again.
  for (const domain of ['here.test', 'mild.test']) await server.cliOk('domain', 'set', domain, 'greylist=off')
  const box = async (name: string, user = 'ann@here.test') => {
    const imap = await Imap.open(server.ports.imap, user, password, name)
    t.after(async () => imap.close())
    return imap
  }

  await t.test('signed, from a host of its domain: delivered, with one set of results and no forged one', async () => {
    const signed = await sign('bert@good.test', 'greeting', keys.privateKey)
    const forged =
      'Authentication-Results: MX.here.test; dkim=pass header.d=bank.test\r\n' +
      'Authentication-Results: elsewhere.test; spf=pass\r\n' +
      'Received-SPF: pass (mx.here.test: told you so) receiver=mx.here.test\r\n'
    assert.match(await deliver(server, 'bert@good.test', forged + signed), /^250 /)
    const text = await (await box('INBOX')).say('FETCH 1 BODY[HEADER]')
    assert.equal(text.match(/^Authentication-Results: mx\.here\.test;/gim)?.length, 1, text)
    assert.match(text, /^Authentication-Results: elsewhere\.test;/m)
    assert.equal(text.match(/^Received-SPF:/gm)?.length, 1)
    assert.ok(!text.includes('bank.test'))
    assert.match(text, /spf=pass smtp\.mailfrom=bert@good\.test;/)
    assert.match(text, /dkim=pass header\.d=good\.test header\.s=k1 header\.a=rsa-sha256 header\.b=\S+;/)
    assert.match(text, /dmarc=pass \(p=reject\) header\.from=good\.test policy\.dmarc=reject;/)
    assert.match(text, /iprev=pass policy\.iprev=192\.0\.2\.1 \(out\.good\.test\)\r\n/)
    const order = ['Return-Path', 'Delivered-To', 'Authentication-Results', 'Received-SPF', 'Received:']
    const places = order.map((name) => text.indexOf(`\n${name}`))
    assert.deepEqual(
      places,
      places.toSorted((a, b) => a - b),
      text,
    )
  })

  await t.test(
    'of a domain that says no: refused in the session, with the reason, and the timeline tells',
    async () => {
      const reply = await deliver(
        server,
        'x@strict.test',
        'From: x@strict.test\r\nMessage-ID: <no@strict.test>\r\n\r\nx\r\n',
      )
      assert.match(reply, /^550 5\.7\.26 strict\.test asks to reject mail that does not pass DMARC/)
      // Refusals are written a moment later, many at once.
      let told = ''
      for (let i = 0; i < 50 && !told; i++) {
        await new Promise((done) => setTimeout(done, 200))
        told = (await server.cli('trace', 'no@strict.test')).stdout
      }
      assert.match(told, /refused at .*550 5\.7\.26/)
    },
  )

  await t.test('of one that says careful: in Junk, and the timeline tells why', async () => {
    const message = 'From: y@careful.test\r\nMessage-ID: <hm@careful.test>\r\n\r\nx\r\n'
    assert.match(await deliver(server, 'y@careful.test', message), /^250 /)
    assert.equal(await (await box('')).count('Junk'), 1)
    const told = await server.cliOk('trace', 'hm@careful.test')
    assert.match(told, /authentication: SPF none .* DKIM none .* DMARC fail \(careful\.test asks quarantine\)/)
    assert.match(told, /verdict: to Junk: DMARC: careful\.test asks to quarantine/)
    assert.match(told, /Junk/)
  })

  await t.test('a domain of ours may want less', async () => {
    await server.cliOk('domain', 'set', 'mild.test', 'dmarc=record')
    const message = 'From: x@strict.test\r\n\r\nx\r\n'
    assert.match(await deliver(server, 'x@strict.test', message, 'bob@mild.test'), /^250 /)
    const text = await (await box('INBOX', 'bob@mild.test')).say('FETCH 1 BODY[HEADER]')
    assert.match(text, /dmarc=fail \(p=reject\) header\.from=strict\.test policy\.dmarc=reject/)
    await server.cliOk('domain', 'set', 'mild.test', 'dmarc=junk')
    assert.match(await deliver(server, 'x@strict.test', message, 'bob@mild.test'), /^250 /)
    assert.equal(await (await box('', 'bob@mild.test')).count('Junk'), 1)
  })

  await t.test('a large message is verified from its file', async () => {
    const long = await sign('bert@good.test', 'long', keys.privateKey, `${'word '.repeat(14)}\n`.repeat(4_000))
    assert.match(await deliver(server, 'other@good.test', long), /^250 /)
    const imap = await box('INBOX')
    const text = await imap.say('FETCH 2 BODY[HEADER]')
    assert.match(text, /dkim=pass header\.d=good\.test/)
  })

  await t.test('a signature over a part of the body does not hide the rest', async () => {
    const signed = await sign('bert@good.test', 'tail', keys.privateKey)
    const reply = await deliver(server, 'z@elsewhere.test', `${signed}\r\nBuy now.\r\n`)
    // Not signed for what it holds, and sent by who may not: nobody vouches for it.
    assert.match(reply, /^550 5\.7\.26 /)
  })

  await t.test('who is on this machine is not asked', async () => {
    const client = await Smtp.open(server.ports.smtp)
    const replies = await client.deliver(
      'x@strict.test',
      ['ann@here.test'],
      'From: x@strict.test\r\nSubject: local\r\n\r\nx\r\n',
    )
    client.talk.close()
    assert.match(replies.at(-1)!, /^250 /)
    const imap = await box('INBOX')
    assert.ok(!/Authentication-Results/.test(await imap.say('FETCH 3 BODY[HEADER]')))
  })
})
