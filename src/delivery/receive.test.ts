// What becomes of a message: one transaction for all recipients, exact quotas, copies that wait, on every database.

import assert from 'node:assert/strict'
import { onEachStore } from '../../test/stores.ts'
import { type ContentId, type JobId, toId } from '../base/index.ts'
import { createSpool } from '../mail/index.ts'
import type { QueueParams } from '../queue/index.ts'
import type { MailParams } from '../smtp/wire/index.ts'
import { sql } from '../store/index.ts'
import type { RecipientVerdict } from './index.ts'
import { address, arrival, envelope, type House, hostname, openHouse } from './testing/house.ts'

const text = 'From: s@else.test\nSubject: hello\nMessage-ID: <1@else.test>\n\nbody\n'
const words = (verdicts: readonly RecipientVerdict[]) => verdicts.map((v) => (v.ok ? 'ok' : v.refusal.code))
const addresses = async (house: House) => (await house.queued()).map((row) => `${row.kind} ${row.address}`)

onEachStore('a message stands in the mailbox with what delivery says about its way', async (bench) => {
  const house = await openHouse(bench)
  const anna = await house.user('anna')
  const tls = { version: 'TLSv1.3', cipher: 'TLS_AES_256_GCM_SHA384' }
  const came = arrival({ with: 'ESMTPS', tls, helo: 'evil\r\nX: (y)', clientIp: '2001:db8::1' })
  const answer = await house.delivery.receive(
    came,
    envelope('s@else.test', ['Anna+x@a.test']),
    await house.content(text),
  )
  assert.deepEqual(words(answer.verdicts), ['ok'])
  assert.deepEqual(await house.messages(anna), [
    `Return-Path: <s@else.test>
Delivered-To: Anna+x@a.test
Received: from evilX:y ([IPv6:2001:db8::1])
	by ${hostname} (Posthorn) with ESMTPS (TLSv1.3 TLS_AES_256_GCM_SHA384)
	id T1 for <Anna+x@a.test>; Sun, 22 Nov 2026 10:00:00 +0000
${text}`,
  ])
  assert.deepEqual(house.points, ['delivery.received', 'delivery.before-write', 'delivery.written'])
  assert.deepEqual(await house.queued(), [])
  await house.close()
})

onEachStore('one copy per account and per address outside, however many names lead there', async (bench) => {
  const house = await openHouse(bench)
  const [anna, ben] = [await house.user('anna'), await house.user('ben')]
  await house.writes.addAlias('all@a.test', ['anna@a.test', 'ben@a.test', 'out@else.test', 'two@else.test'])
  await house.writes.updateAccount('ben@a.test', { settings: { forward: ['out@else.test', 'ben@far.test'] } })
  const to = ['anna@a.test', 'all@a.test', 'ben@a.test', 'postmaster@a.test']
  const { verdicts, queueId } = await house.delivery.receive(arrival(), envelope('', to), await house.content(text))
  assert.deepEqual(words(verdicts), ['ok', 'ok', 'ok', 'ok'])
  for (const account of [anna, ben]) {
    const messages = await house.messages(account)
    assert.equal(messages.length, 1)
    assert.ok(messages[0]!.startsWith('Return-Path: <>\n'))
    assert.ok(!messages[0]!.includes(' for <'), 'several recipients are not told of each other')
  }
  const queued = await house.queued()
  assert.deepEqual(queued.map((row) => row.address).sort(), ['ben@far.test', 'out@else.test', 'two@else.test'])
  assert.ok(queued.every((row) => row.sender === null && row.prefix.startsWith('Delivered-To: all@a.test\nReceived: ')))
  assert.equal(queueId, queued[0]!.message)
  await house.close()
})

onEachStore('fifty at once against room for ten: exactly ten, the others wait', async (bench) => {
  const house = await openHouse(bench)
  const anna = await house.user('anna', { quotaMessages: 10 })
  const content = await house.content(text)
  const receive = (i: number) =>
    house.delivery.receive(arrival({ traceId: `T${i}` }), envelope('s@else.test', ['anna@a.test']), content)
  await Promise.all(Array.from({ length: 50 }, (_, i) => receive(i)))
  assert.equal((await house.messages(anna)).length, 10)
  assert.equal((await house.used(anna)).usedMessages, 10)
  assert.deepEqual(await addresses(house), Array(40).fill('local anna@a.test'))
  await house.close()
})

