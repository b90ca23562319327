// The contract of the store, the same on every database.

import assert from 'node:assert/strict'
import { spawn } from 'node:child_process'
import { once } from 'node:events'
import { statSync } from 'node:fs'
import { join } from 'node:path'
import { createInterface } from 'node:readline'
import { test } from 'node:test'
import { Worker } from 'node:worker_threads'
import { onEachStore } from '../../test/stores.ts'
import { type AccountId, fakeClock, isFault, silentLog, toId } from '../base/index.ts'
import { changeRows, metaRows, oneOf, openReadStore, type Ring, type Store, sql, type Writer } from './index.ts'

const put = (tx: Writer, key: string, value = '') => metaRows.putMeta(tx, key, value)
const lookUp = (store: Store, key: string) => store.read((tx) => metaRows.getMeta(tx, key))

async function addAccounts(store: Store, count: number): Promise<AccountId[]> {
  return store.write('server', async (tx) => {
    const domain = await tx.get<{ id: number }>(
      sql`INSERT INTO domain (name, created_at) VALUES ('a.test', ${tx.now}) RETURNING id`,
    )
    const ids: AccountId[] = []
    for (let i = 0; i < count; i++) {
      const row = await tx.get<{ id: number }>(
        sql`INSERT INTO account (domain, local, created_at) VALUES (${domain!.id}, ${`user${i}`}, ${tx.now}) RETURNING id`,
      )
      ids.push(toId(row!.id))
    }
    return ids
  })
}

onEachStore('a write is all or nothing, and fails with its own error', async ({ store }) => {
  const error = new Error('changed my mind')
  const failed = store.write([], async (tx) => {
    await put(tx, 'a')
    throw error
  })
  await assert.rejects(failed, error)
  assert.equal(await lookUp(store, 'a'), undefined)
  assert.equal(await store.write([], (tx) => put(tx, 'a', 'kept').then(() => 7)), 7)
  assert.equal(await lookUp(store, 'a'), 'kept')
})

onEachStore('of writes that run together a failing one takes back only its own rows', async ({ store }) => {
  const keys = Array.from({ length: 30 }, (_, i) => `k${i}`)
  const results = await Promise.allSettled(
    keys.map((key, i) =>
      store.write([], async (tx) => {
        await put(tx, key)
        if (i % 3 === 0) throw new Error('no')
        await put(tx, `${key}b`)
      }),
    ),
  )
  for (const [i, key] of keys.entries()) {
    const fails = i % 3 === 0
    assert.equal(results[i]!.status, fails ? 'rejected' : 'fulfilled')
    assert.equal(await lookUp(store, key), fails ? undefined : '')
    assert.equal(await lookUp(store, `${key}b`), fails ? undefined : '')
  }
})

onEachStore(
  'a write for which nobody waits is written all the same: alone, with another, and before the store closes',
  async (bench) => {
    const { store } = bench
    await store.write([], (tx) => put(tx, 'alone'), { patient: true })
    assert.equal(await lookUp(store, 'alone'), '')
    const order: string[] = []
    const patient = store.write([], (tx) => put(tx, 'patient'), { patient: true }).then(() => order.push('patient'))
    const other = store.write([], (tx) => put(tx, 'other')).then(() => order.push('other'))
    await other
    if (bench.dialect === 'sqlite') assert.equal(await lookUp(store, 'patient'), '')
    await patient
    assert.equal(order.length, 2)
    const failed = store.write([], () => Promise.reject(new Error('no')), { patient: true })
    await assert.rejects(failed, { message: 'no' })
    const last = store.write([], (tx) => put(tx, 'last'), { patient: true })
    await Promise.all([last, store.close()])
    assert.equal(await lookUp(await bench.open(), 'last'), '')
  },
)

