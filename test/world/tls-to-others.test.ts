// MTA-STS between two servers and a world of their own: policies that we serve ourselves and that others serve, servers whose TLS is
// as it should be, is not, or was taken away on the way.

import assert from 'node:assert/strict'
import { writeFileSync } from 'node:fs'
import { createServer } from 'node:https'
import { join } from 'node:path'
import { type TestContext, test } from 'node:test'
import { serveZone } from '../../src/dns/testing/serve-zone.ts'
import type { QueuedMessage } from '../../src/queue/index.ts'
import { connectSmtp } from '../../src/smtp/client/index.ts'
import { issue } from '../../src/tls/testing/authority.ts'
import { Installation } from '../server.ts'
import { startSink } from './sink.ts'

const root = issue({ subject: 'Test Root', ca: true })
const policy = (mode: string, mx: string) => `version: STSv1\nmode: ${mode}\nmx: ${mx}\nmax_age: 86400\n`

/** What others serve at https://mta-sts.<domain>/: a policy, or a place to look elsewhere. */
const served: Readonly<Record<string, string>> = {
  'wrong.test': policy('enforce', 'mx.wrong.test'),
  'tested.test': policy('testing', 'mx.tested.test'),
  'stripped.test': policy('enforce', 'mx.stripped.test'),
  'spoofed.test': policy('enforce', 'mx.spoofed.test'),
  'wild.test': policy('enforce', '*.other.test'),
}

/** 127.0.0.1: the second server. 127.0.0.2: a server without TLS. 127.0.0.3: the web server of others. */
const zone = (announced: string) => `
other.test MX 10 mx.other.test
mx.other.test A 127.0.0.1
_mta-sts.other.test TXT "${announced}"
mta-sts.other.test CNAME mx.other.test
mx.wrong.test A 127.0.0.1
mx.tested.test A 127.0.0.1
mx.stripped.test A 127.0.0.2
mx.moved.test A 127.0.0.2
mx.plain.test A 127.0.0.2
mx.evil.test A 127.0.0.2
wrong.test MX 10 mx.wrong.test
tested.test MX 10 mx.tested.test
stripped.test MX 10 mx.stripped.test
moved.test MX 10 mx.moved.test
plain.test MX 10 mx.plain.test
spoofed.test MX 10 mx.evil.test
wild.test MX 10 mx.other.test
${[...Object.keys(served), 'moved.test'].map((name) => `_mta-sts.${name} TXT "v=STSv1; id=a1"\nmta-sts.${name} A 127.0.0.3`).join('\n')}`

async function servePolicies(t: TestContext, port: number): Promise<string[]> {
  const heard: string[] = []
  const names = [...Object.keys(served), 'moved.test'].map((name) => `mta-sts.${name}`)
  const { chain: cert, key } = issue({ names, by: root })
  const server = createServer({ cert, key }, ({ headers, url }, response) => {
    const host = (headers.host ?? '').split(':')[0]!
    heard.push(`${host}${url}`)
    const text = served[host.replace('mta-sts.', '')]
    if (text === undefined)
      response.writeHead(302, { location: `https://mta-sts.wrong.test:${port}/.well-known/mta-sts.txt` })
    else response.setHeader('content-type', 'text/plain').write(text)
    response.end()
  })
  await new Promise<void>((done) => server.listen(port, '127.0.0.3', done))
  t.after(() => {
    server.closeAllConnections()
    server.close()
  })
  return heard
}

async function submit(server: Installation, to: string, requireTls = false): Promise<void> {
  const connection = await connectSmtp({
    ip: '127.0.0.1',
    host: 'localhost',
    port: server.ports.smtp,
    helo: 'client.test',
    tls: 'required',
    verify: false,
    // It is our own, and self-signed.
    judge: () => undefined,
  })
  const bytes = Buffer.from(`From: <ann@client.test>\r\nSubject: to ${to}\r\n\r\nhello\r\n`)
  const [local = '', domain = ''] = to.split('@')
  const [result] = await connection.send({
    from: null,
    recipients: [{ address: { local, domain } }],
    size: bytes.length,
    utf8: false,
    body8: false,
    ...(requireTls && { params: { requireTls } }),
    async *data() {
      yield bytes
    },
  })
  await connection.quit()
  assert.equal(result!.reply.code, 250)
}

async function until<T>(what: string, look: () => Promise<T | undefined> | T | undefined): Promise<T> {
  for (let i = 0; i < 150; i++) {
    const found = await look()
    if (found !== undefined) return found
    await new Promise((done) => setTimeout(done, 100))
  }
  throw new Error(`never came: ${what}`)
}

