// The outgoing queue: takes mail within delivery's transaction, claims what is due, has it tried and the result written down.
// Holds no mail but what it has claimed. Wakes by the bell and by one timer, never more often than once a second by itself.

import { formatAddress } from '../address/index.ts'
import type { Clock, ContentId, Log, QueueId } from '../base/index.ts'
import type { Resolver } from '../dns/index.ts'
import type { ClientOptions } from '../smtp/client/index.ts'
import { metaRows, queueRows, type Store, type Writer } from '../store/index.ts'
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
  toRecipient,
} from './batch.ts'
import { openMessage } from './content.ts'
import { createDispatch } from './dispatch.ts'
import { deliverLocally, type LocalRetry } from './local.ts'
import { createRecorder } from './record.ts'
import type { Routes } from './route.ts'
import { defaultSchedule, nextAttempt, type Schedule } from './schedule.ts'
import type { NewQueueMessage, NewQueueRecipient, QueueAdmin, QueueTx } from './types.ts'

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
  readonly schedule?: Schedule
  /** Transactions at once in all (absent: 50) and per destination (10). */
  readonly concurrency?: { readonly total?: number; readonly perDestination?: number }
  /** Port of servers found by MX; absent: 25. */
  readonly port?: number
  readonly timeouts?: ClientOptions['timeouts']
  /** Fault points `queue.claimed`, `queue.sent`, `queue.recorded`, only in tests. */
  readonly fault?: (point: string) => void
}

export interface Queue {
  readonly tx: QueueTx
  readonly admin: QueueAdmin
  /** Makes claims of dead processes void and begins. */
  start(): Promise<void>
  /** Starts nothing new, gives what is in flight `graceMs`, gives back the rest. */
  stop(graceMs: number): Promise<void>
  /** Why mail does not move, for /health; undefined when it does. */
  stalled(): string | undefined
  /** Other routes from now on (configuration was read again). */
  setRoutes(routes: Routes): void
}

const page = 200
/** Claimed and waiting in memory at most. */
const maxWaiting = 1_000
/** Of one destination, unless it moves fast: more are put off, or a slow one would fill the memory and hold up all others. */
const maxWaitingInLane = 300
const crowdedMs = 10_000
const leastPause = 1_000
/** Looks at the store at least so often, should a ring be lost or another node die. */
const mostPause = 60_000
/** Due for so long and not tried: something is wrong here. */
const stallMs = 15 * 60_000

