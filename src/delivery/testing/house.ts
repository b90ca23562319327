// A small house for delivery's tests: the real rooms on a store of the test, with a queue that is not started.

import type { Bench } from '../../../test/stores.ts'
import { createAccountReads, createAccountWrites, createDomainPolicies } from '../../accounts/index.ts'
import { type Address, type Path, parsePath } from '../../address/index.ts'
import { type AccountId, type Log, silentLog } from '../../base/index.ts'
import { zoneResolver } from '../../dns/index.ts'
import type { FilterRequest, FilterResult } from '../../filters/index.ts'
import { createMailReads, createMailTx, createSpool } from '../../mail/index.ts'
import { createQueue, createReturnedReads, createSuppressionAdmin, createSuppressionReads } from '../../queue/index.ts'
import { putContent } from '../../queue/testing/world.ts'
import { loadKey } from '../../store/index.ts'
import { createTrace } from '../../trace/index.ts'
import {
  type Arrival,
  createDelivery,
  createDeliveryChecks,
  createLocalRetry,
  createPostHandler,
  createQuarantineAdmin,
  createRewriter,
  type Envelope,
  srsKey,
} from '../index.ts'
import { tellOfQuarantine } from '../quarantine/digest.ts'
import { expireQuarantine } from '../quarantine/expire.ts'
import type { NamedAnswer } from '../verdicts/findings.ts'
import { type QueueRow, queueOf, queueParamsOf } from './queue-rows.ts'

export const hostname = 'mail.a.test'

export const arrival = (more: Partial<Arrival> = {}): Arrival => ({
  kind: 'mx',
  clientIp: '192.0.2.7',
  helo: 'sender.test',
  with: 'ESMTP',
  traceId: 'T1',
  receivedAt: Date.UTC(2026, 10, 22, 10, 0, 0),
  ...more,
})

export const path = (text: string): Path => (text === '' ? null : address(text))

export function address(text: string): Address {
  const parsed = parsePath(`<${text}>`)
  if (!parsed?.path) throw new Error(`${text} is no address`)
  return parsed.path
}

export const envelope = (from: string, to: readonly string[], more: Partial<Envelope> = {}): Envelope => ({
  from: path(from),
  to: to.map((text) => ({ address: address(text) })),
  utf8: false,
  body: '7bit',
  ...more,
})

const toResult = ({ by = 'filter', ...answer }: NamedAnswer): FilterResult => ({ filter: by, answer, ms: 0 })

export type House = Awaited<ReturnType<typeof openHouse>>

export async function openHouse({ store, options }: Bench, log: Log = silentLog, keep = 30 * 86_400_000) {
  const { clock } = options
  const mail = createMailTx({ store, log })
  const accounts = createAccountReads({ store, hostname, clock, log })
  const writes = createAccountWrites({ store, ensureMailboxes: mail.ensureMailboxes, log })
  const queue = createQueue({
    store,
    dns: zoneResolver(''),
    connect: () => Promise.reject(new Error('the queue of this test does not run')),
    routes: () => undefined,
    hostname,
    clock,
    log,
    putContent,
  })
  const points: string[] = []
  const policies = createDomainPolicies(store.bell, clock)
  const returned = createReturnedReads({ store, clock, policies })
  const trace = createTrace({ store, accounts, clock, log, keep })
  await loadKey(store, srsKey)
  const rewriter = createRewriter({ store, clock, policies })
  const outcome = { queue: queue.tx, returned, trace: trace.tx, rewriter, policies }
  const parts = { store, accounts, mail, ...outcome, reporter: queue.reporter, hostname, clock, log }
  const reads = createMailReads(store)
  await writes.addDomain('a.test')

  const content = async (text: string) => {
    const spool = createSpool({ blobs: store.blobs, maxSize: 1e6 })
    await spool.write(Buffer.from(text.replaceAll('\n', '\r\n')))
    return spool.finish()
  }
  return {
    store,
    parts,
    accounts,
    writes,
    points,
    mail,
    content,
    delivery: createDelivery({ ...parts, fault: (point) => points.push(point) }),
    suppressions: createSuppressionAdmin({ store, clock }),
    retry: createLocalRetry({ accounts, mail }),
    post: createPostHandler(parts),
    quarantine: createQuarantineAdmin(parts),
    expire: () => expireQuarantine(parts),
    tell: () => tellOfQuarantine({ store, policies, putContent, hostname, clock }),
    checks: (free = 1e12, ask?: (request: FilterRequest) => Promise<readonly NamedAnswer[]>) =>
      createDeliveryChecks({
        ...(ask && {
          filtering: {
            filters: async () => ({ ask: async (request) => (await ask(request)).map(toResult) }),
            log,
          },
        }),
        accounts,
        suppressions: createSuppressionReads({ store, clock }),
        returned,
        rewriter,
        blobs: store.blobs,
        hostname,
        clock,
        limits: { maxMessageSize: 1000, minFreeBytes: 1e6 },
        freeBytes: () => free,
      }),
    /** Adds a user `local@a.test`. */
    async user(local: string, more: { quotaMessages?: number; quotaBytes?: number; admin?: boolean } = {}) {
      return (await writes.addAccount({ email: `${local}@a.test`, password: 'x', ...more })).id
    },
    /** Messages of a mailbox, whole, with LF. */
    async messages(account: AccountId, name = 'INBOX') {
      const mailbox = await reads.mailbox(account, name)
      const rows = await reads.rows(mailbox!.id, [[1, 1000]], {})
      const texts = await Promise.all(rows.map((row) => reads.bytes(row, 0, row.size)))
      return texts.map((text) => text.toString().replaceAll('\r\n', '\n'))
    },
    unseen: async (account: AccountId, name: string) => (await reads.mailbox(account, name))!.unseen,
    queued: (): Promise<QueueRow[]> => queueOf(store),
    paramsOf: (message: number) => queueParamsOf(store, message),
    /** What is known of domains is a few moments old at most. */
    settled: () => new Promise<void>((resolve) => setTimeout(resolve, 50)),
    timelines: trace.reads,
    used: async (account: AccountId) => (await accounts.account(account))!,
    close: () => queue.stop(0),
  }
}
