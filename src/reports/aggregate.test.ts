// Aggregate reports: as large receivers write them, as we write them, and what somebody writes who means harm.

import assert from 'node:assert/strict'
import { execFileSync } from 'node:child_process'
import { existsSync, readFileSync } from 'node:fs'
import { join, resolve } from 'node:path'
import { test } from 'node:test'
import fc from 'fast-check'
import { decodeText } from '../mime/index.ts'
import { formatAggregate } from './aggregate-format.ts'
import { parseAggregate } from './aggregate-parse.ts'
import { reportLimits } from './limits.ts'
import { type AggregateReport, MalformedReport } from './types.ts'
import { escapeXml, XmlReader } from './xml.ts'

const corpus = resolve(import.meta.dirname, '../../test/corpus/reports')
const load = (name: string, charset = 'utf-8') => decodeText(readFileSync(join(corpus, name)), charset)

test("Google's form of RFC 7489", async () => {
  const { form, metadata, policy, records } = await parseAggregate(load('google.xml'))
  assert.equal(form, 'rfc7489')
  assert.deepEqual(metadata, {
    org: 'google.com',
    email: 'noreply-dmarc-support@google.com',
    extraContact: 'https://support.google.com/a/answer/2466580',
    id: '1039487561029384756',
    begin: 1_763_769_600,
    end: 1_763_855_999,
    errors: [],
  })
  const words = { p: 'quarantine', sp: 'quarantine', np: 'quarantine', adkim: 'r', aspf: 'r', pct: 100 }
  assert.deepEqual(policy, { domain: 'here.test', ...words })
  assert.deepEqual(records[1], {
    sourceIp: '2001:db8::bad',
    count: 3,
    disposition: 'none',
    dkim: 'fail',
    spf: 'fail',
    reasons: [{ type: 'local_policy', comment: 'arc=pass' }],
    headerFrom: 'news.here.test',
    dkimResults: [],
    spfResults: [{ domain: 'lists.example.net', result: 'pass' }],
  })
  assert.deepEqual(
    records[0]!.dkimResults.map(({ selector, result }) => [selector, result]),
    [
      ['r202611', 'pass'],
      ['e202611', 'pass'],
    ],
  )
})

test("Microsoft's and Yahoo's", async () => {
  const microsoft = await parseAggregate(load('microsoft.xml'))
  assert.deepEqual(
    microsoft.records.map(({ count, disposition, envelopeFrom, envelopeTo }) => [
      count,
      disposition,
      envelopeFrom,
      envelopeTo,
    ]),
    [
      [7, 'quarantine', 'bulk.example', 'contoso.example'],
      [12, 'none', 'here.test', 'contoso.example'],
    ],
  )
  assert.deepEqual(microsoft.records[0]!.spfResults, [{ domain: 'bulk.example', scope: 'mfrom', result: 'softfail' }])
  const yahoo = await parseAggregate(load('yahoo.xml'))
  assert.equal(yahoo.metadata.end, 1_763_855_999)
  assert.equal(yahoo.records[0]!.dkimResults[0]!.result, 'permerror')
})

test('older programs: prefix, capitals, another charset, words of drafts, and what is not of the namespace', async () => {
  const { metadata, policy, records } = await parseAggregate(load('older.xml', 'windows-1252'))
  assert.equal(metadata.org, 'Müller & Söhne')
  assert.deepEqual(metadata.errors, ['the policy record has an unknown tag'])
  assert.deepEqual(policy, { domain: 'here.test', p: 'quarantine', pct: 50 })
  assert.deepEqual(records, [
    {
      sourceIp: '198.51.100.10',
      count: 2,
      disposition: 'none',
      dkim: 'fail',
      spf: 'pass',
      reasons: [{ type: 'sampled_out' }, { type: 'forwarded', comment: 'by <a list> & more' }],
      headerFrom: 'here.test',
      envelopeFrom: '',
      dkimResults: [{ domain: 'here.test', result: 'fail', human: 'body hash did not verify' }],
      spfResults: [{ domain: 'mail.here.test', scope: 'helo', result: 'temperror' }],
    },
  ])
})

test('RFC 9990 with extensions', async () => {
  const { form, metadata, policy, records } = await parseAggregate(load('rfc9990.xml'))
  assert.equal(form, 'rfc9990')
  assert.equal(metadata.generator, 'Reporter 1.2')
  const words = { p: 'quarantine', sp: 'none', np: 'reject', fo: '1', testing: true, method: 'treewalk' }
  assert.deepEqual(policy, { domain: 'here.test', ...words })
  assert.equal(records[0]!.disposition, 'pass')
  assert.deepEqual(records[0]!.reasons, [{ type: 'policy_test_mode' }])
})

const record = (more = '', count = '1', ip = '192.0.2.1') =>
  `<record><row><source_ip>${ip}</source_ip><count>${count}</count><policy_evaluated><disposition>none</disposition><dkim>pass</dkim><spf>pass</spf></policy_evaluated></row><identifiers><header_from>a.test</header_from></identifiers><auth_results>${more}</auth_results></record>`
