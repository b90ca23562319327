// Makes the core out of the rooms: everything that writes, on one store. A plain function: who calls it decides the thread.
// Knows what needs what; when things start and stop is told in core.ts.

import { abuseHandlers, createAbuseAdmin, createAbuseCounts, scheduleAbuseSweep } from '../abuse/index.ts'
import {
  type AccountReads,
  createAccountReads,
  createAccountWrites,
  createDkimAdmin,
  createDkimKeys,
  createDomainPolicies,
  createMaildropLocks,
  type DomainPolicies,
  dkimHandlers,
  eraseAccount,
  scheduleDkimKeys,
} from '../accounts/index.ts'
import type { AccountId, ContentId } from '../base/index.ts'
import {
  createDelivery,
  createLocalRetry,
  createPostHandler,
  createQuarantineAdmin,
  createRewriter,
  digestHandlers,
  expireHandlers,
  forgetQuarantined,
  scheduleQuarantine,
  srsKey,
} from '../delivery/index.ts'
import type { Resolver } from '../dns/index.ts'
import { createSpamAdmin, forgetLearnt, learnHandlers, learningHooks } from '../filters/index.ts'
import {
  createJobRunner,
  housekeepingHandlers,
  type JobHandlers,
  type JobRunner,
  scheduleHousekeeping,
} from '../jobs/index.ts'
import { createMailTx, createMailWrites, createSpool, type MailTx, mailHandlers, sweepAccount } from '../mail/index.ts'
import type { TlsResult } from '../mailauth/index.ts'
import {
  createQueue,
  createReturnedReads,
  createReturnPathSigner,
  createStsPolicies,
  createSuppressionAdmin,
  createSuppressions,
  parseRoutes,
  parseTlsWords,
  type Queue,
  type QueueSettings,
  returnableMs,
  returnedHandlers,
  returnPathKey,
  type StsPolicies,
  scheduleForgetting,
  scheduleStsRefresh,
} from '../queue/index.ts'
import { scheduleReports } from '../reports/index.ts'
import { connectSmtp } from '../smtp/client/index.ts'
import { accountRows, loadKey, openStore, type Store, type Writer } from '../store/index.ts'
import { createTrace, type TraceTx } from '../trace/index.ts'
import { openKeeper, readOnce, type WatchedNow } from './certificates.ts'
import type { Config } from './config/index.ts'
import { createConfiguredEgress } from './egress.ts'
import { configuredFilters } from './filters.ts'
import { createHealth } from './health.ts'
import { createIndexKeeper } from './index-keeper.ts'
import { type DoorCounters, formatMetrics, timeWrites } from './metrics.ts'
import { openReports } from './reports.ts'
import { createConfiguredResolver } from './resolver.ts'
import { openSealer } from './secret-key.ts'
import { type AdminServices, type CoreFacts, type CoreServices, type Surroundings, storeOptions } from './services.ts'

export interface Core {
  readonly store: Store
  readonly services: CoreServices
  readonly admin: AdminServices
  /** The threads whose counters the metrics add up. */
  watchDoors(doors: readonly { counters(): Promise<DoorCounters> }[]): void
  /** Takes the keys that may change from a configuration that was read again. */
  reconfigure(config: Config): void
  /** To be awaited before the doors open: what they would read of the search index belongs to this store. */
  checkIndex(): Promise<void>
  /** Starts the queue and the jobs: from now on things happen by themselves. */
  begin(): void
  /** Instead of the jobs, for a command on a folder at rest: ends what the command began. */
  finish(): Promise<void>
  close(graceMs?: number): Promise<void>
}

export interface CoreSurroundings extends Surroundings {
  readonly onFatal: (error: Error) => void
  readonly version: string
  /** Absent: certificate files are read when somebody asks. */
  readonly watched?: WatchedNow
}

