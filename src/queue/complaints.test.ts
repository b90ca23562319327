// Every complaint of the corpus: its recipient is suppressed for the sender's domain and an event is there, when a return path proves it; one
// that nobody signed for is an event that teaches nothing. On both databases.

import assert from 'node:assert/strict'
import { readdirSync, readFileSync } from 'node:fs'
import { join, resolve } from 'node:path'
import { onEachStore } from '../../test/stores.ts'
import { createAccountWrites, createDomainPolicies } from '../accounts/index.ts'
import { addressKey, parseAddress } from '../address/index.ts'
import { type QueueId, silentLog, toId } from '../base/index.ts'
import type { RunningJob } from '../jobs/index.ts'
import { type Complaint, readBounce } from '../smtp/bounces/index.ts'
import { complaintRows, domainRows, suppressionRows } from '../store/index.ts'
import type { TraceEvent } from '../trace/index.ts'
import { createSuppressions, returnedHandlers } from './index.ts'
import { putContent } from './testing/world.ts'

const corpus = resolve(import.meta.dirname, '../../test/corpus/bounces')
const names = readdirSync(corpus).filter((name) => name.startsWith('arf-'))
const load = (name: string) => readFileSync(join(corpus, name))
const job: RunningJob = { id: toId(1), attempts: 1, done: async () => {}, again: async () => {} }

onEachStore('the six complaints of the corpus, proven and not', async ({ store, options }) => {
  const { clock } = options
  const accounts = createAccountWrites({ store, ensureMailboxes: async () => {}, log: silentLog })
  await accounts.addDomain('us.test')
  await accounts.setDomain('us.test', { suppression: true })
  const domain = (await store.read((tx) => domainRows.find(tx, 'us.test')))!.id
  const policies = createDomainPolicies(store.bell, clock)
  const suppressions = createSuppressions({ store, clock, policies })
  const told: TraceEvent[] = []
  const trace = {
    on: true,
    begin: async () => {},
    keeps: () => false,
    add: async (_tx: unknown, _id: string, event: TraceEvent) => void told.push(event),
  }
  assert.equal(names.length, 6)
  const [sender] = [parseAddress('ann@us.test')!]
  for (const proven of [true, false])
    for (const name of names) {
      const complaint = readBounce(load(name)) as Complaint
      assert.equal(complaint.kind, 'complaint', name)
      const recipient = parseAddress(complaint.recipients[0]!)!
      const sent = { message: toId<QueueId>(1), trace: 'T', sender, recipients: [recipient], pass: true, full: false }
      const reads = { find: async () => (proven ? sent : undefined) }
      const handlers = returnedHandlers({ store, clock, log: silentLog, reads, policies, suppressions, trace }, () => 1)
      const before = (await store.read((tx) => complaintRows.after(tx, 0, 100))).length
      await store.write('server', (tx) => suppressionRows.removeOfDomain(tx, domain, 100))
      // What nobody signed for says of which domain of ours it is.
      const bytes = proven
        ? load(name)
        : Buffer.from(
            load(name)
              .toString('latin1')
              .replace(/^Reported-Domain:.*$/im, 'Reported-Domain: us.test'),
            'latin1',
          )
      const content = await store.write([], (tx) => putContent(tx, bytes))
      await handlers['read-returned']({ content, trace: 'R', ...(proven && { to: 'path@us.test' }) }, job)
      const rows = (await store.read((tx) => complaintRows.after(tx, 0, 100))).slice(before)
      const listed = await store.read((tx) => suppressionRows.list(tx, domain, 0, 10))
      const teaches = proven && complaint.type !== 'auth-failure'
      assert.deepEqual(
        listed.map(({ address, class: kind }) => [address, kind]),
        teaches ? [[addressKey(recipient), 'complaint']] : [],
        name,
      )
      const claims = /^Reported-Domain:/im.test(load(name).toString('latin1'))
      if (!proven && !claims) {
        assert.deepEqual(rows, [], `${name} is about nobody here`)
        continue
      }
      assert.ok(rows.length > 0, name)
      for (const row of rows)
        assert.deepEqual(
          [row.domain, row.type, row.proven, row.suppressed, row.trace, row.report],
          [domain, complaint.type, proven ? 1 : 0, teaches ? 1 : 0, proven ? 'T' : '', 'R'],
          name,
        )
    }
  assert.equal(told.filter(({ kind }) => kind === 'returned').length, names.length - 1)
})
