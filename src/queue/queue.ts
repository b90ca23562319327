// The outgoing queue, made of its parts: takes mail within delivery's transaction, lets the scheduler say whose turn it is, has
// it tried, and the result written down.

import { addressKey, formatAddress } from '../address/index.ts'
import type { Clock, ContentId, Log } from '../base/index.ts'
import type { Resolver } from '../dns/index.ts'
import type { TlsResult } from '../mailauth/index.ts'
import type { ClientOptions } from '../smtp/client/index.ts'
import { queueRuleRows, type Store, type Writer } from '../store/index.ts'
import type { TraceTx } from '../trace/index.ts'
import { createAdmin } from './admin.ts'
import { type Connect, createAttempts } from './attempt.ts'
import {
  type Batch,
  localLane,
  type Mail,
  type Outcome,
  type Recipient,
  refusedLane,
  showPath,
  type TriedBatch,
  withClass,
} from './batch.ts'
import { openMessage } from './content.ts'
import { isOverdue } from './deadline.ts'
import { createDemands } from './demands.ts'
import { toDestination } from './destination.ts'
import type { Ended } from './dispatch.ts'
import { toFeedback } from './feedback.ts'
import { createHandover } from './handover.ts'
import { createIntake } from './intake.ts'
import { createLimits, type LimitRule } from './limit.ts'
import { deliverLocally, type LocalRetry } from './local.ts'
import { createWitness } from './note.ts'
import { putMessage } from './put.ts'
import { createRecorder } from './record.ts'
import { createReporter, type Reporter } from './reporter.ts'
import type { Routes } from './route.ts'
import { createRules, toRule } from './rules.ts'
import { defaultSchedule, type Schedule } from './schedule.ts'
import { createScheduler, type SchedulerParts } from './scheduler.ts'
import type { ReturnPathSigner } from './signer.ts'
import { createSources, type SourceOptions } from './sources.ts'
import type { StsPolicies } from './sts.ts'
import { type Suppressions, toSuppressed } from './suppression.ts'
import { createTally, type Tallied } from './tally.ts'
import type { TlsWord } from './tls-policy.ts'
import { viewTls } from './tls-view.ts'
import type { QueueAdmin, QueueTx } from './types.ts'

export interface QueueOptions {
  readonly store: Store
  readonly dns: Resolver
  /** `connectSmtp` of smtp/client. */
  readonly connect: Connect
  /** As parseRoutes reads them. */
  readonly routes: Routes
  /** Our name: EHLO, reports, and the host whose MX records lead back to us. */
  readonly hostname: string
  /** More names and addresses under which the world reaches this server; for loops. */
  readonly own?: readonly string[]
  readonly clock: Clock
  readonly log: Log
  /** Stores bytes as content within a transaction: for reports. */
  readonly putContent: (tx: Writer, bytes: Buffer) => Promise<ContentId>
  readonly local?: LocalRetry
  /** Absent: nobody keeps timelines. */
  readonly trace?: TraceTx
  /** The lists of addresses that our domains do not write to. */
  readonly suppressions?: Suppressions
  /** Signs return paths for the domains that want it. */
  readonly signer?: ReturnPathSigner
  readonly schedule?: Schedule
  /** Addresses of ours that mail leaves from. */
  readonly sources?: SourceOptions
  readonly limits?: readonly LimitRule[]
  /** Transactions at once in all (absent: 200) and the most per destination (20). */
  readonly concurrency?: { readonly total?: number; readonly perDestination?: number }
  /** Port of servers found by MX; absent: 25. */
  readonly port?: number
  readonly timeouts?: ClientOptions['timeouts']
  /** What the operator says of TLS to a domain's mail servers. */
  readonly tls?: (domain: string) => TlsWord | undefined
  /** The MTA-STS policies of other domains; absent: nobody asks for them. */
  readonly sts?: Pick<StsPolicies, 'of'>
  /** Hears what came of TLS with others; called on the way of the mail: it must not wait. */
  readonly onTlsResult?: (result: TlsResult) => void
  /** Fault points `queue.claimed`, `queue.sent`, `queue.recorded`, only in tests. */
  readonly fault?: (point: string) => void
}