/** Opens the store for writing and everything that writes. */
export async function composeCore(config: Config, around: CoreSurroundings): Promise<Core> {
  const { clock, log, onFatal, fault } = around
  const opened = await openStore({ ...storeOptions(config, around), onFatal, ...(fault && { fault }) })
  const { store, writes } = timeWrites(opened, clock)
  const mailTx = createMailTx({ store, log })
  const mail = createMailWrites({ store, log, after: learningHooks })
  const { hostname } = config
  const queries = createAccountReads({ store, clock, log, hostname })
  const accounts = createAccountWrites({ store, ensureMailboxes: mailTx.ensureMailboxes, log })
  const resolver = createConfiguredResolver(config, clock)
  let { lifetime } = config.queue
  let { connectionsPerAddress } = config.limits
  const trace = createTrace({ store, accounts: queries, clock, log, keep: config.trace.keep })
  const policies = createDomainPolicies(store.bell, clock)
  const returned = await openReturned({ store, trace: trace.tx, policies }, around, () => lifetime)
  const dns = around.dns ?? resolver
  const { connections, ...abuse } = createAbuseCounts({
    store,
    accounts: queries,
    clock,
    log,
    connectionsPerAddress: () => connectionsPerAddress,
  })
  const sealer = openSealer(config.data)
  const dkim = createDkimAdmin({ store, sealer })
  let begun = false
  const keeper = openKeeper(config, {
    store,
    sealer,
    resolver,
    domains: async () => (await queries.domains()).map(({ name }) => name),
    watched: around.watched ?? readOnce(config, clock),
    answering: () => begun,
    clock,
    log: log.child({ part: 'tls' }),
  })
  const putContent = (tx: Writer, bytes: Buffer) => putBytes(store, mailTx, tx, bytes)
  const egress = createConfiguredEgress(config, dns)
  const reports = await openReports(config, around, { store, trace: trace.tx, dns, egress, putContent })
  const onTlsResult = (result: TlsResult) => reports.tls.record([result])
  const sts = createStsPolicies({ store, dns, egress, port: config.egress.stsPort, onTlsResult, clock, log })
  const queue = openQueue(config, around, {
    store,
    mailTx,
    putContent,
    queries,
    returned,
    trace: trace.tx,
    dns,
    sts,
    onTlsResult,
  })
  await loadKey(store, srsKey)
  const rewriter = createRewriter({ store, clock, policies })
  const outcome = { queue: queue.tx, returned: returned.reads, trace: trace.tx, rewriter, policies }
  const parts = { store, accounts: queries, mail: mailTx, ...outcome, hostname, clock, log }
  const signing = { keys: createDkimKeys({ store, clock, log, sealer }) }
  const delivery = createDelivery({ ...parts, reporter: queue.reporter, wrote: abuse.wrote, ...(fault && { fault }) })
  const eraseWhole = async (account: AccountId, done: (tx: Writer) => Promise<void>) => {
    await sweepAccount(store, account)
    await forgetQuarantined(store, account)
    await forgetLearnt(store, account)
    await store.write('server', async (tx) => {
      await eraseAccount(tx, account)
      await done(tx)
    })
  }
  const filterLog = log.child({ part: 'filters' })
  let current = config
  const handlers: JobHandlers = {
    ...housekeepingHandlers({ store, log }),
    ...mailHandlers(store, clock),
    ...returned.handlers,
    ...trace.handlers,
    ...expireHandlers({ store, trace: trace.tx, clock, log }),
    ...digestHandlers({ store, policies, putContent, hostname, clock }),
    ...learnHandlers({
      store,
      outside: configuredFilters(() => current, { resolver: dns, clock, log: filterLog, hostname }),
      log: filterLog,
    }),
    ...abuseHandlers({ store }),
    ...sts.handlers,
    ...dkimHandlers({ store, admin: dkim, dns, clock, log }),
    ...reports.handlers,
    ...keeper.handlers,
    post: createPostHandler({ ...parts, signing }),
    'remove-account': ({ account }, job) => eraseWhole(account, job.done),
  }
  const index = createIndexKeeper(config, store, around)
  let jobs: JobRunner | undefined
  let { minimumFree } = config.disk
  let doors: readonly { counters(): Promise<DoorCounters> }[] = []
  const facts: CoreFacts = {
    health: createHealth({ store, queue, minimumFree: () => minimumFree, remarks: keeper.remarks, clock }),
    async metrics() {
      const [counted, waiting, searchLag, certificates] = await Promise.all([
        Promise.all(doors.map((one) => one.counters())),
        queue.admin.stats(),
        index?.lag(),
        keeper.admin.list(),
      ])
      return formatMetrics(
        { queue: { ...waiting }, attempts: queue.tallied(), writes: writes(), doors: counted, searchLag, certificates },
        around.version,
      )
    },
  }
  return {
    store,
    services: {
      mail,
      accounts,
      delivery,
      maildrops: createMaildropLocks(),
      trace: trace.notes,
      abuse,
      reports: reports.notes,
      core: facts,
    },
    admin: {
      queries,
      accounts,
      queue: queue.admin,
      suppressions: createSuppressionAdmin({ store, clock }),
      trace: trace.reads,
      dkim,
      quarantine: createQuarantineAdmin(parts),
      spam: createSpamAdmin({ store, hostname }),
      abuse: createAbuseAdmin({ store, accounts: queries, connections, clock }),
      reports: reports.admin,
      certificates: keeper.admin,
    },
    watchDoors(list) {
      doors = list
    },
    reconfigure(next) {
      queue.reconfigure(queueSettings(next))
      resolver.reconfigure(next)
      egress.reconfigure(next)
      ;({ minimumFree } = next.disk)
      ;({ lifetime } = next.queue)
      current = next
      ;({ connectionsPerAddress } = next.limits)
      trace.setKeep(next.trace.keep)
      reports.reconfigure(next)
      keeper.reconfigure(next)
    },
    checkIndex: async () => index?.check(),
    begin() {
      begun = true
      index?.begin()
      queue.start().catch((error: unknown) => log.error({ err: error }, 'the queue could not start'))
      jobs = createJobRunner({ store, handlers, clock, log })
      Promise.all([
        scheduleHousekeeping(store),
        scheduleForgetting(store),
        scheduleDkimKeys(store),
        scheduleQuarantine(store),
        scheduleAbuseSweep(store),
        scheduleReports(store),
        scheduleStsRefresh(store),
        trace.begin(),
        keeper.begin(),
      ]).catch((error: unknown) => log.error({ err: error }, 'housekeeping was not scheduled'))
    },
    async finish() {
      for (const account of await store.read(accountRows.removed)) await eraseWhole(account, async () => {})
    },
    async close(graceMs = 0) {
      await Promise.all([queue.stop(graceMs), jobs?.stop(), index?.stop()])
      await reports.tls.stop()
      await store.close()
    },
  }
}