onEachStore('one of three has no room: the others have the message, his copy waits and comes later', async (bench) => {
  const house = await openHouse(bench)
  const ids = [await house.user('anna'), await house.user('full', { quotaBytes: 10 }), await house.user('ben')]
  const to = ['anna@a.test', 'full+x@a.test', 'ben@a.test', 'out@else.test']
  const content = await house.content(text)
  const came = arrival({ trusted: true })
  assert.deepEqual(
    words((await house.delivery.receive(came, envelope('s@else.test', to), content)).verdicts),
    Array(4).fill('ok'),
  )
  assert.deepEqual(await Promise.all(ids.map(async (id) => (await house.messages(id)).length)), [1, 0, 1])
  const rows = await house.queued()
  assert.deepEqual(rows.map((row) => `${row.kind} ${row.address} ${row.reason}`.trim()).sort(), [
    'local full+x@a.test 4.2.2 the mailbox is full',
    'remote out@else.test',
  ])
  const waiting = rows.find((row) => row.kind === 'local')!
  const params = JSON.parse(waiting.params) as QueueParams
  await house.writes.renameAccount('full@a.test', 'new@a.test')
  const account = await house.retry.find({ address: address(waiting.address), params })
  assert.equal(account, ids[1])
  const copy = {
    content: toId<ContentId>(waiting.content),
    prefix: Buffer.from(waiting.prefix),
    sender: address('s@else.test'),
    address: address(waiting.address),
    receivedAt: came.receivedAt,
  }
  const retry = () => house.store.write(account!, (tx) => house.retry.deliver(tx, account!, copy))
  assert.deepEqual(await retry(), { retry: '4.2.2 the mailbox is full' })
  await house.writes.updateAccount('new@a.test', { quotaBytes: null })
  assert.equal(await retry(), 'delivered')
  const [message] = await house.messages(account!)
  assert.ok(message!.startsWith('Return-Path: <s@else.test>\nDelivered-To: full+x@a.test\n'))
  assert.ok(message!.endsWith(text))
  await house.writes.setDisabled('new@a.test', true)
  assert.equal(await house.retry.find({ address: address(waiting.address), params }), undefined)
  await house.close()
})

onEachStore('what goes to Junk goes there also when the mailbox had no room at first', async (bench) => {
  const house = await openHouse(bench)
  const [anna, full] = [await house.user('anna'), await house.user('full', { quotaBytes: 10 })]
  const came = arrival({ answers: [{ by: 'dnsbl', action: 'junk', reasons: ['192.0.2.7 is listed'] }] })
  const content = await house.content(text)
  await house.delivery.receive(came, envelope('s@else.test', ['anna@a.test', 'full@a.test']), content)
  assert.deepEqual([(await house.messages(anna, 'Junk')).length, (await house.messages(anna)).length], [1, 0])
  const [waiting] = await house.queued()
  const { junk = false } = JSON.parse(waiting!.params) as QueueParams
  await house.writes.updateAccount('full@a.test', { quotaBytes: null })
  const copy = {
    content: toId<ContentId>(waiting!.content),
    prefix: Buffer.from(waiting!.prefix),
    sender: address('s@else.test'),
    address: address(waiting!.address),
    receivedAt: came.receivedAt,
    junk,
  }
  assert.equal(await house.store.write(full, (tx) => house.retry.deliver(tx, full, copy)), 'delivered')
  assert.deepEqual([(await house.messages(full, 'Junk')).length, (await house.messages(full)).length], [1, 0])
  await house.close()
})

onEachStore('LMTP answers for each recipient and queues nothing for a full mailbox', async (bench) => {
  const house = await openHouse(bench)
  const [anna, full] = [await house.user('anna'), await house.user('full', { quotaBytes: 10 })]
  await house.writes.addAlias('both@a.test', ['anna@a.test', 'full@a.test'])
  const receive = async (...to: string[]) => {
    const came = arrival({ kind: 'lmtp', with: 'LMTP', trusted: true })
    const answer = await house.delivery.receive(came, envelope('s@else.test', to), await house.content(text + to))
    return words(answer.verdicts)
  }
  assert.deepEqual(await receive('anna@a.test', 'full@a.test', 'no@a.test'), ['ok', 'over-quota', 'unknown-user'])
  assert.deepEqual(await receive('full@a.test'), ['over-quota'])
  assert.deepEqual(await receive('x@else.test'), ['relay-denied'])
  assert.deepEqual(await house.queued(), [])
  assert.equal((await house.messages(anna)).length, 1)
  // Half of a list has it: the other half waits, or the first would get it again.
  assert.deepEqual(await receive('both@a.test'), ['ok'])
  assert.deepEqual(await addresses(house), ['local full@a.test'])
  assert.deepEqual([(await house.messages(anna)).length, (await house.messages(full)).length], [2, 0])
  await house.close()
})

