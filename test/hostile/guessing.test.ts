// Attacks on passwords: guessing at every door, spraying, and shutting the owner out.

import assert from 'node:assert/strict'
import { test } from 'node:test'
import { databases, onDatabase, titles } from '../stores.ts'
import { password, signIn, strangersWorld } from '../world/strangers.ts'

/** Each failure makes the next attempt wait, up to eight seconds: that is another defence. */
const hurry = 50
const minute = 60_000
const hour = 60 * minute
const home = '192.0.2.10'
const evil = '198.51.100.66'
const right = ['ann@here.test', password] as const
const wrong = ['ann@here.test', 'guess'] as const

for (const dialect of databases)
  onDatabase(
    dialect,
    `guessing: ten failures at all doors together ban the address, for longer each time (${titles[dialect]})`,
    async (t, store) => {
      const world = await strangersWorld(t, { store, hurry })
      const doors = ['submission', 'imap', 'pop3'] as const
      for (let n = 0; n < 9; n++) {
        assert.equal(await signIn(world, doors[n % 3]!, evil, wrong), 'wrong')
      }
      assert.deepEqual(await world.abuse.bans(), [])
      assert.equal(await signIn(world, 'imap', evil, wrong), 'wrong')
      const [ban] = await world.abuse.bans()
      assert.equal(ban?.network, evil)
      assert.equal(ban?.scope, 'sign-in')
      assert.ok(Math.abs(ban!.until! - world.clock.now() - hour) < minute)
      // Not even with the right password, and nowhere.
      assert.match(await signIn(world, 'submission', evil, right), /^454 4\.7\.0 too many failed sign-ins .* 60 min/)
      assert.match(await signIn(world, 'imap', evil, right), /^t1 NO \[LIMIT\]/)
      assert.match(await signIn(world, 'pop3', evil, right), /^-ERR \[SYS\/TEMP\]/)
      // Nobody else is hurt.
      assert.equal(await signIn(world, 'imap', '198.51.100.67', right), 'in')

      world.clock.move(hour + minute)
      assert.deepEqual(await world.abuse.bans(), [])
      for (let n = 0; n < 10; n++) await signIn(world, 'submission', evil, [`user${n}@here.test`, 'guess'])
      const [again] = await world.abuse.bans()
      assert.equal(again?.times, 2)
      assert.ok(Math.abs(again!.until! - world.clock.now() - 2 * hour) < minute)
      await world.abuse.liftBan(evil)
      assert.equal(await signIn(world, 'imap', evil, right), 'in')
    },
  )

test('lockout of the owner: from where he has signed in before he may always try, whatever others there did', async (t) => {
  const world = await strangersWorld(t, { hurry })
  assert.equal(await signIn(world, 'imap', home, right), 'in')
  // Somebody behind the same address guesses at everybody, the owner too.
  for (let n = 0; n < 10; n++) await signIn(world, 'submission', home, n % 2 ? wrong : [`user${n}@here.test`, 'guess'])
  assert.equal((await world.abuse.bans())[0]?.network, home)
  assert.equal(await signIn(world, 'imap', home, right), 'in')
  assert.equal(await signIn(world, 'pop3', home, right), 'in')
  assert.match(await signIn(world, 'imap', home, ['bob@here.test', password]), /LIMIT/)
  // By SCRAM or at another address he is as everybody.
  for (let n = 0; n < 10; n++) await signIn(world, 'submission', evil, wrong)
  assert.match(await signIn(world, 'imap', evil, right), /LIMIT/)
})

test('success clears what failed for that name, and not what was guessed of others', async (t) => {
  const world = await strangersWorld(t, { hurry })
  for (let round = 0; round < 3; round++) {
    for (let n = 0; n < 5; n++) assert.equal(await signIn(world, 'submission', home, wrong), 'wrong')
    assert.equal(await signIn(world, 'submission', home, right), 'in')
    // Noted behind his back.
    await new Promise((resolve) => setTimeout(resolve, 50))
  }
  assert.deepEqual(await world.abuse.bans(), [])
  // Attack: washing guesses off with an account of one's own.
  for (let n = 0; n < 10; n++) {
    await signIn(world, 'submission', evil, ['bob@here.test', 'guess'])
    if (n < 9) assert.equal(await signIn(world, 'submission', evil, right), 'in')
  }
  assert.equal((await world.abuse.bans())[0]?.network, evil)
})

test('password spraying: another address of the network for each guess, and the network is banned', async (t) => {
  const world = await strangersWorld(t, { hurry })
  assert.equal(await signIn(world, 'submission', '203.0.113.7', right), 'in')
  const counts = world.server.core.services.abuse
  for (let n = 0; n < 100; n++) await counts.signInFailed(`203.0.113.${n + 100}`, `user${n}@here.test`)
  assert.equal((await world.abuse.bans())[0]?.network, '203.0.113.0/24')
  assert.match(await signIn(world, 'submission', '203.0.113.8', right), /^454 4\.7\.0/)
  assert.equal(await signIn(world, 'submission', '203.0.113.7', right), 'in')
  for (let n = 0; n < 10; n++) await counts.signInFailed(`2001:db8:1:2::${n}`, 'x')
  assert.ok((await world.abuse.bans()).some(({ network }) => network === '2001:db8:1:2::/64'))
})

test('this machine and trusted networks are never banned', async (t) => {
  const world = await strangersWorld(t, { hurry, config: { smtp: { trustedNetworks: ['192.0.2.0/24'] } } })
  for (let n = 0; n < 12; n++) {
    await signIn(world, 'submission', '192.0.2.5', wrong)
  }
  assert.deepEqual(await world.abuse.bans(), [])
  assert.equal(await signIn(world, 'submission', '192.0.2.5', right), 'in')
})
