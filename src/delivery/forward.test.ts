// Mail that goes on: rewritten senders there and back, loops, seals, and domains of which this server is a backup MX.

import assert from 'node:assert/strict'
import { onEachStore } from '../../test/stores.ts'
import { isFault } from '../base/index.ts'
import { createDelivery, type Delivery, type RecipientVerdict } from './index.ts'
import { address, arrival, envelope, type House, openHouse, path } from './testing/house.ts'

const text = 'From: s@else.test\nSubject: hello\nMessage-ID: <1@else.test>\n\nbody\n'
const word = (verdict: RecipientVerdict | undefined) => (verdict?.ok ? 'ok' : verdict?.refusal.code)
let n = 0
async function receive(house: House, from: string, to: readonly string[], delivery: Delivery = house.delivery) {
  const answer = await delivery.receive(arrival({ traceId: `T${++n}` }), envelope(from, to), await house.content(text))
  return answer.verdicts.map(word)
}
const ask = (house: House, from: string, to: string) =>
  house.checks().recipient(arrival(), path(from), address(to), 100).then(word)

onEachStore(
  'what an alias or a user sends on leaves under an address of his domain, and its bounce finds the way back',
  async (bench) => {
    const house = await openHouse(bench)
    await house.user('ben')
    await house.writes.addAlias('info@a.test', ['ben@a.test', 'out@far.test'])
    await house.writes.updateAccount('ben@a.test', { settings: { forward: ['ben@other.test'] } })
    assert.deepEqual(await receive(house, 'Sam@else.test', ['info@a.test']), ['ok'])
    const [first, second] = await house.queued()
    assert.match(first!.sender!, /^SRS0=[A-Za-z0-9+/]{4}=[A-Z2-7]{2}=else\.test=Sam@a\.test$/)
    assert.deepEqual([second!.sender, second!.message], [first!.sender, first!.message], 'one message, one sender')

    // The door takes a report for it from anybody, and nothing else.
    const rewritten = first!.sender!
    assert.equal(await ask(house, '', rewritten), 'ok')
    assert.equal(await ask(house, '', rewritten.toLowerCase()), 'ok')
    assert.equal(await ask(house, 'MAILER-DAEMON@far.test', rewritten), 'ok')
    assert.equal(await ask(house, 'spam@else.test', rewritten), 'reports-only')
    assert.equal(await ask(house, '', rewritten.replace('Sam', 'Eve')), 'unknown-user')
    assert.equal(await ask(house, '', rewritten.replace('else.test', 'evil.test')), 'unknown-user')
    assert.equal(await ask(house, '', 'SRS0=AAAA=AA=else.test=sam@a.test'), 'unknown-user')
    // Of another domain it is no business of ours: no open relay.
    assert.equal(await ask(house, '', rewritten.replace('@a.test', '@else.test')), 'relay-denied')

    assert.deepEqual(await receive(house, '', [rewritten]), ['ok'])
    const report = (await house.queued()).at(-1)!
    assert.deepEqual([report.sender, report.address], [null, 'Sam@else.test'])
    assert.deepEqual(await receive(house, '', [rewritten.replace('Sam', 'Eve')]), ['unknown-user'])
    assert.deepEqual(await receive(house, 'spam@else.test', [rewritten]), ['reports-only'])
    await house.close()
  },
)

onEachStore('a sender that another forwarder rewrote, our own, and none', async (bench) => {
  const house = await openHouse(bench)
  await house.user('ben')
  await house.writes.addDomain('b.test')
  await house.writes.addAlias('out@a.test', ['x@far.test'])
  await house.writes.addAlias('out@b.test', ['x@far.test'])
  await house.writes.setDomain('b.test', { srs: false })
  const leaves = async (from: string, to: string) => {
    assert.deepEqual(await receive(house, from, [to]), ['ok'])
    return (await house.queued()).at(-1)!.sender
  }
  const second = await leaves('SRS0=abcd=EF=else.test=sam@first.test', 'out@a.test')
  assert.match(second!, /^SRS1=.{4}=first\.test==abcd=EF=else\.test=sam@a\.test$/)
  assert.equal(await leaves('', 'out@a.test'), null)
  assert.equal(await leaves('ben@a.test', 'out@a.test'), 'ben@a.test')
  assert.equal(await leaves('sam@b.test', 'out@a.test'), 'sam@b.test')
  assert.equal(await leaves('sam@else.test', 'out@b.test'), 'sam@else.test', 'the domain has switched it off')
  // Its bounce goes to the first forwarder.
  assert.deepEqual(await receive(house, '', [second!]), ['ok'])
  assert.equal((await house.queued()).at(-1)!.address, 'SRS0=abcd=EF=else.test=sam@first.test')
  // A whole address does not fit the 64 octets of a local part, and comes back all the same.
  const long = `${'l'.repeat(60)}@${'d'.repeat(60)}.test`
  const rewritten = await leaves(long, 'out@a.test')
  assert.equal(await ask(house, '', rewritten!), 'ok')
  // What would not even fit what we take leaves as it came.
  const longer = `${'l'.repeat(60)}@${'d'.repeat(60)}.${'e'.repeat(60)}.test`
  assert.equal(await leaves(longer, 'out@a.test'), longer)
  await house.close()
})