onEachStore('who vanished between RCPT and the end of the data is told of; alone he is refused', async (bench) => {
  const house = await openHouse(bench)
  const anna = await house.user('anna')
  const receive = async (...to: string[]) =>
    words((await house.delivery.receive(arrival(), envelope('s@else.test', to), await house.content(text))).verdicts)
  assert.deepEqual(await receive('gone@a.test'), ['unknown-user'])
  assert.deepEqual(await receive('x@else.test', 'gone@a.test'), ['relay-denied', 'unknown-user'])
  assert.deepEqual(await house.queued(), [])
  assert.deepEqual(await receive('anna@a.test', 'gone@a.test'), ['ok', 'ok'])
  assert.equal((await house.messages(anna)).length, 1)
  const [row, ...more] = await house.queued()
  assert.deepEqual([row!.kind, row!.address, more.length], ['local', 'gone@a.test', 0])
  assert.equal(await house.retry.find({ address: address('gone@a.test'), params: {} }), undefined)
  await house.close()
})

onEachStore('a submitted message goes out with its sender, and to Sent where the account wants it', async (bench) => {
  const house = await openHouse(bench)
  const anna = await house.user('anna')
  const submit = async () => {
    const came = arrival({ kind: 'submission', with: 'ESMTPSA', account: anna, user: 'anna@a.test' })
    await house.delivery.receive(came, envelope('anna@a.test', ['x@else.test']), await house.content(text))
  }
  await submit()
  assert.equal((await house.messages(anna, 'Sent')).length, 0)
  await house.writes.updateAccount('anna@a.test', { settings: { saveSent: true } })
  await submit()
  assert.deepEqual(await house.messages(anna, 'Sent'), [text])
  assert.equal(await house.unseen(anna, 'Sent'), 0)
  const queued = await house.queued()
  assert.deepEqual(
    queued.map((row) => row.sender),
    ['anna@a.test', 'anna@a.test'],
  )
  assert.ok(queued[0]!.prefix.startsWith('Received: from sender.test ([192.0.2.7])\n'))
  // No room to file it: it goes out all the same.
  await house.writes.updateAccount('anna@a.test', { quotaMessages: 1 })
  await submit()
  assert.deepEqual(await addresses(house), Array(3).fill('remote x@else.test'))
  assert.equal((await house.messages(anna, 'Sent')).length, 1)
  await house.close()
})

onEachStore(
  "the house's own mail ends with its job and reaches its recipients, or postmaster for the lost ones",
  async (bench) => {
    const house = await openHouse(bench)
    const [anna, boss] = [await house.user('anna'), await house.user('boss', { admin: true })]
    const content = await house.content(text)
    let ended = 0
    const post = async (from: string | null, ...to: string[]) => {
      const id = await house.store.write([], (tx) => house.mail.putContent(tx, content))
      const job = { id: toId<JobId>(1), attempts: 1, done: async () => void ended++, again: () => Promise.reject() }
      await house.post({ from, to, content: id, utf8: false }, job)
    }
    await post(null, 'anna@a.test', 'x@else.test')
    assert.ok((await house.messages(anna))[0]!.startsWith('Return-Path: <>\nDelivered-To: anna@a.test\nFrom:'))
    const [queued] = await house.queued()
    assert.deepEqual(
      [queued!.kind, queued!.address, queued!.sender, queued!.prefix],
      ['remote', 'x@else.test', null, ''],
    )
    await post(null, 'gone@a.test')
    await post('postmaster@a.test', 'broken', 'anna@a.test')
    assert.equal((await house.messages(boss)).length, 2)
    assert.equal((await house.messages(anna)).length, 2)
    await post(null, `postmaster@${hostname}`)
    assert.equal((await house.messages(boss)).length, 3)
    await house.writes.removeAccount('anna@a.test')
    await house.writes.removeAccount('boss@a.test')
    // Nobody is left: the job ends, or it would be tried for ever.
    await post(null, 'gone@a.test')
    assert.equal(ended, 5)
    assert.equal((await house.queued()).length, 1)
    await house.close()
  },
)

onEachStore(
  'Received: what a proxy or the server before a filter said of the client, and nothing else of it',
  async (bench) => {
    const house = await openHouse(bench)
    const anna = await house.user('anna')
    const lines = async (more: Parameters<typeof arrival>[0], params?: MailParams) => {
      const mail = envelope('s@else.test', ['anna@a.test'], { ...(params && { params }) })
      await house.delivery.receive(arrival(more), mail, await house.content(text))
      return (await house.messages(anna)).at(-1)!.split('\n')
    }
    const first = async (more: Parameters<typeof arrival>[0]) => (await lines(more))[2]
    assert.equal(await first({ clientName: 'c.test' }), 'Received: from sender.test (c.test [192.0.2.7])')
    assert.equal(await first({ clientName: 'c\r\nX: (y)' }), 'Received: from sender.test (cX:y [192.0.2.7])')
    const origin = { name: 'o.test', ip: '2001:db8::7', helo: 'h.test', proto: 'ESMTP', id: '1' }
    assert.equal(await first({ origin }), 'Received: from h.test (o.test [IPv6:2001:db8::7])')
    assert.equal(await first({ origin: { helo: 'h.test' } }), 'Received: from sender.test ([192.0.2.7])')
    assert.equal(await first({ origin: { ip: '192.0.2.9' } }), 'Received: from unknown ([192.0.2.9])')
    assert.match((await lines({}, { priority: -4 }))[4]!, /^\tid T1 for <anna@a\.test> priority -4; /)
    await house.close()
  },
)

