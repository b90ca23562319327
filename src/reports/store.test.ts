// Reports in the store: counted when they are seen, told once, read once; on both databases.

import assert from 'node:assert/strict'
import { readFileSync } from 'node:fs'
import { join, resolve } from 'node:path'
import { gunzipSync, gzipSync } from 'node:zlib'
import { type Bench, onEachStore } from '../../test/stores.ts'
import { fakeClock, silentLog, toId } from '../base/index.ts'
import { type Resolver, zoneResolver } from '../dns/index.ts'
import { enqueueJob, type RunningJob } from '../jobs/index.ts'
import type { TlsResult } from '../mailauth/index.ts'
import { putContent } from '../queue/testing/world.ts'
import { domainRows, jobRows, queueRows, reportDueRows, reportRows, type Store, toBuffer } from '../store/index.ts'
import type { TraceTx } from '../trace/index.ts'
import { createReportsAdmin } from './admin.ts'
import { parseAggregate } from './aggregate-parse.ts'
import { composeReportMail } from './compose.ts'
import { type ReportJobsParts, reportHandlers } from './jobs.ts'
import { createReportNotes, createTlsRecorder } from './notes.ts'
import { dayMs, type Observed } from './observe.ts'
import { readReports } from './read-mail.ts'
import { receiveReports } from './receive.ts'
import { parseTlsReport } from './tls-format.ts'
import type { DmarcLine } from './types.ts'

const corpus = resolve(import.meta.dirname, '../../test/corpus/reports')
const load = (name: string) => readFileSync(join(corpus, name))
const day = 20_000
const zone = `
  _smtp._tls.b.test TXT "v=TLSRPTv1; rua=mailto:tls@b.test,https://b.test/tls"
  _smtp._tls.c.test TXT "v=TLSRPTv1; rua=https://c.test/tls"`

interface Kit {
  readonly parts: ReportJobsParts
  readonly clock: ReturnType<typeof fakeClock>
  readonly store: Store
  /** Reports posted so far: to whom, and the message. */
  posted(): Promise<
    { readonly to: readonly string[]; readonly from: string; readonly text: string; readonly more: object }[]
  >
  notes: ReturnType<typeof createReportNotes>
}

function kit({ store }: Bench, change: Partial<ReportJobsParts> = {}, random = 0): Kit {
  const clock = fakeClock(day * dayMs + 1_000)
  const trace: TraceTx = { on: false, begin: async () => {}, keeps: () => false, add: async () => {} }
  const parts: ReportJobsParts = {
    store,
    dns: zoneResolver(zone),
    clock,
    log: silentLog,
    hostname: 'mx.here.test',
    version: '1',
    trace,
    on: () => true,
    sender: () => ({ address: 'noreply@here.test', organization: 'Here & Now' }),
    putContent,
    ...change,
  }
  return {
    parts,
    clock,
    store,
    notes: createReportNotes({ store, random: () => random, on: () => true, toFailure: () => undefined }),
    async posted() {
      const jobs = (await store.read((tx) => jobRows.listJobs(tx, 100))).filter(({ name }) => name === 'post')
      return Promise.all(
        jobs.map(async ({ payload }) => {
          const { content, to, from, ...more } = JSON.parse(payload)
          const row = await store.read((tx) => queueRows.contentOf(tx, toId(content)))
          return { to, from, more, text: toBuffer(row!.data!).toString('latin1') }
        }),
      )
    },
  }
}

const line: DmarcLine = {
  sourceIp: '192.0.2.7',
  disposition: 'reject',
  dkim: 'fail',
  spf: 'fail',
  reasons: [],
  headerFrom: 'b.test',
  envelopeFrom: 'x.test',
  dkimResults: [],
  spfResults: [{ domain: 'x.test', scope: 'mfrom', result: 'fail' }],
}
const observed = (change: Partial<Observed> = {}, data: Partial<DmarcLine> = {}): Observed => ({
  kind: 'dmarc',
  day,
  domain: 'b.test',
  policy: 'v=DMARC1; p=reject; rua=mailto:r@b.test!1m',
  count: 1,
  data: JSON.stringify({ ...line, ...data }),
  ...change,
})
const running: RunningJob = {
  id: toId(1),
  attempts: 1,
  done: async () => {},
  again: async (tx, runAt) => void (await enqueueJob(tx, 'send-reports', {}, { runAt })),
}
const send = (made: Kit) => reportHandlers(made.parts)['send-reports']({}, running)
const attached = (text: string) => Buffer.from(text.split('base64\r\n\r\n')[1]!.split('\r\n--')[0]!, 'base64')

