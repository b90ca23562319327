// Attacks by strangers at the MX door: harvesting names, floods, speaking before the greeting, our own name, and who is kept out.

import assert from 'node:assert/strict'
import { test } from 'node:test'
import { password, type StrangersWorld, signIn, strangersWorld } from '../world/strangers.ts'
import { message, sleep } from '../world/talk.ts'

const evil = '198.51.100.66'
/** Vouched for, so that greylisting has nothing to ask. */
const zone = `
  good.test TXT "v=spf1 ip4:192.0.2.0/24 -all"
  _dmarc.good.test TXT "v=DMARC1; p=reject"
  bad.test TXT "v=spf1 -all"
  _dmarc.bad.test TXT "v=DMARC1; p=reject"`
const good = (text = 'hello') => `From: x@good.test\r\nSubject: ${text}\r\n\r\n${text}`

async function history({ abuse }: StrangersWorld, ip: string) {
  // Told behind the client's back.
  await sleep(60)
  return (await abuse.standing(ip)).history!
}

test('harvest: each name costs a recipient, answers wait longer and longer, and the address is remembered', async (t) => {
  const world = await strangersWorld(t)
  const client = await world.smtp(evil)
  await client.say('MAIL FROM:<x@elsewhere.test>')
  const waits: number[] = []
  for (let n = 0; n < 7; n++) {
    const began = performance.now()
    assert.match(await client.say(`RCPT TO:<name${n}@here.test>`), /^550 5\.1\.1/)
    waits.push(performance.now() - began)
  }
  assert.ok(waits[1]! < 200, `${waits}`)
  assert.ok(waits[4]! >= 400 && waits[5]! > waits[4]! && waits[6]! >= 1900, `${waits}`)
  client.close()
  assert.deepEqual(await history(world, evil), { good: 0, bad: 7, factor: 0.25 })
  // A quarter from now on, also over many connections.
  const usage = (await world.abuse.standing(evil)).usage.find(({ kind }) => kind === 'address')
  assert.equal(usage?.count, 50)
  const others = await Promise.all(Array.from({ length: 6 }, () => world.come('smtp', evil)))
  const greetings = await Promise.all(others.map((talk) => talk.until(/^\d{3} .*\r\n/m)))
  assert.deepEqual(greetings.map((text) => text.slice(0, 9)).sort(), [...Array(5).fill('220 mx.he'), '421 4.7.0'])
})

test('flood: 200 recipients a minute from one address, 450 with when to come again, and then again', async (t) => {
  const world = await strangersWorld(t, { config: { smtp: { maxRecipients: 1000 } } })
  const client = await world.smtp(evil)
  await client.say('MAIL FROM:<x@elsewhere.test>')
  client.talk.send('RCPT TO:<ann@here.test>\r\n'.repeat(210))
  const replies: string[] = []
  for (let n = 0; n < 210; n++) replies.push(await client.reply())
  const taken = replies.filter((one) => one.startsWith('250')).length
  assert.ok(taken >= 200 && taken <= 205, `${taken}`)
  assert.match(replies.at(-1)!, /^450 4\.7\.1 too many recipients from your address; try again in 1 s/)
  world.clock.move(2_000)
  assert.match(await client.say('RCPT TO:<bob@here.test>'), /^250/)
})

test('flood of connections: twenty of one address, eighty of a network', async (t) => {
  const world = await strangersWorld(t)
  const open = async (ip: string) => (await (await world.come('smtp', ip)).until(/^\d{3} .*\r\n/m)).slice(0, 3)
  for (let n = 0; n < 20; n++) assert.equal(await open(evil), '220')
  assert.equal(await open(evil), '421')
  assert.equal(await open('198.51.101.1'), '220')
  for (let n = 0; n < 60; n++) assert.equal(await open(`198.51.100.${100 + n}`), '220')
  assert.equal(await open('198.51.100.200'), '421')
})

test('who signs in is counted among the strangers no more', async (t) => {
  const world = await strangersWorld(t)
  for (let n = 0; n < 22; n++) {
    const talk = await world.come('submission', evil)
    await talk.until(/^220 .*\r\n/m)
    talk.send(`EHLO x.test\r\nAUTH PLAIN ${Buffer.from(`\0ann@here.test\0${password}`).toString('base64')}\r\n`)
    await talk.until(/^235 .*\r\n/m)
  }
  assert.equal((await world.abuse.standing(evil)).connections, 0)
})

