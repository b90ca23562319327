// Timelines: written, found and swept, on both databases.

import assert from 'node:assert/strict'
import { test } from 'node:test'
import { onEachStore } from '../../test/stores.ts'
import { type Address, parseAddress } from '../address/index.ts'
import { type AccountId, fakeClock, type QueueId, silentLog, toId } from '../base/index.ts'
import { type Store, sql, traceRows } from '../store/index.ts'
import { timeOfTraceId } from './id.ts'
import { createRefusals, createTrace, createTraceId, type TraceEntry } from './index.ts'
import { packKeys } from './keys.ts'
import { searchSegment, toSegment } from './segments.ts'
import { sweepTraces } from './sweep.ts'

const day = 86_400_000
const at = (text: string): Address => parseAddress(text)!

function open(store: Store, keep = 14 * day) {
  const users = new Map([['anna@a.test', { id: toId<AccountId>(7), email: 'anna@a.test' }]])
  const accounts = { findUser: async (address: string) => users.get(address) }
  const clock = { ...fakeClock(), now: Date.now }
  const trace = createTrace({ store, accounts, clock, log: silentLog, keep })
  return {
    ...trace,
    put: (entry: TraceEntry) => store.write([], (tx) => trace.tx.begin(tx, entry)),
    ids: async (what: string, query = {}) => (await trace.reads.find(what, query)).timelines.map(({ id }) => id),
  }
}

const entry = (time: number, more: Partial<TraceEntry> = {}): TraceEntry => ({
  id: createTraceId(time),
  origin: 'mx',
  from: at('x@b.test'),
  to: [at('anna@a.test')],
  events: [{ at: time, kind: 'stored', copies: [{ to: 'anna@a.test', mailbox: 'INBOX' }], count: 1 }],
  ...more,
})

test('ids are unique, sort by time, and tell it', () => {
  const ids = Array.from({ length: 1000 }, (_, i) => createTraceId(1_700_000_000_000 + i))
  assert.equal(new Set(ids).size, 1000)
  assert.deepEqual([...ids].sort(), ids)
  assert.equal(timeOfTraceId(ids[7]!), 1_700_000_000_007)
  for (const bad of ['', 'abc', `${ids[0]}0`, 'il0u000000000000']) assert.equal(timeOfTraceId(bad), undefined, bad)
})

onEachStore(
  'a timeline is found by its id, queue id, Message-ID, and the addresses of all whom it concerns',
  async ({ store }) => {
    const { put, ids } = open(store)
    const now = Date.now()
    const one = entry(now - 5, {
      to: [at('info@a.test'), at('Bob@A.test')],
      messageId: 'one@b.test',
      also: {
        addresses: [at('far@c.test')],
        accounts: [toId<AccountId>(7)],
        queue: [toId<QueueId>(123)],
      },
    })
    const two = entry(now - 3 * day, { from: null })
    await put(two)
    await put(one)
    for (const what of [
      one.id,
      one.id.toUpperCase(),
      '123',
      'one@b.test',
      '<one@b.test>',
      'X@b.test',
      'info@a.test',
      'bob@a.test',
      '<far@c.test>',
    ])
      assert.deepEqual(await ids(what), [one.id], what)
    // Whatever led to her mailbox, besides her own address.
    assert.deepEqual(await ids('anna@a.test'), [one.id, two.id])
    for (const what of ['124', 'nobody@a.test', 'one', '', '<>', createTraceId(now), '9'.repeat(40)])
      assert.deepEqual(await ids(what), [], what)
  },
)

onEachStore('of many the newest come first, in pages, none twice and none left out', async ({ store }) => {
  const { put, reads, ids } = open(store)
  const now = Date.now()
  const all = Array.from({ length: 45 }, (_, i) => entry(now - i * day * 0.3 - 1000))
  for (const one of all.toReversed()) await put(one)
  const found: string[] = []
  for (let after: string | undefined; ; ) {
    const { timelines, next }: Awaited<ReturnType<typeof reads.find>> = await reads.find('x@b.test', {
      limit: 7,
      ...(after && { after }),
    })
    found.push(...timelines.map(({ id }) => id))
    after = next
    if (!after) break
  }
  assert.deepEqual(
    found,
    all.map(({ id }) => id),
  )
  assert.equal((await ids('x@b.test', { since: now - 2 * day, limit: 100 })).length, 7)
  assert.equal((await ids('x@b.test')).length, 20)
})

