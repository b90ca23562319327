// The built-in spam filter in a running server: spam from outside goes to Junk, and what a user moves there teaches it, for him alone.

import assert from 'node:assert/strict'
import { writeFile } from 'node:fs/promises'
import { join } from 'node:path'
import { test } from 'node:test'
import { serveZone } from '../../src/dns/testing/serve-zone.ts'
import { startInstallation } from '../server.ts'
import { Imap, Smtp } from './talk.ts'

const password = 'correct horse'
const outside = '192.0.2.1'

const phish =
  'From: Webmail Administrator <x@vuxodeki.top>\r\nTo: ann@here.test\r\nSubject: Your mailbox is almost full, verify your account\r\n' +
  'Message-ID: <1@vuxodeki.top>\r\nDate: Sun, 22 Nov 2026 10:00:00 +0000\r\n\r\n' +
  'Dear user,\r\n\r\nyour mailbox has exceeded its storage limit and you can no longer receive new messages.\r\n' +
  'Click below to confirm your account within 24 hours, failure to do so will lead to permanent deactivation.\r\n\r\n' +
  'Verify account: http://kimolo-verify.weebly.com/login.html\r\n'

const letter = (n: number) =>
  `From: Gadget Herald <letters@good.test>\r\nTo: ann@here.test\r\nSubject: Gadget herald number ${n}\r\nMessage-ID: <${n}@good.test>\r\n` +
  `Date: Sun, 22 Nov 2026 10:00:00 +0000\r\n\r\nZorbing quokka lanterns, trebuchet kits and moonstone gaskets, part ${n}.\r\n\r\nhttps://www.good.test/${n}\r\n`

test('spam goes to Junk; each user teaches his own filter', async (t) => {
  const zone = await serveZone(`good.test TXT "v=spf1 ip4:${outside} -all"`)
  t.after(() => zone.close())
  const server = await startInstallation(t, {
    users: { 'ann@here.test': password, 'bob@here.test': password },
    config: { hostname: 'mx.here.test', dns: { resolver: zone.address }, smtp: { xclient: ['127.0.0.0/8'] } },
  })
  await server.cliOk('domain', 'set', 'here.test', 'greylist=off')
  const open = async (name: string, user = 'ann@here.test') => {
    const imap = await Imap.open(server.ports.imap, user, password, name)
    t.after(async () => imap.close())
    return imap
  }
  const deliver = async (from: string, message: string, to = ['ann@here.test']) => {
    const client = await Smtp.open(server.ports.smtp)
    await client.say(`XCLIENT ADDR=${outside}`)
    await client.say('EHLO out.good.test')
    const replies = await client.deliver(from, to, message)
    client.talk.close()
    assert.match(replies.at(-1)!, /^250 /)
  }
  const counts = async (user = 'ann@here.test') => {
    const imap = await open('', user)
    return [await imap.count('INBOX'), await imap.count('Junk')]
  }
  const taught = async (user: string, spam: number, good: number) => {
    for (let i = 0; i < 100; i++) {
      const [found] = JSON.parse(await server.cliOk('spam', 'stats', '--user', user, '--json')) as {
        spam: number
        ham: number
      }[]
      if (found!.spam === spam && found!.ham === good) return
      await new Promise((done) => setTimeout(done, 100))
    }
    assert.fail(await server.cliOk('spam', 'stats'))
  }

  await t.test('a fresh installation knows phishing when it sees it, and the timeline tells why', async () => {
    await deliver('x@vuxodeki.top', phish)
    assert.deepEqual(await counts(), [0, 1])
    const told = await server.cliOk('trace', '1@vuxodeki.top')
    assert.match(told, /verdict: to Junk: spam filter: looks like spam: \d+(\.\d)? % · \S+/)
    assert.match(told, /Junk/)
  })

  await t.test('who signed in, and who is on this machine, is not asked', async () => {
    const client = await Smtp.open(server.ports.smtp)
    await client.deliver('x@vuxodeki.top', ['ann@here.test'], phish)
    client.talk.close()
    assert.deepEqual(await counts(), [1, 1])
  })

  await t.test('a user or a domain may do without, or be stricter', async () => {
    await server.cliOk('user', 'set', 'ann@here.test', 'classifier=off')
    await deliver('x@vuxodeki.top', phish, ['ann@here.test', 'bob@here.test'])
    assert.deepEqual(
      [await counts(), await counts('bob@here.test')],
      [
        [2, 1],
        [0, 1],
      ],
    )
    await server.cliOk('user', 'set', 'ann@here.test', 'classifier=default')
    await server.cliOk('domain', 'set', 'here.test', 'classifier=off')
    await deliver('x@vuxodeki.top', phish)
    assert.deepEqual(await counts(), [3, 1])
    await server.cliOk('domain', 'set', 'here.test', 'classifier=default')
    await server.cliOk('user', 'set', 'ann@here.test', 'spamThreshold=100')
    await deliver('x@vuxodeki.top', phish)
    assert.deepEqual(await counts(), [4, 1])
    await server.cliOk('user', 'set', 'ann@here.test', 'spamThreshold=default')
  })

  await t.test('moved to Junk several times: the next like it goes there, for who moved it', async () => {
    for (let n = 1; n <= 5; n++) await deliver('letters@good.test', letter(n), ['ann@here.test', 'bob@here.test'])
    assert.deepEqual(
      [await counts(), await counts('bob@here.test')],
      [
        [9, 1],
        [5, 1],
      ],
    )
    assert.match(await (await open('INBOX')).say('MOVE 5:9 Junk'), /OK/)
    await taught('ann@here.test', 5, 0)
    await deliver('letters@good.test', letter(6), ['ann@here.test', 'bob@here.test'])
    assert.deepEqual(
      [await counts(), await counts('bob@here.test')],
      [
        [4, 7],
        [6, 1],
      ],
    )
  })

  await t.test('moved back: the next like it goes to INBOX', async () => {
    const junk = await open('Junk')
    assert.match(await junk.say('MOVE 2:7 INBOX'), /OK/)
    await taught('ann@here.test', 0, 6)
    await deliver('letters@good.test', letter(7))
    assert.deepEqual(await counts(), [11, 1])
  })

  await t.test('the command says how a message is seen, and forgets', async () => {
    const file = join(server.folder, 'phish.eml')
    await writeFile(file, phish)
    assert.match(await server.cliOk('spam', 'test', file), /^spam: \d/)
    const json = JSON.parse(await server.cliOk('spam', 'test', file, '--user', 'ann@here.test', '--json'))
    assert.equal(json.action, 'junk')
    await server.cliOk('spam', 'forget', '--user', 'ann@here.test')
    await taught('ann@here.test', 0, 0)
    const ran = await server.cli('spam', 'stats', '--user', 'nobody@here.test')
    assert.notEqual(ran.code, 0)
    assert.match(ran.stderr, /there is no user nobody@here\.test/)
  })
})
