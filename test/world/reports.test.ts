// Two servers: what the one saw of mail in the other's name is told to it a day later, signed; the other reads the same numbers.

import assert from 'node:assert/strict'
import { execFileSync } from 'node:child_process'
import { existsSync, mkdtempSync, readFileSync, rmSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join, resolve } from 'node:path'
import { type TestContext, test } from 'node:test'
import { gunzipSync, gzipSync } from 'node:zlib'
import { composeDoors } from '../../src/app/compose-doors.ts'
import { checkConfig } from '../../src/app/config/index.ts'
import { type RunningServer, startServer } from '../../src/app/core.ts'
import { type Clock, realClock, silentLog } from '../../src/base/index.ts'
import { type Resolver, zoneResolver } from '../../src/dns/index.ts'
import { composeReportMail } from '../../src/reports/compose.ts'
import { createTlsRecorder } from '../../src/reports/index.ts'
import { startInstallation } from '../server.ts'
import { startSink } from './sink.ts'
import { Smtp, sleep } from './talk.ts'

const good = '192.0.2.1'
const bad = '192.0.2.66'
const dayMs = 86_400_000

const zone = `
  there.test TXT "v=spf1 ip4:${good} -all"
  _dmarc.there.test TXT "v=DMARC1; p=reject; rua=mailto:dmarc-reports@there.test; ruf=mailto:fail@there.test"
  _smtp._tls.there.test TXT "v=TLSRPTv1; rua=mailto:tls-reports@there.test"
  _dmarc.careful.test TXT "v=DMARC1; p=quarantine; rua=mailto:reports@victim.test"
  _dmarc.here.test TXT "v=DMARC1; p=reject"`

/** A clock that can be put forward; its timers are the machine's. */
function movableClock(): Clock & { move(ms: number): void } {
  let moved = 0
  return {
    ...realClock,
    now: () => Date.now() + moved,
    move(ms) {
      moved += ms
    },
  }
}

/** A DNS to which records can be added. */
function growingZone(): Resolver & { add(text: string): void } {
  let text = zone
  let current = zoneResolver(text)
  const ask = (kind: keyof Omit<Resolver, 'close'>) => (name: string) => current[kind](name) as never
  return {
    mx: ask('mx'),
    a: ask('a'),
    aaaa: ask('aaaa'),
    txt: ask('txt'),
    ptr: ask('ptr'),
    srv: ask('srv'),
    tlsa: ask('tlsa'),
    close() {},
    add(more) {
      text += `\n${more}`
      current = zoneResolver(text)
    },
  }
}

interface Around {
  readonly clock: Clock
  readonly dns: Resolver
  readonly outPort: number
}

async function open(t: TestContext, domain: string, { clock, dns, outPort }: Around): Promise<RunningServer> {
  const folder = mkdtempSync(join(tmpdir(), 'posthorn-reports-'))
  t.after(() => rmSync(folder, { recursive: true, force: true }))
  const value = {
    hostname: `mx.${domain}`,
    data: './data',
    listen: { smtp: '127.0.0.1:0' },
    queue: { routes: { '*': `127.0.0.1:${outPort}` } },
    smtp: { xclient: ['127.0.0.0/8'] },
    disk: { minimumFree: 0 },
  }
  const options = { here: composeDoors, log: silentLog, clock, dns, control: false }
  const server = await startServer(checkConfig(value, {}, folder), options)
  t.after(() => server.stop(0))
  const { accounts } = server.core.admin
  await accounts.addDomain(domain)
  await accounts.setDomain(domain, { greylist: false })
  await accounts.addAccount({ email: `ann@${domain}`, password: 'secret', admin: true })
  return server
}

/** Hands a message in as if it came from that address; the last reply. */
async function handIn(server: RunningServer, ip: string, from: string, to: string, message: string): Promise<string> {
  const client = await Smtp.open(server.ports.smtp!)
  await client.say(`XCLIENT ADDR=${ip}`)
  await client.say('EHLO out.test')
  const replies = await client.deliver(from, [to], message)
  client.close()
  return replies.at(-1)!
}

