// The real daemons behind the built server, and asked directly: clamd, spamd, rspamd, opendkim as a milter. Each is started once.

import assert from 'node:assert/strict'
import { join } from 'node:path'
import { after, before, test } from 'node:test'
import { type Log, realClock, silentLog } from '../../src/base/index.ts'
import { zoneResolver } from '../../src/dns/index.ts'
import { serveZone, type ZoneServer } from '../../src/dns/testing/serve-zone.ts'
import type { FilterRequest, FilterSettings } from '../../src/filters/index.ts'
import { createFilters } from '../../src/filters/set.ts'
import { filterSettings, toRequest } from '../../src/filters/testing/request.ts'
import { createVerifier, makeDkimKey, toDkimRecord } from '../../src/mailauth/index.ts'
import { Installation } from '../server.ts'
import { startSink } from '../world/sink.ts'
import { Imap, Smtp } from '../world/talk.ts'
import {
  clamdLimit,
  eicar,
  gtube,
  marker,
  type RunningDaemon,
  startClamd,
  startOpendkim,
  startRspamd,
  startSpamd,
} from './filter-daemons.ts'
import { eventually, needs } from './programs.ts'

const skip = (await needs('clamd', 'spamd', 'rspamd', 'opendkim')) || false
const password = 'correct horse'
const outside = '192.0.2.1'
const listed = '192.0.2.66'

interface House {
  readonly server: Installation
  readonly zone: ZoneServer
  readonly clamd: RunningDaemon
  readonly spamd: RunningDaemon
  readonly rspamd: Awaited<ReturnType<typeof startRspamd>>
  readonly opendkim: RunningDaemon
  readonly sink: Awaited<ReturnType<typeof startSink>>
}
let house: House
const ends: (() => Promise<unknown>)[] = []

before(async () => {
  if (skip) return
  const sink = await startSink({ after: (end) => void ends.push(end) })
  const server = await Installation.make({
    users: { 'ann@here.test': password },
    config: {
      hostname: 'mx.here.test',
      auth: { plaintext: 'always' },
      smtp: { xclient: ['127.0.0.0/8'] },
      log: { level: 'info' },
      queue: { routes: { 'out.test': `127.0.0.1:${sink.port}` } },
    },
  })
  ends.push(() => server.remove())
  // Only those who are asked about here decide.
  await server.cliOk('domain', 'set', 'here.test', 'greylist=off', 'classifier=off')
  const keys: { name: string; record: string }[] = JSON.parse(await server.cliOk('dkim', 'add', 'here.test', '--json'))
  const records = Object.fromEntries(keys.map(({ name, record }) => [name, record]))
  const line = ([name, record]: [string, string]) => `${name} TXT "${record.slice(0, 200)}" "${record.slice(200)}"`
  const zone = await serveZone(`
    ${Object.entries(records).map(line).join('\n')}
    66.2.0.192.bl.test A 127.0.0.4
    66.2.0.192.bl.test TXT "see https://bl.test/66"`)
  ends.push(() => zone.close())
  const daemons = await Promise.all([startClamd(), startSpamd(), startRspamd(), startOpendkim(records)])
  for (const daemon of daemons) ends.push(() => daemon.stop())
  const [clamd, spamd, rspamd, opendkim] = daemons
  await server.reconfigure({ dns: { resolver: zone.address } })
  await server.start()
  assert.match(await server.cliOk('dkim', 'check', 'here.test'), /active now/)
  house = { server, zone, clamd, spamd, rspamd, opendkim, sink }
})
after(async () => {
  for (const end of ends.reverse()) await end()
})

const at = (daemon: RunningDaemon, port = daemon.port) => `127.0.0.1:${port}`

