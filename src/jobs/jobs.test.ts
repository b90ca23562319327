// Durable work: done once, tried again, taken up from the dead; and what keeps the store small.

import assert from 'node:assert/strict'
import { onEachStore } from '../../test/stores.ts'
import { type AccountId, fakeClock, realClock, silentLog, toId } from '../base/index.ts'
import { changeRows, jobRows, metaRows, type Store, sql, type Writer } from '../store/index.ts'
import {
  createJobRunner,
  enqueueJob,
  ensureJob,
  housekeepingHandlers,
  type JobHandlers,
  pruneChanges,
  retryAfter,
  sweepContents,
} from './index.ts'

const nothing = async () => {}
const handlersOf = (store: Store, more: Partial<JobHandlers> = {}): JobHandlers => ({
  ...housekeepingHandlers({ store, log: silentLog }),
  post: nothing,
  'sweep-abuse': nothing,
  'sweep-traces': nothing,
  'remove-account': nothing,
  'sweep-mailbox': nothing,
  'pack-mailbox': nothing,
  'tend-dkim-keys': nothing,
  'expire-quarantine': nothing,
  'tell-of-quarantine': nothing,
  'refresh-sts-policies': nothing,
  'tend-certificates': nothing,
  'read-returned': nothing,
  'forget-returned': nothing,
  learn: nothing,
  'teach-filters': nothing,
  'send-reports': nothing,
  'send-failure-report': nothing,
  'read-report': nothing,
  'forget-reports': nothing,
  ...more,
})
const account = toId<AccountId>(7)
const remove = (tx: Writer) => enqueueJob(tx, 'remove-account', { account })
const waiting = (store: Store) => store.read((tx) => jobRows.listJobs(tx, 100))
/** Lets everything run that runs without a timer. */
const turn = () => new Promise((resolve) => setImmediate(resolve))
async function until(condition: () => boolean | Promise<boolean>): Promise<void> {
  while (!(await condition())) await turn()
}

onEachStore('a job runs once, with its payload, and is gone', async ({ store }) => {
  const seen: unknown[] = []
  const handlers = handlersOf(store, { 'remove-account': async (payload) => void seen.push(payload) })
  await store.write([], remove)
  const runner = createJobRunner({ store, handlers, clock: realClock, log: silentLog })
  await until(() => seen.length === 1)
  await store.write([], remove)
  await until(async () => seen.length === 2 && (await waiting(store)).length === 0)
  await runner.stop()
  assert.deepEqual(seen, [{ account: 7 }, { account: 7 }])
})

onEachStore('a job of an undone transaction never was', async ({ store }) => {
  const undone = store.write([], async (tx) => {
    await remove(tx)
    throw new Error('no')
  })
  await assert.rejects(undone)
  assert.deepEqual(await waiting(store), [])
})

onEachStore('effect and end of a job are one transaction', async ({ store }) => {
  let tries = 0
  const handlers = handlersOf(store, {
    'remove-account': (_payload, job) =>
      store.write([], async (tx) => {
        await metaRows.putMeta(tx, `effect ${++tries}`, '')
        await job.done(tx)
      }),
  })
  await store.write([], remove)
  const runner = createJobRunner({ store, handlers, clock: realClock, log: silentLog })
  await until(async () => (await waiting(store)).length === 0)
  await runner.stop()
  assert.equal(await store.read((tx) => metaRows.getMeta(tx, 'effect 1')), '')
  assert.equal(tries, 1)
})

onEachStore('who lost his claim has no effect', async ({ store }) => {
  let rejected: unknown
  const handlers = handlersOf(store, {
    'remove-account': async (_payload, job) => {
      await store.write([], (tx) => jobRows.releaseJobs(tx, ['somebody else']))
      rejected = await store
        .write([], async (tx) => {
          await metaRows.putMeta(tx, 'effect', '')
          await job.done(tx)
        })
        .catch((error) => error)
      await store.write([], async (tx) => {
        await jobRows.claimJobs(tx, 'somebody else', ['remove-account'], 1)
      })
    },
  })
  await store.write([], remove)
  const runner = createJobRunner({ store, handlers, clock: realClock, log: silentLog })
  await until(() => rejected !== undefined)
  await runner.stop()
  assert.equal((rejected as { code: string }).code, 'conflict')
  assert.equal(await store.read((tx) => metaRows.getMeta(tx, 'effect')), undefined)
})