onEachStore('counts of all doors are added up, told when the day is over, and only once', async (bench) => {
  const made = kit(bench)
  const { notes, clock, store } = made
  await notes.note([
    observed({ count: 3 }),
    observed({ count: 2 }, { sourceIp: '2001:db8::1', dkim: 'pass', disposition: 'pass' }),
  ])
  await notes.note([observed({ count: 4 })])
  await send(made)
  assert.deepEqual(await made.posted(), [], 'the day is not over')
  await clock.advance(dayMs + 3_600_000)
  await send(made)
  await send(made)
  const [mail, ...others] = await made.posted()
  assert.equal(others.length, 0)
  assert.deepEqual(mail!.to, ['r@b.test'])
  assert.equal(mail!.from, 'noreply@here.test')
  const [begin, end] = [day * 86_400, day * 86_400 + 86_399]
  assert.match(
    mail!.text,
    /^Subject: Report Domain: b\.test Submitter: mx\.here\.test Report-ID:\r\n <([0-9a-f]{24})>\r\n/m,
  )
  assert.ok(mail!.text.replaceAll('\r\n ', ' ').includes(`filename="mx.here.test!b.test!${begin}!${end}!`))
  const xml = gunzipSync(attached(mail!.text)).toString()
  const report = await parseAggregate(xml)
  assert.equal(report.metadata.org, 'Here & Now')
  assert.deepEqual([report.metadata.begin, report.metadata.end], [begin, end])
  assert.deepEqual(
    report.records.map(({ sourceIp, count, disposition }) => [sourceIp, count, disposition]),
    [
      ['192.0.2.7', 7, 'reject'],
      ['2001:db8::1', 2, 'pass'],
    ],
  )
  // What comes late has no report to stand in.
  await notes.note([observed()])
  await send(made)
  assert.equal((await made.posted()).length, 1)
  const [own] = await createReportsAdmin(made.parts).own(10)
  assert.deepEqual([own!.state, own!.outcome, own!.day], ['sent', 'to r@b.test', '2024-10-04'])
  assert.equal((await store.read((tx) => reportDueRows.list(tx, 0, 10))).length, 1)
})

onEachStore('two nodes that send at once send one report', async (bench) => {
  const made = kit(bench)
  await made.notes.note([observed()])
  await made.clock.advance(dayMs + 3_600_000)
  await Promise.all([send(made), send(made), send(made)])
  assert.equal((await made.posted()).length, 1)
})

onEachStore('reports leave at their own times within four hours', async (bench) => {
  const late = kit(bench, {}, 0.99)
  await late.notes.note([observed()])
  await late.clock.advance(dayMs + 3_600_000)
  await send(late)
  assert.equal((await late.posted()).length, 0)
  await late.clock.advance(3.5 * 3_600_000)
  await send(late)
  assert.equal((await late.posted()).length, 1)
})

onEachStore(
  'kinds of messages of one domain and day are bounded; what is left out is told',
  async (bench) => {
    const made = kit(bench)
    const flood = Array.from({ length: 10_050 }, (_, i) => observed({}, { envelopeFrom: `${i}.x.test` }))
    await made.notes.note(flood)
    const [row] = await bench.store.read((tx) => reportDueRows.list(tx, 0, 10))
    assert.deepEqual([row!.lines, row!.left_out], [10_000, 50])
    await made.clock.advance(dayMs + 3_600_000)
    await send(made)
    const report = await parseAggregate(gunzipSync(attached((await made.posted())[0]!.text)).toString())
    assert.equal(report.records.length, 10_000)
    assert.deepEqual(report.metadata.errors, ['50 messages are left out: there were too many kinds of them'])
  },
  { only: 'sqlite' },
)

onEachStore(
  'not sent: no consent of a stranger, more bytes than the reader takes; a silent DNS is asked again for a day',
  async (bench) => {
    let silent = true
    const resolver = zoneResolver(zone)
    const dns: Resolver = {
      ...resolver,
      txt: async (name) => (silent ? { status: 'failed', reason: 'no' } : resolver.txt(name)),
    }
    const made = kit(bench, { dns })
    await made.notes.note([
      observed({ domain: 'd.test', policy: 'v=DMARC1; p=none; rua=mailto:r@victim.test' }),
      observed({ domain: 'e.test', policy: 'v=DMARC1; p=none; rua=mailto:r@e.test!10' }),
    ])
    const states = async () =>
      Object.fromEntries(
        (await createReportsAdmin(made.parts).own(10)).map(({ domain, state, outcome }) => [
          domain,
          `${state}: ${outcome}`,
        ]),
      )
    await made.clock.advance(dayMs + 3_600_000)
    await send(made)
    assert.equal((await states())['d.test'], 'gathering: the DNS does not say who wants it')
    silent = false
    await made.clock.advance(2 * 3_600_000)
    await send(made)
    assert.equal((await states())['d.test'], 'dropped: victim.test does not say that it wants reports on d.test')
    assert.match((await states())['e.test']!, /^dropped: it has \d+ bytes, more than its readers take$/)
    assert.deepEqual(await made.posted(), [])
  },
)

