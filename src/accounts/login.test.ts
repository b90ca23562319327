// Login: by password and SCRAM, what it costs, what it tells, and that guessing is slow but never locks the owner out.

import assert from 'node:assert/strict'
import { createHmac } from 'node:crypto'
import { test } from 'node:test'
import { type Bench, onEachStore } from '../../test/stores.ts'
import { Fault, type FaultCode, fakeClock, isFault, silentLog } from '../base/index.ts'
import { accountRows, domainRows } from '../store/index.ts'
import { createGuessing } from './guessing.ts'
import { createHashGate } from './hash-gate.ts'
import { createAccountReads, createAccountWrites } from './index.ts'
import { argon2Costs, formatHash, hashPassword, parseHash, preparePassword, verifyPassword } from './password.ts'
import { formatScramKeys, makeScramKeys, parseScramKeys, scramHashes } from './scram-keys.ts'

const fails = (work: Promise<unknown>, code: FaultCode) => assert.rejects(work, (error) => isFault(error, code))

async function furnish({ store, options }: Bench) {
  const reads = createAccountReads({ store, hostname: 'mail.a.test', clock: options.clock, log: silentLog })
  const writes = createAccountWrites({ store, ensureMailboxes: async () => {}, log: silentLog })
  await writes.addDomain('a.test')
  await writes.addDomain('alias.test', { aliasOf: 'a.test' })
  const anna = await writes.addAccount({ email: 'anna@a.test', password: 'correct horse', name: 'Anna' })
  return { reads, writes, anna }
}

onEachStore('the right password signs in under every name of the account', async (bench) => {
  const { reads, writes, anna } = await furnish(bench)
  const login = { account: anna.id, email: 'anna@a.test', name: 'Anna' }
  for (const user of ['anna@a.test', ' ANNA@A.test', 'anna@alias.test', 'anna'])
    assert.deepEqual(await reads.login(user, 'correct horse', '192.0.2.1'), login, user)
  for (const [user, password] of [
    ['anna@a.test', 'correct horsE'],
    ['anna@a.test', ''],
    ['anna@a.test', 'x'.repeat(5000)],
    ['anna+x@a.test', 'correct horse'],
    ['nobody@a.test', 'correct horse'],
    ['', ''],
  ] as const)
    await fails(reads.login(user, password, `192.0.2.${user.length + 2}`), 'unauthenticated')
  await writes.addDomain('second.test')
  await fails(reads.login('anna', 'correct horse', '192.0.2.1'), 'unauthenticated')
})

onEachStore('a verified password costs no hash for five minutes, and nothing when it changes', async (bench) => {
  const { reads, writes } = await furnish(bench)
  const login = (password: string) => reads.login('anna@a.test', password, '192.0.2.1')
  await login('correct horse')
  const cpu = process.cpuUsage()
  for (let i = 0; i < 40; i++) await login('correct horse')
  // Forty hashes would take more than a second of CPU.
  assert.ok(process.cpuUsage(cpu).user < 500_000, 'forty logins of a known client took too long')
  await writes.setPassword('anna@a.test', 'battery staple')
  await fails(login('correct horse'), 'unauthenticated')
  await login('battery staple')
  await writes.setDisabled('anna@a.test', true)
  await fails(login('battery staple'), 'disabled')
  await fails(login('wrong'), 'unauthenticated')
})