{
  const clock = fakeClock()
  onEachStore(
    'a failing job is tried again, later each time, and keeps the reason',
    async ({ store }) => {
      const at: number[] = []
      const handlers = handlersOf(store, {
        'remove-account': async (_payload, { attempts }) => {
          at.push(clock.now())
          if (attempts < 4) throw new Error(`attempt ${attempts} failed`)
        },
      })
      await store.write([], remove)
      const runner = createJobRunner({ store, handlers, clock, log: silentLog })
      await until(() => at.length === 1)
      await until(async () => (await waiting(store))[0]?.error === 'attempt 1 failed')
      for (let i = 0; i < 8 && at.length < 4; i++) await clock.advance(5_000)
      await until(async () => (await waiting(store)).length === 0)
      await runner.stop()
      assert.deepEqual(
        at.map((time) => time - at[0]!),
        [0, 5_000, 15_000, 35_000],
      )
    },
    { clock, only: 'sqlite' },
  )
  onEachStore(
    'a job waits for its time',
    async ({ store }) => {
      let ran = 0
      const handlers = handlersOf(store, { 'remove-account': async () => void ran++ })
      await store.write([], (tx) => enqueueJob(tx, 'remove-account', { account }, { runAt: tx.now + 90_000 }))
      const runner = createJobRunner({ store, handlers, clock, log: silentLog })
      await clock.advance(89_000)
      assert.equal(ran, 0)
      await clock.advance(1_000)
      await until(() => ran === 1)
      await runner.stop()
    },
    { clock, only: 'sqlite' },
  )
}

onEachStore('claims of the dead are taken up, those of the living are not', async ({ store, dialect }) => {
  const taken = async (owner: string) => {
    await store.write([], remove)
    const [row] = await store.write([], (tx) => jobRows.claimJobs(tx, owner, ['remove-account'], 1))
    return row!.id
  }
  const ofDead = await taken('dead')
  const ofLiving = await taken('living')
  if (dialect === 'postgres') {
    await store.write([], (tx) => metaRows.beat(tx, 'living'))
    await store.write([], (tx) => metaRows.putMeta(tx, 'node:dead', '1000'))
  }
  const seen: number[] = []
  const handlers = handlersOf(store, { 'remove-account': async (_payload, { id }) => void seen.push(id) })
  const runner = createJobRunner({ store, handlers, clock: realClock, log: silentLog })
  // On SQLite there is one process: whoever else held a claim is dead.
  const expected = dialect === 'sqlite' ? [ofDead, ofLiving] : [ofDead]
  await until(() => seen.length === expected.length)
  await runner.stop()
  assert.deepEqual(
    seen.sort((a, b) => a - b),
    expected,
  )
  assert.equal(await store.read((tx) => metaRows.getMeta(tx, 'node:dead')), undefined)
})

onEachStore(
  'two nodes share the work',
  async ({ store, open }) => {
    const other = await open()
    const ran = new Map<number, number>()
    const runners = [store, other].map((node) =>
      createJobRunner({
        store: node,
        handlers: handlersOf(node, {
          'remove-account': async (_p, { id }) => void ran.set(id, (ran.get(id) ?? 0) + 1),
        }),
        clock: realClock,
        log: silentLog,
      }),
    )
    for (let i = 0; i < 5; i++) await store.write([], async (tx) => void (await Promise.all([remove(tx), remove(tx)])))
    await until(() => ran.size === 10)
    await Promise.all(runners.map((runner) => runner.stop()))
    assert.deepEqual([...new Set(ran.values())], [1])
  },
  { only: 'postgres' },
)

onEachStore('a recurring job is there once', async ({ store }) => {
  for (let i = 0; i < 3; i++) await store.write('server', (tx) => ensureJob(tx, 'prune-changes', {}))
  assert.equal((await waiting(store)).length, 1)
})

const addContent = async (tx: Writer, hash: string, file: string | null) => {
  const row = await tx.get<{ id: number }>(
    sql`INSERT INTO content (hash, size, file, structure, envelope, bodystructure, base_subject, sort_from, sort_to, sort_cc,
          display_from, display_to, subject_text, from_text, to_text, cc_text, bcc_text, preview, has_attachment, has8bit, refs, created_at)
        VALUES (${Buffer.from(hash)}, 1, ${file}, '', '', '', '', '', '', '', '', '', '', '', '', '', '', '', 0, 0, '', ${tx.now})
        RETURNING id`,
  )
  if (!file) await tx.run(sql`INSERT INTO content_data (content, data) VALUES (${row!.id}, ${Buffer.from(hash)})`)
  return row!.id
}
const addFile = async (store: Store) => {
  const writer = await store.blobs.create()
  await writer.write(Buffer.from('x'))
  return writer.finish('cd'.repeat(32))
}