test('early talker: who speaks before the greeting is turned away; who waits is greeted; who is known does not wait', async (t) => {
  const world = await strangersWorld(t, { config: { smtp: { greetingDelay: '400ms' } }, zone })
  const early = await world.come('smtp', evil)
  early.send('EHLO x.test\r\nMAIL FROM:<x@elsewhere.test>\r\n')
  assert.match(await early.ended(), /^554 5\.5\.1 You spoke before this server greeted\r\n$/)
  assert.equal((await history(world, evil)).bad, 1)
  const began = performance.now()
  const patient = await world.smtp('192.0.2.7')
  assert.ok(performance.now() - began >= 390)
  assert.match((await patient.deliver('x@good.test', ['ann@here.test'], good())).at(-1)!, /^250/)
  patient.close()
  assert.equal((await history(world, '192.0.2.7')).good, 1)
  const again = performance.now()
  const known = await world.smtp('192.0.2.7')
  assert.ok(performance.now() - again < 350)
  // Users do not wait either, nor this machine.
  known.close()
  const user = performance.now()
  await (await world.come('submission', evil)).until(/^220 .*\r\n/m)
  assert.ok(performance.now() - user < 350)
})

test('our own name as HELO: refused, and whoever signs in may call himself what he likes', async (t) => {
  const world = await strangersWorld(t, { zone })
  const thief = await world.smtp(evil, 'EHLO mx.here.test')
  assert.match(await thief.say('MAIL FROM:<x@elsewhere.test>'), /^550 5\.7\.1 You gave the name of this server/)
  // A bare word harms nobody and earns nothing.
  const word = await world.smtp('192.0.2.8', 'HELO exchange')
  assert.match((await word.deliver('x@good.test', ['ann@here.test'], good())).at(-1)!, /^250/)
  word.close()
  assert.deepEqual(await history(world, '192.0.2.8'), { good: 0, bad: 0, factor: 1 })
})

test('history: wanted mail speaks for an address, refused mail against it', async (t) => {
  const world = await strangersWorld(t, { zone })
  const client = await world.smtp('192.0.2.7')
  const replies = await client.deliver('x@good.test', ['ann@here.test', 'bob@here.test'], good())
  assert.match(replies.at(-1)!, /^250/)
  const refused = await client.deliver('x@bad.test', ['ann@here.test'], 'From: x@bad.test\r\n\r\nhi')
  assert.match(refused.at(-1)!, /^550 5\.7\.26/)
  client.close()
  assert.deepEqual(await history(world, '192.0.2.7'), { good: 2, bad: 1, factor: 0.73 })
})

test('a ban closes every door, and its end opens them', async (t) => {
  const world = await strangersWorld(t)
  await world.abuse.ban({ network: '198.51.100.0/24', scope: 'all', reason: 'test' }, 'me')
  // The bell has rung when this is answered.
  await sleep(20)
  assert.match(await (await world.come('smtp', evil)).ended(), /^554 5\.7\.1 Your address is banned here/)
  assert.equal(await (await world.come('imap', evil)).ended(), '')
  assert.equal(await (await world.come('pop3', evil)).ended(), '')
  await world.abuse.liftBan('198.51.100.0/24')
  await sleep(20)
  assert.equal(await signIn(world, 'imap', evil, ['ann@here.test', password]), 'in')
})