async function until(what: string, done: () => boolean | Promise<boolean>): Promise<void> {
  for (let i = 0; i < 1_000; i++) {
    if (await done()) return
    await sleep(20)
  }
  throw new Error(`never happened: ${what}`)
}

/** The first part in base64, decoded. */
function attachment(message: string): Buffer {
  const at = message.indexOf('Content-Transfer-Encoding: base64')
  const body = message.slice(message.indexOf('\r\n\r\n', at) + 4)
  return Buffer.from(body.slice(0, body.indexOf('\r\n--')), 'base64')
}

test('seen here, told there, and read there: the same numbers', async (t) => {
  const clock = movableClock()
  const dns = growingZone()
  const sink = await startSink(t)
  const around = { clock, dns, outPort: sink.port }
  const here = await open(t, 'here.test', around)
  const there = await open(t, 'there.test', around)
  const key = await here.core.admin.dkim.add('here.test', 'ed25519')
  dns.add(`${key.name} TXT "${key.record}"`)
  await here.core.admin.dkim.setState('here.test', key.selector, 'active')
  for (const local of ['dmarc-reports', 'fail'])
    await there.core.admin.accounts.addAlias(`${local}@there.test`, ['ann@there.test'])
  const used = async () => (await there.core.admin.queries.findAccount('ann@there.test'))!.usedMessages
  const wake = (server: RunningServer) => server.core.store.write([], async (tx) => tx.ring('jobs'))
  const sent = (to: string) => sink.envelopes().flatMap((one, i) => (one.to.includes(to) ? [sink.messages()[i]!] : []))

  const from = (address: string, subject: string) =>
    `From: Bert Secret <${address}>\r\nSubject: ${subject}\r\n\r\nx\r\n`
  await t.test('mail passes and fails, is taken and refused', async () => {
    await here.core.admin.accounts.setDomain('here.test', { dmarcFailureReports: 'on', greylist: false })
    for (let i = 0; i < 2; i++)
      assert.match(await handIn(here, good, 'bert@there.test', 'ann@here.test', from('bert@there.test', 'hi')), /^250 /)
    for (let i = 0; i < 3; i++)
      assert.match(
        await handIn(here, bad, 'x@bulk.test', 'ann@here.test', from('bert@there.test', 'buy')),
        /^550 5\.7\.26 /,
      )
    assert.match(await handIn(here, bad, 'c@careful.test', 'ann@here.test', from('c@careful.test', 'hm')), /^250 /)
    const own = here.core.admin.reports.own
    await until('it is counted', async () =>
      (await own(10)).some(({ domain, lines }) => domain === 'there.test' && lines === 2),
    )
  })

  await t.test('failures are told one by one where we let them be, and name nobody', async () => {
    await until('they are sent', () => sent('fail@there.test').length === 3)
    const [failure] = sent('fail@there.test')
    assert.match(failure!, /^Feedback-Type: auth-failure\r\n/m)
    assert.match(failure!, /^Identity-Alignment: dkim, spf\r\n/m)
    assert.match(failure!, /^Source-IP: 192\.0\.2\.66\r\n/m)
    assert.ok(!/bert|secret|Subject: buy|ann@/i.test(failure!), failure ?? '')
    const before = await used()
    assert.match(
      await handIn(there, '192.0.2.10', 'noreply-dmarc@mx.here.test', 'fail@there.test', (failure ?? '').trimEnd()),
      /^250 /,
    )
    assert.equal(await used(), before + 1)
    const { reports } = there.core.admin
    await until('it is an event', async () => (await reports.summary('there.test', 0)).complaints.length === 1)
    const [complaint] = (await reports.summary('there.test', 0)).complaints
    assert.deepEqual([complaint!.type, complaint!.proven, complaint!.suppressed], ['auth-failure', false, false])
  })

  const session = { domain: 'there.test', policyStrings: [], mxPatterns: [], at: clock.now() }
  const recorder = createTlsRecorder({ notes: here.core.services.reports, clock, log: silentLog })
  recorder.record([
    { ...session, policyType: 'no-policy-found', outcome: 'success' },
    { ...session, policyType: 'no-policy-found', outcome: 'starttls-not-supported', receivingMx: 'mx.there.test' },
  ])

  await t.test('a day later both reports leave, and none to whom did not agree', async () => {
    await until('TLS is counted', async () =>
      (await here.core.admin.reports.own(10)).some(({ kind }) => kind === 'tls'),
    )
    clock.move(dayMs + 5 * 3_600_000)
    await wake(here)
    await until(
      'they are sent',
      () => sent('dmarc-reports@there.test').length === 1 && sent('tls-reports@there.test').length === 1,
    )
    const own = await here.core.admin.reports.own(10)
    const careful = own.find(({ domain }) => domain === 'careful.test')!
    assert.equal(careful.state, 'dropped')
    assert.equal(careful.outcome, 'victim.test does not say that it wants reports on careful.test')
    assert.equal(sent('reports@victim.test').length, 0)
    assert.ok(sink.envelopes().every((one) => one.from === 'noreply-dmarc@mx.here.test'))
  })

  await t.test('the aggregate report is as RFC 9990 wants it, signed, and is read with equal numbers', async () => {
    const [message] = sent('dmarc-reports@there.test')
    assert.match(message!, /^DKIM-Signature: v=1; a=ed25519-sha256;/m)
    const xml = gunzipSync(attachment(message!))
    const schema = resolve(import.meta.dirname, '../corpus/reports/rfc9990.xsd')
    if (existsSync('/usr/bin/xmllint'))
      execFileSync('xmllint', ['--noout', '--nonet', '--schema', schema, '-'], { input: xml, stdio: 'pipe' })
    else t.diagnostic('xmllint is not installed: the schema was not asked')
    const before = await used()
    const reply = await handIn(
      there,
      '192.0.2.10',
      'noreply-dmarc@mx.here.test',
      'dmarc-reports@there.test',
      message!.trimEnd(),
    )
    assert.match(reply, /^250 /)
    const { reports } = there.core.admin
    await until('it is read', async () =>
      (await reports.list({ since: 0, limit: 10 })).some(({ kind }) => kind === 'dmarc'),
    )
    const [listed] = await reports.list({ since: 0, limit: 10 })
    assert.deepEqual([listed!.org, listed!.verified, listed!.passed, listed!.failed], ['mx.here.test', true, 2, 3])
    const { sources } = await reports.summary('there.test', 0)
    assert.deepEqual(
      sources.map(({ ip, messages, failed, rejected, spf }) => [ip, messages, failed, rejected, spf]),
      [
        [bad, 3, 3, 3, 0],
        [good, 2, 0, 0, 2],
      ],
    )
    const { policy, records } = await reports.show('dmarc', listed!.id)
    assert.deepEqual([policy!.domain, policy!.p, policy!.method], ['there.test', 'reject', 'treewalk'])
    assert.deepEqual(
      records!.map(({ disposition, envelopeFrom, headerFrom }) => [disposition, envelopeFrom, headerFrom]),
      [
        ['reject', 'bulk.test', 'there.test'],
        ['pass', 'there.test', 'there.test'],
      ],
    )
    assert.equal(await used(), before + 1, 'and it is in the mailbox too')
  })

  await t.test('the same from a stranger is kept apart and counted nowhere', async () => {
    const [message] = sent('dmarc-reports@there.test')
    const forged = message!.replace(/^DKIM-Signature:(?:.*\r\n[\t ])*.*\r\n/m, '').trimEnd()
    await there.core.admin.accounts.setDomain('there.test', { dmarc: 'record' })
    assert.match(await handIn(there, bad, 'x@bulk.test', 'dmarc-reports@there.test', forged), /^250 /)
    const { reports } = there.core.admin
    await until('it is read', async () => (await reports.list({ since: 0, limit: 10 })).length === 2)
    assert.deepEqual((await reports.list({ since: 0, limit: 10 })).map(({ verified }) => verified).sort(), [
      false,
      true,
    ])
    assert.equal((await reports.summary('there.test', 0)).messages, 5)
  })

  await t.test('the TLS report comes to an address that nobody has, and is read', async () => {
    const [message] = sent('tls-reports@there.test')
    const before = await used()
    const reply = await handIn(
      there,
      '192.0.2.10',
      'noreply-dmarc@mx.here.test',
      'tls-reports@there.test',
      message!.trimEnd(),
    )
    assert.match(reply, /^250 /)
    const { reports } = there.core.admin
    await until('it is read', async () => (await reports.summary('there.test', 0)).sessions === 2)
    const listed = (await reports.list({ since: 0, limit: 10 })).find(({ kind }) => kind === 'tls')!
    assert.deepEqual([listed.passed, listed.failed, listed.verified], [1, 1, true])
    const { policies } = await reports.show('tls', listed.id)
    assert.deepEqual(policies![0]!.details, [
      { type: 'starttls-not-supported', receivingMx: 'mx.there.test', count: 1 },
    ])
    assert.equal(await used(), before)
  })
})