const tls = (change: Partial<TlsResult> = {}): TlsResult => ({
  domain: 'b.test',
  policyType: 'sts',
  policyStrings: ['version: STSv1', 'mode: enforce'],
  mxPatterns: ['mx.b.test'],
  outcome: 'success',
  at: day * dayMs,
  ...change,
})

onEachStore('TLS: sessions are counted and told by mail and by HTTPS, also where TLS does not work', async (bench) => {
  const taken: { url: string; body: Buffer; type: string }[] = []
  const made = kit(bench, { post: async (url, body, type) => void taken.push({ url, body, type }) })
  const recorder = createTlsRecorder({ notes: made.notes, clock: made.clock, log: silentLog })
  for (let i = 0; i < 50; i++) recorder.record([tls({ receivingMx: 'mx.b.test' })])
  recorder.record([
    tls({ outcome: 'certificate-expired', receivingMx: 'mx.b.test', sendingIp: '192.0.2.1', receivingIp: '192.0.2.2' }),
  ])
  recorder.record([tls({ domain: 'C.test' }), tls({ domain: 'silent.test' })])
  await recorder.stop()
  await made.clock.advance(dayMs + 3_600_000)
  await send(made)
  const [mail, ...others] = await made.posted()
  assert.equal(others.length, 0)
  assert.deepEqual([mail!.to, mail!.more], [['tls@b.test'], { utf8: false, tlsOptional: true }])
  assert.match(
    mail!.text,
    /^TLS-Report-Domain: b\.test\r\nTLS-Report-Submitter: mx\.here\.test\r\nTLS-Required: No\r\n/m,
  )
  assert.match(mail!.text.replaceAll('\r\n ', ' '), /^Content-Type: multipart\/report; report-type=tlsrpt;/m)
  const report = parseTlsReport(gunzipSync(attached(mail!.text)).toString())
  assert.deepEqual([report.policies[0]!.successes, report.policies[0]!.failures], [50, 1])
  assert.deepEqual(report.policies[0]!.details, [
    {
      type: 'certificate-expired',
      sendingIp: '192.0.2.1',
      receivingMx: 'mx.b.test',
      receivingIp: '192.0.2.2',
      count: 1,
    },
  ])
  assert.deepEqual(taken.map(({ url, type }) => [url, type]).sort(), [
    ['https://b.test/tls', 'application/tlsrpt+gzip'],
    ['https://c.test/tls', 'application/tlsrpt+gzip'],
  ])
  const states = (await createReportsAdmin(made.parts).own(10)).map(
    ({ domain, state, outcome }) => `${domain} ${state} ${outcome}`,
  )
  assert.deepEqual(states.sort(), [
    'b.test sent to tls@b.test, https://b.test/tls',
    'c.test sent to https://c.test/tls',
    'silent.test dropped nobody asked for it',
  ])
})

const mailWith = (file: string, content: Buffer, type = 'application/gzip') =>
  composeReportMail({
    from: { address: 'r@receiver.example' },
    to: ['dmarc-reports@here.test'],
    subject: 'Report Domain: here.test Submitter: receiver.example Report-ID: <1>',
    date: 0,
    messageId: '1@receiver.example',
    multipart: 'mixed',
    parts: [
      { type: 'text/plain', content: 'hello\n' },
      { type, file, content },
    ],
  })

async function receive(made: Kit, message: Buffer, verified = true) {
  const { store } = made
  const content = await store.write([], (tx) => putContent(tx, message))
  await receiveReports(made.parts, { content, trace: `t${content}`, verified }, running)
}