onEachStore('a failed statement leaves the writes beside it alone', async ({ store }) => {
  const twice = store.write([], async (tx) => {
    await tx.run(sql`INSERT INTO meta (key, value) VALUES ('twice', '1')`)
    await tx.run(sql`INSERT INTO meta (key, value) VALUES ('twice', '2')`)
  })
  const beside = store.write([], (tx) => put(tx, 'beside'))
  await assert.rejects(twice, (error) => isFault(error, 'exists'))
  await beside
  assert.equal(await lookUp(store, 'twice'), undefined)
})

{
  const points: string[] = []
  onEachStore(
    'writes of one turn of the loop share one commit',
    async ({ store }) => {
      points.length = 0
      await Promise.all(Array.from({ length: 100 }, (_, i) => store.write([], (tx) => put(tx, `k${i}`))))
      assert.equal(points.filter((point) => point === 'write.committed').length, 1)
      await Promise.all(Array.from({ length: 450 }, (_, i) => store.write([], (tx) => put(tx, `m${i}`))))
      assert.ok(points.filter((point) => point === 'write.committed').length >= 4, 'a batch is bounded')
    },
    // A batch also ends when it has taken long, as it does on a machine with other things to do.
    { only: 'sqlite', fault: (point) => points.push(point), clock: fakeClock() },
  )
}

onEachStore(
  'a write that awaits anything but its tx is rejected and undone',
  async ({ store }) => {
    let late: Promise<unknown> | undefined
    const slow = store.write([], async (tx) => {
      await put(tx, 'slow')
      await new Promise((resolve) => setTimeout(resolve, 1))
      late = put(tx, 'late')
      await late
    })
    const beside = store.write([], (tx) => put(tx, 'beside'))
    await assert.rejects(slow, /only tx may be awaited/)
    await beside
    while (!late) await new Promise((resolve) => setImmediate(resolve))
    await assert.rejects(late, /has ended/)
    assert.equal(await lookUp(store, 'slow'), undefined)
    assert.equal(await lookUp(store, 'late'), undefined)
    assert.equal(await lookUp(store, 'beside'), '')
  },
  { only: 'sqlite' },
)

onEachStore('modseq rises once per write and account, and its order is the order of commits', async ({ store }) => {
  const [account] = await addAccounts(store, 1)
  const heard: number[] = []
  store.bell.on((ring) => 'account' in ring && heard.push(ring.modseq))
  const modseqs = await Promise.all(
    Array.from({ length: 20 }, (_, i) =>
      store.write(account!, async (tx) => {
        const modseq = await tx.modseq(account!)
        assert.equal(await tx.modseq(account!), modseq)
        tx.changed(account!, { kind: 'email', container: 1, what: 'created', ids: [[i + 1, i + 1]] })
        return modseq
      }),
    ),
  )
  assert.deepEqual(
    [...new Set(modseqs)].sort((a, b) => a - b),
    Array.from({ length: 20 }, (_, i) => i + 2),
  )
  // Between the connections of PostgreSQL two rings may overtake each other; whoever hears 13 finds 12 committed too.
  if (store.dialect === 'sqlite')
    assert.deepEqual(
      heard,
      [...heard].sort((a, b) => a - b),
    )
  assert.equal(Math.max(...heard), 21)
})

onEachStore('notes become one change row per kind, container and what', async ({ store }) => {
  const [account] = await addAccounts(store, 1)
  const note = { kind: 'email', container: 5, what: 'created' } as const
  await store.write(account!, async (tx) => {
    tx.changed(account!, { ...note, ids: [[4, 6]] })
    tx.changed(account!, { ...note, ids: [[1, 3]] })
    tx.changed(account!, { ...note, what: 'destroyed', ids: [[2, 2]] })
  })
  const rows = await store.read((tx) => changeRows.changesAfter(tx, account!, 0, 10))
  assert.deepEqual(
    rows.map((row) => ({ ...row })),
    [
      { modseq: 2, kind: 'email', container: 5, what: 'created', ids: '1:6' },
      { modseq: 2, kind: 'email', container: 5, what: 'destroyed', ids: '2' },
    ],
  )
})

