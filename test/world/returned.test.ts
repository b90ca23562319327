// Bounces that come days later: mail of a domain with signed return paths leaves through a real server, and every message of the
// corpus comes back by SMTP to the path under which it left. It finds its message; what somebody forges finds none.

import assert from 'node:assert/strict'
import { mkdtempSync, readdirSync, readFileSync, rmSync } from 'node:fs'
import { connect } from 'node:net'
import { tmpdir } from 'node:os'
import { join, resolve } from 'node:path'
import type { TestContext } from 'node:test'
import { parseAddress } from '../../src/address/index.ts'
import { composeDoors } from '../../src/app/compose-doors.ts'
import { checkConfig } from '../../src/app/config/index.ts'
import { type RunningServer, startServer } from '../../src/app/core.ts'
import { type Log, realClock } from '../../src/base/index.ts'
import { zoneResolver } from '../../src/dns/index.ts'
import type { Finding } from '../../src/smtp/bounces/index.ts'
import { jobRows } from '../../src/store/index.ts'
import { full } from '../server.ts'
import { databases, onDatabase, titles } from '../stores.ts'
import { startSink } from './sink.ts'
import { message, Smtp, sleep, Talk } from './talk.ts'

const corpus = resolve(import.meta.dirname, '../corpus/bounces')
const expected = JSON.parse(readFileSync(join(corpus, 'expected.json'), 'utf8')) as { readonly [name: string]: Finding }

interface Line {
  readonly text: string
  readonly queueId?: number
  readonly to?: string
  readonly [field: string]: unknown
}

/** Keeps every line of the log. */
function listen(): { readonly log: Log; readonly lines: Line[] } {
  const lines: Line[] = []
  const note = (fields: object, text: string) => void lines.push({ ...fields, text })
  const log: Log = { debug: note, info: note, warn: note, error: note, child: () => log }
  return { log, lines }
}

interface World {
  readonly server: RunningServer
  readonly lines: readonly Line[]
  readonly sink: Awaited<ReturnType<typeof startSink>>
  /** A machine of ours, which may send; and a stranger. */
  readonly smtp: Smtp
  readonly stranger: Smtp
  /** Sends as ann@us.test and says under which return path it left. */
  send(to: readonly string[], from?: string): Promise<string>
  /** The inbox of ann, whole. */
  inbox(): Promise<number>
  /** Waits until no job waits any more. */
  idle(): Promise<void>
}

async function openWorld(t: TestContext, store: string): Promise<World> {
  const folder = mkdtempSync(join(tmpdir(), 'posthorn-returned-'))
  t.after(() => rmSync(folder, { recursive: true, force: true }))
  const sink = await startSink(t)
  const { log, lines } = listen()
  const value = {
    hostname: 'mail.us.test',
    store,
    data: './data',
    listen: { smtp: '127.0.0.1:0' },
    queue: { routes: { '*': `127.0.0.1:${sink.port}` } },
    smtp: { trustedNetworks: ['127.0.0.1/32'] },
  }
  const server = await startServer(checkConfig(value, {}, folder), {
    here: composeDoors,
    log,
    clock: realClock,
    dns: zoneResolver(''),
    control: false,
  })
  t.after(() => server.stop(0))
  const { accounts, queries } = server.core.admin
  await accounts.addDomain('us.test')
  await accounts.setDomain('us.test', { returnPath: true, suppression: true })
  await accounts.addAccount({ email: 'ann@us.test', password: 'secret', admin: true })
  const smtp = await Smtp.open(server.ports.smtp!)
  const stranger = await openAs('127.0.0.2', server.ports.smtp!)
  t.after(async () => {
    smtp.close()
    stranger.close()
  })
  return {
    server,
    lines,
    sink,
    smtp,
    stranger,
    async send(to, from = 'ann@us.test') {
      const before = sink.envelopes().length
      const delivered = () => lines.filter(({ text }) => text === 'delivered').length
      const known = delivered()
      const replies = await smtp.deliver(from, to, message('out'))
      assert.match(replies.at(-1)!, /^250/)
      await until(() => sink.envelopes().length > before && delivered() > known)
      return sink.envelopes()[before]!.from
    },
    async inbox() {
      return (await queries.findAccount('ann@us.test'))!.usedMessages
    },
    async idle() {
      for (let i = 0; i < 5_000; i++) {
        const jobs = await server.core.store.read((tx) => jobRows.listJobs(tx, 100))
        if (!jobs.some(({ name }) => name === 'read-returned' || name === 'post')) return
        await sleep(2)
      }
      throw new Error('jobs do not end')
    },
  }
}

async function openAs(localAddress: string, port: number): Promise<Smtp> {
  const client = new Smtp(new Talk(connect({ port, host: '127.0.0.1', localAddress })))
  await client.reply()
  await client.say('EHLO mx.example.com')
  return client
}

async function until(done: () => boolean): Promise<void> {
  for (let i = 0; i < 5_000 && !done(); i++) await sleep(2)
}