test('MTA-STS: policies served here and by others, followed on the way out', async (t) => {
  const trusting = { trustedNetworks: ['127.0.0.0/8'] }
  const end = await startSink(t)
  const two = await Installation.make({
    users: { 'bob@other.test': 'battery staple' },
    config: { hostname: 'mx.other.test' },
  })
  const one = await Installation.make({ config: { smtp: trusting } })
  t.after(() => Promise.all([one.remove(), two.remove()]).then(() => {}))
  const files = { cert: join(two.folder, 'cert.pem'), key: join(two.folder, 'key.pem') }
  const own = issue({ names: ['mx.other.test', 'mta-sts.other.test'], by: root })
  writeFileSync(files.cert, own.chain)
  writeFileSync(files.key, own.key)
  const ca = join(one.folder, 'root.pem')
  writeFileSync(ca, root.cert)

  await two.cliOk('domain', 'set', 'other.test', 'mtaSts=enforce')
  const wanted: { purpose: string; name: string; value: string; type: string }[] = JSON.parse(
    await two.cliOk('dns', 'other.test', '--json'),
  )
  const announced = wanted.find(({ purpose }) => purpose === 'STS')!
  assert.equal(announced.name, '_mta-sts.other.test')
  const dns = await serveZone(zone(announced.value))
  t.after(() => dns.close())
  const { smtp: port, https: stsPort } = two.ports
  const heard = await servePolicies(t, stsPort)
  const bare = await startSink(t, { host: '127.0.0.2', port })
  const world = { dns: { resolver: dns.address }, egress: { allow: ['127.0.0.0/8'], ca, stsPort } }
  await two.reconfigure({ ...world, smtp: trusting, tls: files, queue: { routes: { '*': `127.0.0.1:${end.port}` } } })
  await one.reconfigure({ ...world, queue: { port, schedule: ['10m'] } })
  await Promise.all([two.start(), one.start({ NODE_EXTRA_CA_CERTS: ca })])

  const waiting = async () => {
    const list: QueuedMessage[] = JSON.parse(await one.cliOk('queue', 'list', '--json'))
    return new Map(list.flatMap(({ recipients }) => recipients.map(({ address, reason }) => [address, reason])))
  }
  const reasonOf = (address: string) =>
    until(`why ${address} waits`, async () => (await waiting()).get(address) || undefined)
  const arrived = (sink: typeof end, address: string) =>
    until(`mail for ${address}`, () => sink.envelopes().find(({ to }) => to.some((one) => one.includes(address))))

  await t.test('our own policy is served, announced, found, and others deliver by it', async () => {
    const checked = JSON.parse((await two.cli('dns', 'other.test', '--check', '--json')).stdout)
    for (const { purpose, state, remark } of checked)
      if (purpose.startsWith('STS')) assert.equal(`${purpose} ${state} ${remark}`, `${purpose} ok undefined`)
    await submit(one, 'bob@other.test')
    await until('the log of the delivery', () => /"tls":"TLSv1\.3 [A-Z0-9_]+, MTA-STS"/.test(one.output) || undefined)
    await submit(one, 'bob@other.test', true)
    await until('both in the mailbox', async () =>
      (one.output.match(/, MTA-STS"/g) ?? []).length === 2 ? true : undefined,
    )
    await two.cliOk('domain', 'set', 'other.test', 'mtaSts=testing')
    const now: typeof wanted = JSON.parse(await two.cliOk('dns', 'other.test', '--json'))
    assert.notEqual(now.find(({ purpose }) => purpose === 'STS')!.value, announced.value)
    const stale = JSON.parse((await two.cli('dns', 'other.test', '--check', '--json')).stdout)
    assert.equal(stale.find(({ purpose }: { purpose: string }) => purpose === 'STS').state, 'different')
  })

  await t.test('a wildcard names one label, and a certificate for the MX name is what is asked', async () => {
    await submit(one, 'eve@wild.test')
    await arrived(end, 'eve@wild.test')
  })

  await t.test('enforce: a certificate for another name keeps the message here, and the reason is told', async () => {
    await submit(one, 'eve@wrong.test')
    assert.match(
      await reasonOf('eve@wrong.test'),
      /its certificate is not for its name; the MTA-STS policy of wrong\.test demands it$/,
    )
    const told = await one.cliOk('queue', 'list')
    assert.match(told, /eve@wrong\.test .*the MTA-STS policy of wrong\.test demands it/)
  })

  await t.test('posthorn queue tls says what is asked of whom', async () => {
    const asked = await Promise.all(
      ['wrong.test', 'spoofed.test', 'tested.test', 'plain.test'].map((name) => one.cliOk('queue', 'tls', name)),
    )
    assert.match(asked[0]!, /^mx\.wrong\.test +pkix +the MTA-STS policy of wrong\.test$/m)
    assert.match(
      asked[1]!,
      /^mx\.evil\.test +no mail +the MTA-STS policy of spoofed\.test does not name mx\.evil\.test$/m,
    )
    assert.match(asked[2]!, /^mx\.tested\.test +may +nobody\nMTA-STS: testing$/m)
    assert.match(asked[3]!, /^mx\.plain\.test +may +nobody$/m)
  })

  await t.test('testing: the same certificate, and the message is delivered', async () => {
    await submit(one, 'eve@tested.test')
    await arrived(end, 'eve@tested.test')
  })

  await t.test('STARTTLS stripped under enforce: nothing is said in plaintext', async () => {
    await submit(one, 'eve@stripped.test')
    assert.match(
      await reasonOf('eve@stripped.test'),
      /does not offer STARTTLS; the MTA-STS policy of stripped\.test demands it/,
    )
    assert.deepEqual(bare.envelopes(), [])
  })

  await t.test('MX spoofed under enforce: the host that the policy does not name is not connected to', async () => {
    await submit(one, 'eve@spoofed.test')
    assert.equal(await reasonOf('eve@spoofed.test'), 'the MTA-STS policy of spoofed.test does not name mx.evil.test')
    assert.deepEqual(bare.envelopes(), [])
  })

  await t.test('a policy behind a redirect is none; without policy mail goes as it can', async () => {
    await submit(one, 'eve@moved.test')
    await arrived(bare, 'eve@moved.test')
    await submit(one, 'eve@plain.test')
    await arrived(bare, 'eve@plain.test')
    assert.deepEqual(
      heard.filter((line) => line.includes('moved')),
      ['mta-sts.moved.test/.well-known/mta-sts.txt'],
    )
  })

  await t.test('REQUIRETLS goes to no host that nobody vouches for', async () => {
    await submit(one, 'eve@plain.test', true)
    await until(
      'it is given up',
      () => /neither DNSSEC nor MTA-STS vouches that mx\.plain\.test/.test(one.output) || undefined,
    )
    assert.equal(bare.envelopes().filter(({ to }) => to.some((one) => one.includes('plain'))).length, 1)
  })
})