onEachStore('held for its time: nobody has it before, not in a mailbox here either', async (bench) => {
  const house = await openHouse(bench)
  const [anna, ben] = [await house.user('anna'), await house.user('ben', { quotaBytes: 1 })]
  const came = arrival({ kind: 'submission', account: ben, user: 'ben@a.test' })
  const until = came.receivedAt + 3_600_000
  const to = [
    { address: address('anna@a.test'), params: { notify: ['success' as const] } },
    { address: address('ben@a.test') },
    { address: address('x@else.test') },
  ]
  const mail = { ...envelope('ben@a.test', []), to, params: { holdUntil: until } }
  const { verdicts } = await house.delivery.receive(came, mail, await house.content(text))
  assert.deepEqual(words(verdicts), ['ok', 'ok', 'ok'])
  assert.deepEqual(await house.messages(anna), [])
  assert.deepEqual((await addresses(house)).sort(), ['local anna@a.test', 'local ben@a.test', 'remote x@else.test'])
  const row = (await house.queued()).find((one) => one.address === 'anna@a.test')!
  assert.deepEqual(JSON.parse(row.params), { notify: ['success'], account: anna })
  assert.equal(row.reason, 'held until its time')
  // Time that is over holds nothing.
  const late = { ...envelope('ben@a.test', ['anna@a.test']), params: { holdUntil: came.receivedAt } }
  await house.delivery.receive(came, late, await house.content(text))
  assert.equal((await house.messages(anna)).length, 1)
  await house.close()
})

onEachStore('a binary message: mailboxes keep lines, what leaves is as it came', async (bench) => {
  const house = await openHouse(bench)
  const anna = await house.user('anna')
  await house.user('ben', { quotaBytes: 1 })
  const bytes = Buffer.from('\0\xff\n\r.\r\nRCPT\r', 'latin1')
  const head =
    'From: s@else.test\nMIME-Version: 1.0\nContent-Type: multipart/mixed; boundary=b\nContent-Transfer-Encoding: binary\n'
  const parts = `${head}\n--b\n\nhello\n--b\nContent-Type: application/x\nContent-Transfer-Encoding: binary\n\n`
  const whole = Buffer.concat([crlf(parts), bytes, crlf('\n--b--\n')])
  const spool = createSpool({ blobs: house.store.blobs, maxSize: 1e6 })
  await spool.write(whole)
  const mail = envelope('anna@a.test', ['anna@a.test', 'ben@a.test', 'x@else.test'], {
    body: 'binarymime',
    params: { binary: true },
  })
  const came = arrival({ kind: 'submission', account: anna, user: 'anna@a.test' })
  await house.delivery.receive(came, mail, await spool.finish())
  const message = (await house.messages(anna))[0]!
  assert.ok(message.includes('Content-Transfer-Encoding: base64'), message)
  assert.ok(message.includes(`\n\n${bytes.toString('base64')}\n--b--\n`), message)
  assert.ok(message.includes('\n\nhello\n--b\n'), message)
  assert.ok(![...message].some((char) => '\0\r'.includes(char)))
  const queued = await house.queued()
  assert.deepEqual(queued.map(({ kind, address }) => `${kind} ${address}`).sort(), [
    'local ben@a.test',
    'remote x@else.test',
  ])
  const contentOf = async (address: string) => {
    const { content } = queued.find((row) => row.address === address)!
    const row = await house.store.read((tx) =>
      tx.get<{ data: Uint8Array }>(sql`SELECT data FROM content_data WHERE content = ${content}`),
    )
    return Buffer.from(row!.data)
  }
  assert.deepEqual(await contentOf('x@else.test'), whole)
  assert.ok((await contentOf('ben@a.test')).includes('base64'))
  // One that has lines already is kept as it is, once.
  const plain = { ...envelope('s@else.test', ['anna@a.test']), params: { binary: true } }
  await house.delivery.receive(arrival(), plain, await house.content(text))
  assert.ok((await house.messages(anna))[1]!.endsWith(text))
  await house.close()
})

const crlf = (lines: string) => Buffer.from(lines.replaceAll('\n', '\r\n'))