onEachStore('the account of a modseq must be in the scope, and must exist', async ({ store }) => {
  const [first, second] = await addAccounts(store, 2)
  await assert.rejects(
    store.write(first!, (tx) => tx.modseq(second!)),
    /not in the scope/,
  )
  const nobody = toId<AccountId>(99)
  await assert.rejects(
    store.write(nobody, (tx) => tx.modseq(nobody)),
    (error) => isFault(error, 'not-found'),
  )
  await store.write([second!, first!, second!], async (tx) => {
    await tx.modseq(second!)
    await tx.modseq(first!)
  })
})

onEachStore('the bell rings after the commit, and not for what was undone', async ({ store, options }) => {
  const reader = await openReadStore(options)
  const seen: Promise<unknown>[] = []
  const rings: Ring[] = []
  store.bell.on((ring) => {
    rings.push(ring)
    seen.push(reader.read((tx) => metaRows.getMeta(tx, 'a')))
  })
  const order: string[] = []
  await store.write([], async (tx) => {
    tx.ring('jobs')
    tx.afterCommit(() => order.push('after'))
    await put(tx, 'a', 'there')
    order.push('worked')
  })
  const undone = store.write([], async (tx) => {
    tx.ring('queue')
    tx.afterCommit(() => order.push('never'))
    throw new Error('no')
  })
  await assert.rejects(undone)
  assert.deepEqual(rings, [{ topic: 'jobs' }])
  assert.deepEqual(await Promise.all(seen), ['there'])
  assert.deepEqual(order, ['worked', 'after'])
  await reader.close()
})

onEachStore('a read-only store in another thread hears the bell', async ({ store, options: { store: url, data } }) => {
  const worker = new Worker(
    `import { parentPort, workerData } from 'node:worker_threads'
     import { realClock, silentLog } from '${import.meta.resolve('../base/index.ts')}'
     import { openReadStore } from '${import.meta.resolve('./index.ts')}'
     const store = await openReadStore({ ...workerData, clock: realClock, log: silentLog })
     store.bell.on(async (ring) => { await store.close(); parentPort.postMessage(ring) })
     parentPort.on('message', () => {})
     parentPort.postMessage('ready')`,
    { eval: true, workerData: { store: url, data } },
  )
  try {
    await once(worker, 'message')
    const heard = once(worker, 'message')
    await store.write([], async (tx) => tx.ring('accounts'))
    assert.deepEqual(await heard, [{ topic: 'accounts' }])
  } finally {
    await worker.terminate()
  }
})

onEachStore('a read sees one moment, whatever is written meanwhile', async ({ store }) => {
  await store.write([], (tx) => put(tx, 'a', '1'))
  const seen = await store.read(async (tx) => {
    const before = await metaRows.getMeta(tx, 'a')
    await store.write([], (writer) => put(writer, 'a', '2'))
    return [before, await metaRows.getMeta(tx, 'a')]
  })
  assert.deepEqual(seen, ['1', '1'])
  assert.equal(await lookUp(store, 'a'), '2')
})

onEachStore('a slow read does not hold up the others', async ({ store }) => {
  const slow = store.read(async (tx) => {
    await metaRows.getMeta(tx, 'a')
    return Promise.all(Array.from({ length: 10 }, () => lookUp(store, 'a')))
  })
  assert.equal((await slow).length, 10)
})

onEachStore('a read cannot write', async ({ store }) => {
  await assert.rejects(store.read((tx) => tx.get(sql`INSERT INTO meta (key, value) VALUES ('a', '') RETURNING key`)))
  assert.equal(await lookUp(store, 'a'), undefined)
})

