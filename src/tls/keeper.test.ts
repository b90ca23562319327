// Certificates over their life with an authority of the test: ordered, planned, renewed, put off, held by one node, rolled over, revoked. Real
// authorities: test/interop/acme.test.ts.

import assert from 'node:assert/strict'
import { onEachStore } from '../../test/stores.ts'
import { createSealer, Fault, fakeClock, silentLog } from '../base/index.ts'
import { zoneResolver } from '../dns/index.ts'
import { certificateRows, type Store } from '../store/index.ts'
import type { Issuer } from './acme/issuer.ts'
import { AcmeError, type AcmeSettings } from './acme/types.ts'
import { tlsOptions } from './by-name.ts'
import { openDoorCertificates } from './door-certificates.ts'
import { createKeeper } from './keeper.ts'
import { createSelfSigned } from './self-signed.ts'
import { sign } from './testing/sign.ts'

const dayMs = 86_400_000
const sealer = createSealer(Buffer.alloc(32, 1))
const settings: AcmeSettings = {
  directory: 'https://ca.test/dir',
  challenge: 'http-01',
  keyType: 'ec256',
  keepKey: true,
  names: [],
  domains: true,
}

/** A keeper on a clock of the test, and an authority that issues for 90 days and writes down what it is asked. */
function world(store: Store, more: { zone?: string; settings?: AcmeSettings | undefined; domains?: string[] } = {}) {
  // Ahead of the store's own time, so that what is due at once is due here too; whole seconds, as certificates have them.
  const clock = fakeClock(Math.floor(Date.now() / 1000) * 1000 + 3_600_000)
  const fallback = createSelfSigned(['mail.a.test'], clock.now())
  const state = {
    zone: more.zone ?? 'mail.a.test A 192.0.2.1',
    settings: 'settings' in more ? more.settings : settings,
    asked: [] as string[],
    failure: undefined as Error | undefined,
    renewAt: undefined as number | undefined,
    answering: true,
    during: async () => {},
  }
  const issuer: Issuer = {
    async issue(names, key, previous) {
      state.asked.push(`${names.join(' ')}${previous === undefined ? '' : ' again'}`)
      await state.during()
      if (state.failure) throw state.failure
      return sign(names, key, clock.now(), 90 * dayMs)
    },
    plan: async ({ notAfter }) => ({
      renewAt: state.renewAt ?? notAfter - 30 * dayMs,
      askAt: clock.now() + dayMs / 4,
      suggested: true,
    }),
    async revoke(_chain, reason) {
      state.asked.push(`revoke ${reason}`)
    },
  }
  const resolver = new Proxy({} as ReturnType<typeof zoneResolver>, {
    get: (_, method) => Reflect.get(zoneResolver(state.zone), method),
  })
  const keeper = createKeeper({
    store,
    sealer,
    resolver,
    hostname: 'mail.a.test',
    addresses: () => ['192.0.2.1'],
    domains: async () => more.domains ?? [],
    web: () => true,
    clock,
    log: silentLog,
    files: () => ({ others: [], fallback }),
    problem: () => undefined,
    settings: () => state.settings,
    openIssuer: async () => issuer,
    answering: () => state.answering,
  })
  return { ...keeper, state, clock, tend: keeper.begin, fallback }
}

onEachStore(
  'a certificate is ordered, planned and renewed with the same key when its time comes',
  async ({ store }) => {
    const { admin, tend, state, clock } = world(store)
    assert.equal((await admin.list())[0]!.source, 'self-signed')
    await tend()
    const first = await admin.show('mail.a.test')
    assert.deepEqual([first.state, first.daysLeft, first.renewAt], ['valid', 90, clock.now() + 60 * dayMs])
    await clock.advance(59 * dayMs)
    await tend()
    assert.deepEqual(state.asked, ['mail.a.test'])
    await clock.advance(2 * dayMs)
    await tend()
    assert.deepEqual(state.asked, ['mail.a.test', 'mail.a.test again'])
    const second = await admin.show('mail.a.test')
    assert.equal(second.tlsa, first.tlsa)
    assert.notEqual(second.serial, first.serial)
    // The authority moves the window: a certificate is to be replaced at once.
    state.renewAt = clock.now() - 1
    await clock.advance(dayMs)
    await tend()
    assert.equal(state.asked.length, 3)
  },
)

