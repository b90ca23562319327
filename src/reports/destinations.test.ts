// Where reports go: what records name, and what the owners of those mailboxes say.

import assert from 'node:assert/strict'
import { test } from 'node:test'
import { type Resolver, zoneResolver } from '../dns/index.ts'
import { verifyDestinations } from './destinations.ts'
import { parseDestinations, parseTags, tlsDestinations, toPublished } from './policy-record.ts'

const shown = (list: string) =>
  parseDestinations(list).map((one) =>
    one.kind === 'https'
      ? one.url
      : `${one.address.local}@${one.address.domain}${one.maxBytes === undefined ? '' : ` ${one.maxBytes}`}`,
  )

test('rua: mailboxes with and without a limit, percent signs, and what nobody can serve', () => {
  const rows: readonly (readonly [list: string, found: readonly string[]])[] = [
    ['mailto:a@x.test', ['a@x.test']],
    [
      'mailto:a@x.test!10m, MAILTO:b@y.test!50k ,mailto:c@z.test!7',
      ['a@x.test 10485760', 'b@y.test 51200', 'c@z.test 7'],
    ],
    ['mailto:a%2bdmarc@x.test', ['a+dmarc@x.test']],
    ['mailto:a%21b@x.test', ['a!b@x.test']],
    ['mailto:a@x.test?subject=hello', ['a@x.test']],
    ['mailto:a@x.test,mailto:a@x.test', ['a@x.test']],
    ['mailto:a@x.test!10q', []],
    ['https://x.test/r,ftp://x.test/r,a@x.test,mailto:,mailto:a@', ['https://x.test/r']],
    [
      Array.from({ length: 20 }, (_, i) => `mailto:${i}@x.test`).join(),
      ['0@x.test', '1@x.test', '2@x.test', '3@x.test', '4@x.test'],
    ],
    ['', []],
  ]
  for (const [list, found] of rows) assert.deepEqual(shown(list), found, list)
})

test('a policy is told with its defaults', () => {
  assert.deepEqual(toPublished('a.test', 'v=DMARC1; p=reject; rua=mailto:x@a.test'), {
    domain: 'a.test',
    method: 'treewalk',
    p: 'reject',
    sp: 'reject',
    np: 'reject',
    fo: '0',
    adkim: 'r',
    aspf: 'r',
    testing: false,
  })
  const full = toPublished('a.test', 'v=DMARC1;p=Reject;sp=none;adkim=s;ASPF=S;t=y;fo=1:d')
  assert.deepEqual(
    [full.sp, full.np, full.adkim, full.aspf, full.testing, full.fo],
    ['none', 'none', 's', 's', true, '1:d'],
  )
  assert.equal(parseTags('v=DMARC1; p=none; p=reject').get('p'), 'none')
})

test('a TLSRPT record counts when it is the only one', () => {
  const record = 'v=TLSRPTv1; rua=mailto:t@a.test,https://a.test/tls'
  assert.equal(tlsDestinations([record, 'v=spf1 -all']).length, 2)
  assert.deepEqual(tlsDestinations([record, record]), [])
  assert.deepEqual(tlsDestinations([]), [])
})

const zone = `
  _dmarc.corp.test TXT "v=DMARC1; p=reject"
  corp.test._report._dmarc.willing.test TXT "v=DMARC1"
  corp.test._report._dmarc.anybody.test TXT "v=DMARC1;"
  corp.test._report._dmarc.elsewhere.test TXT "v=DMARC1; rua=mailto:new@elsewhere.test"
  corp.test._report._dmarc.loop.test TXT "v=DMARC1; rua=mailto:victim@other.test"
  corp.test._report._dmarc.lower.test TXT "v=dmarc1"
  other.corp.test._report._dmarc.willing.test TXT "unrelated"`

async function verify(list: string, resolver: Resolver = zoneResolver(zone), domain = 'corp.test') {
  const { wanted, refused, unknown } = await verifyDestinations(resolver, domain, parseDestinations(list), 'rua')
  return { wanted: wanted.map(({ address }) => `${address.local}@${address.domain}`), refused: refused.length, unknown }
}
const only = (...wanted: string[]) => ({ wanted, refused: 0, unknown: false })
const none = { wanted: [], refused: 1, unknown: false }

test('external destinations: denied without a record, and never sent where the owner did not say', async () => {
  assert.deepEqual(await verify('mailto:r@corp.test'), only('r@corp.test'))
  assert.deepEqual(await verify('mailto:r@mail.corp.test'), only('r@mail.corp.test'), 'of the same organization')
  assert.deepEqual(await verify('mailto:r@victim.test'), none)
  assert.deepEqual(await verify('mailto:r@willing.test'), only('r@willing.test'))
  assert.deepEqual(await verify('mailto:r@anybody.test'), only('r@anybody.test'))
  assert.deepEqual(await verify('mailto:r@elsewhere.test'), only('new@elsewhere.test'), 'it may name another mailbox')
  assert.deepEqual(await verify('mailto:r@loop.test'), none, 'but not another host')
  assert.deepEqual(await verify('mailto:r@lower.test'), none, 'the version is in capitals')
  assert.deepEqual(await verify('mailto:r@willing.test', zoneResolver(zone), 'other.corp.test'), none)
  assert.deepEqual(await verify('mailto:r@victim.test,mailto:r@corp.test'), {
    wanted: ['r@corp.test'],
    refused: 1,
    unknown: false,
  })
  const long = `${'a'.repeat(60)}.`.repeat(3)
  assert.deepEqual(await verify(`mailto:r@${long}test`, zoneResolver(zone), `${long}corp.test`), none)
})

test('a DNS that does not answer is asked again, and nothing is sent meanwhile', async () => {
  const resolver = zoneResolver(zone)
  const silent: Resolver = { ...resolver, txt: async () => ({ status: 'failed', reason: 'no answer' }) }
  assert.deepEqual(await verify('mailto:r@willing.test', silent), { wanted: [], refused: 0, unknown: true })
})