/** What may change while the queue runs. */
export type QueueSettings = Partial<
  Pick<QueueOptions, 'routes' | 'schedule' | 'concurrency' | 'sources' | 'limits' | 'tls'>
>

export interface Queue {
  readonly tx: QueueTx
  /** For who delivers without the queue. */
  readonly reporter: Reporter
  readonly admin: QueueAdmin
  /** What attempts came to, since the start. */
  tallied(): readonly Tallied[]
  /** Makes claims of dead processes void and begins. */
  start(): Promise<void>
  /** Starts nothing new, gives what is in flight `graceMs`, gives back the rest. */
  stop(graceMs: number): Promise<void>
  /** Why mail does not move, for /health; undefined when it does. */
  stalled(): string | undefined
  /** Configuration was read again; what is absent stays. Mail that is being tried goes on as it began. */
  reconfigure(settings: QueueSettings): void
}

/** Tried and not yet written down: with more, as when the store is away, the places are free only after the writing. */
const maxRecording = 1_000

export function createQueue(options: QueueOptions): Queue {
  const { store, clock, log, hostname } = options
  const { fault = () => {} } = options
  // One object for all who hold it: it may change.
  const schedule: Schedule = { ...(options.schedule ?? defaultSchedule) }
  const own = new Set([hostname, ...(options.own ?? [])].map((name) => name.toLowerCase()))
  const targets = { dns: options.dns, own, port: options.port ?? 25 }
  const recording = new Set<Promise<void>>()
  const tally = createTally()
  const handover = createHandover()
  const rules = createRules()
  let settings: QueueSettings = options
  const toParts = (): SchedulerParts => ({
    routes: settings.routes ?? options.routes,
    rules,
    sources: createSources(settings.sources ?? { pools: {}, rules: [] }),
    limits: createLimits(settings.limits ?? [], clock),
    places: settings.concurrency?.total ?? 200,
    perSite: settings.concurrency?.perDestination ?? 20,
  })

  const demands = createDemands({
    ...options,
    ...targets,
    wordOf: (domain) => (settings.tls ?? options.tls)?.(domain),
  })
  const attempts = createAttempts({
    ...options,
    ...targets,
    demands,
    open: ({ mail }) => openMessage(store, mail, handover.take(mail.content)),
    ...(options.signer && { returnPath: (batch) => options.signer!.pathOf(batch, schedule.lifetime) }),
  })
  const reporter = createReporter(options)
  const witness = options.trace && createWitness({ trace: options.trace, clock, hostname })
  const recorder = createRecorder({ ...options, schedule, reporter, fault, ...(witness && { witness }) })
  const scheduler = createScheduler({
    ...options,
    ...targets,
    recorder,
    parts: toParts(),
    run: (batch) => run(batch),
    onPutOff: () => void intake.replan(),
    fault,
  })
  const intake = createIntake({
    ...options,
    promote: (now) => scheduler.promote(now),
    walk: () => scheduler.walk(),
    readRules: async () => rules.set((await store.read(queueRuleRows.list)).map(toRule)),
  })

  const run = async (batch: TriedBatch): Promise<Ended> => {
    const started = clock.monotonic()
    const came = await tryBatch(batch)
    fault('queue.sent')
    const tookMs = Math.round(clock.monotonic() - started)
    const source = batch.source.address === '' ? {} : { source: batch.source.address }
    const outcomes = came.map((outcome) => ({ ...withClass(outcome), ...source, tookMs }))
    const settle = async () => {
      outcomes.forEach(tally.note)
      for (const outcome of outcomes) logOutcome(batch.mail, outcome)
      // The place is free while the result is written: waiting for the disk must not slow a destination down.
      const settled = write(batch, outcomes).finally(() => recording.delete(settled))
      recording.add(settled)
      if (recording.size > maxRecording) await settled
    }
    return { ...toFeedback(outcomes), unsaid: outcomes.every(({ broken }) => broken === 'before'), settle }
  }
  const tryBatch = (batch: TriedBatch): Promise<readonly Outcome[]> => {
    // RFC 2852 §4.1: after the time that its sender set a message must not be delivered any more.
    if (isOverdue(batch.mail, clock.now())) return Promise.resolve(batch.recipients.map(toOverdue))
    return batch.lane === localLane
      ? deliverLocally({ ...options, reporter, ...(witness && { witness }) }, batch)
      : attemptWanted(batch)
  }
  /** Recipients that their sender's domain does not write to any more fail untried. */
  const attemptWanted = async (batch: TriedBatch): Promise<readonly Outcome[]> => {
    const { mail, recipients } = batch
    const addresses = recipients.map(({ address }) => address)
    const entries = await options.suppressions?.of(mail.sender, addresses).catch((error: unknown) => {
      log.error({ err: error, queueId: mail.id }, 'the suppression list could not be read')
      return undefined
    })
    const listed = batch.lane === refusedLane
    if (!listed && !entries?.size) return attempts.attempt(batch)
    const refused = recipients.flatMap((recipient) => {
      const entry = entries?.get(addressKey(recipient.address))
      return entry || listed ? [toSuppressed(recipient, entry, mail.sender)] : []
    })
    const rest = recipients.filter((one) => refused.every(({ recipient }) => recipient !== one))
    return rest.length === 0 ? refused : [...refused, ...(await attempts.attempt({ ...batch, recipients: rest }))]
  }
  const write = async ({ mail, recipients }: Batch, outcomes: readonly Outcome[]) => {
    await recorder.settle(mail, outcomes)
    for (const { id } of recipients) scheduler.table.taken.delete(id)
    if (outcomes.some(({ result }) => result === 'retry')) await intake.replan()
  }
  const logOutcome = (mail: Mail, outcome: Outcome) => {
    const { recipient, result, reason, relay, tls, class: kind, tookMs } = outcome
    const to = formatAddress(recipient.address)
    const times = { tookMs, delayMs: clock.now() - mail.arrived }
    log.info(
      {
        queueId: mail.id,
        id: mail.trace || undefined,
        from: showPath(mail.sender),
        to,
        size: mail.size,
        relay,
        tls,
        reply: reason,
        class: kind,
        ...times,
      },
      resultWords[result],
    )
  }

  return {
    tx: { put: (tx, message) => putMessage({ ...options, schedule, scheduler, handover }, tx, message) },
    reporter,
    admin: createAdmin({
      ...options,
      recorder,
      scheduler,
      rules,
      lookUpAgain: () => scheduler.reconfigure(toParts()),
      wake: () => intake.wake(),
      viewTls: (domain) => {
        const anybody = { address: { local: '', domain }, kind: 'remote', params: {} } as const
        return viewTls({ targets, demands }, domain, toDestination(toParts(), null, anybody).route)
      },
    }),
    async start() {
      await intake.start()
      await scheduler.start()
    },
    async stop(graceMs) {
      await intake.stop()
      scheduler.close()
      let cancel = () => {}
      const grace = new Promise<void>((resolve) => {
        cancel = clock.after(graceMs, resolve)
      })
      const ended = scheduler
        .withdraw(() => true)
        .then(() => scheduler.dispatch.drained())
        .then(() => Promise.all(recording))
      await Promise.race([ended, grace])
      cancel()
      recorder.close()
      attempts.close(true)
    },
    stalled: () => intake.stalled(),
    tallied: tally.read,
    reconfigure(next) {
      settings = { ...settings, ...next }
      Object.assign(schedule, settings.schedule)
      scheduler
        .reconfigure(toParts())
        .catch((error: unknown) => log.error({ err: error }, 'the queue could not look up its mail again'))
    },
  }
}

const toOverdue = (recipient: Recipient): Outcome => ({
  recipient,
  result: 'fail',
  status: '5.4.7',
  reason: 'the time that the sender set for the delivery has passed',
})
const resultWords = { delivered: 'delivered', retry: 'put off', fail: 'failed' }