onEachStore('SCRAM keys fit the password; unknown names get keys that stay the same', async (bench) => {
  const { reads, writes, anna } = await furnish(bench)
  const other = createAccountReads({
    store: bench.store,
    hostname: 'x.test',
    clock: bench.options.clock,
    log: silentLog,
  })
  const from = '192.0.2.1'
  for (const hash of scramHashes) {
    const { keys, login } = await reads.scram('Anna@a.test', hash, from)
    assert.equal(login?.account, anna.id)
    const same = await makeScramKeys(hash, 'correct horse', keys.salt, keys.iterations)
    assert.deepEqual(same, keys)
    const [first, second, third] = [
      await reads.scram('no@a.test', hash, from),
      await other.scram('no@a.test', hash, from),
      await reads.scram('on@a.test', hash, from),
    ]
    assert.deepEqual(first, second)
    assert.equal(first!.login, undefined)
    assert.notDeepEqual(first!.keys.salt, third!.keys.salt)
    assert.equal(first!.keys.salt.length, keys.salt.length)
    assert.equal(first!.keys.storedKey.length, keys.storedKey.length)
    assert.equal(first!.keys.iterations, keys.iterations)
  }
  const [one, two] = [await reads.scram('no@a.test', 'SHA-1', from), await reads.scram('no@a.test', 'SHA-256', from)]
  assert.notDeepEqual(one.keys.salt, two.keys.salt, 'the salts of two hashes differ, as those of real keys do')
  await writes.setDisabled('anna@a.test', true)
  assert.equal((await reads.scram('anna@a.test', 'SHA-256', from)).login, undefined)
})

onEachStore(
  'an account without SHA-1 keys looks like nobody, and gets them at its next login by password',
  async (bench) => {
    const { writes, anna } = await furnish(bench)
    const parts = { store: bench.store, hostname: 'mail.a.test', clock: bench.options.clock, log: silentLog }
    let kept: Promise<void> | undefined
    const reads = createAccountReads({ ...parts, keep: (...keys) => (kept = writes.addScramKeys(...keys)) })
    const from = '192.0.2.1'
    const hashOf = async () => {
      const row = await bench.store.read((tx) => accountRows.find(tx, anna.id))
      const domain = await bench.store.read((tx) => domainRows.find(tx, row!.domain))
      return (await bench.store.read((tx) => accountRows.findLogin(tx, domain!.id, 'anna')))!.password!
    }
    // As versions before SCRAM-SHA-1 wrote it.
    const old = formatScramKeys('SHA-256', await makeScramKeys('SHA-256', 'correct horse'))
    await writes.addScramKeys(anna.id, await hashOf(), old)
    assert.equal((await reads.scram('anna@a.test', 'SHA-256', from)).login?.account, anna.id)
    const made = await reads.scram('anna@a.test', 'SHA-1', from)
    assert.equal(made.login, undefined)
    assert.deepEqual(await reads.scram('anna@a.test', 'SHA-1', from), made, 'made-up keys stay the same')
    await fails(reads.login('anna@a.test', 'wrong', from), 'unauthenticated')
    assert.equal(kept, undefined)
    await reads.login('anna@a.test', 'correct horse', from)
    while (!kept) await new Promise((resolve) => setTimeout(resolve, 5))
    await kept
    const { keys, login } = await reads.scram('anna@a.test', 'SHA-1', from)
    assert.equal(login?.account, anna.id)
    assert.deepEqual(await makeScramKeys('SHA-1', 'correct horse', keys.salt, keys.iterations), keys)
    // Keys of a password that was changed meanwhile are not kept.
    const before = await hashOf()
    await writes.setPassword('anna@a.test', 'battery staple')
    await writes.addScramKeys(anna.id, before, old)
    assert.equal((await reads.scram('anna@a.test', 'SHA-1', from)).login?.account, anna.id)
  },
)

onEachStore('a wrong proof makes the next exchange wait, a right one frees the client from waiting', async (bench) => {
  const clock = fakeClock()
  const { writes } = await furnish(bench)
  const reads = createAccountReads({ store: bench.store, hostname: 'mail.a.test', clock, log: silentLog })
  await writes.setDisabled('anna@a.test', false)
  for (let i = 0; i < 6; i++) await reads.scramEnded('anna@a.test', '192.0.2.1', false)
  let answered = false
  const asked = reads.scram('Anna@A.test', 'SHA-1', '192.0.2.1').then(() => (answered = true))
  await clock.advance(1000)
  assert.equal(answered, false)
  await clock.advance(8000)
  await asked
  await reads.scramEnded('anna@a.test', '192.0.2.1', true)
  await reads.scram('anna@a.test', 'SHA-256', '192.0.2.1')
})

