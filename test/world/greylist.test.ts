// Greylisting through the whole server: who is asked to come again, who is not, and that nothing of a message stays that was put off.

import assert from 'node:assert/strict'
import { test } from 'node:test'
import { databases, onDatabase, titles } from '../stores.ts'
import { password, type StrangersWorld, strangersWorld } from './strangers.ts'
import { Imap, Smtp } from './talk.ts'

const zone = `
  good.test TXT "v=spf1 ip4:192.0.2.0/24 -all"
  _dmarc.good.test TXT "v=DMARC1; p=reject"
  plain.test TXT "v=spf1 ip4:192.0.2.0/24 -all"
  relay.test TXT "v=spf1 ip4:192.0.2.0/24 -all"`

async function send(
  world: StrangersWorld,
  ip: string,
  from: string,
  { to = ['ann@here.test'], author = from }: { readonly to?: readonly string[]; readonly author?: string } = {},
): Promise<string> {
  const client = await world.smtp(ip)
  const reply = (await client.deliver(from, to, `From: ${author || 'x@none.test'}\r\nSubject: x\r\n\r\nx`)).at(-1)!
  client.close()
  return reply
}

async function counted({ server }: StrangersWorld): Promise<number> {
  const imap = await Imap.open(server.ports.imap!, 'ann@here.test', password, '').catch(() => undefined)
  if (!imap) return -1
  const count = await imap.count()
  imap.close()
  return count
}

for (const dialect of databases)
  onDatabase(
    dialect,
    `an unknown sender is to come again after a minute, within a day (${titles[dialect]})`,
    async (t, store) => {
      const world = await strangersWorld(t, { store, zone })
      const deferred = /^451 4\.7\.1 this sender is not known here yet and nobody vouches for him; try again in (\d+) s/
      assert.equal(deferred.exec(await send(world, '203.0.113.5', 'x@unknown.test'))?.[1], '60')
      // Another one of its servers is the same network; another sender is another.
      assert.match(await send(world, '203.0.113.6', 'x@unknown.test'), deferred)
      world.clock.move(61_000)
      assert.match(await send(world, '203.0.113.9', 'x@unknown.test'), /^250/)
      assert.match(await send(world, '203.0.113.5', 'y@other.test'), /^250/)
      assert.match(await send(world, '198.51.100.5', 'y@other.test'), deferred)
      world.clock.move(25 * 3_600_000)
      assert.match(await send(world, '198.51.100.5', 'y@other.test'), deferred)
      // The null sender too.
      assert.match(await send(world, '198.51.100.5', ''), deferred)
    },
  )

test('who is vouched for passes at once: DMARC, or SPF aligned without DMARC; SPF of somebody else does not', async (t) => {
  const world = await strangersWorld(t, { zone })
  assert.match(await send(world, '192.0.2.1', 'x@good.test'), /^250/)
  assert.match(await send(world, '192.0.2.1', 'x@plain.test'), /^250/)
  assert.match(await send(world, '192.0.2.1', 'x@relay.test', { author: 'boss@elsewhere.test' }), /^451/)
})

test('an answer passes: the recipient has written to the sender', async (t) => {
  const world = await strangersWorld(t, { zone })
  assert.match(await send(world, '203.0.113.5', 'friend@far.test'), /^451/)
  const talk = await world.come('submission', '198.51.100.9')
  const client = new Smtp(talk)
  await client.reply()
  await client.say('EHLO x.test')
  await client.say(`AUTH PLAIN ${Buffer.from(`\0ann@here.test\0${password}`).toString('base64')}`)
  const sent = await client.deliver('ann@here.test', ['Friend@far.test'], 'From: ann@here.test\r\n\r\nhi')
  assert.match(sent.at(-1)!, /^250/)
  await new Promise((resolve) => setTimeout(resolve, 50))
  assert.match(await send(world, '203.0.113.5', 'friend@far.test'), /^250/)
  assert.match(await send(world, '203.0.113.5', 'friend@far.test', { to: ['bob@here.test'] }), /^451/)
})

test('a domain may do without, or have its own delay; of several the mildest counts', async (t) => {
  const world = await strangersWorld(t, { zone })
  await world.accounts.addDomain('mild.test')
  await world.accounts.addAccount({ email: 'cat@mild.test', password })
  await world.accounts.setDomain('mild.test', { greylist: false })
  assert.match(await send(world, '203.0.113.5', 'x@a.test', { to: ['cat@mild.test'] }), /^250/)
  assert.match(await send(world, '203.0.113.5', 'x@a.test', { to: ['cat@mild.test', 'ann@here.test'] }), /^250/)
  await world.accounts.setDomain('here.test', { greylistDelay: 5 })
  assert.match(await send(world, '203.0.113.5', 'x@b.test'), /try again in 5 s/)
  world.clock.move(6_000)
  assert.match(await send(world, '203.0.113.5', 'x@b.test'), /^250/)
})

test('nothing is kept of a message that is put off, and it is told in the timeline; this machine is not asked', async (t) => {
  const world = await strangersWorld(t, { config: { proxyProtocol: [], smtp: { xclient: ['127.0.0.0/8'] } } })
  const client = await Smtp.open(world.server.ports.smtp!)
  assert.match((await client.deliver('x@b.test', ['ann@here.test'], 'From: x@b.test\r\n\r\nhi')).at(-1)!, /^250/)
  await client.say('XCLIENT ADDR=203.0.113.5')
  await client.say('EHLO client.test')
  const refused = await client.deliver('x@b.test', ['ann@here.test'], 'From: x@b.test\r\n\r\nhi')
  assert.match(refused.at(-1)!, /^451 4\.7\.1/)
  assert.equal(await counted(world), 1)
})