onEachStore('what happens later is added in order, and of each recipient the last counts', async ({ store }) => {
  const { put, tx, reads } = open(store)
  const now = Date.now()
  const to = ['far@c.test', 'gone@c.test', 'slow@c.test']
  const one = entry(now, { to: to.map(at), events: [{ at: now, kind: 'queued', queue: 9, to, count: 3 }] })
  await put(one)
  const results = (result: 'retry' | 'delivered' | 'fail', names: readonly string[]) =>
    names.map((name) => ({ to: name, result, reply: '250 ok' }))
  await store.write([], async (writer) => {
    await tx.add(writer, one.id, { at: now + 1, kind: 'attempt', queue: 9, results: results('retry', to) })
    await tx.add(writer, one.id, { at: now + 2, kind: 'attempt', queue: 9, results: results('delivered', [to[0]!]) })
    await tx.add(writer, one.id, { at: now + 2, kind: 'attempt', queue: 9, results: results('fail', [to[1]!]) })
    // A message from before there were timelines.
    await tx.add(writer, '', { at: now, kind: 'attempt', queue: 9, results: [] })
  })
  const [found] = (await reads.find(one.id)).timelines
  assert.deepEqual(
    found!.events.map(({ at: time, kind }) => [time - now, kind]),
    [
      [0, 'queued'],
      [1, 'attempt'],
      [2, 'attempt'],
      [2, 'attempt'],
    ],
  )
  assert.deepEqual(found!.states, { delivered: 1, failed: 1, waiting: 1 })
})

onEachStore('many events are read in pages that end between timelines', async ({ store }) => {
  const { put, tx, reads } = open(store)
  const now = Date.now()
  const all = [entry(now - 3), entry(now - 2), entry(now - 1)]
  for (const one of all) {
    await put(one)
    await store.write([], async (writer) => {
      for (let i = 0; i < 600; i++) await tx.add(writer, one.id, { at: now + i, kind: 'held', by: 'me' })
    })
  }
  const { timelines } = await reads.find('x@b.test')
  assert.deepEqual(
    timelines.map(({ events }) => events.length),
    [601, 601, 601],
  )
})

onEachStore('a message to thousands is found by each of them and shows the first hundred', async ({ store }) => {
  const { put, reads, ids } = open(store)
  const one = entry(Date.now(), { to: Array.from({ length: 2500 }, (_, i) => at(`u${i}@c.test`)) })
  await put(one)
  assert.deepEqual(await ids('u2499@c.test'), [one.id])
  const [found] = (await reads.find(one.id)).timelines
  assert.deepEqual([found!.to.length, found!.recipients], [100, 2500])
})

onEachStore('what is older than is kept goes, with its keys and events', async ({ store }) => {
  const { put, tx, ids } = open(store)
  const now = Date.now()
  const [old, fresh] = [entry(now - 15 * day), entry(now - 13 * day)]
  for (const one of [old, fresh]) {
    await put(one)
    await store.write([], (writer) => tx.add(writer, one.id, { at: now, kind: 'held', by: 'me' }))
  }
  await store.write([], (tx) => tx.run(sql`UPDATE trace SET at = ${now - 15 * day} WHERE id = ${old.id}`))
  assert.deepEqual(await ids('x@b.test'), [fresh.id])
  assert.equal(await sweepTraces(store, 14 * day), 2)
  assert.deepEqual(await ids(old.id), [])
  const counts = await store.read((reader) =>
    reader.get(sql`SELECT (SELECT count(*) FROM trace) AS heads, (SELECT count(*) FROM trace_event) AS events`),
  )
  assert.deepEqual({ ...(counts as object) }, { heads: 1, events: 1 })
  assert.equal(await sweepTraces(store, 0), 2)
})

onEachStore('nothing is kept when nothing shall be kept', async ({ store }) => {
  const { put, notes, tx } = open(store, 0)
  await put(entry(Date.now()))
  await notes.note([entry(Date.now())])
  assert.equal(tx.on, false)
  assert.deepEqual(
    { ...((await store.read((reader) => reader.get(sql`SELECT count(*) AS n FROM trace`))) as object) },
    { n: 0 },
  )
})

test('refusals: a client has a few timelines at once, then one in a while; the rest is counted', async () => {
  const clock = fakeClock()
  const kept: TraceEntry[] = []
  const refusals = createRefusals({
    notes: { note: async (entries) => void kept.push(...entries) },
    clock,
    log: silentLog,
  })
  const refused = () => entry(clock.now(), { events: [] })
  for (let i = 0; i < 1000; i++) refusals.offer('192.0.2.1', refused())
  refusals.offer('192.0.2.2', refused())
  await clock.advance(1_000)
  assert.equal(kept.length, 21)
  await clock.advance(30_000)
  refusals.offer('192.0.2.1', refused())
  refusals.offer('192.0.2.1', refused())
  await refusals.stop()
  assert.deepEqual(kept.at(-1)!.events, [
    { at: clock.now(), kind: 'not kept', count: 980, since: clock.now() - 31_000 },
  ])
  assert.equal(kept.length, 22)
})