onEachStore(
  'a sealer sees what is forwarded, and its header leaves in front; without one nothing is sealed',
  async (bench) => {
    const house = await openHouse(bench)
    await house.user('ben')
    await house.writes.addAlias('both@a.test', ['ben@a.test', 'out@far.test'])
    const seen: string[] = []
    const sealing = createDelivery({
      ...house.parts,
      async seal({ via, sender, content }) {
        seen.push(`${via.local} ${sender?.local.slice(0, 4)} ${content.size}`)
        return Buffer.from('ARC-Seal: i=1\r\n')
      },
    })
    await receive(house, 's@else.test', ['both@a.test'], sealing)
    const [forwarded] = await house.queued()
    assert.ok(forwarded!.prefix.startsWith('ARC-Seal: i=1\nDelivered-To: both@a.test\nReceived: '))
    assert.deepEqual(seen, [`both SRS0 ${text.length + text.split('\n').length - 1}`])
    const failing = createDelivery({ ...house.parts, seal: () => Promise.reject(new Error('no key')) })
    assert.deepEqual(await receive(house, 's@else.test', ['both@a.test'], failing), ['ok'])
    assert.ok((await house.queued())[1]!.prefix.startsWith('Delivered-To: '))
    await house.close()
  },
)

onEachStore(
  'a backup MX takes mail for a domain that has no mailbox here, sends it on and keeps it longer',
  async (bench) => {
    const house = await openHouse(bench)
    await house.user('ben')
    await house.writes.addDomain('back.test')
    await house.writes.setDomain('back.test', { backupMx: true, backupDays: 30 })
    await house.writes.addAlias('to-back@a.test', ['ann@back.test'])
    for (const to of [
      'ann@back.test',
      'anybody@back.test',
      'bounces+abcdefgh@back.test',
      'SRS0=AAAA=AA=x.test=y@back.test',
    ])
      assert.equal(await ask(house, 's@else.test', to), 'ok', to)
    assert.equal(await ask(house, 's@else.test', 'ann@sub.back.test'), 'relay-denied')
    assert.deepEqual(await receive(house, 's@else.test', ['ann@back.test', 'ben@a.test']), ['ok', 'ok'])
    const [waiting] = await house.queued()
    assert.deepEqual([waiting!.address, waiting!.kind, waiting!.sender], ['ann@back.test', 'remote', 's@else.test'])
    assert.ok(!waiting!.prefix.includes('Delivered-To'))
    assert.equal(JSON.parse((await house.paramsOf(waiting!.message)) ?? '{}').lifetime, 30 * 86_400_000)
    // Forwarded there from here is forwarded like anywhere.
    assert.deepEqual(await receive(house, 's@else.test', ['to-back@a.test']), ['ok'])
    const forwarded = (await house.queued()).at(-1)!
    assert.ok(forwarded.address === 'ann@back.test' && forwarded.sender!.startsWith('SRS0='))

    await house.writes.setDomain('back.test', { backupFor: ['ann', 'bob'] })
    await house.settled()
    assert.equal(await ask(house, 's@else.test', 'Ann@back.test'), 'ok')
    assert.equal(await ask(house, 's@else.test', 'postmaster@back.test'), 'ok')
    assert.equal(await ask(house, 's@else.test', 'eve@back.test'), 'unknown-user')
    // Mailboxes are in one place.
    await assert.rejects(house.writes.addAlias('x@back.test', ['ben@a.test']), (error) => isFault(error, 'invalid'))
    await assert.rejects(house.writes.setDomain('a.test', { backupMx: true }), (error) => isFault(error, 'in-use'))
    await house.close()
  },
)
