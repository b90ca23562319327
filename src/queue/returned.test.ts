// What is remembered for late bounces is forgotten in time, on both databases; the rest is proved over SMTP (test/world/returned.test.ts).

import assert from 'node:assert/strict'
import { onEachStore } from '../../test/stores.ts'
import { createAccountWrites, createDomainPolicies } from '../accounts/index.ts'
import { type JobId, type QueueId, silentLog, toId } from '../base/index.ts'
import { domainRows, sentRows, suppressionRows } from '../store/index.ts'
import { createReturnedReads, createSuppressions, returnedHandlers } from './index.ts'

const day = 86_400_000

onEachStore(
  'sent mail and expired entries are forgotten, and a removed domain takes its list along',
  async ({ store, options }) => {
    const { clock } = options
    const now = clock.now()
    const accounts = createAccountWrites({ store, ensureMailboxes: async () => {}, log: silentLog })
    await accounts.addDomain('us.test')
    const domain = (await store.read((tx) => domainRows.find(tx, 'us.test')))!.id
    const facts = { domain, sender: 'ann@us.test', recipients: '["x@a.test"]', trace: '' }
    const entry = { domain, class: 'bad-mailbox', source: 'bounce', reason: '', created_by: '', active: 1, times: 1 }
    await store.write('server', async (tx) => {
      for (let i = 1; i <= 620; i++) {
        const message = toId<QueueId>(i)
        await sentRows.insert(tx, { ...facts, message, created_at: i <= 600 ? now - 36 * day : now - 34 * day })
      }
      for (const [address, expires] of [
        ['old', -1],
        ['new', 1],
        ['kept', undefined],
      ] as const)
        await suppressionRows.put(tx, {
          ...entry,
          address: `${address}@a.test`,
          first_at: now,
          last_at: now,
          expires_at: expires === undefined ? null : now + expires * day,
        })
    })
    const trace = { on: false, keeps: () => false, begin: async () => {}, add: async () => {} }
    const policies = createDomainPolicies(store.bell, clock)
    const suppressions = createSuppressions({ store, clock, policies })
    const reads = createReturnedReads({ store, clock, policies })
    const handlers = returnedHandlers(
      { store, clock, log: silentLog, reads, policies, suppressions, trace },
      () => 35 * day,
    )
    let again: number | undefined
    await handlers['forget-returned'](
      {},
      {
        id: toId<JobId>(1),
        attempts: 1,
        done: async () => {},
        async again(_tx, at) {
          again = at
        },
      },
    )
    assert.ok(again! > now)
    const left = await store.read(async (tx) => [await sentRows.find(tx, 600), await sentRows.find(tx, 601)])
    assert.deepEqual(
      left.map((row) => row?.message),
      [undefined, 601],
    )
    const list = await store.read((tx) => suppressionRows.list(tx, domain, 0, 10))
    assert.deepEqual(
      list.map(({ address }) => address),
      ['new@a.test', 'kept@a.test'],
    )
    await accounts.removeDomain('us.test')
    assert.equal(await store.read((tx) => suppressionRows.hasAny(tx, domain)), false)
  },
)
