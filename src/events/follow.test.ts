// A follower sees every change once, in order, from wherever it begins.

import assert from 'node:assert/strict'
import { onEachStore } from '../../test/stores.ts'
import { type AccountId, realClock, toRanges } from '../base/index.ts'
import { changeRows, type Store, sql } from '../store/index.ts'
import { type ChangePage, follow } from './index.ts'

async function addAccount(store: Store): Promise<AccountId> {
  return store.write('server', async (tx) => {
    await tx.run(sql`INSERT INTO domain (name, created_at) VALUES ('a.test', 1)`)
    const row = await tx.get<{ id: AccountId }>(
      sql`INSERT INTO account (domain, local, created_at) SELECT id, 'a', 1 FROM domain RETURNING id`,
    )
    return row!.id
  })
}
const change = (store: Store, account: AccountId, uid: number, containers = 1) =>
  store.write(account, async (tx) => {
    for (let container = 1; container <= containers; container++)
      tx.changed(account, { kind: 'email', container, what: 'created', ids: toRanges([uid]) })
  })
const next = async (pages: AsyncGenerator<ChangePage>) => (await pages.next()).value as ChangePage

onEachStore('backlog first, then what the bell announces', async ({ store }) => {
  const account = await addAccount(store)
  for (let uid = 1; uid <= 3; uid++) await change(store, account, uid)
  const pages = follow({ store, account, from: 2, clock: realClock })
  const backlog = await next(pages)
  assert.deepEqual(
    backlog.changes.map(({ modseq, ids }) => [modseq, ids]),
    [
      [3, [[2, 2]]],
      [4, [[3, 3]]],
    ],
  )
  assert.equal(backlog.cursor, 4)
  const live = next(pages)
  await change(store, account, 4)
  assert.deepEqual((await live).changes, [
    { account, modseq: 5, kind: 'email', container: 1, what: 'created', ids: [[4, 4]] },
  ])
  await pages.return(undefined)
})

onEachStore('a page never ends within a transaction', async ({ store }) => {
  const account = await addAccount(store)
  await change(store, account, 1, 300)
  await change(store, account, 2, 300)
  await change(store, account, 3, 700)
  const pages = follow({ store, account, from: 1, clock: realClock })
  const sizes = [await next(pages), await next(pages), await next(pages)].map(({ changes }) => changes.length)
  assert.deepEqual(sizes, [300, 300, 700])
  await pages.return(undefined)
})

onEachStore('a follower below the floor starts over', async ({ store }) => {
  const account = await addAccount(store)
  for (let uid = 1; uid <= 5; uid++) await change(store, account, uid)
  await store.write(account, (tx) => changeRows.pruneChanges(tx, account, 3, 100))
  const pages = follow({ store, account, from: 2, clock: realClock })
  assert.deepEqual(await next(pages), { cursor: 6, startOver: true, changes: [] })
  await change(store, account, 6)
  assert.equal((await next(pages)).changes.length, 1)
  await pages.return(undefined)
})

onEachStore('ends with its signal, and with its account', async ({ store }) => {
  const account = await addAccount(store)
  const controller = new AbortController()
  const pages = follow({ store, account, from: 1, clock: realClock, signal: controller.signal })
  const end = pages.next()
  controller.abort()
  assert.equal((await end).done, true)
  await store.write('server', (tx) => tx.run(sql`DELETE FROM account WHERE id = ${account}`))
  const gone = follow({ store, account, from: 1, clock: realClock })
  assert.equal((await gone.next()).done, true)
})