export function createQueue(options: QueueOptions): Queue {
  const { store, clock, log, hostname } = options
  const { schedule = defaultSchedule, fault = () => {}, concurrency = {} } = options
  const own = new Set([hostname, ...(options.own ?? [])].map((name) => name.toLowerCase()))
  const recording = new Set<Promise<void>>()
  let routes = options.routes
  let running = false

  const attempts = createAttempts({
    ...options,
    own,
    port: options.port ?? 25,
    open: ({ mail }) => openMessage(store, mail),
  })
  const recorder = createRecorder({ ...options, schedule, fault })
  const dispatch = createDispatch({
    run: (batch) => run(batch),
    total: concurrency.total ?? 50,
    perLane: concurrency.perDestination ?? 10,
    clock,
    onDone: () => refill(),
  })

  /** What waits, and what was tried and is not written down yet: all of it is bounded, also when the store is away. */
  const inMemory = () => dispatch.waiting + recording.size

  const refill = () => {
    if (behind && inMemory() < maxWaiting / 2) wake()
  }

  const run = async (batch: Batch) => {
    const started = clock.monotonic()
    const outcomes = batch.lane === localLane ? await deliverLocally(options, batch) : await attempts.attempt(batch)
    fault('queue.sent')
    for (const outcome of outcomes) logOutcome(batch.mail, outcome, clock.monotonic() - started)
    // The place is free while the result is written: waiting for the disk must not slow a destination down.
    const settled = settle(batch.mail, outcomes).finally(() => {
      recording.delete(settled)
      refill()
    })
    recording.add(settled)
  }
  const settle = async (mail: Mail, outcomes: readonly Outcome[]) => {
    await recorder.settle(mail, outcomes)
    if (outcomes.some(({ result }) => result === 'retry')) await timer()
  }
  const logOutcome = (mail: Mail, outcome: Outcome, tookMs: number) => {
    const { recipient, result, reason, relay, tls } = outcome
    const to = formatAddress(recipient.address)
    const times = { tookMs: Math.round(tookMs), delayMs: clock.now() - mail.arrived }
    log.info(
      { queueId: mail.id, from: showPath(mail.sender), to, size: mail.size, relay, tls, reply: reason, ...times },
      resultWords[result],
    )
  }

  /** Begins with recipients that this process has claimed. Those of a crowded lane go back for a minute. */
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
    if (crowded.length > 0) void giveBack(crowded, clock.now() + crowdedMs, 'many messages wait for this destination')
  }
  const giveBack = async (recipients: readonly Recipient[], nextAt: number, reason: string) => {
    const ids = recipients.map(({ id }) => id)
    try {
      await store.write([], (tx) => queueRows.releaseClaims(tx, ids.slice(0, 1000), nextAt, reason), { durable: false })
    } catch (error) {
      // They stay ours until the next start, which makes the claims void.
      log.error({ err: error }, 'the queue could not give back claims')
    }
    if (ids.length > 1000) await giveBack(recipients.slice(1000), nextAt, reason)
  }

  let behind = false
  let looking: Promise<void> | undefined
  let again = false
  let cancelTimer: (() => void) | undefined
  let timerAt = Number.POSITIVE_INFINITY
  let lastLook = clock.monotonic()
  let failure: string | undefined
  let oldestDue: number | undefined

  const wake = () => {
    if (!running) return
    if (looking) again = true
    else
      looking = look().finally(() => {
        looking = undefined
        if (again) wake()
      })
  }
  const look = async () => {
    again = false
    try {
      await claim()
      failure = undefined
      lastLook = clock.monotonic()
    } catch (error) {
      failure = `the queue cannot read the store: ${error instanceof Error ? error.message : String(error)}`
      log.error({ err: error }, 'the queue could not look for due mail')
    }
    await timer()
  }
  const claim = async () => {
    behind = false
    while (running) {
      const room = Math.min(page, maxWaiting - inMemory())
      if (room <= 0) {
        behind = true
        return
      }
      const rows = await store.write([], (tx) => queueRows.claimDue(tx, store.incarnation, clock.now(), room), {
        durable: false,
      })
      if (rows.length === 0) return
      fault('queue.claimed')
      await takeRows(rows)
      if (rows.length < room) return
    }
  }
  const takeRows = async (rows: readonly queueRows.RecipientRow[]) => {
    const byMessage = Map.groupBy(rows, ({ message }) => message)
    const found = await store.read((tx) => queueRows.messages(tx, [...byMessage.keys()]))
    for (const row of found) take(toMail(row), (byMessage.get(row.id) ?? []).map(toRecipient))
  }

  /** Sets the timer to when something is due next. */
  const timer = async () => {
    if (!running) return
    // Enough is in memory: whoever ends next looks again.
    if (behind) return setTimer(mostPause)
    let due: number | undefined
    try {
      due = await store.read(queueRows.nextDue)
      oldestDue = due
    } catch (error) {
      failure = `the queue cannot read the store: ${error instanceof Error ? error.message : String(error)}`
    }
    const wait = Math.max(leastPause, Math.min((due ?? Number.POSITIVE_INFINITY) - clock.now(), mostPause))
    setTimer(wait)
  }
  const setTimer = (wait: number) => {
    if (!running) return
    cancelTimer?.()
    timerAt = clock.monotonic() + wait
    cancelTimer = clock.after(wait, onTimer)
  }
  const onTimer = () => {
    timerAt = Number.POSITIVE_INFINITY
    void freeClaims().finally(wake)
  }

  let lastFreed = Number.NEGATIVE_INFINITY
  /** Claims of processes that are no more are void: at the start, and while other nodes may die also later. */
  const freeClaims = async () => {
    if (clock.monotonic() - lastFreed < mostPause) return
    if (store.dialect === 'sqlite' && lastFreed > 0) return
    lastFreed = clock.monotonic()
    try {
      const live = await store.read(metaRows.liveIncarnations)
      const freed = await store.write([], (tx) => queueRows.voidClaims(tx, [...live, store.incarnation]))
      if (freed > 0) log.info({ recipients: freed }, 'took over mail that a process left when it ended')
    } catch (error) {
      lastFreed = Number.NEGATIVE_INFINITY
      log.error({ err: error }, 'the queue could not look for dead claims')
    }
  }

  const put = async (tx: Writer, message: NewQueueMessage): Promise<QueueId> => {
    const { content, size, prefix, account = null, utf8, body8, params = {} } = message
    const facts = { content, prefix, size, params: JSON.stringify(params), created_at: tx.now }
    const sender = message.sender === null ? null : formatAddress(message.sender)
    const row = { ...facts, sender, account, utf8: utf8 ? 1 : 0, body8: body8 ? 1 : 0 }
    const id = await queueRows.insertMessage(tx, row)
    // What can be tried at once is claimed by the insert itself: the busiest way costs no second write.
    const owner = running && inMemory() < maxWaiting ? store.incarnation : null
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

  const stopBell = store.bell.on((ring) => {
    if ('topic' in ring && ring.topic === 'queue') wake()
  })

  return {
    tx: { put },
    admin: createAdmin({ ...options, recorder, withdraw, forgive: () => attempts.forgive(), wake }),
    async start() {
      running = true
      await freeClaims()
      wake()
    },
    async stop(graceMs) {
      running = false
      stopBell()
      cancelTimer?.()
      await looking
      await withdraw()
      dispatch.close()
      let cancel = () => {}
      const grace = new Promise<void>((resolve) => {
        cancel = clock.after(graceMs, resolve)
      })
      const ended = dispatch.drained().then(() => Promise.all(recording))
      await Promise.race([ended, grace])
      cancel()
      recorder.close()
      attempts.close(true)
    },
    stalled() {
      if (failure !== undefined) return failure
      if (!running) return 'the queue is not running'
      const late = clock.monotonic() - Math.min(timerAt, clock.monotonic())
      if (late > stallMs || clock.monotonic() - lastLook > stallMs)
        return 'the queue has not looked for due mail for a long time'
      const overdue = oldestDue === undefined ? 0 : clock.now() - oldestDue
      return overdue > stallMs
        ? `mail is due since ${Math.round(overdue / 60_000)} minutes and was not tried`
        : undefined
    },
    setRoutes(changed) {
      routes = changed
      attempts.forgive()
    },
  }

  /** Gives back what waits in memory, of one message or all. */
  async function withdraw(message?: number): Promise<void> {
    const batches = dispatch.withdraw(message)
    await giveBack(
      batches.flatMap(({ recipients }) => recipients),
      clock.now(),
      '',
    )
    for (const { mail } of batches) await recorder.drop(mail)
  }
}

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
