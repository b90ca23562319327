import assert from 'node:assert/strict'
import { test } from 'node:test'
import fc from 'fast-check'
import { realClock, silentLog } from '../base/index.ts'
import { type Answer, type Resolver, zoneResolver } from '../dns/index.ts'
import { createVerifier, type Verification } from './index.ts'

const lines = (...all: readonly string[]) => Buffer.from(all.map((line) => `${line}\r\n`).join(''))

interface Sent {
  readonly header: Buffer
  readonly body?: Buffer
  readonly sender?: string
  readonly ip?: string
}
function verify(zone: string | Resolver, { header, body, sender, ip }: Sent, budgetMs?: number): Promise<Verification> {
  const resolver = typeof zone === 'string' ? zoneResolver(zone) : zone
  const options = {
    resolver,
    clock: realClock,
    log: silentLog,
    authservId: 'mx.here.test',
    ...(budgetMs && { budgetMs }),
  }
  return createVerifier(options).verify({
    ip: ip ?? '192.0.2.1',
    helo: 'out.a.test',
    sender: sender ?? 'ann@a.test',
    header: Buffer.concat([header, Buffer.from('\r\n')]),
    body: body ?? Buffer.from('Hi.\r\n'),
  })
}

const plain = (from: string) => lines(`From: ${from}`, 'Subject: x', 'Date: Fri, 11 Jul 2003 21:00:37 -0700')

test('the example of RFC 8463, both signatures of it', async () => {
  const zone = `
    brisbane._domainkey.football.example.com TXT "v=DKIM1; k=ed25519; p=11qYAYKxCrfVS/7TyWQHOg7hcvPapiMlrwIaaPcHURo="
    test._domainkey.football.example.com TXT "v=DKIM1; k=rsa; p=MIGfMA0GCSqGSIb3DQEBAQUAA4GNADCBiQKBgQDkHlOQoBTzWRiGs5V6NpP3idY6Wk08a5qhdR6wy5bdOKb2jLQiY/J16JYi0Qvx/byYzCNb3W91y3FutACDfzwQ/BC/e/8uBsCR+yz1Lxj+PL6lHvqMKrM3rG4hstT5QjvHO9PzoxZyVYLzBfO2EeC3Ip3G+2kryOTIKT+l/K4w3QIDAQAB"`
  const header = lines(
    'DKIM-Signature: v=1; a=ed25519-sha256; c=relaxed/relaxed;',
    ' d=football.example.com; i=@football.example.com;',
    ' q=dns/txt; s=brisbane; t=1528637909; h=from : to :',
    ' subject : date : message-id : from : subject : date;',
    ' bh=2jUSOH9NhtVGCQWNr9BrIAPreKQjO6Sn7XIkfJVOzv8=;',
    ' b=/gCrinpcQOoIfuHNQIbq4pgh9kyIK3AQUdt9OdqQehSwhEIug4D11Bus',
    ' Fa3bT3FY5OsU7ZbnKELq+eXdp1Q1Dw==',
    'DKIM-Signature: v=1; a=rsa-sha256; c=relaxed/relaxed;',
    ' d=football.example.com; i=@football.example.com;',
    ' q=dns/txt; s=test; t=1528637909; h=from : to : subject :',
    ' date : message-id : from : subject : date;',
    ' bh=2jUSOH9NhtVGCQWNr9BrIAPreKQjO6Sn7XIkfJVOzv8=;',
    ' b=F45dVWDfMbQDGHJFlXUNB2HKfbCeLRyhDXgFpEL8GwpsRe0IeIixNTe3',
    ' DhCVlUrSjV4BwcVcOF6+FF3Zo9Rpo1tFOeS9mPYQTnGdaSGsgeefOsk2Jz',
    ' dA+L10TeYt9BgDfQNZtKdN1WO//KgIqXP7OdEFE4LjFYNcUxZQ4FADY+8=',
    'From: Joe SixPack <joe@football.example.com>',
    'To: Suzie Q <suzie@shopping.example.net>',
    'Subject: Is dinner ready?',
    'Date: Fri, 11 Jul 2003 21:00:37 -0700 (PDT)',
    'Message-ID: <20030712040037.46341.5F8J@football.example.com>',
  )
  const body = lines('Hi.', '', 'We lost the game.  Are you hungry yet?', '', 'Joe.')
  const { dkim } = await verify(zone, { header, body })
  assert.deepEqual(
    dkim.map(({ result, domain, selector, algorithm }) => [result, domain, selector, algorithm]),
    [
      ['pass', 'football.example.com', 'brisbane', 'ed25519-sha256'],
      ['pass', 'football.example.com', 'test', 'rsa-sha256'],
    ],
  )
  const changed = await verify(zone, { header, body: lines('Ho.') })
  assert.deepEqual(
    changed.dkim.map(({ result }) => result),
    ['fail', 'fail'],
  )
})