onEachStore('what fails is put off for longer and longer, as the authority asks, and told', async ({ store }) => {
  const { admin, tend, state, clock, remarks } = world(store)
  state.failure = new Fault('denied', 'mail.a.test: no')
  const waits: number[] = []
  for (let i = 0; i < 3; i++) {
    await tend()
    const [row] = await store.read((tx) => certificateRows.list(tx, 0))
    waits.push(row!.attempts)
    await store.write('server', (tx) => certificateRows.setPlan(tx, row!.id, { renew_at: null, due_at: clock.now() }))
  }
  assert.deepEqual(waits, [1, 2, 3])
  assert.deepEqual(await remarks(), { 'certificate mail.a.test': 'mail.a.test: no' })
  state.failure = new AcmeError('limit', 'enough', 'rateLimited', 100 * dayMs)
  await assert.rejects(admin.request([]), /enough/)
  const [info] = await admin.list()
  assert.ok(info!.retryAt! > Date.now() + 99 * dayMs)
  state.failure = undefined
  await admin.request([])
  assert.deepEqual(await remarks(), {})
})

onEachStore('one node at a time orders a certificate', async ({ store }) => {
  const { admin, tend, state } = world(store)
  state.during = async () => {
    state.during = async () => {}
    await tend()
    await assert.rejects(admin.renew('mail.a.test'), /is being ordered right now/)
  }
  await admin.request([])
  assert.deepEqual(state.asked, ['mail.a.test'])
})

onEachStore('another key waits until the DNS announces it', async ({ store }) => {
  const { admin, tend, state, clock } = world(store)
  await admin.request([])
  const before = await admin.show('mail.a.test')
  const pin = (...values: (string | undefined)[]) =>
    ['mail.a.test A 192.0.2.1', ...values.map((value) => `_25._tcp.mail.a.test 600 TLSA ${value}`)].join('\n')
  state.zone = pin(before.tlsa)
  const waiting = await admin.renew('mail.a.test', { newKey: true })
  assert.equal(waiting.tlsa, before.tlsa)
  assert.match(waiting.nextTlsa!, /^3 1 1 [0-9a-f]{64}$/)
  await tend()
  assert.equal((await admin.show('mail.a.test')).tlsa, before.tlsa)
  // A renewal in between keeps the old key, and the next one waits on.
  const renewed = await admin.renew('mail.a.test')
  assert.deepEqual([renewed.tlsa, renewed.nextTlsa], [before.tlsa, waiting.nextTlsa])
  state.zone = pin(before.tlsa, waiting.nextTlsa)
  await tend()
  await clock.advance(3_500_000)
  await tend()
  assert.equal((await admin.show('mail.a.test')).tlsa, before.tlsa)
  await clock.advance(200_000)
  await tend()
  const after = await admin.show('mail.a.test')
  assert.deepEqual([after.tlsa, after.nextTlsa], [waiting.nextTlsa, undefined])
  // Where nothing is pinned it changes at once.
  state.zone = 'mail.a.test A 192.0.2.1'
  assert.notEqual((await admin.renew('mail.a.test', { newKey: true })).tlsa, after.tlsa)
})

onEachStore('names of domains are wished for once they lead here; imported ones stay', async ({ store }) => {
  const zone = 'mail.a.test A 192.0.2.1\nmta-sts.b.test A 192.0.2.1\nautoconfig.b.test A 192.0.2.9'
  const { admin, tend, state } = world(store, { zone, domains: ['b.test'] })
  await tend()
  assert.deepEqual(state.asked, ['mail.a.test', 'mta-sts.b.test'])
  const own = createSelfSigned(['mail.a.test', 'x.test'], Date.now())
  const kept = await admin.import(own)
  assert.deepEqual([kept.name, kept.source, kept.names], ['mail.a.test', 'imported', ['mail.a.test', 'x.test']])
  await tend()
  assert.equal(state.asked.length, 2)
  await assert.rejects(admin.renew('mail.a.test'), /import its successor/)
  await assert.rejects(admin.revoke('mail.a.test', 'unspecified'), /was not issued by an authority/)
  await assert.rejects(admin.import({ ...own, key: createSelfSigned(['x'], 0).key }), /does not belong/)
})