onEachStore('oneOf finds numbers and texts, and nothing in nothing', async ({ store }) => {
  const ids = await addAccounts(store, 3)
  const found = await store.read(async (tx) => [
    await tx.all<{ id: number }>(sql`SELECT id FROM account WHERE id ${oneOf(tx, [ids[0]!, ids[2]!])} ORDER BY id`),
    await tx.all(sql`SELECT id FROM account WHERE local ${oneOf(tx, ['user1', `it's "x"`])}`),
    await tx.all(sql`SELECT id FROM account WHERE local ${oneOf(tx, [])}`),
    await tx.all(sql`SELECT id FROM account WHERE id ${oneOf(tx, [])}`),
  ])
  assert.deepEqual(
    found.map((rows) => rows.length),
    [2, 1, 0, 0],
  )
})

onEachStore(
  'a second process on the same folder is refused, with the pid of the first',
  async ({ store, options }) => {
    const child = spawn(process.execPath, ['--input-type=module-typescript', '-e', opener(options.store, options.data)])
    let said = ''
    child.stdout.on('data', (chunk) => (said += chunk))
    await once(child, 'close')
    assert.equal(said, `in-use the data folder ${options.data} is in use by process ${process.pid}`)
    await assert.rejects(openAgain(options), (error) => isFault(error, 'in-use'))
    await store.write([], (tx) => put(tx, 'a'))
  },
  { only: 'sqlite' },
)

const openAgain = async (options: Parameters<typeof openReadStore>[0]) => {
  const { openStore } = await import('./index.ts')
  return openStore({ ...options, onFatal() {} })
}

/** A program that opens the store, and says what became of it. */
function opener(store: string, data: string, then = `console.log('opened')`): string {
  return `
    import { realClock, silentLog } from '${import.meta.resolve('../base/index.ts')}'
    import { openStore, metaRows } from '${import.meta.resolve('./index.ts')}'
    const options = { store: ${JSON.stringify(store)}, data: ${JSON.stringify(data)}, clock: realClock, log: silentLog, onFatal() {} }
    try { const store = await openStore(options); ${then} }
    catch (error) { process.stdout.write(error.code + ' ' + error.message) }`
}

onEachStore(
  'two nodes share a database, and hear each other',
  async ({ store, open, options }) => {
    const other = await open({ data: join(options.data, 'other') })
    const heard = new Promise<Ring>((resolve) => other.bell.on(resolve))
    const [account] = await addAccounts(store, 1)
    await store.write(account!, (tx) => tx.modseq(account!))
    assert.deepEqual(await heard, { account: account!, modseq: 2 })
    const modseqs = await Promise.all(
      Array.from({ length: 20 }, (_, i) => (i % 2 ? store : other).write(account!, (tx) => tx.modseq(account!))),
    )
    assert.equal(new Set(modseqs).size, 20)
  },
  { only: 'postgres' },
)

onEachStore('writes that would deadlock are run again', async ({ store }) => {
  const [first, second] = await addAccounts(store, 2)
  const raise = (tx: Writer, id: AccountId) => tx.run(sql`UPDATE account SET modseq = modseq + 1 WHERE id = ${id}`)
  await Promise.all(
    [first!, second!].map((id, i) =>
      store.write([], async (tx) => {
        await raise(tx, id)
        await raise(tx, i === 0 ? second! : first!)
      }),
    ),
  )
  const state = await store.read((tx) => changeRows.changeState(tx, first!))
  assert.equal(state!.modseq, 3)
})

onEachStore(
  'a database that may forget is refused',
  async ({ store, options }) => {
    const name = new URL(options.store).pathname.slice(1)
    const pg = (await import('pg')).default
    const client = new pg.Client(options.store)
    await client.connect()
    await client.query(`ALTER DATABASE ${name} SET synchronous_commit = off`)
    await client.end()
    await assert.rejects(
      openAgain(options),
      (error) => isFault(error, 'unsupported') && /synchronous_commit/.test(error.message),
    )
    await store.write([], (tx) => put(tx, 'a'))
  },
  { only: 'postgres' },
)

{
  let broken = false
  onEachStore(
    'a failed commit rejects all who wait, is told once, and nothing is taken any more',
    async ({ store, fatal }) => {
      broken = true
      const results = await Promise.allSettled([1, 2, 3].map((i) => store.write([], (tx) => put(tx, `k${i}`))))
      broken = false
      assert.deepEqual(
        results.map(({ status }) => status),
        ['rejected', 'rejected', 'rejected'],
      )
      assert.equal(fatal.length, 1)
      await assert.rejects(
        store.write([], (tx) => put(tx, 'later')),
        (error) => isFault(error, 'unavailable'),
      )
      for (const key of ['k1', 'k2', 'k3', 'later']) assert.equal(await lookUp(store, key), undefined)
    },
    {
      only: 'sqlite',
      fault: (point) => {
        if (broken && point === 'write.before-commit') throw new Error('the disk is gone')
      },
    },
  )
}

onEachStore('a closed store takes nothing, but finishes what it has taken', async ({ open, options }) => {
  const store = await open({ data: join(options.data, 'again') })
  const last = store.write([], (tx) => put(tx, 'last'))
  await Promise.all([last, store.close()])
  await assert.rejects(store.write([], (tx) => put(tx, 'later')))
})

onEachStore('the epoch rises only after an unclean end and a new start of the machine', async ({ store }) => {
  const openAs = (boot: string) => store.write('server', (tx) => metaRows.openEpoch(tx, boot))
  const first = await store.write('server', async (tx) => {
    await metaRows.closeEpoch(tx)
    return metaRows.openEpoch(tx, 'boot-1')
  })
  assert.equal(first, store.epoch)
  assert.equal(await openAs('boot-1'), first, 'a crash of the process alone loses nothing')
  assert.equal(await openAs('boot-2'), first + 1)
  await store.write('server', (tx) => metaRows.closeEpoch(tx))
  assert.equal(await openAs('boot-3'), first + 1)
})

onEachStore('what was acknowledged is there after kill -9', async ({ dialect, options, open }) => {
  const data = join(options.data, 'killed')
  const loop = `
    let n = 0
    const work = async () => { for (;;) { const key = 'n' + n++; await store.write([], (tx) => metaRows.putMeta(tx, key, '')); console.log(key) } }
    await Promise.all([work(), work(), work(), work()])`
  const child = spawn(process.execPath, ['--input-type=module-typescript', '-e', opener(options.store, data, loop)], {
    stdio: ['ignore', 'pipe', 'inherit'],
  })
  const acknowledged: string[] = []
  for await (const line of createInterface({ input: child.stdout })) {
    acknowledged.push(line)
    if (acknowledged.length === 300) child.kill('SIGKILL')
  }
  assert.ok(acknowledged.length >= 300, `only ${acknowledged.slice(0, 3)}`)
  const store = dialect === 'sqlite' ? await open({ data }) : await open({ data: join(options.data, 'new') })
  const found = await store.read((tx) =>
    tx.all<{ key: string }>(sql`SELECT key FROM meta WHERE key LIKE 'n%' LIMIT 100000`),
  )
  const keys = new Set(found.map(({ key }) => key))
  assert.deepEqual(
    acknowledged.filter((key) => !keys.has(key)),
    [],
  )
  assert.deepEqual(await store.check(), [])
})

onEachStore(
  'the files are the owner’s alone',
  async ({ options }) => {
    for (const name of ['posthorn.db', 'posthorn.db-wal'])
      assert.equal(statSync(join(options.data, name)).mode & 0o77, 0)
  },
  { only: 'sqlite' },
)

onEachStore(
  'the write-ahead log stays bounded under load',
  async ({ store, options }) => {
    const bytes = 'x'.repeat(4_000)
    for (let i = 0; i < 150; i++)
      await Promise.all(Array.from({ length: 100 }, (_, k) => store.write([], (tx) => put(tx, `${i}.${k}`, bytes))))
    assert.ok(statSync(join(options.data, 'posthorn.db-wal')).size < 64 * 1024 * 1024)
  },
  { only: 'sqlite' },
)

test('a read-only store of an empty folder is refused', async () => {
  const options = { store: 'sqlite', data: '/nonexistent/posthorn', clock: undefined as never, log: silentLog }
  await assert.rejects(openReadStore(options), (error) => isFault(error, 'unavailable'))
})