const report = (records: string, head = '') =>
  `${head}<feedback><report_metadata><org_name>x</org_name><email>x@x.test</email><report_id>1</report_id><date_range><begin>1</begin><end>2</end></date_range></report_metadata><policy_published><domain>a.test</domain><p>none</p></policy_published>${records}</feedback>`

test('what would make numbers wrong is refused, with the reason', async () => {
  const rows: readonly (readonly [text: string, why: RegExp])[] = [
    ['', /no element/],
    ['<html><p>no</p></html>', /is no DMARC report/],
    ['<feedback></feedback>', /report_metadata is missing/],
    [report(record('', '-1')), /no count/],
    [report(record('', '1.5')), /no count/],
    [report(record('', '')), /no count/],
    [report(record('', '9'.repeat(30))), /no count/],
    [report(record('', '1', 'not an ip')), /no source_ip/],
    [report(record()).replace('<disposition>none', '<disposition>eaten'), /no disposition/],
    [report(record()).replace('<report_id>1', '<report_id>'), /report_id is missing/],
    [report(record()).replace('<begin>1<', '<begin>3<'), /ends before it begins/],
    [report(record()).replace('<begin>1<', '<begin>yesterday<'), /begin is no time/],
    [report(record()).replace('<domain>a.test', '<domain>'), /domain is missing/],
    [report(record()).replace('<feedback>', '<feedback><version>3.0</version>'), /version 3\.0/],
    [report(record()).replace('</feedback>', ''), /ends inside/],
    [report(record()).replace('</row>', '</raw>'), /closes <row>/],
    [`${report(record())}<more/>`, /follows its root/],
    [report(record('a & b')), /begins no reference/],
    [report(record('&nbsp;')), /entity &nbsp; is unknown/],
    [report(record('&#0;')), /is no character/],
    [report(record('&#xD800;')), /is no character/],
  ]
  for (const [text, why] of rows)
    await assert.rejects(
      parseAggregate(text),
      (error) => error instanceof MalformedReport && why.test(error.message),
      text.slice(0, 300),
    )
})

test('the billion laughs, and an entity from a file: no document type is read', async () => {
  const laughs = `<?xml version="1.0"?><!DOCTYPE lolz [<!ENTITY a "lol">${'bcdefghi'.replace(/./g, (c, i) => `<!ENTITY ${c} "${`&${'abcdefgh'[i]};`.repeat(10)}">`)}]>`
  await assert.rejects(parseAggregate(report(record('&i;'), laughs)), /document types and entities are not read/)
  const file = '<!DOCTYPE feedback [<!ENTITY x SYSTEM "file:///etc/passwd">]>'
  await assert.rejects(parseAggregate(report(record('&x;'), file)), /not read/)
  await assert.rejects(parseAggregate(report('<!DOCTYPE a>')), /not read/)
})

test('depth, elements, records, names and texts are bounded', async () => {
  const deep = (n: number) => `<extension>${'<a>'.repeat(n)}${'</a>'.repeat(n)}</extension>`
  await parseAggregate(report(deep(10)))
  await assert.rejects(parseAggregate(report(deep(100_000))), /too deep/)
  await assert.rejects(parseAggregate(report(`<${'n'.repeat(1e6)}/>`)), /proper name/)
  await assert.rejects(parseAggregate(report(`<a b="${'n'.repeat(1e6)}"/>`)), /does not end/)
  await assert.rejects(parseAggregate(report(`<a${' '.repeat(1e6)}/>`)), /too long/)
  await assert.rejects(
    parseAggregate(report(`<extension>${'<a/>'.repeat(reportLimits.elements + 1)}</extension>`)),
    /too many elements/,
  )
  await assert.rejects(parseAggregate(report('<a/>'.repeat(reportLimits.children + 1))), /too many elements/)
  await assert.rejects(parseAggregate(report(record().repeat(reportLimits.records + 1))), /more than 20000 records/)
  const many = await parseAggregate(report(record(`<dkim><domain>${'d'.repeat(100_000)}</domain></dkim>`.repeat(150))))
  assert.equal(many.records[0]!.dkimResults.length, 100)
  assert.equal(many.records[0]!.dkimResults[0]!.domain.length, 255)
})

test('a report of 16 MiB is read in steps that let others through', async () => {
  const one = record('<spf><domain>a.test</domain><result>pass</result></spf>')
  const text = report(one.repeat(20_000)) + ' '.repeat(9 * 2 ** 20)
  // Turns of the loop that others had meanwhile: time says little on a busy machine.
  let turns = 0
  let ended = false
  const watch = () => {
    turns++
    if (!ended) setImmediate(watch)
  }
  setImmediate(watch)
  const { records } = await parseAggregate(text)
  ended = true
  assert.equal(records.length, 20_000)
  assert.ok(turns >= 100, `others had ${turns} turns`)
})