onEachStore(
  'revoked: it serves no more, and its successor has another key; another authority is asked anew',
  async ({ store }) => {
    const { admin, tend, state } = world(store)
    await tend()
    const before = await admin.show('mail.a.test')
    await assert.rejects(admin.revoke('mail.a.test', 'boredom'), /boredom is no reason/)
    await admin.revoke('mail.a.test', 'keyCompromise')
    assert.equal((await admin.show('mail.a.test')).state, 'waiting')
    await admin.request([])
    assert.notEqual((await admin.show('mail.a.test')).tlsa, before.tlsa)
    state.settings = { ...settings, directory: 'https://other.test/dir' }
    await admin.request([])
    // Another authority replaces nothing.
    assert.deepEqual(state.asked, ['mail.a.test', 'revoke keyCompromise', 'mail.a.test', 'mail.a.test'])
    await admin.remove('mail.a.test')
    await assert.rejects(admin.show('mail.a.test'), /there is no certificate mail\.a\.test/)
  },
)

onEachStore('without an authority, or with a server that is down, nothing is asked', async ({ store }) => {
  const off = world(store, { settings: undefined })
  await off.tend()
  await assert.rejects(off.admin.request([]), /set acme\.agree to true/)
  const down = world(store)
  down.state.answering = false
  await assert.rejects(down.admin.request([]), /the server does not run/)
  await assert.rejects(down.admin.request(['*.a.test']), /only be proven by dns-01/)
  assert.deepEqual([...off.state.asked, ...down.state.asked], [])
})

onEachStore(
  'doors hear of certificates and challenges by the bell; a key that does not open is left out',
  async ({ store }) => {
    const { admin, clock, fallback } = world(store)
    let changes = 0
    const doors = await openDoorCertificates({
      store,
      sealer: () => sealer,
      hostname: 'mail.a.test',
      files: { others: [], fallback },
      changed: () => changes++,
      clock,
      log: silentLog,
    })
    const until = async (done: () => boolean) => {
      for (let i = 0; i < 500 && !done(); i++) await new Promise((resolve) => setTimeout(resolve, 10))
      assert.ok(done())
    }
    assert.equal(doors.current().cert, fallback.cert)
    await admin.request([])
    await until(() => changes === 1)
    const { chain } = await admin.show('mail.a.test')
    assert.equal(doors.current().cert, chain)
    assert.equal(doors.current().byName, undefined)
    const put = (kind: 'http-01' | 'tls-alpn-01', id: string) =>
      store.write('server', (tx) => certificateRows.putChallenge(tx, kind, id, `${id}.x`, clock.now() + 1000))
    await put('http-01', 'token')
    await put('tls-alpn-01', 'mail.a.test')
    await until(() => doors.challenge('token') === 'token.x' && doors.challengeCertificate('mail.a.test') !== undefined)
    assert.equal(doors.challengeCertificate('mail.a.test'), doors.challengeCertificate('mail.a.test'))
    assert.equal(doors.challengeCertificate('other.test'), undefined)
    const first = createSelfSigned(['first.test'], clock.now())
    doors.use({ first, others: [], fallback: first })
    assert.equal(doors.current().cert, tlsOptions(first).cert)
    assert.equal(doors.current().byName!('mail.a.test')!.cert, chain)
    await store.write('server', async (tx) => {
      const row = await certificateRows.find(tx, 'mail.a.test')
      await certificateRows.setIssued(tx, row!.id, { ...row!, private_key: Buffer.alloc(40) })
    })
    await until(() => doors.current().byName === undefined)
    doors.stop()
  },
)