interface QueueParts {
  readonly store: Store
  readonly mailTx: MailTx
  /** Stores bytes of the house's own mail. */
  readonly putContent: (tx: Writer, bytes: Buffer) => Promise<ContentId>
  readonly queries: AccountReads
  readonly trace: TraceTx
  readonly dns: Resolver
  readonly sts: StsPolicies
  /** Told how TLS with other servers went. */
  readonly onTlsResult: (result: TlsResult) => void
  readonly returned: Awaited<ReturnType<typeof openReturned>>
}

/** What has to do with mail that comes back: the suppression lists, signed return paths, the jobs that read it. */
async function openReturned(
  { store, trace, policies }: { readonly store: Store; readonly trace: TraceTx; readonly policies: DomainPolicies },
  { clock, log }: CoreSurroundings,
  lifetime: () => number,
) {
  const suppressions = createSuppressions({ store, clock, policies })
  const reads = createReturnedReads({ store, clock, policies })
  const parts = { store, clock, log: log.child({ part: 'queue' }), reads, policies, suppressions, trace }
  return {
    suppressions,
    signer: createReturnPathSigner({ policies, key: await loadKey(store, returnPathKey) }),
    reads,
    handlers: returnedHandlers(parts, () => returnableMs(lifetime())),
  }
}

function openQueue(config: Config, around: CoreSurroundings, parts: QueueParts): Queue {
  const { store, mailTx, putContent, queries, trace, dns, sts, onTlsResult, returned } = parts
  const { clock, log, fault } = around
  return createQueue({
    store,
    dns,
    sts,
    onTlsResult,
    trace,
    connect: connectSmtp,
    ...queueSettings(config),
    hostname: config.hostname,
    clock,
    log: log.child({ part: 'queue' }),
    putContent,
    local: createLocalRetry({ accounts: queries, mail: mailTx }),
    suppressions: returned.suppressions,
    signer: returned.signer,
    port: config.queue.port,
    ...(fault && { fault }),
  })
}

function queueSettings({ queue }: Config): Required<QueueSettings> {
  const { routes, schedule, lifetime, delayNotice, concurrency, perHost, sources, sourceRules, limits, tls } = queue
  return {
    routes: parseRoutes(routes),
    schedule: { retries: schedule, every: schedule.at(-1)!, lifetime, delayNotice },
    concurrency: { total: concurrency, perDestination: perHost },
    sources: { pools: sources, rules: sourceRules },
    limits,
    tls: parseTlsWords(tls),
  }
}

/** Our own reports: in memory whatever their size, because a transaction waits for nothing else. */
async function putBytes(store: Store, mail: MailTx, tx: Writer, bytes: Buffer): Promise<ContentId> {
  const blobs = { ...store.blobs, inlineLimit: Number.MAX_SAFE_INTEGER }
  const spool = createSpool({ blobs, maxSize: Number.MAX_SAFE_INTEGER })
  spool.write(bytes)
  return mail.putContent(tx, await spool.finish())
}