/** Hands in bytes as they are, with the line ends of SMTP; the replies to RCPT and to the message. */
async function handIn({ stranger: smtp }: World, from: string, to: string, bytes: Buffer): Promise<string[]> {
  const text = bytes.toString('latin1').replaceAll('\r\n', '\n').replaceAll('\r', ' ').replaceAll('\n', '\r\n')
  await smtp.say(`MAIL FROM:<${from}>`)
  const rcpt = await smtp.say(`RCPT TO:<${to}>`)
  if (!rcpt.startsWith('250')) {
    await smtp.say('RSET')
    return [rcpt]
  }
  await smtp.say('DATA')
  smtp.talk.send(Buffer.from(`${text.replace(/^\./gm, '..')}\r\n.\r\n`, 'latin1'))
  return [rcpt, await smtp.reply()]
}

const onEach = (name: string, run: (world: World) => Promise<void>) => {
  for (const dialect of databases)
    onDatabase(dialect, `${name} (${titles[dialect]})`, async (t, url) => run(await openWorld(t, url)))
}

/** Whom the message of the corpus is about, as far as a queue could have written to him. */
function whom(finding: Finding): string {
  const told = finding.kind === 'bounce' ? finding.recipients[0] : undefined
  const text = told?.original ?? told?.address ?? (finding.kind === 'complaint' ? finding.recipients[0] : undefined)
  const address = text === undefined ? undefined : parseAddress(text)
  return address && Buffer.byteLength(text!) === text!.length && address.domain !== 'us.test'
    ? text!
    : 'somebody@example.com'
}

onEach('all 210 messages of the corpus find the message that they are about', async (world) => {
  const all = readdirSync(corpus).filter((name) => name.endsWith('.eml'))
  assert.equal(all.length, 210)
  // The databases differ in nothing that a message says: the quick gate takes a third on the second.
  const names = full || world.server.core.store.dialect === 'sqlite' ? all : all.filter((_, i) => i % 3 === 0)
  const paths = new Set<string>()
  let found = 0
  let hard = 0
  for (const name of names) {
    const finding = expected[name]!
    const to = whom(finding)
    // The list must not stop the next of the corpus that is about the same address.
    await world.server.core.admin.suppressions.remove('us.test', [to])
    const path = await world.send([to])
    paths.add(path)
    const queueId = world.lines.findLast(({ text }) => text === 'delivered')!.queueId
    const seen = world.lines.length
    const replies = await handIn(world, '', path, readFileSync(join(corpus, name)))
    assert.match(replies.at(-1)!, /^250/, `${name}: ${replies.join()}`)
    // The line is written a moment after the job is gone.
    const came = () => world.lines.slice(seen).filter(({ text }) => text.includes('came back'))
    await until(() => came().length > 0)
    await world.idle()
    const lines = came().filter(({ text }) => text === 'came back')
    const told = finding.kind === 'bounce' ? finding.recipients : []
    const complains = finding.kind === 'complaint' && !['auth-failure', 'not-spam'].includes(finding.type)
    if (told.length === 0 && !complains) assert.deepEqual(lines, [], name)
    if (told.length !== 1 && !complains) continue
    assert.deepEqual(
      lines.map((line) => [line.queueId, line.to]),
      [[queueId, to.toLowerCase()]],
      name,
    )
    const { timelines } = await world.server.core.admin.trace.find(`${queueId}`)
    const events = timelines[0]?.events.filter((event) => event.kind === 'returned')
    assert.deepEqual(
      events?.map((event) => event.to.toLowerCase()),
      [to.toLowerCase()],
      name,
    )
    found++
    const entry = await world.server.core.admin.suppressions.find('us.test', to)
    const { class: kind, hard: final } = told[0] ?? { class: 'complaint', hard: true }
    const suppresses = final && ['bad-mailbox', 'disabled', 'moved', 'complaint'].includes(kind)
    assert.equal(entry !== undefined && lines[0]!['suppressed'], suppresses, name)
    if (suppresses) hard++
  }
  assert.equal(paths.size, names.length)
  assert.ok(found > names.length * 0.9 && hard > names.length / 5, `${found} found, ${hard} suppressed`)
  // Each also reached the mailbox of who had sent the message.
  assert.equal(await world.inbox(), names.length)
})

const bounceOf = (address: string) =>
  Buffer.from(
    `From: MAILER-DAEMON@example.com\nSubject: Undelivered\nContent-Type: multipart/report; report-type=delivery-status; boundary=b\n\n--b\n\nno\n--b\nContent-Type: message/delivery-status\n\nReporting-MTA: dns; a\n\nFinal-Recipient: rfc822; ${address}\nAction: failed\nStatus: 5.1.1\nDiagnostic-Code: smtp; 550 5.1.1 no such user\n--b--\n`,
  )

