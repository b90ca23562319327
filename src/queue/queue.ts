// The outgoing queue: takes mail within delivery's transaction, claims what is due, has it tried and the result written down.
// Holds no mail but what it has claimed. Wakes by the bell and by one timer, never more often than once a second by itself.

import { addressKey, formatAddress } from '../address/index.ts'
import type { Clock, ContentId, Log, QueueId } from '../base/index.ts'
import type { Resolver } from '../dns/index.ts'
import type { ClientOptions } from '../smtp/client/index.ts'
import { queueRows, type Store, type Writer } from '../store/index.ts'
import { createAdmin } from './admin.ts'
import { type Connect, createAttempts } from './attempt.ts'
import {
  type Batch,
  localLane,
  type Mail,
  type Outcome,
  type Recipient,
  showPath,
  toBatches,
  toMail,
  withClass,
} from './batch.ts'
import { openMessage } from './content.ts'
import { isOverdue } from './deadline.ts'
import { createDispatch } from './dispatch.ts'
import { createIntake } from './intake.ts'
import { deliverLocally, type LocalRetry } from './local.ts'
import { createRecorder } from './record.ts'
import { createReporter, type Reporter } from './reporter.ts'
import type { Routes } from './route.ts'
import { defaultSchedule, nextAttempt, type Schedule } from './schedule.ts'
import type { ReturnPathSigner } from './signer.ts'
import { type Suppressions, toSuppressed } from './suppression.ts'
import type { NewQueueMessage, NewQueueRecipient, QueueAdmin, QueueMailParams, QueueTx } from './types.ts'

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
  /** The lists of addresses that our domains do not write to. */
  readonly suppressions?: Suppressions
  /** Signs return paths for the domains that want it. */
  readonly signer?: ReturnPathSigner
  readonly schedule?: Schedule
  /** Transactions at once in all (absent: 50) and per destination (10). */
  readonly concurrency?: { readonly total?: number; readonly perDestination?: number }
  /** Port of servers found by MX; absent: 25. */
  readonly port?: number
  readonly timeouts?: ClientOptions['timeouts']
  /** Fault points `queue.claimed`, `queue.sent`, `queue.recorded`, only in tests. */
  readonly fault?: (point: string) => void
}

/** What may change while the queue runs. */
export type QueueSettings = Partial<Pick<QueueOptions, 'routes' | 'schedule' | 'concurrency'>>

export interface Queue {
  readonly tx: QueueTx
  /** For who delivers without the queue. */
  readonly reporter: Reporter
  readonly admin: QueueAdmin
  /** Makes claims of dead processes void and begins. */
  start(): Promise<void>
  /** Starts nothing new, gives what is in flight `graceMs`, gives back the rest. */
  stop(graceMs: number): Promise<void>
  /** Why mail does not move, for /health; undefined when it does. */
  stalled(): string | undefined
  /** Configuration was read again; what is absent stays. Mail that is being tried goes on as it began. */
  reconfigure(settings: QueueSettings): void
}