test('a password is prepared alike for both ways of login', async () => {
  assert.equal(preparePassword('I\u00adX'), 'IX')
  assert.equal(preparePassword('\u2168'), 'IX')
  for (const bad of ['', '\u00ad', 'a\0b', 'x'.repeat(1025)]) assert.throws(() => preparePassword(bad), Fault)
  const hash = parseHash(await hashPassword('IX', { memory: 64, passes: 1, parallelism: 1 }))!
  assert.equal(await verifyPassword('IX', hash), true)
  assert.equal(await verifyPassword('IY', hash), false)
})

test('a hash made by another program (argon2 of the reference) is understood', async () => {
  // echo -n password | argon2 somesalt -id -t 2 -m 16 -p 1 -l 32 (test vector of the reference implementation).
  const text = '$argon2id$v=19$m=65536,t=2,p=1$c29tZXNhbHQ$CTFhFdXPJO1aFaMaO6Mm5c8y7cJHAph8ArZWb2GRPPc'
  assert.equal(await verifyPassword('password', parseHash(text)!), true)
  assert.equal(formatHash(parseHash(text)!), text)
})

test('broken and ruinous hashes are none', () => {
  const tail = '$c29tZXNhbHQ$CTFhFdXPJO1aFaMaO6Mm5c8y7cJHAph8ArZWb2GRPPc'
  for (const text of [
    '',
    'secret',
    `$argon2i$v=19$m=65536,t=2,p=1${tail}`,
    `$argon2id$v=16$m=65536,t=2,p=1${tail}`,
    `$argon2id$v=19$m=99999999,t=2,p=1${tail}`,
    `$argon2id$v=19$m=65536,t=2,p=1.5${tail}`,
    `$argon2id$v=19$m=65536,t=1e9,p=1${tail}`,
    `$argon2id$v=19$m=65536,t=2,p=1${tail}$x`,
    `$argon2id$v=19$m=65536,t=2${tail}`,
    '$argon2id$v=19$m=65536,t=2,p=1$c29tZXNhbHQ$',
  ])
    assert.equal(parseHash(text), undefined, text)
  assert.ok(argon2Costs.memory >= 19_456 && argon2Costs.passes >= 2)
})

test('SCRAM keys survive the store', async () => {
  const keys = await makeScramKeys('SHA-256', 'pencil', Buffer.from('W22ZaJ0SNY7soEsUEjb6gQ==', 'base64'), 4096)
  const weak = await makeScramKeys('SHA-1', 'pencil', Buffer.from('QSXCR+Q6sek8bf92', 'base64'), 4096)
  const stored = `${formatScramKeys('SHA-256', keys)} ${formatScramKeys('SHA-1', weak)}`
  assert.deepEqual(parseScramKeys('SHA-256', stored), keys)
  assert.deepEqual(parseScramKeys('SHA-1', stored), weak)
  assert.equal(parseScramKeys('SHA-1', formatScramKeys('SHA-256', keys)), undefined)
  // The exchange of RFC 7677 §3: these keys must verify its proof.
  const bare = 'n=user,r=rOprNGfwEbeRWgbNEkqO'
  const nonce = 'rOprNGfwEbeRWgbNEkqO%hvYDpWUa2RaTCAfuxFIlj)hNlF$k0'
  const text = `${bare},r=${nonce},s=W22ZaJ0SNY7soEsUEjb6gQ==,i=4096,c=biws,r=${nonce}`
  const signature = createHmac('sha256', keys.serverKey).update(text).digest('base64')
  assert.equal(signature, '6rriTRBi23WpRR/wtup+mMhUZUn/dB5nLTJRsjl95G4=')
  for (const broken of ['', 'SCRAM-SHA-256$1:AA==$AA==:AA==', stored.replace('4096', '12')])
    assert.equal(parseScramKeys('SHA-256', broken), undefined)
})