onEach('forged, altered and foreign return paths are refused, and teach nothing', async (world) => {
  const path = await world.send(['x@example.com'])
  const [local = '', domain = ''] = path.split('@')
  assert.equal(local.length, 40)
  const last = local.at(-3) === 'a' ? 'b' : 'a'
  for (const forged of [
    `${local.slice(0, -3)}${last}${local.slice(-2)}@${domain}`,
    `bounces+${'a'.repeat(32)}@${domain}`,
    `bounces+${'1'.repeat(32)}@${domain}`,
  ]) {
    const [reply] = await handIn(world, '', forged, bounceOf('x@example.com'))
    assert.match(reply!, /^550 5\.1\.1/, forged)
  }
  // Another of our domains did not sign it.
  await world.server.core.admin.accounts.addDomain('other.test')
  assert.match((await handIn(world, '', `${local}@other.test`, bounceOf('x@example.com')))[0]!, /^550 5\.1\.1/)
  // A user of that name keeps his addresses.
  await world.server.core.admin.accounts.addAccount({ email: 'bounces@us.test', password: 'secret' })
  assert.match((await handIn(world, '', 'bounces+list@us.test', bounceOf('x@example.com')))[1]!, /^250/)
  // Reports come from mail servers.
  assert.match((await handIn(world, 'eve@example.com', path, bounceOf('x@example.com')))[0]!, /^550 5\.7\.1/)
  assert.match((await handIn(world, 'MAILER-DAEMON@example.com', path, bounceOf('y@example.com')))[1]!, /^250/)
  await world.idle()
  const list = async () => (await world.server.core.admin.suppressions.list({ domain: 'us.test' })).entries
  // The only recipient of the message: whatever address the report names, it can mean nobody else.
  assert.deepEqual(
    (await list()).map(({ address, source }) => [address, source]),
    [['x@example.com', 'bounce']],
  )
  // A bounce to the sender's own address, with everything right but the signature.
  await handIn(world, '', 'ann@us.test', bounceOf('z@example.com'))
  await world.idle()
  assert.equal((await list()).length, 1)
})

onEach('of several recipients only those of the domain that was told the path can be spoken of', async (world) => {
  const path = await world.send(['a@one.test', 'b@one.test'])
  await handIn(world, '', path.toUpperCase(), bounceOf('b@one.test'))
  await handIn(world, '', path, bounceOf('c@one.test'))
  await world.idle()
  const { entries } = await world.server.core.admin.suppressions.list({ domain: 'us.test' })
  assert.deepEqual(
    entries.map(({ address }) => address),
    ['b@one.test'],
  )
  // Our own mail that somebody sends on through us keeps its path.
  assert.equal(await world.send(['z@two.test'], path), path)
  // The same path at every attempt and for the same recipients; another message has another.
  assert.notEqual(await world.send(['a@one.test']), path)
})

onEach('what is only for reading is not passed on; without the setting senders stay as they are', async (world) => {
  const { accounts } = world.server.core.admin
  await accounts.setDomain('us.test', { passBounces: false })
  const path = await world.send(['a@one.test'])
  assert.match((await handIn(world, '', path, bounceOf('a@one.test'))).at(-1)!, /^250/)
  await world.idle()
  assert.equal(await world.inbox(), 0)
  assert.equal((await world.server.core.admin.suppressions.list({ domain: 'us.test' })).entries.length, 1)
  await accounts.setDomain('us.test', { returnPath: false })
  assert.equal(await world.send(['b@one.test']), 'ann@us.test')
  // What left before still finds its way back.
  assert.match((await handIn(world, '', path, bounceOf('a@one.test'))).at(-1)!, /^250/)
  assert.equal(await world.send(['c@one.test'], 'eve@elsewhere.test'), 'eve@elsewhere.test')
})

onEach('nobody can send reports on one message without end', async (world) => {
  const path = await world.send(['a@one.test'])
  let taken = 0
  for (let i = 0; i < 30; i++) {
    const replies = await handIn(world, '', path, bounceOf(`u${i}@one.test`))
    if (replies.at(-1)!.startsWith('250')) taken++
    else assert.match(replies[0]!, /^550 5\.7\.1/)
    await world.idle()
  }
  assert.equal(taken, 25)
})

onEach('a complaint that names our return path suppresses, wherever it arrives', async (world) => {
  const path = await world.send(['a@one.test'])
  const complaint = (from: string) =>
    Buffer.from(
      `From: fbl@one.test\nSubject: complaint\nContent-Type: multipart/report; report-type=feedback-report; boundary=b\n\n--b\n\nspam\n--b\nContent-Type: message/feedback-report\n\nFeedback-Type: abuse\nUser-Agent: One/1.0\nVersion: 1\nOriginal-Mail-From: <${from}>\nOriginal-Rcpt-To: <redacted@one.test>\n\n--b\nContent-Type: text/rfc822-headers\n\nSubject: out\n\n--b--\n`,
    )
  const list = async () => (await world.server.core.admin.suppressions.list({ domain: 'us.test' })).entries
  await handIn(world, 'fbl@one.test', 'ann@us.test', complaint('ann@us.test'))
  await world.idle()
  assert.deepEqual(await list(), [])
  await handIn(world, 'fbl@one.test', 'ann@us.test', complaint(path))
  await world.idle()
  const [entry] = await list()
  assert.deepEqual([entry?.address, entry?.class, entry?.expiresAt], ['a@one.test', 'complaint', undefined])
  assert.equal(await world.inbox(), 2)
})
