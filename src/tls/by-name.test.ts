// Which certificate a client gets: by the name it asks for, in a real handshake; and that the binding of a resumed session is that of the
// certificate that its client saw.

import assert from 'node:assert/strict'
import { createHash, X509Certificate } from 'node:crypto'
import { duplexPair } from 'node:stream'
import { test } from 'node:test'
import { connect, TLSSocket } from 'node:tls'
import { createServerTls } from './by-name.ts'
import { channelBindings } from './channel-bindings.ts'
import { createSelfSigned } from './self-signed.ts'
import { type ServerTls, serverSide } from './server-side.ts'

const now = Date.now()
const year = 365 * 86_400_000
const pair = (...names: string[]) => createSelfSigned(names, now)
const ended = (...names: string[]) => createSelfSigned(names, now - 20 * year)
const fallback = pair('fallback.test')
const hostname = 'mail.a.test'
const subject = (options: { cert?: unknown } | undefined) =>
  options && new X509Certificate(String(options.cert)).subject.replace('CN=', '')

test('exact name, then wildcard, then the first certificate; what has ended serves only alone', () => {
  const offer = createServerTls(
    {
      first: pair('first.test'),
      others: [ended('old.test', 'mail.a.test'), pair('mail.a.test'), pair('wild', '*.a.test'), ended('only.test')],
      fallback,
      hostname,
    },
    now,
  )
  const table: readonly (readonly [string, string | undefined])[] = [
    ['mail.a.test', 'mail.a.test'],
    ['MAIL.A.TEST', 'mail.a.test'],
    ['other.a.test', 'wild'],
    ['deep.other.a.test', undefined],
    ['a.test', undefined],
    ['first.test', 'first.test'],
    ['old.test', 'old.test'],
    ['only.test', 'only.test'],
    ['nobody.test', undefined],
    ['', undefined],
    ['*.a.test', 'wild'],
  ]
  for (const [name, expected] of table) assert.equal(subject(offer.byName!(name)), expected, name)
  assert.equal(subject(offer), 'first.test')
})

test('without a first one it is the one for our own name, and without that our own', () => {
  const others = [pair('x.test'), pair('*.a.test')]
  assert.equal(subject(createServerTls({ others, fallback, hostname }, now)), '*.a.test')
  assert.equal(subject(createServerTls({ others: [pair('x.test')], fallback, hostname }, now)), 'fallback.test')
})

/** A handshake over a pipe; both ends stay open. */
async function shake(offer: ServerTls, options: object) {
  const [ours, theirs] = duplexPair()
  const server = new TLSSocket(ours as never, serverSide(offer))
  server.on('error', () => {}).resume()
  const client = connect({ socket: theirs as never, rejectUnauthorized: false, ...options })
  let session: Buffer | undefined
  client.on('session', (one) => (session = one)).resume()
  const secured = new Promise((resolve) => server.once('secure', resolve))
  await new Promise<void>((resolve, reject) => client.once('secureConnect', resolve).once('error', reject))
  await secured
  return {
    server,
    client,
    async session() {
      while (!session) await new Promise((resolve) => setImmediate(resolve))
      return session
    },
    end() {
      client.destroy()
      server.destroy()
    },
  }
}

const endPoint = (cert: string) => createHash('sha256').update(new X509Certificate(cert).raw).digest('hex')
const bindingOf = (socket: TLSSocket) => channelBindings(socket)('tls-server-end-point')?.toString('hex')

for (const maxVersion of ['TLSv1.2', 'TLSv1.3'])
  test(`${maxVersion}: tls-server-end-point is of this connection's certificate: by name, with an old session, and after a change`, async () => {
    const [first, named, next] = [pair('first.test'), pair('named.test'), pair('named.test')]
    const options = { servername: 'named.test', maxVersion }
    const offer = createServerTls({ first, others: [named], fallback, hostname }, now)
    const one = await shake(offer, options)
    assert.equal(one.client.getPeerX509Certificate()!.subject, 'CN=named.test')
    assert.equal(bindingOf(one.server), endPoint(named.cert))
    const session = one.client.getSession()
    const again = await shake(offer, { ...options, session })
    assert.equal(bindingOf(again.server), endPoint(named.cert))
    // Another certificate for the name: the old connections keep theirs.
    const fresh = await shake(createServerTls({ first, others: [next], fallback, hostname }, now), {
      ...options,
      session,
    })
    assert.equal(bindingOf(fresh.server), endPoint(next.cert))
    for (const old of [one, again]) assert.equal(bindingOf(old.server), endPoint(named.cert))
    for (const each of [one, again, fresh]) each.end()
  })

test('sessions are taken up again where there is one certificate, and not where there are several', async () => {
  const first = pair('first.test')
  for (const [others, reused] of [
    [[], true],
    [[pair('named.test')], false],
  ] as const) {
    const offer = createServerTls({ first, others, fallback, hostname }, now)
    const options = { servername: 'first.test', maxVersion: 'TLSv1.3' }
    const one = await shake(offer, options)
    const session = others.length === 0 ? await one.session() : one.client.getSession()
    const again = await shake(offer, { ...options, session })
    assert.equal(again.server.isSessionReused(), reused)
    assert.equal(bindingOf(again.server), endPoint(first.cert))
    for (const each of [one, again]) each.end()
  }
})