onEachStore('reports that come stand in tables once, and say who sends in our name', async (bench) => {
  const made = kit(bench)
  const { store } = made
  const domain = await store.write('server', (tx) => domainRows.insert(tx, { name: 'here.test', aliasOf: null }))
  const admin = createReportsAdmin(made.parts)
  await receive(made, mailWith('google.com!here.test!1763769600!1763855999.xml.gz', gzipSync(load('google.xml'))))
  await receive(made, mailWith('google.com!here.test!1763769600!1763855999.xml.gz', gzipSync(load('google.xml'))))
  await receive(made, mailWith('x.xml', load('microsoft.xml'), 'text/xml'))
  // Forged: nobody vouches for who sent it.
  const forged = load('yahoo.xml').toString().replace('<count>1<', '<count>100000<')
  await receive(made, mailWith('x.xml.gz', gzipSync(forged)), false)
  await receive(made, mailWith('x.xml.gz', gzipSync(load('yahoo.xml'))))
  await receive(
    made,
    mailWith('x.xml.gz', gzipSync(load('google.xml').toString().replaceAll('here.test', 'others.test'))),
  )
  await receive(made, mailWith('x.json.gz', gzipSync(load('microsoft.json')), 'application/tlsrpt+gzip'))
  await receive(made, mailWith('x.json.gz', gzipSync(load('microsoft.json')), 'application/octet-stream'))
  await receive(made, mailWith('bomb.xml.gz', gzipSync(Buffer.alloc(40 * 2 ** 20, 32))))
  await receive(made, Buffer.from('Subject: hello\r\n\r\nworld\r\n'))
  const listed = await admin.list({ domain: 'here.test', since: 0, limit: 100 })
  assert.deepEqual(
    listed.map(({ kind, org, passed, failed, verified }) => `${kind} ${org} ${passed} ${failed} ${verified}`).sort(),
    [
      'dmarc Enterprise Outlook 12 7 true',
      'dmarc Yahoo 0 1 true',
      'dmarc Yahoo 0 100000 false',
      'dmarc google.com 41 3 true',
      'tls Microsoft Corporation 6 3 true',
    ],
  )
  const summary = await admin.summary('here.test', 0)
  assert.deepEqual([summary.messages, summary.failed, summary.sessions, summary.failedSessions], [64, 11, 9, 3])
  assert.deepEqual(
    summary.sources.map(({ ip, messages, failed, reports }) => [ip, messages, failed, reports]),
    [
      ['203.0.113.66', 7, 7, 1],
      ['2001:db8::bad', 3, 3, 1],
      ['198.51.100.9', 1, 1, 1],
      ['192.0.2.1', 53, 0, 2],
    ],
  )
  const google = listed.find(({ org }) => org === 'google.com')!
  const shown = await admin.show('dmarc', google.id)
  assert.deepEqual(
    shown.records!.map(({ ip, count }) => [ip, count]),
    [
      ['192.0.2.1', 41],
      ['2001:db8::bad', 3],
    ],
  )
  assert.deepEqual(shown.records![1]!.reasons, [{ type: 'local_policy', comment: 'arc=pass' }])
  await assert.rejects(admin.summary('others.test', 0), /there is no domain/)
  await assert.rejects(admin.show('tls', 999), /there is no TLS report/)
  for (let gone = 1; gone > 0; ) gone = await store.write([], (tx) => reportRows.sweep(tx, tx.now + 1, 2))
  assert.deepEqual(await store.read((tx) => reportRows.listDmarc(tx, domain, 0, 10)), [])
})

onEachStore('a report whose reading was interrupted goes on where it was', async (bench) => {
  const made = kit(bench)
  const { store } = made
  await store.write('server', (tx) => domainRows.insert(tx, { name: 'here.test', aliasOf: null }))
  const one = load('google.xml').toString()
  const start = one.indexOf('<record>')
  const record = one.slice(start, one.indexOf('</record>') + 9)
  const many = `${one.slice(0, start)}${record.repeat(1_200)}</feedback>`
  const content = await store.write([], (tx) => putContent(tx, mailWith('x.xml.gz', gzipSync(many))))
  const job = { content, trace: 'T', verified: true }
  let left = 3
  const failing: Store = {
    ...store,
    write: (scope, work, options) =>
      --left < 0 ? Promise.reject(new Error('power')) : store.write(scope, work, options),
  }
  await assert.rejects(receiveReports({ ...made.parts, store: failing }, job, running), /power/)
  const admin = createReportsAdmin(made.parts)
  assert.deepEqual(await admin.list({ since: 0, limit: 10 }), [], 'half a report is not shown')
  await receiveReports(made.parts, job, running)
  assert.equal((await admin.summary('here.test', 0)).messages, 41 * 1_200)
})

onEachStore(
  'an attachment is a report by its type or its name',
  async () => {
    const rows: readonly (readonly [file: string, type: string, found: number])[] = [
      ['a!b!1!2.xml.gz', 'application/gzip', 1],
      ['a!b!1!2.xml.gz', 'application/x-gzip', 1],
      ['a!b!1!2.xml.gz', 'application/octet-stream', 1],
      ['whatever', 'application/gzip', 1],
      ['photo.jpg', 'image/jpeg', 0],
    ]
    for (const [file, type, found] of rows)
      assert.equal(
        (await readReports(mailWith(file, gzipSync(load('google.xml')), type))).length,
        found,
        `${file} ${type}`,
      )
  },
  { only: 'sqlite' },
)
