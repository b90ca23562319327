// The wall clock of a running server is set a day forward and back again: sessions live on, nothing is tried in a storm, nothing expires,
// nothing stalls, and what counts upward goes on upward. Debian's libfaketime moves the clock; the monotonic one goes on as always.

import assert from 'node:assert/strict'
import { globSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { test } from 'node:test'
import { startSink } from '../crash/sink.ts'
import { Installation } from '../server.ts'
import { Imap, message, Smtp, sleep } from './talk.ts'

const library = globSync('/usr/lib/*/faketime/libfaketimeMT.so.1')[0]
const ada = 'ada@posthorn.test'

test('the clock jumps a day forward, and back', {
  skip: library === undefined && 'needs libfaketime: apt-get install libfaketime',
  timeout: 400_000,
}, async (t) => {
  const sink = await startSink()
  t.after(async () => sink.close())
  const server = await Installation.make({
    users: { [ada]: 'correct horse' },
    config: {
      smtp: { trustedNetworks: ['127.0.0.0/8'] },
      queue: { routes: { 'away.test': `127.0.0.1:${sink.port}` } },
    },
  })
  t.after(() => server.remove())
  const file = join(server.folder, 'clock')
  const setClock = (offset: string) => writeFileSync(file, `${offset}\n`)
  setClock('+0')
  await server.start({
    LD_PRELOAD: library!,
    FAKETIME_TIMESTAMP_FILE: file,
    FAKETIME_NO_CACHE: '1',
    FAKETIME_DONT_FAKE_MONOTONIC: '1',
    DONT_FAKE_MONOTONIC: '1',
  })
  const smtp = await Smtp.open(server.ports.smtp)
  const imap = await Imap.open(server.ports.imap, ada, 'correct horse')
  const watcher = await Imap.open(server.ports.imap, ada, 'correct horse')
  const send = async (to: string, subject: string) =>
    assert.match((await smtp.deliver(ada, [to], message(subject)))[2]!, /^250/)
  /** Day of INTERNALDATE and UID of the newest message. */
  const newest = async () => {
    await imap.say('NOOP')
    const text = await imap.say(`FETCH ${await imap.count()} (UID INTERNALDATE)`)
    return { uid: Number(/UID (\d+)/.exec(text)![1]), at: Date.parse(/INTERNALDATE "([^"]+)"/.exec(text)![1]!) }
  }
  const until = async (what: string, check: () => boolean | Promise<boolean>, seconds: number) => {
    for (let i = 0; i < seconds * 10; i++) {
      if (await check()) return
      await sleep(100)
    }
    assert.fail(`within ${seconds} s: ${what}\n${await server.cliOk('queue', 'list')}\n${server.output.slice(-3_000)}`)
  }

  const waiting = 20
  sink.refuse(true)
  for (let n = 0; n < waiting; n++) await send('zoe@away.test', `waits ${n}`)
  await send(ada, 'today')
  const today = await newest()
  await until('each was tried once', () => sink.asked === waiting, 10)
  // And written down, or the last ones would be put off by tomorrow's clock.
  type Listed = { readonly recipients: readonly { readonly attempts: number }[] }
  const listed = async (): Promise<Listed[]> => JSON.parse(await server.cliOk('queue', 'list', '--json'))
  while ((await listed()).some(({ recipients }) => recipients[0]!.attempts === 0)) await sleep(100)

  await watcher.idle()
  setClock('+1d')
  await send(ada, 'tomorrow')
  await watcher.talk.until(/^\* 2 EXISTS/m)
  const tomorrow = await newest()
  assert.equal(Math.round((tomorrow.at - today.at) / 3_600_000), 24)
  assert.ok(tomorrow.uid > today.uid)
  await send('zoe@away.test', 'of tomorrow')
  await until('all are tried again, being due', () => sink.asked >= 2 * waiting + 1, 75)
  await sleep(3_000)
  assert.ok(sink.asked <= 2 * waiting + 2, `no storm: ${sink.asked} attempts for ${waiting + 1} messages`)
  const list = JSON.parse(await server.cliOk('queue', 'list', '--json'))
  assert.equal(list.length, waiting + 1, 'nothing expired')

  sink.refuse(false)
  setClock('+0')
  await send(ada, 'today again')
  const again = await newest()
  assert.ok(again.uid > tomorrow.uid, 'UIDs go on upward')
  assert.ok(again.at < tomorrow.at)
  await send('zoe@away.test', 'at once')
  await until('new mail leaves at once', () => sink.ids.includes('at once'), 10)
  // The queue looks at the clock each minute.
  const waits = async () =>
    JSON.parse(await server.cliOk('queue', 'list', '--json'))
      .flatMap(({ recipients }: { recipients: { nextAt: number }[] }) => recipients)
      .map(({ nextAt }: { nextAt: number }) => (nextAt - Date.now()) / 60_000)
  await until('what waited waits minutes, not days', async () => (await waits()).every((m: number) => m < 30), 75)
  await server.cliOk('queue', 'retry')
  await until('what waited leaves too', () => sink.ids.length === waiting + 2, 20)
  assert.equal(new Set(sink.ids).size, sink.ids.length, 'once')
  assert.match(await smtp.say('NOOP'), /^250/, 'sessions went through it')
  for (const one of [smtp, imap, watcher]) one.close()
})