test('DMARC: alignment, policies of subdomains and of names that are not there, test mode', async () => {
  const zone = `
    a.test TXT "v=spf1 ip4:192.0.2.1 -all"
    b.test TXT "v=spf1 ip4:192.0.2.1 -all"
    out.a.test A 192.0.2.1
    _dmarc.a.test TXT "v=DMARC1; p=reject; sp=quarantine; np=reject; rua=mailto:r@a.test"
    news.a.test A 192.0.2.7
    _dmarc.t.test TXT "v=DMARC1; p=reject; t=y"
    t.test A 192.0.2.9`
  const table: readonly [from: string, sender: string, result: string, policy: string | undefined][] = [
    ['ann@a.test', 'ann@a.test', 'pass', 'reject'],
    ['ann@a.test', 'x@b.test', 'fail', 'reject'],
    ['ann@news.a.test', 'ann@a.test', 'pass', 'quarantine'],
    ['ann@news.a.test', 'x@b.test', 'fail', 'quarantine'],
    ['ann@nowhere.a.test', 'x@b.test', 'fail', 'reject'],
    ['ann@t.test', 'x@b.test', 'fail', 'quarantine'],
    ['ann@b.test', 'x@b.test', 'none', undefined],
  ]
  for (const [from, sender, result, policy] of table) {
    const { dmarc } = await verify(zone, { header: plain(from), sender })
    assert.deepEqual([dmarc.result, dmarc.policy], [result, policy], `${from} by ${sender}`)
  }
})

test('several authors are no author', async () => {
  const zone = 'a.test TXT "v=spf1 ip4:192.0.2.1 -all"\n_dmarc.a.test TXT "v=DMARC1; p=reject"'
  const two = await verify(zone, { header: lines('From: ann@a.test, bob@b.test') })
  assert.equal(two.dmarc.result, 'permerror')
  const fields = await verify(zone, { header: lines('From: ann@a.test', 'From: bob@b.test') })
  assert.equal(fields.dmarc.result, 'permerror')
})

test('what a stranger chose cannot end a line, a comment or a string of the results', async () => {
  const nasty = 'x" (y) ; dmarc=pass\r\nX-Evil: 1'
  const { header } = await verify('', { header: plain(`"${nasty}" <ann@a.test>`), sender: `${nasty}@a.test` })
  const fields = header.split('\r\n').filter((line) => line !== '' && !line.startsWith('\t'))
  assert.deepEqual(
    fields.map((line) => line.slice(0, line.indexOf(':'))),
    ['Authentication-Results', 'Received-SPF'],
  )
  assert.ok(!/; dmarc=pass/.test(header.replaceAll(/"(?:[^"\\]|\\.)*"/g, '""')), header)
})

test('eleven signatures are ten', async () => {
  const signature = (n: number) =>
    `DKIM-Signature: v=1; a=rsa-sha256; d=a.test; s=s${n}; h=from; bh=2jUSOH9NhtVGCQWNr9BrIAPreKQjO6Sn7XIkfJVOzv8=; b=AAAA`
  const header = Buffer.concat([lines(...Array.from({ length: 40 }, (_, n) => signature(n))), plain('ann@a.test')])
  assert.equal((await verify('', { header })).dkim.length, 10)
})

test('a DNS that does not answer costs no more than the budget of the whole message', async () => {
  const silent = <T>(): Promise<Answer<T>> => new Promise(() => {})
  const resolver: Resolver = {
    mx: silent,
    a: silent,
    aaaa: silent,
    txt: silent,
    ptr: silent,
    srv: silent,
    tlsa: silent,
    close() {},
  }
  const began = performance.now()
  const { spf, dmarc, iprev } = await verify(resolver, { header: plain('ann@a.test') }, 100)
  assert.deepEqual([spf.result, dmarc.result, iprev.result], ['temperror', 'temperror', 'temperror'])
  assert.ok(performance.now() - began < 2_000)
})

test('whatever a header holds, there is an answer, and a header that is whole', async () => {
  const words = fc.constantFrom(
    'DKIM-Signature: v=1; a=rsa-sha256; d=a.test; s=s; h=from:to; bh=AA==; b=AA==; l=9999999999999999999',
    'ARC-Seal: i=1; a=rsa-sha256; cv=none; d=a.test; s=s; b=AA==',
    'ARC-Message-Signature: i=1; a=rsa-sha256; c=relaxed/relaxed; d=a.test; s=s; h=from; bh=AA==; b=AA==',
    'ARC-Authentication-Results: i=1; a.test; dkim=pass header.i.x=1',
    'From: "a\\"b" <ann@a.test>, group: x@b.test, y@[192.0.2.1];',
    'From: =?utf-8?q?=00?= <@@>',
    'Content-Type: multipart/mixed; boundary="',
  )
  const noise = fc.oneof(
    fc.constantFrom(';', '=', ':', '"', '(', '\\', '\r\n ', '\0', '\u00e9'),
    fc.string({ maxLength: 3 }),
  )
  const line = fc
    .tuple(words, fc.array(fc.tuple(fc.nat(120), noise), { maxLength: 4 }))
    .map(([text, cuts]) => cuts.reduce<string>((out, [at, piece]) => out.slice(0, at) + piece + out.slice(at), text))
  const zone =
    's._domainkey.a.test TXT "v=DKIM1; p=AAAA"\n_dmarc.a.test TXT "v=DMARC1; p=reject; rua=x"\na.test TXT "v=spf1 exists:%{l}.%{d} -all"'
  await fc.assert(
    fc.asyncProperty(fc.array(line, { maxLength: 6 }), fc.string({ maxLength: 20 }), async (all, local) => {
      const { header } = await verify(zone, { header: lines(...all), sender: `${local}@a.test` })
      for (const one of header.split('\r\n'))
        assert.match(one, /^(?:Authentication-Results: |Received-SPF: |\t|$)[ -~]*$/)
    }),
    { numRuns: 300 },
  )
})