test('random damage never throws anything else', async () => {
  const texts = ['google.xml', 'microsoft.xml', 'rfc9990.xml'].map((name) => load(name))
  await fc.assert(
    fc.asyncProperty(
      fc.constantFrom(...texts),
      fc.array(fc.tuple(fc.nat(5_000), fc.constantFrom('<', '>', '&', '"', '/', '\0', ']]>', '<!--', '<?', 'ü', '')), {
        maxLength: 5,
      }),
      async (text, damage) => {
        let broken = text
        for (const [at, piece] of damage) broken = broken.slice(0, at) + piece + broken.slice(at + 1)
        await parseAggregate(broken).catch((error: unknown) =>
          assert.ok(error instanceof MalformedReport, String(error)),
        )
      },
    ),
    { numRuns: 2_000 },
  )
})

const word = fc.stringMatching(/^[a-z0-9]{1,12}$/)
const domain = fc.tuple(word, word).map(([a, b]) => `${a}.${b}.test`)
const text = fc
  .string({ unit: 'grapheme', minLength: 1, maxLength: 40 })
  .map((it) => it.replace(/[\p{C}\p{Z}]/gu, '') || 'x')
const policyWord = fc.constantFrom('none', 'quarantine', 'reject')
const passFail = fc.constantFrom('pass', 'fail')
const anyReport = fc.record({
  form: fc.constant('rfc9990'),
  metadata: fc
    .record({
      org: text,
      email: domain.map((d) => `r@${d}`),
      id: word,
      begin: fc.nat(2 ** 31),
      length: fc.nat(86_400),
      generator: text,
    })
    .map(({ length, ...rest }) => ({ ...rest, end: rest.begin + length, errors: [] })),
  policy: fc.record({
    domain,
    p: policyWord,
    sp: policyWord,
    np: policyWord,
    adkim: fc.constantFrom('r', 's'),
    aspf: fc.constantFrom('r', 's'),
    fo: fc.constantFrom('0', '1', 'd:s'),
    testing: fc.boolean(),
    method: fc.constant('treewalk'),
  }),
  records: fc.array(
    fc.record({
      sourceIp: fc.oneof(fc.ipV4(), fc.constantFrom('2001:db8::1', '2001:db8:1:2:3:4:5:6')),
      count: fc.integer({ min: 1, max: 1e9 }),
      disposition: fc.constantFrom('none', 'pass', 'quarantine', 'reject'),
      dkim: passFail,
      spf: passFail,
      reasons: fc.array(
        fc.record({ type: fc.constantFrom('local_policy', 'policy_test_mode', 'other'), comment: text }),
        { maxLength: 2 },
      ),
      headerFrom: domain,
      envelopeFrom: fc.oneof(domain, fc.constant('')),
      envelopeTo: domain,
      dkimResults: fc.array(
        fc.record({ domain, selector: word, result: fc.constantFrom('pass', 'fail', 'neutral', 'policy') }),
        { maxLength: 3 },
      ),
      spfResults: fc.array(
        fc.record({ domain, scope: fc.constant('mfrom'), result: fc.constantFrom('pass', 'softfail', 'none') }),
        { maxLength: 1 },
      ),
    }),
    { minLength: 1, maxLength: 5 },
  ),
})

test('what is written is read again, whatever it says', async () => {
  await fc.assert(
    fc.asyncProperty(anyReport, async (any) => {
      const given = JSON.parse(JSON.stringify(any)) as AggregateReport
      assert.deepEqual(await parseAggregate(formatAggregate(given)), given)
    }),
    { numRuns: 300 },
  )
})

test('what is written holds to the schema of RFC 9990', {
  skip: !existsSync('/usr/bin/xmllint') && 'xmllint is not installed',
}, () => {
  const check = (xml: string) =>
    execFileSync('xmllint', ['--noout', '--nonet', '--schema', join(corpus, 'rfc9990.xsd'), '-'], {
      input: xml,
      stdio: 'pipe',
    })
  for (const any of fc.sample(anyReport, { numRuns: 40, seed: 7 })) check(formatAggregate(any as AggregateReport))
  const good = formatAggregate(fc.sample(anyReport, { numRuns: 1, seed: 7 })[0] as AggregateReport)
  // The schema is one that refuses.
  assert.throws(() => check(good.replace('<version>1.0</version>', '<version>1.1</version>')))
  assert.throws(() => check(good.replace('urn:ietf:params:xml:ns:dmarc-2.0', 'urn:other')))
  assert.throws(() =>
    check(
      good.replace(/<policy_evaluated>(<disposition>.*?<\/disposition>)(<dkim>.*?<\/dkim>)/, '<policy_evaluated>$2$1'),
    ),
  )
})

test('text that XML cannot say is left out, and nothing in it means anything', () => {
  assert.equal(escapeXml('a<b>&"c"\0\x1f\ud800\ufffe'), 'a&lt;b&gt;&amp;"c"\ufffd')
  const xml = new XmlReader(`<r><a>${escapeXml(']]><x/>&amp;')}</a></r>`)
  assert.equal(xml.next()!.text, ']]><x/>&amp;')
})