/** The server goes on with these filters. */
async function use(filters: object): Promise<void> {
  const { server } = house
  const from = server.output.length
  await server.reconfigure({ filters })
  process.kill(server.pid, 'SIGHUP')
  await eventually('the configuration is read again', async () => server.output.slice(from).includes('"reloaded"'))
  assert.doesNotMatch(server.output.slice(from), /"waiting":\["filters/)
}

let count = 0
/** By SMTP from outside; the reply, and the Message-ID by which it can be found. */
async function deliver(body: string, ip = outside, header = ''): Promise<{ reply: string; id: string }> {
  const id = `m${++count}@good.test`
  const client = await Smtp.open(house.server.ports.smtp)
  await client.say(`XCLIENT ADDR=${ip}`)
  await client.say('EHLO out.good.test')
  const date = new Date().toUTCString().replace('GMT', '+0000')
  const message = `From: Bert <bert@good.test>\r\nTo: ann@here.test\r\nDate: ${date}\r\nMessage-ID: <${id}>\r\n${header}Subject: greeting\r\n\r\n${body}`
  const replies = await client.deliver('bert@good.test', ['ann@here.test'], message)
  client.talk.close()
  return { reply: replies.at(-1)!, id }
}

/** The header of the message in a mailbox of Ann's. */
async function headerOf(id: string, mailbox: string): Promise<string> {
  const imap = await Imap.open(house.server.ports.imap, 'ann@here.test', password, mailbox)
  try {
    const found = /\* SEARCH (\d+)/.exec(await imap.say(`SEARCH HEADER Message-ID "<${id}>"`))?.[1]
    assert.ok(found, `${id} is not in ${mailbox}`)
    return await imap.say(`FETCH ${found} BODY.PEEK[HEADER]`)
  } finally {
    imap.close()
  }
}

/** These filters, asked without a server around them. */
function direct(settings: Partial<FilterSettings>, log: Log = silentLog) {
  const parts = { clock: realClock, log, resolver: zoneResolver(''), hostname: 'mx.here.test' }
  return createFilters(filterSettings(settings), parts)
}
const place = (daemon: RunningDaemon, port = daemon.port) => ({ host: '127.0.0.1', port })
const daemonSettings = filterSettings({})

const plain = (body: string): FilterRequest =>
  toRequest(
    `From: Bert <bert@good.test>\r\nTo: ann@here.test\r\nSubject: hello\r\nMessage-ID: <x@good.test>\r\n\r\n${body}`,
  )

test('clamd: what it finds is refused in the session, the rest is taken', { skip }, async () => {
  await use({ clamav: { address: join(house.clamd.folder, 'clamd.sock') } })
  const found = await deliver(`${eicar}\r\n`)
  assert.match(found.reply, /^550 5\.7\.1 the message holds malware: \S*Eicar/)
  const attached = Buffer.from(`some bytes, ${marker}, more bytes`).toString('base64')
  const mime = 'MIME-Version: 1.0\r\nContent-Type: application/octet-stream\r\nContent-Transfer-Encoding: base64\r\n'
  const coded = await deliver(`${attached}\r\n`, outside, mime)
  assert.match(coded.reply, /^550 5\.7\.1 the message holds malware: Posthorn\.Test/)
  const clean = await deliver('Good day.\r\n')
  assert.match(clean.reply, /^250 /)
  assert.ok(await headerOf(clean.id, 'INBOX'))
})

test('clamd: a user who sends a virus hears so too, unless it is only to be marked', { skip }, async () => {
  const client = await Smtp.open(house.server.ports.submission)
  await client.say(`AUTH PLAIN ${Buffer.from(`\0ann@here.test\0${password}`).toString('base64')}`)
  const message = `From: ann@here.test\r\n\r\n${eicar}\r\n`
  assert.match(
    (await client.deliver('ann@here.test', ['x@out.test'], message)).at(-1)!,
    /^550 5\.7\.1 the message holds malware: /,
  )
  client.close()
  await use({ clamav: { address: at(house.clamd), action: 'tag' } })
  const { reply, id } = await deliver(`${eicar}\r\n`)
  assert.match(reply, /^250 /)
  assert.match(await headerOf(id, 'INBOX'), /^X-Virus-Status: Infected \(\S*Eicar\S*\)\r\n/m)
})

test('clamd: more than it takes is said so and is no failure, every time', { skip }, async () => {
  const clamav = { ...daemonSettings.clamav, address: place(house.clamd), onFailure: 'tempfail' as const }
  const filters = direct({ clamav })
  for (let i = 0; i < 25; i++) {
    const [result] = await filters.ask(plain('word\r\n'.repeat(clamdLimit / 2 + i * 10_000)))
    assert.equal(result!.failure, undefined)
    assert.equal(result!.answer.action, 'accept')
    assert.match(result!.answer.reasons[0]!, /^ClamAV did not look: \d+ bytes are more than clamd takes/)
  }
  const [small] = await filters.ask(plain('word\r\n'.repeat(clamdLimit / 8)))
  assert.deepEqual(small!.answer, { action: 'accept', reasons: [] })
})

test('spamd: GTUBE goes to Junk with its score and symbols, or is refused from a score on', { skip }, async () => {
  await use({ spamassassin: { address: at(house.spamd) } })
  const spam = await deliver(`${gtube}\r\n`)
  assert.match(spam.reply, /^250 /)
  const header = await headerOf(spam.id, 'Junk')
  assert.match(header, /^X-Spam-Flag: YES\r\n/m)
  assert.match(header, /^X-Spam-Status: Yes, score=\d{3,4}(\.\d)? required=5\r\n\ttests=[A-Z_,\r\n\t\d]*GTUBE/m)
  assert.match(await house.server.cliOk('trace', spam.id), /spamassassin: SpamAssassin gave \d+.* of 5: .*GTUBE/)
  const fine = await deliver('Good day.\r\n')
  assert.match(fine.reply, /^250 /)
  assert.match(await headerOf(fine.id, 'INBOX'), /^X-Spam-Status: No, score=/m)
  await use({ spamassassin: { address: at(house.spamd), reject: 100 } })
  assert.match(
    (await deliver(`${gtube}\r\n`)).reply,
    /^550 5\.7\.1 the message is taken for spam: SpamAssassin gave \d+.* of 100: .*GTUBE/,
  )
})

test('what a user moves to Junk, spamd is told', { skip }, async () => {
  const heard = () => house.spamd.output().match(/spamd: Tell: Setting local for/g)?.length ?? 0
  await use({ spamassassin: { address: at(house.spamd) } })
  const { id } = await deliver('Zorbing quokka lanterns and moonstone gaskets.\r\n')
  const before = heard()
  const imap = await Imap.open(house.server.ports.imap, 'ann@here.test', password, 'INBOX')
  const uid = /\* SEARCH (\d+)/.exec(await imap.say(`SEARCH HEADER Message-ID "<${id}>"`))?.[1]
  assert.match(await imap.say(`MOVE ${uid} Junk`), /OK/)
  imap.close()
  await eventually('spamd has learnt', async () => heard() > before)
})

test('spamd learns ham and spam, and tells them apart afterwards', { skip }, async () => {
  const log: string[] = []
  const spamassassin = { ...daemonSettings.spamassassin, address: place(house.spamd) }
  const filters = direct({ spamassassin }, { ...silentLog, warn: (_, text) => log.push(text) })
  const spam = (n: number) =>
    plain(`cheap pharmacy lottery winner prize unlimited offer casino bonus ${n}\r\n`.repeat(3))
  const ham = (n: number) =>
    plain(`minutes meeting project schedule review colleague appendix budget ${n}\r\n`.repeat(3))
  for (let n = 0; n < 3; n++) {
    await filters.learn('spam', spam(n))
    await filters.learn('ham', ham(n))
  }
  const symbols = async (request: FilterRequest) => (await filters.ask(request))[0]!.answer.symbols ?? []
  assert.ok(
    (await symbols(spam(9))).some((name) => /^BAYES_(80|95|99|999)$/.test(name)),
    String(await symbols(spam(9))),
  )
  assert.ok(
    (await symbols(ham(9))).some((name) => /^BAYES_(00|05|20)$/.test(name)),
    String(await symbols(ham(9))),
  )
  // What was learned wrongly is learned anew.
  await filters.learn('ham', spam(0))
  assert.deepEqual(log, [])
})

test('spamd sees who handed the message in', { skip }, async () => {
  const spamassassin = { ...daemonSettings.spamassassin, address: place(house.spamd) }
  const request = {
    ...plain('Good day.\r\n'),
    helo: 'localhost.localdomain',
    ip: '203.0.113.9',
    ptr: 'pool.dynamic.test',
  }
  const [with_] = await direct({ spamassassin }).ask(request)
  const [without] = await direct({ spamassassin }).ask({ ...request, helo: 'out.good.test', ptr: 'out.good.test' })
  assert.notDeepEqual(with_!.answer.symbols, without!.answer.symbols)
})

test('rspamd: GTUBE is refused, other mail is delivered with its result', { skip }, async () => {
  await use({ rspamd: { address: at(house.rspamd) } })
  assert.match(
    (await deliver(`${gtube}\r\n`)).reply,
    /^550 5\.7\.1 the message is taken for spam: Rspamd says reject \(15 of 15\) "Gtube pattern": GTUBE/,
  )
  const fine = await deliver('Good day, this is a letter of a few words.\r\n')
  assert.match(fine.reply, /^250 /)
  const told = await house.server.cliOk('trace', fine.id)
  assert.match(told, /rspamd: \w+: Rspamd says (no action|greylist|add header) \(/)
  const box = told.includes('add header') ? 'Junk' : 'INBOX'
  assert.match(await headerOf(fine.id, box), /^X-Spam-Status: (Yes|No), score=-?[\d.]+ required=\d+\r\n\ttests=/m)
})

test('rspamd: what it hears of the envelope counts; it learns through its controller', { skip }, async (t) => {
  // The worker that the server asks keeps SQLite's file to itself; here one worker does both.
  const rspamd = await startRspamd()
  t.after(() => rspamd.stop())
  const settings = {
    ...daemonSettings.rspamd,
    address: place(rspamd, rspamd.controller),
    controller: place(rspamd, rspamd.controller),
    password: 'secret',
  }
  const filters = direct({ rspamd: settings })
  const words =
    'cheap pharmacy lottery winner prize unlimited offer casino bonus dear friend money transfer account\r\n'
  const message = plain(words)
  const symbolsOf = async (request: FilterRequest) => (await filters.ask(request))[0]!.answer.symbols!
  assert.ok(!(await symbolsOf({ ...message, ptr: 'out.good.test' })).includes('HFILTER_HOSTNAME_UNKNOWN'))
  assert.ok((await symbolsOf(message)).includes('HFILTER_HOSTNAME_UNKNOWN'))
  await filters.learn('spam', message)
  // It was learned before, which is as good.
  await filters.learn('spam', message)
  // Too few words to learn: nothing to try again.
  await filters.learn('spam', plain('x\r\n'))
  const wrong = direct({ rspamd: { ...settings, password: 'wrong' } })
  await assert.rejects(wrong.learn('spam', message), /rspamd's controller at \S+: it answered 401 Unauthorized/)
})

test('opendkim as a milter verifies what we signed, and its field arrives', { skip }, async () => {
  const { server, sink, opendkim } = house
  await use({ milters: [{ name: 'opendkim', address: at(opendkim), submissions: false }] })
  const client = await Smtp.open(server.ports.submission)
  await client.say(`AUTH PLAIN ${Buffer.from(`\0ann@here.test\0${password}`).toString('base64')}`)
  const long = `${'word\tand  word '.repeat(5)}\r\n`.repeat(3_000)
  const letter = `From: Ann <ann@here.test>\r\nTo: x@out.test\r\nSubject: one\r\n  two \r\nMessage-ID: <signed@here.test>\r\n\r\n${long}`
  assert.match((await client.deliver('ann@here.test', ['x@out.test'], letter)).at(-1)!, /^250 /)
  client.close()
  const signed = await eventually('the message leaves', async () => sink.messages()[0])
  assert.match(signed, /^DKIM-Signature:/m)
  const back = async (text: string) => {
    const outsider = await Smtp.open(server.ports.smtp)
    await outsider.say(`XCLIENT ADDR=${outside}`)
    await outsider.say('EHLO out.good.test')
    const replies = await outsider.deliver('ann@here.test', ['ann@here.test'], text.trimEnd())
    outsider.close()
    return replies.at(-1)!
  }
  assert.match(await back(signed), /^250 /)
  const header = await headerOf('signed@here.test', 'INBOX')
  assert.equal(header.match(/^Authentication-Results: filter\.test;/gm)?.length, 1, header)
  assert.match(header, /^Authentication-Results: filter\.test;\r\n\tdkim=pass \([^)]*\) header\.d=here\.test/m)
  assert.match(await back(signed.replace('<signed@', '<broken@').replace('word\tand', 'word and not')), /^250 /)
  assert.match(await headerOf('broken@here.test', 'INBOX'), /^Authentication-Results: filter\.test;[^:]*dkim=fail/m)
})

test('opendkim as a milter signs for who signed in, and the signature holds', { skip }, async (t) => {
  const { server, sink } = house
  const key = await makeDkimKey('rsa2048')
  const signer = await startOpendkim({}, key)
  t.after(() => signer.stop())
  await use({ milters: [{ name: 'opendkim', address: at(signer) }] })
  const before = sink.messages().length
  const client = await Smtp.open(server.ports.submission)
  await client.say(`AUTH PLAIN ${Buffer.from(`\0ann@here.test\0${password}`).toString('base64')}`)
  const letter = 'From: Ann <ann@here.test>\r\nTo: x@out.test\r\nSubject: one\r\n  two \r\n\r\nGood  day.\r\n'
  assert.match((await client.deliver('ann@here.test', ['x@out.test'], letter)).at(-1)!, /^250 /)
  client.close()
  const sent = await eventually('the message leaves', async () => sink.messages()[before])
  const resolver = zoneResolver(`milter._domainkey.here.test TXT "${toDkimRecord(key)}"`)
  const verifier = createVerifier({ resolver, clock: realClock, log: silentLog, authservId: 'x.test' })
  const bytes = Buffer.from(sent, 'latin1')
  const split = bytes.indexOf('\r\n\r\n') + 4
  const from = { ip: outside, helo: 'x', sender: 'ann@here.test' }
  const { dkim } = await verifier.verify({ ...from, header: bytes.subarray(0, split), body: bytes.subarray(split) })
  const results = dkim.map(({ selector, result }) => `${selector} ${result}`)
  assert.ok(results.includes('milter pass'), `${results}\n${sent}`)
})

test('a DNS list: junk with the reason, refused from a score on', { skip }, async () => {
  const lists = [{ zone: 'bl.test', answers: ['127.0.0.2-11'], weight: 2 }]
  await use({ dnsbl: { lists, junk: 2 } })
  const { reply, id } = await deliver('Good day.\r\n', listed)
  assert.match(reply, /^250 /)
  assert.ok(await headerOf(id, 'Junk'))
  const told = await house.server.cliOk('trace', id)
  assert.match(told, /dnsbl: bl\.test lists 192\.0\.2\.66 \(127\.0\.0\.4\): see https:\/\/bl\.test\/66/)
  await use({ dnsbl: { lists, junk: 1, reject: 2 } })
  assert.match(
    (await deliver('Good day.\r\n', listed)).reply,
    /^550 5\.7\.1 the message is taken for spam: bl\.test lists 192\.0\.2\.66/,
  )
  assert.match((await deliver('Good day.\r\n')).reply, /^250 /)
})

test('a daemon that is gone: the configured answer, told once in the log', { skip }, async () => {
  const { server, clamd } = house
  await use({ clamav: { address: at(clamd), onFailure: 'tempfail' } })
  assert.match((await deliver('Good day.\r\n')).reply, /^250 /)
  await clamd.stop()
  const from = server.output.length
  for (let i = 0; i < 5; i++)
    assert.match((await deliver('Good day.\r\n')).reply, /^451 4\.3\.0 the message could not be checked now/)
  assert.equal(server.output.slice(from).match(/the filter does not answer/g)?.length, 1)
  await use({ clamav: { address: at(clamd) } })
  const taken = await deliver('Good day.\r\n')
  assert.match(taken.reply, /^250 /)
  assert.match(
    await server.cliOk('trace', taken.id),
    /clamav: accept: clamav could not be asked: .*nobody listens there/,
  )
})
