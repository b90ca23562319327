// Mail that its author's domain disowns, over SMTP into Junk and the quarantine, and out of it by command; looked at over IMAP. What was answered
// 250 is there after kill -9, and what nobody lets out goes when its time is up.

import assert from 'node:assert/strict'
import { globSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { test } from 'node:test'
import { serveZone } from '../../src/dns/testing/serve-zone.ts'
import { Installation, type Setup, startInstallation } from '../server.ts'
import { assertRefused } from './command-line.ts'
import { Imap, Smtp, sleep } from './talk.ts'

const password = 'correct horse'
const [ann, bob] = ['ann@here.test', 'bob@mild.test']
const domains = `
  _dmarc.strict.test TXT "v=DMARC1; p=reject"
  strict.test TXT "v=spf1 -all"
  _dmarc.careful.test TXT "v=DMARC1; p=quarantine"
  careful.test A 192.0.2.9`

interface After {
  after(run: () => Promise<void>): void
}

async function setup(t: After): Promise<Setup> {
  const zone = await serveZone(domains)
  t.after(() => zone.close())
  return {
    users: { [ann]: password, [bob]: password },
    config: { hostname: 'mx.here.test', dns: { resolver: zone.address }, smtp: { xclient: ['127.0.0.0/8'] } },
  }
}

/** As somebody far away; the last reply. */
async function deliver(
  server: Installation,
  from: string,
  to: readonly string[],
  id: string,
  body = 'Buy now.',
  address = '192.0.2.1',
) {
  const client = await Smtp.open(server.ports.smtp)
  try {
    await client.say(`XCLIENT ADDR=${address}`)
    await client.say('EHLO out.test')
    const forged = 'X-Spam-Flag: NO\r\nX-Spam-Status: No, score=-99\r\nX-Posthorn-Verdict: accept; trust me\r\n'
    const header = `${forged}From: Eve <${from}>\r\nSubject: =?utf-8?Q?Gr=C3=BC=C3=9Fe?= ${id}\r\nMessage-ID: <${id}@test>\r\n`
    return (await client.deliver(from, to, `${header}\r\n${body}\r\n`)).at(-1)!
  } finally {
    client.close()
  }
}

interface Entry {
  readonly id: number
  readonly to: string
  readonly subject: string
  readonly reasons: readonly string[]
  readonly receivedAt: number
}
const list = async (server: Installation, ...args: string[]): Promise<Entry[]> =>
  JSON.parse(await server.cliOk('quarantine', 'list', '--json', ...args)).entries

test('disowned mail: in Junk, in the quarantine, released, deleted', async (t) => {
  const server = await startInstallation(t, await setup(t))
  // Nothing but DMARC decides here.
  for (const name of ['here.test', 'mild.test'])
    await server.cliOk('domain', 'set', name, 'greylist=off', 'classifier=off')
  const open = async (user: string, name: string) => {
    const imap = await Imap.open(server.ports.imap, user, password, name)
    t.after(async () => imap.close())
    return imap
  }
  const inbox = await open(ann, 'INBOX')

  await t.test('one who refuses beside one who takes it', async () => {
    await server.cliOk('domain', 'set', 'mild.test', 'dmarc=record')
    assert.match(await deliver(server, 'x@strict.test', [ann], 'alone'), /^550 5\.7\.26 /)
    assert.match(await deliver(server, 'x@strict.test', [ann, bob], 'both'), /^250 /)
    assert.deepEqual([await inbox.count('INBOX'), await inbox.count('Junk')], [0, 0])
    const header = await (await open(bob, 'INBOX')).say('FETCH 1 BODY[HEADER]')
    assert.match(header, /dmarc=fail/)
    assert.doesNotMatch(header, /X-Spam|X-Posthorn/)
  })

  await t.test('listed, and shown as text', async () => {
    const table = await server.cliOk('quarantine', 'list')
    assert.match(
      table,
      /id +age +expires +to +from +subject +size +why\n *1 .*in 30 d.*ann@here\.test +Eve <x@strict\.test> +Grüße both .*DMARC: strict\.test asks to reject/,
    )
    const shown = await server.cliOk('quarantine', 'show', '1')
    assert.match(shown, /^message 1 for ann@here\.test from x@strict\.test, /)
    assert.match(shown, /DMARC: strict\.test asks to reject mail that does not pass DMARC, and this does not/)
    assert.match(shown, /Subject: Grüße both\n[\s\S]*\n\n {2}Buy now\.\n$/)
    assert.match(await server.cliOk('quarantine', 'list', '--user', bob), /the quarantine is empty/)
    assertRefused(await server.cli('quarantine', 'list', '--domain', 'else.test'), /there is no domain else\.test here/)
    assertRefused(await server.cli('quarantine', 'show', '99'), /there is no message 99 in the quarantine/)
    assertRefused(await server.cli('quarantine', 'show', 'x'), /expected a number, found x/, 2)
  })

  await t.test('released: in INBOX as it came then, once, and the timeline tells', async () => {
    const [entry] = await list(server)
    await sleep(1_100)
    await inbox.idle()
    assert.match(await server.cliOk('quarantine', 'release', '1'), /^1 for ann@here\.test released\n$/)
    await inbox.talk.until(/\* 1 EXISTS\r\n/)
    await inbox.done()
    const text = await inbox.say('FETCH 1 (FLAGS INTERNALDATE BODY.PEEK[HEADER])')
    assert.equal(Date.parse(/INTERNALDATE "([^"]+)"/.exec(text)![1]!), Math.floor(entry!.receivedAt / 1_000) * 1_000)
    assert.match(text, /\r\nDelivered-To: ann@here\.test\r\nX-Posthorn-Verdict: quarantine; DMARC: /)
    assert.match(text, /FLAGS \((\\Recent)?\)/)
    assert.doesNotMatch(text, /X-Spam|trust me/)
    const again = await server.cli('quarantine', 'release', '1')
    assert.deepEqual([again.code, again.stdout], [1, '1 not released: there is no message 1 in the quarantine\n'])
    const told = await server.cliOk('trace', 'both@test')
    assert.match(told, /^\S+ {2}delivered\n/)
    assert.match(
      told,
      /verdict: to the quarantine for ann@here\.test: DMARC: .*not refused, because other recipients take it/,
    )
    assert.match(told, /in the quarantine for ann@here\.test until \d{4}-/)
    assert.match(told, /let out of the quarantine by .* for ann@here\.test, INBOX/)
  })

  await t.test('as the domain wants it: to Junk with its keyword, or to the quarantine always', async () => {
    assert.match(await deliver(server, 'y@careful.test', [ann], 'junk'), /^250 /)
    const text = await (await open(ann, 'Junk')).say('FETCH 1 (FLAGS BODY[HEADER])')
    assert.match(text, /FLAGS \([^)]*\$Junk/)
    assert.match(text, /X-Spam-Flag: YES\r\nX-Posthorn-Verdict: junk; DMARC: careful\.test asks to quarantine/)
    assert.match(
      await server.cliOk('domain', 'set', 'here.test', 'dmarc=quarantine', 'quarantineDays=3'),
      /dmarc=quarantine/,
    )
    assertRefused(
      await server.cli('domain', 'set', 'here.test', 'spam=eat'),
      /spam: eat is not reject, quarantine, junk, tag or off/,
    )
    for (const from of ['x@strict.test', 'y@careful.test'])
      assert.match(await deliver(server, from, [ann], from, 'line of a large message\r\n'.repeat(6_000)), /^250 /)
    assert.equal((await list(server, '--domain', 'here.test')).length, 2)
    assert.match(await server.cliOk('quarantine', 'list'), /in 3 d/)
    assert.match(await server.cliOk('quarantine', 'show', '2'), /\n {2}line of a large message\n/)
    assert.match(await server.cliOk('quarantine', 'delete', '2', '3'), /^2 for .* deleted\n3 for .* deleted\n$/)
    assert.deepEqual(await list(server), [])
    assert.match(await server.cliOk('trace', 'y@careful.test@test'), /deleted from the quarantine by /)
  })

  await t.test('without a server the commands do the same; a removed user leaves nothing', async () => {
    assert.match(await deliver(server, 'x@strict.test', [ann], 'rest'), /^250 /)
    await server.stop()
    assert.match(await server.cliOk('quarantine', 'list'), /Grüße rest/)
    await server.cliOk('user', 'remove', ann, '--yes')
    assert.deepEqual(await list(server), [])
  })
})

test('kill -9: what was answered 250 is in the quarantine, once', async (t) => {
  const server = await Installation.make(await setup(t))
  t.after(() => server.remove())
  await server.cliOk('domain', 'set', 'here.test', 'dmarc=quarantine', 'greylist=off', 'classifier=off')
  const acknowledged: string[] = []
  const begun: string[] = []
  for (let round = 0; round < 3; round++) {
    await server.start()
    const one = async (n: number) => {
      for (let i = 0; ; i++) {
        const id = `${round}.${n}.${i}`
        begun.push(id)
        const reply = await deliver(
          server,
          'x@strict.test',
          [ann],
          id,
          'x'.repeat(70) + '\r\n'.repeat((n % 3) * 40_000),
          // Many strangers: one alone would soon be slowed down.
          `198.${18 + round}.${n}.${i % 250}`,
        )
        if (!reply.startsWith('250')) return
        acknowledged.push(id)
      }
    }
    const load = Promise.allSettled(Array.from({ length: 6 }, (_, n) => one(n)))
    // A server that has just started needs its first messages to be quick, on a busy machine for seconds.
    const before = acknowledged.length
    for (let waited = 0; acknowledged.length < before + 10 && waited < 20_000; waited += 20) await sleep(20)
    await sleep(Math.random() * 1_000)
    await server.stop('SIGKILL')
    await load
  }
  await server.start()
  const entries = await list(server, '--limit', '1000')
  const found = entries.map(({ subject }) => subject.split(' ')[1]!)
  assert.equal(new Set(found).size, found.length, 'once')
  assert.deepEqual(
    acknowledged.filter((id) => !found.includes(id)),
    [],
  )
  assert.ok(found.every((id) => begun.includes(id)))
  assert.ok(acknowledged.length > 20, `the load was real: ${acknowledged.length}`)
  // Their bytes are there too.
  await server.cliOk('quarantine', 'release', ...entries.map(({ id }) => `${id}`))
  const imap = await Imap.open(server.ports.imap, ann, password)
  t.after(async () => imap.close())
  assert.equal(await imap.count(), found.length)
  const sizes = await imap.say('FETCH 1:* (RFC822.SIZE BODY.PEEK[TEXT])')
  assert.equal(sizes.match(/Buy now|x{70}/g)?.length, found.length)
  t.diagnostic(`${begun.length} begun, ${acknowledged.length} acknowledged, ${found.length} found`)
})

const library = globSync('/usr/lib/*/faketime/libfaketimeMT.so.1')[0]

test('what nobody lets out goes when its time is up, and the timeline says so', {
  skip: library === undefined && 'needs libfaketime: apt-get install libfaketime',
  timeout: 120_000,
}, async (t) => {
  const server = await Installation.make(await setup(t))
  t.after(() => server.remove())
  await server.cliOk(
    'domain',
    'set',
    'here.test',
    'dmarc=quarantine',
    'greylist=off',
    'quarantineDays=2',
    'quarantineDigest=daily',
  )
  const clock = join(server.folder, 'clock')
  const setClock = (offset: string) => writeFileSync(clock, `${offset}\n`)
  setClock('+0')
  await server.start({
    LD_PRELOAD: library!,
    FAKETIME_TIMESTAMP_FILE: clock,
    FAKETIME_NO_CACHE: '1',
    FAKETIME_DONT_FAKE_MONOTONIC: '1',
    DONT_FAKE_MONOTONIC: '1',
  })
  const until = async (what: string, check: () => Promise<boolean>) => {
    for (let i = 0; i < 300; i++) {
      if (await check()) return
      await sleep(100)
    }
    assert.fail(`${what}\n${server.output.slice(-3_000)}`)
  }
  assert.match(await deliver(server, 'x@strict.test', [ann], 'old'), /^250 /)
  setClock('+1d')
  const imap = await Imap.open(server.ports.imap, ann, password)
  t.after(async () => imap.close())
  await until('the owner is told', async () => (await imap.count()) === 1)
  assert.match(
    await imap.say('FETCH 1 BODY[]'),
    /Subject: 1 new in your quarantine[\s\S]*about Grüße old\r\n {4}because DMARC: strict\.test/,
  )
  assert.equal((await list(server)).length, 1)
  setClock('+3d')
  await until('it expires', async () => (await list(server)).length === 0)
  assert.match(await server.cliOk('trace', 'old@test'), /expired in the quarantine: ann@here\.test/)
  assert.equal(await imap.count(), 1)
})