test('posthorn reports: what came, who fails, one report whole; with and without --json', async (t) => {
  const server = await startInstallation(t, { users: { 'ann@here.test': 'correct horse' } })
  const json = async (...args: string[]) => JSON.parse(await server.cliOk('reports', ...args, '--json'))
  assert.match(await server.cliOk('reports', 'list'), /^no reports yet/)
  assert.match(await server.cliOk('reports', 'own'), /^nothing gathered yet/)
  assert.match(await server.cliOk('reports', 'send'), /^nothing was gathered/)
  const xml = readFileSync(resolve(import.meta.dirname, '../corpus/reports/google.xml'), 'utf8')
  const today = Math.floor(Date.now() / 1_000)
  const content = gzipSync(xml.replace('1763769600', `${today - 86_400}`).replace('1763855999', `${today}`))
  const mail = composeReportMail({
    from: { address: 'noreply-dmarc-support@google.test' },
    to: ['dmarc-reports@here.test'],
    subject: 'Report domain: here.test Submitter: google.com Report-ID: 1039487561029384756',
    date: Date.now(),
    messageId: '1@google.test',
    multipart: 'mixed',
    parts: [{ type: 'application/gzip', file: 'google.com!here.test!1!2.xml.gz', content }],
  })
  const client = await Smtp.open(server.ports.smtp)
  const replies = await client.deliver('x@google.test', ['dmarc-reports@here.test'], mail.toString().trimEnd())
  client.close()
  assert.match(replies.at(-1)!, /^250 /)
  await until('it is read', async () => (await json('list')).length === 1)
  const [listed] = await json('list', 'here.test')
  assert.deepEqual([listed.kind, listed.org, listed.passed, listed.failed], ['dmarc', 'google.com', 41, 3])
  assert.match(await server.cliOk('reports', 'list'), /^dmarc:1 +\S+ +here\.test +google\.com +41 +3$/m)
  const shown = await server.cliOk('reports', 'show', 'here.test')
  assert.match(shown, /^here\.test since \S+: 44 messages, 3 of them failed DMARC \(6\.8 %\)$/m)
  assert.match(shown, /^2001:db8::bad +3 +3 +0 +0 +0 +0 +1\n192\.0\.2\.1 +41 +0 +41 +41 +0 +0 +1$/m)
  assert.equal((await json('show', 'here.test')).sources.length, 2)
  const whole = await server.cliOk('reports', 'show', 'dmarc:1')
  assert.match(whole, /^policy: p=quarantine sp=quarantine$/m)
  assert.match(
    whole,
    /^192\.0\.2\.1 +41 +none +pass +pass +here\.test +here\.test\/r202611 pass, here\.test\/e202611 pass +here\.test pass$/m,
  )
  assert.equal((await json('show', 'dmarc:1')).records.length, 2)
  const refused = async (words: RegExp, ...args: string[]) => {
    const ran = await server.cli('reports', ...args)
    assert.ok(ran.code !== 0 && words.test(ran.stderr), ran.stderr)
  }
  await refused(/there is no DMARC report 7/, 'show', 'dmarc:7')
  await refused(/expected dmarc:NUMBER or tls:NUMBER/, 'show', 'arf:7')
  await refused(/there is no domain elsewhere\.test here/, 'show', 'elsewhere.test')
})