test('failures make the next attempts wait, by address and by name, and the owner gets in', async () => {
  const clock = fakeClock()
  const guessing = createGuessing(clock)
  const waits = async (ip: string, user: string) => {
    const started = clock.monotonic()
    let waited: number | undefined
    const admitted = guessing.admit(ip, user).then(() => (waited = clock.monotonic() - started))
    await Promise.resolve()
    for (let i = 0; i < 300 && waited === undefined; i++) await clock.advance(50)
    await admitted
    return waited
  }
  const fail = (times: number, ip: string, user: string) => {
    for (let i = 0; i < times; i++) guessing.failed(ip, user)
  }
  guessing.succeeded('192.0.2.1', 'anna')
  fail(2, '198.51.100.1', 'anna')
  assert.equal(await waits('198.51.100.1', 'anna'), 0, 'two mistakes cost nothing')
  fail(2, '198.51.100.1', 'anna')
  assert.equal(await waits('198.51.100.1', 'anna'), 500)
  assert.equal(await waits('198.51.100.1', 'ben'), 500, 'the address waits for other names too')
  assert.equal(await waits('203.0.113.1', 'anna'), 500, 'the name waits from other addresses too')
  assert.equal(await waits('203.0.113.1', 'ben'), 0)
  fail(30, '198.51.100.1', 'anna')
  assert.equal(await waits('198.51.100.1', 'x'), 8000)
  assert.equal(await waits('203.0.113.1', 'anna'), 2000, 'strangers cost a name at most two seconds')
  assert.equal(await waits('192.0.2.1', 'anna'), 0, 'the owner does not wait where he signed in before')
  guessing.succeeded('198.51.100.1', 'mallory')
  assert.equal(await waits('198.51.100.1', 'ben'), 8000, 'an account of his own washes nothing off')
  fail(9, '2001:db8:1:2::1', 'x')
  assert.equal(await waits('2001:db8:1:2:ffff::9', 'y'), 8000, 'a /64 is one client')
  assert.equal(await waits('2001:db8:1:3::1', 'y'), 0)
  await clock.advance(11 * 60_000)
  assert.equal(await waits('198.51.100.1', 'anna'), 0)
})

test('a crowd of guesses from one address is refused, not kept waiting', async () => {
  const clock = fakeClock()
  const guessing = createGuessing(clock)
  for (let i = 0; i < 9; i++) guessing.failed('198.51.100.1', 'anna')
  const attempts = Array.from({ length: 20 }, () => guessing.admit('198.51.100.1', 'anna'))
  const settled = Promise.allSettled(attempts)
  await clock.advance(10_000)
  const refused = (await settled).filter((result) => result.status === 'rejected')
  assert.equal(refused.length, 4)
  for (const { reason } of refused) assert.ok(isFault(reason, 'limit'))
})

test('few hashes run at once, some wait in order, the rest is told to come back', async () => {
  const gate = createHashGate({ atOnce: 2, waiting: 3 })
  const ends: (() => void)[] = []
  let most = 0
  let running = 0
  const begun: number[] = []
  const work = (n: number) =>
    gate.run(async () => {
      begun.push(n)
      most = Math.max(most, ++running)
      await new Promise<void>((resolve) => ends.push(resolve))
      running--
      if (n === 1) throw new Error('failed')
    })
  const settled = Promise.allSettled([0, 1, 2, 3, 4, 5].map(work))
  for (let i = 0; i < 5; i++) {
    await new Promise((resolve) => setImmediate(resolve))
    ends[i]!()
  }
  const results = await settled
  assert.deepEqual(
    results.map(({ status }) => status),
    ['fulfilled', 'rejected', 'fulfilled', 'fulfilled', 'fulfilled', 'rejected'],
  )
  assert.ok(results[5]!.status === 'rejected' && isFault(results[5]!.reason, 'unavailable'))
  assert.deepEqual(begun, [0, 1, 2, 3, 4])
  assert.equal(most, 2)
})