/** Of one destination, unless it moves fast: more are put off, or a slow one would fill the memory and hold up all others. */
const maxWaitingInLane = 300
const crowdedMs = 10_000
const maxIds = 1_000
export function createQueue(options: QueueOptions): Queue {
  const { store, clock, log, hostname } = options
  const { fault = () => {} } = options
  // One object for all who hold it: it may change.
  const schedule: Schedule = { ...(options.schedule ?? defaultSchedule) }
  const own = new Set([hostname, ...(options.own ?? [])].map((name) => name.toLowerCase()))
  const recording = new Set<Promise<void>>()
  let routes = options.routes

  const attempts = createAttempts({
    ...options,
    own,
    port: options.port ?? 25,
    open: ({ mail }) => openMessage(store, mail),
    ...(options.signer && { returnPath: (batch) => options.signer!.pathOf(batch, schedule.lifetime) }),
  })
  const reporter = createReporter(options)
  const recorder = createRecorder({ ...options, schedule, reporter, fault })
  const dispatch = createDispatch({
    run: (batch) => run(batch),
    places: toPlaces(options.concurrency),
    clock,
    onDone: () => intake.refill(),
  })

  /** What waits, and what was tried and is not written down yet: all of it is bounded, also when the store is away. */
  const inMemory = () => dispatch.waiting + recording.size

  const run = async (batch: Batch) => {
    const started = clock.monotonic()
    const outcomes = (await tryBatch(batch)).map(withClass)
    fault('queue.sent')
    for (const outcome of outcomes) logOutcome(batch.mail, outcome, clock.monotonic() - started)
    // The place is free while the result is written: waiting for the disk must not slow a destination down.
    const settled = settle(batch.mail, outcomes).finally(() => {
      recording.delete(settled)
      intake.refill()
    })
    recording.add(settled)
  }
  const tryBatch = (batch: Batch): Promise<readonly Outcome[]> => {
    // RFC 2852 §4.1: after the time that its sender set a message must not be delivered any more.
    if (isOverdue(batch.mail, clock.now())) return Promise.resolve(batch.recipients.map(toOverdue))
    return batch.lane === localLane ? deliverLocally({ ...options, reporter }, batch) : attemptWanted(batch)
  }
  /** Recipients that their sender's domain does not write to any more fail untried. */
  const attemptWanted = async (batch: Batch): Promise<readonly Outcome[]> => {
    const { mail, recipients } = batch
    const addresses = recipients.map(({ address }) => address)
    const entries = await options.suppressions?.of(mail.sender, addresses).catch((error: unknown) => {
      log.error({ err: error, queueId: mail.id }, 'the suppression list could not be read')
      return undefined
    })
    if (!entries || entries.size === 0) return attempts.attempt(batch)
    const refused = recipients.flatMap((recipient) => {
      const entry = entries.get(addressKey(recipient.address))
      return entry ? [toSuppressed(recipient, entry)] : []
    })
    const rest = recipients.filter((one) => refused.every(({ recipient }) => recipient !== one))
    return rest.length === 0 ? refused : [...refused, ...(await attempts.attempt({ ...batch, recipients: rest }))]
  }
  const settle = async (mail: Mail, outcomes: readonly Outcome[]) => {
    await recorder.settle(mail, outcomes)
    if (outcomes.some(({ result }) => result === 'retry')) await intake.replan()
  }
  const logOutcome = (mail: Mail, outcome: Outcome, tookMs: number) => {
    const { recipient, result, reason, relay, tls, class: kind } = outcome
    const to = formatAddress(recipient.address)
    const times = { tookMs: Math.round(tookMs), delayMs: clock.now() - mail.arrived }
    log.info(
      {
        queueId: mail.id,
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

  /** Begins with recipients that this process has claimed. Those of a crowded lane go back for a while. */
  const take = (mail: Mail, recipients: readonly Recipient[]) => {
    const crowded: Recipient[] = []
    for (const batch of toBatches(mail, recipients, routes)) {
      if (dispatch.waitingIn(batch.lane) >= maxWaitingInLane && dispatch.backlogMs(batch.lane) > crowdedMs) {
        crowded.push(...batch.recipients)
        continue
      }
      recorder.open(mail)
      dispatch.add(batch)
    }
    if (crowded.length > 0)
      void giveBack(
        crowded.map(({ id }) => id),
        clock.now() + crowdedMs,
        'many messages wait for this destination',
      )
  }
  const giveBack = async (ids: readonly number[], nextAt: number, reason: string): Promise<void> => {
    for (let at = 0; at < ids.length; at += maxIds) {
      const some = ids.slice(at, at + maxIds)
      const release = (tx: Writer) => queueRows.releaseClaims(tx, some, nextAt, reason)
      await recorder.persist(() => store.write([], release, { durable: false }))
    }
    if (ids.length > 0) intake.wake()
  }
  const intake = createIntake({ store, clock, log, inMemory, take, giveBack, fault })

  const put = async (tx: Writer, message: NewQueueMessage): Promise<QueueId> => {
    const { content, size, prefix, account = null, utf8, body8 } = message
    const signed = await options.signer?.wants(tx, message)
    const params: QueueMailParams = { ...message.params, ...(signed && { signed: true }) }
    const facts = { content, prefix, size, params: JSON.stringify(params), created_at: tx.now }
    const sender = message.sender === null ? null : formatAddress(message.sender)
    const row = { ...facts, sender, account, utf8: utf8 ? 1 : 0, body8: body8 ? 1 : 0 }
    const id = await queueRows.insertMessage(tx, row)
    if (signed) await signed.remember(id)
    // What can be tried at once is claimed by the insert itself: the busiest way costs no second write.
    const owner = intake.open ? store.incarnation : null
    const claimed: Recipient[] = []
    for (const recipient of message.recipients) {
      const due = firstAttempt(recipient, tx.now)
      const mine = due <= tx.now ? owner : null
      const stored = await insertRecipient(tx, id, recipient, due, mine)
      if (mine !== null) claimed.push(stored)
    }
    if (claimed.length > 0) tx.afterCommit(() => take(toMail({ ...row, id }), claimed))
    if (claimed.length < message.recipients.length) tx.ring('queue')
    return id
  }
  /** A copy for a full mailbox was just tried. */
  const firstAttempt = ({ kind, firstAttemptAt, reason }: NewQueueRecipient, now: number) =>
    firstAttemptAt ?? (kind === 'local' && reason !== undefined ? (nextAttempt(schedule, now, now) ?? now) : now)

  return {
    tx: { put },
    reporter,
    admin: createAdmin({
      ...options,
      recorder,
      withdraw,
      forgive: () => attempts.forgive(),
      wake: () => intake.wake(),
    }),
    start: () => intake.start(),
    async stop(graceMs) {
      await intake.stop()
      dispatch.close()
      let cancel = () => {}
      const grace = new Promise<void>((resolve) => {
        cancel = clock.after(graceMs, resolve)
      })
      const ended = withdraw()
        .then(() => dispatch.drained())
        .then(() => Promise.all(recording))
      await Promise.race([ended, grace])
      cancel()
      recorder.close()
      attempts.close(true)
    },
    stalled: () => intake.stalled(),
    reconfigure(settings) {
      routes = settings.routes ?? routes
      Object.assign(schedule, settings.schedule)
      if (settings.concurrency) dispatch.setPlaces(toPlaces(settings.concurrency))
      attempts.forgive()
    },
  }

  /** Gives back what waits in memory, of one message or all. */
  async function withdraw(message?: number): Promise<void> {
    const batches = dispatch.withdraw(message)
    await giveBack(
      batches.flatMap(({ recipients }) => recipients.map(({ id }) => id)),
      clock.now(),
      '',
    )
    for (const { mail } of batches) await recorder.drop(mail)
  }
}

const toPlaces = ({ total = 50, perDestination = 10 }: QueueOptions['concurrency'] = {}) => ({
  total,
  perLane: perDestination,
})
const toOverdue = (recipient: Recipient): Outcome => ({
  recipient,
  result: 'fail',
  status: '5.4.7',
  reason: 'the time that the sender set for the delivery has passed',
})
const resultWords = { delivered: 'delivered', retry: 'put off', fail: 'failed' }

async function insertRecipient(
  tx: Writer,
  message: QueueId,
  recipient: NewQueueRecipient,
  due: number,
  owner: string | null,
): Promise<Recipient> {
  const { address, kind, reason = '', params = {} } = recipient
  const row = {
    message,
    address: formatAddress(address),
    domain: address.domain,
    kind,
    reason,
    params: JSON.stringify(params),
  }
  const id = await queueRows.insertRecipient(tx, { ...row, next_at: due, owner })
  return { id, address, kind, warned: false, params }
}