test('refusals: a flood from everywhere is bounded too, and one network of IPv6 is one client', async () => {
  const clock = fakeClock()
  let kept = 0
  const refusals = createRefusals({
    notes: { note: async (entries) => void (kept += entries.length) },
    clock,
    log: silentLog,
  })
  for (let i = 0; i < 100; i++) refusals.offer(`2001:db8::${i.toString(16)}`, entry(clock.now()))
  await clock.advance(1_000)
  assert.equal(kept, 20)
  for (let i = 0; i < 20_000; i++) refusals.offer(`10.${i >> 16}.${(i >> 8) & 255}.${i & 255}`, entry(clock.now()))
  await refusals.stop()
  assert.ok(kept <= 501, `${kept}`)
})

test('refusals: a core that is away costs the timelines, and nothing else', async () => {
  const clock = fakeClock()
  const refusals = createRefusals({
    notes: { note: () => Promise.reject(new Error('away')) },
    clock,
    log: silentLog,
  })
  refusals.offer('192.0.2.1', entry(clock.now()))
  await refusals.stop()
})

onEachStore('hundreds of timelines are sorted into segments and found as before, in order', async ({ store }) => {
  const now = Date.now()
  // On PostgreSQL only what has settled is sorted.
  const clock = { ...fakeClock(), now: Date.now }
  const accounts = { findUser: async () => undefined }
  const trace = createTrace({ store, accounts, clock, log: silentLog, keep: 14 * day })
  const all = Array.from({ length: 700 }, (_, i) =>
    entry(now - 700 + i, { from: at(`s${i % 7}@b.test`), messageId: `m${i}@b.test` }),
  )
  for (let i = 0; i < all.length; i += 50)
    await store.write([], async (tx) => {
      for (const one of all.slice(i, i + 50)) await trace.tx.begin(tx, one)
    })
  if (store.dialect === 'postgres') await store.write([], (tx) => tx.run(sql`UPDATE trace SET at = at - 60000`))
  // Numbers may be missing: a transaction that was taken back.
  await store.write([], (tx) => tx.run(sql`DELETE FROM trace WHERE n IN (3, 300)`))
  await trace.begin()
  const made = await store.read((tx) => traceRows.segmentsBefore(tx, Number.MAX_SAFE_INTEGER, 10))
  assert.ok(made.length === 2 && made.every(({ first, last }) => last - first < 256), `${made.length}`)
  const left = all.filter((_, i) => i !== 2 && i !== 299)
  for (const wanted of [left[0]!, left[250]!, left[254]!, left[255]!, left[256]!, left[600]!]) {
    for (const what of [wanted.id, wanted.messageId!]) {
      const { timelines } = await trace.reads.find(what)
      assert.deepEqual(
        timelines.map(({ id }) => id),
        [wanted.id],
      )
    }
  }
  const found: string[] = []
  for (let after: string | undefined; ; ) {
    const { timelines, next }: Awaited<ReturnType<typeof trace.reads.find>> = await trace.reads.find('s3@b.test', {
      limit: 30,
      ...(after && { after }),
    })
    found.push(...timelines.map(({ id }) => id))
    after = next
    if (!after) break
  }
  const expected = left.filter(({ from }) => from?.local === 's3').map(({ id }) => id)
  assert.deepEqual(found, expected.toReversed())
  // When all is swept, nothing is left over of the segments.
  await sweepTraces(store, -1000)
  assert.deepEqual(await store.read((tx) => traceRows.segmentsBefore(tx, Number.MAX_SAFE_INTEGER, 10)), [])
})

test('a segment of messages with very many recipients ends early, and one message always fits', () => {
  const keys = (count: number, from: number) => packKeys(new Set(Array.from({ length: count }, (_, i) => from + i)))
  const rows = [1, 2, 3].map((n) => ({ n, at: n, keys: keys(3_000, n * 10_000) }))
  const segment = toSegment(rows)
  assert.deepEqual([segment.first, segment.last, segment.at], [1, 1, 1])
  assert.deepEqual([...searchSegment(segment, [12_999, 13_000])], [1])
  assert.equal(toSegment([{ n: 9, at: 1, keys: keys(10_000, 1) }]).keys.length, 60_000)
})
