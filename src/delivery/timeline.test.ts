// What delivery writes into a message's timeline, in the transaction that accepts it.

import assert from 'node:assert/strict'
import { onEachStore } from '../../test/stores.ts'
import type { JobId } from '../base/index.ts'
import { toId } from '../base/index.ts'
import { createTraceId, type Timeline } from '../trace/index.ts'
import { arrival, envelope, type House, openHouse } from './testing/house.ts'

const text = 'From: s@else.test\nSubject: secret\nMessage-ID: <1@else.test>\n\nbody\n'
const size = text.replaceAll('\n', '\r\n').length
const show = (timeline: Timeline | undefined) =>
  timeline?.events.map((event) => {
    if (event.kind === 'stored') return `stored ${event.copies.map(({ to }) => to)}`
    if (event.kind === 'queued') return `queued ${event.to}${event.why === undefined ? '' : ` ${event.why}`}`
    if (event.kind === 'expanded') return `${event.from} → ${event.to}`
    return event.kind === 'refused' ? `refused ${event.to} ${event.reply}` : event.kind
  })

async function receive(house: House, kind: 'mx' | 'lmtp', to: readonly string[]) {
  const traceId = createTraceId(Date.now())
  const came = arrival({ traceId, kind })
  await house.delivery.receive(came, envelope('s@else.test', to), await house.content(text))
  return (await house.timelines.find(traceId)).timelines[0]
}

onEachStore('stored, waiting for room, sent on: each recipient by what became of him', async (bench) => {
  const house = await openHouse(bench)
  await house.user('anna')
  await house.user('full', { quotaMessages: 1 })
  await house.writes.addAlias('all@a.test', ['anna@a.test', 'full@a.test', 'out@far.test'])
  await receive(house, 'mx', ['full@a.test'])
  const found = await receive(house, 'mx', ['all@a.test', 'anna@a.test'])
  assert.deepEqual(show(found), [
    'all@a.test → anna@a.test,full@a.test,out@far.test',
    'stored anna@a.test',
    'queued full@a.test 4.2.2 the mailbox is full',
    'queued out@far.test',
  ])
  assert.deepEqual(found!.states, { delivered: 1, waiting: 2 })
  assert.deepEqual([found!.messageId, found!.to, found!.size], ['1@else.test', ['all@a.test', 'anna@a.test'], size])
  for (const what of ['anna@a.test', 'all@a.test', 'out@far.test', '<1@else.test>'])
    assert.equal((await house.timelines.find(what)).timelines[0]?.id, found!.id, what)
  await house.close()
})

onEachStore('LMTP says it of each recipient; what nobody took has no timeline from here', async (bench) => {
  const house = await openHouse(bench)
  await house.user('anna')
  const found = await receive(house, 'lmtp', ['anna@a.test', 'nobody@a.test'])
  assert.deepEqual(show(found), [
    'refused nobody@a.test 550 5.1.1 there is no user <nobody@a.test>',
    'stored anna@a.test',
  ])
  assert.deepEqual(found!.states, { refused: 1, delivered: 1 })
  assert.equal(await receive(house, 'mx', ['nobody@a.test']), undefined)
  await house.close()
})

onEachStore('mail of the server itself has a timeline that says so', async (bench) => {
  const house = await openHouse(bench)
  await house.user('anna')
  const content = await house.store.write([], async (tx) => house.mail.putContent(tx, await house.content(text)))
  const job = { id: toId<JobId>(1), attempts: 1, done: async () => {}, again: async () => {} }
  await house.post({ from: null, to: ['anna@a.test'], content, utf8: false, about: 'that' }, job)
  const [found] = (await house.timelines.find('anna@a.test')).timelines
  assert.deepEqual([found!.origin, found!.from, show(found)], ['internal', '', ['written', 'stored anna@a.test']])
  assert.deepEqual(found!.events[0], { at: found!.at, kind: 'written', about: 'that' })
  await house.close()
})