test('lists: blocked in the session with 550 5.7.1, allowed without greylisting, the user before the server', async (t) => {
  const world = await strangersWorld(t)
  const { abuse } = world
  await abuse.addEntries(
    {},
    [
      { action: 'block', value: 'spam.test' },
      { action: 'block', value: evil },
    ],
    'me',
  )
  await sleep(20)
  const client = await world.smtp('192.0.2.7')
  const to = async (from: string, recipient = 'ann@here.test') =>
    (await client.deliver(from, [recipient], message('x'))).at(-1)!
  assert.match(await to('x@spam.test'), /^550 5\.7\.1 <ann@here\.test> takes no mail from spam\.test/)
  assert.match(await to('x@elsewhere.test'), /^451 4\.7\.1/)
  const listed = await world.smtp(evil)
  assert.match((await listed.deliver('x@elsewhere.test', ['ann@here.test'], message('x'))).at(-1)!, /^550 5\.7\.1/)
  await abuse.addEntries({ user: 'ann@here.test' }, [{ action: 'allow', value: 'friend@spam.test' }], 'ann')
  await sleep(20)
  assert.match(await to('friend@spam.test'), /^250/)
  assert.match(await to('friend@spam.test', 'bob@here.test'), /^550 5\.7\.1/)
  await abuse.addEntries({ user: 'bob@here.test' }, [{ action: 'block', value: '.elsewhere.test' }], 'bob')
  await sleep(20)
  assert.match(await to('x@sub.elsewhere.test', 'bob@here.test'), /^550 5\.7\.1/)
  // Attack: nobody's list speaks for who hands mail in from here.
  assert.match(await client.say('RSET'), /^250/)
})

test('a stolen password: 500 recipients an hour, then 450 until the hour gives more; user and domain may have their own', async (t) => {
  const world = await strangersWorld(t, { config: { smtp: { maxRecipients: 1000 } } })
  const open = async (who: string, ip: string) => {
    const talk = await world.come('submission', ip)
    await talk.until(/^220 .*\r\n/m)
    talk.send(`EHLO x.test\r\nAUTH PLAIN ${Buffer.from(`\0${who}\0${password}`).toString('base64')}\r\n`)
    await talk.until(/^235 .*\r\n/m)
    talk.send(`MAIL FROM:<${who}>\r\n`)
    await talk.until(/^250 2\.1\.0.*\r\n/m)
    return async (count: number) => {
      talk.send(Array.from({ length: count }, (_, n) => `RCPT TO:<r${n}@far.test>\r\n`).join(''))
      let taken = 0
      let last = ''
      for (let n = 0; n < count; n++) {
        last = await talk.until(/^\d{3} .*\r\n/m)
        if (last.startsWith('250')) taken++
      }
      return { taken, last }
    }
  }
  // From two addresses at the same time.
  const [one, two] = await Promise.all([open('ann@here.test', evil), open('ann@here.test', '203.0.113.1')])
  const [a, b] = await Promise.all([one(300), two(300)])
  assert.ok(a.taken + b.taken >= 500 && a.taken + b.taken <= 502, `${a.taken} ${b.taken}`)
  assert.match(b.last, /^450 4\.7\.1 you have written to too many recipients in this hour; try again in \d+ s/)
  // Bob is not Ann.
  assert.equal((await (await open('bob@here.test', evil))(50)).taken, 50)
  await world.accounts.updateAccount('ann@here.test', { settings: { perHour: 1000 } })
  world.clock.move(10_000)
  assert.equal((await one(100)).taken, 100)
  await world.accounts.setDomain('here.test', { domainPerHour: 600 })
  world.clock.move(10_000)
  const more = await one(100)
  assert.ok(more.taken < 10, `${more.taken}`)
  assert.match(more.last, /^450 4\.7\.1 your domain has written/)
  // It survives a restart: it stands in the store.
  const standing = await world.abuse.standing('ann@here.test')
  assert.ok(standing.usage[0]!.used >= 590 && standing.usage[0]!.count === 1000, JSON.stringify(standing.usage))
  assert.deepEqual(standing.addresses?.map(({ network }) => network).sort(), [evil, '203.0.113.1'])
})

test('HTTP: sixty requests a minute of who shows no token, /health always, this machine always', async (t) => {
  const world = await strangersWorld(t)
  const { take } = world.server.core.services.abuse
  for (let n = 0; n < 60; n++) assert.ok((await take([{ kind: 'api-guest', subject: evil }])).ok)
  const refused = await take([{ kind: 'api-guest', subject: evil }])
  assert.equal(refused.ok, false)
  for (let n = 0; n < 70; n++) assert.equal((await fetch(`http://127.0.0.1:${world.server.ports.http}/x`)).status, 404)
})