onEachStore('contents that nobody refers to are swept, the others stay', async ({ store }) => {
  const kept = await addFile(store)
  const unneeded = await addFile(store)
  const orphan = await addFile(store)
  const ids = await store.write('server', async (tx) => {
    const inMessage = await addContent(tx, 'in a message', kept)
    const inQueue = await addContent(tx, 'in the queue', null)
    const inJob = await addContent(tx, 'in a job', null)
    await tx.run(
      sql`INSERT INTO message (account, content, prefix, size, received_at, thread)
          VALUES (1, ${inMessage}, ${Buffer.alloc(0)}, 1, 0, 1)`,
    )
    await tx.run(
      sql`INSERT INTO queue_message (content, prefix, size, created_at) VALUES (${inQueue}, ${Buffer.alloc(0)}, 1, 0)`,
    )
    await enqueueJob(tx, 'post', { from: null, to: [], content: inJob, utf8: false })
    for (let i = 0; i < 120; i++) await addContent(tx, `unneeded ${i}`, null)
    await addContent(tx, 'unneeded', unneeded)
    return [inMessage, inQueue, inJob]
  })
  assert.deepEqual(await sweepContents(store), { contents: 121, files: 0 })
  const left = await store.read((tx) => tx.all<{ id: number }>(sql`SELECT id FROM content ORDER BY id LIMIT 10`))
  assert.deepEqual(
    left.map(({ id }) => id),
    ids,
  )
  const data = await store.read((tx) => tx.all(sql`SELECT content FROM content_data LIMIT 10`))
  assert.equal(data.length, 2)

  // The file of a deleted content waits for its job, however old it is; a file without any row goes by its age.
  assert.deepEqual(await sweepContents(store, { olderThanMs: -1_000 }), { contents: 0, files: 1 })
  assert.deepEqual(await store.blobs.list(-1_000), [kept, unneeded].sort())
  const [unlink] = await store.read((tx) => jobRows.payloadsOf(tx, 'unlink-blobs', 10))
  assert.deepEqual(JSON.parse(unlink!), { files: [unneeded] })
  await handlersOf(store)['unlink-blobs']({ files: [unneeded, kept, orphan] }, undefined as never)
  assert.deepEqual(await store.blobs.list(-1_000), [kept])
  assert.deepEqual(await store.check(), [])
  await store.blobs.remove(kept)
  assert.deepEqual(await store.check(), [`content ${ids[0]} has lost its file ${kept}`])
})

onEachStore('old changes are pruned, and the floor says how far', async ({ store }) => {
  const id = await store.write('server', async (tx) => {
    await tx.run(sql`INSERT INTO domain (name, created_at) VALUES ('a.test', 1)`)
    const row = await tx.get<{ id: AccountId }>(
      sql`INSERT INTO account (domain, local, created_at) SELECT id, 'a', 1 FROM domain RETURNING id`,
    )
    return row!.id
  })
  for (let i = 1; i <= 20; i++)
    await store.write(id, async (tx) => tx.changed(id, { kind: 'email', container: 1, what: 'created', ids: [[i, i]] }))
  assert.equal(await pruneChanges(store, 5), 15)
  assert.equal(await pruneChanges(store, 5), 0)
  const state = await store.read((tx) => changeRows.changeState(tx, id))
  assert.deepEqual({ ...state }, { modseq: 21, floor: 16 })
  const rows = await store.read((tx) => changeRows.changesAfter(tx, id, 0, 100))
  assert.deepEqual(
    rows.map(({ modseq }) => modseq),
    [17, 18, 19, 20, 21],
  )
})

onEachStore(
  'the wait between attempts doubles up to an hour',
  async () => {
    assert.deepEqual([1, 2, 3, 10, 11, 1_000].map(retryAfter), [5_000, 10_000, 20_000, 2_560_000, 3_600_000, 3_600_000])
  },
  { only: 'sqlite' },
)
