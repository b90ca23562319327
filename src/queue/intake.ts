// Fetches due mail from the store into memory, a page at a time, when the bell rings or the next time has come, never more
// often than once a second by itself. Knows nothing of what becomes of it.

import type { Clock, Log } from '../base/index.ts'
import { metaRows, queueRows, type Store } from '../store/index.ts'
import { type Mail, type Recipient, toMail, toRecipient } from './batch.ts'

export interface IntakeOptions {
  readonly store: Store
  readonly clock: Clock
  readonly log: Log
  /** Recipients in memory now. */
  readonly inMemory: () => number
  /** Begins with recipients that were claimed. */
  readonly take: (mail: Mail, recipients: readonly Recipient[]) => void
  /** Returns claims untried. */
  readonly giveBack: (ids: readonly number[], nextAt: number, reason: string) => Promise<void>
  readonly fault: (point: string) => void
}

export interface Intake {
  /** Whether one more fits into memory. */
  readonly open: boolean
  /** Makes claims of dead processes void and begins. */
  start(): Promise<void>
  stop(): Promise<void>
  /** Something may be due now. */
  wake(): void
  /** Something may be due at a new time. */
  replan(): Promise<void>
  /** Memory was freed. */
  refill(): void
  stalled(): string | undefined
}

const page = 200
/** Claimed and waiting in memory at most. */
const maxWaiting = 1_000
const leastPause = 1_000
/** Looks at the store at least so often, should a ring be lost or another node die. */
const mostPause = 60_000
/** Due for so long and not tried: something is wrong here. */
const stallMs = 15 * 60_000

export function createIntake({ store, clock, log, inMemory, take, giveBack, fault }: IntakeOptions): Intake {
  let running = false
  let behind = false
  let looking: Promise<void> | undefined
  let again = false
  let cancelTimer: (() => void) | undefined
  let timerAt = Number.NEGATIVE_INFINITY
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
    const found = await readMessages([...byMessage.keys()], rows)
    for (const row of found) take(toMail(row), (byMessage.get(row.id) ?? []).map(toRecipient))
  }

  /** Without their messages the claims go back, or nobody would ever try them. */
  const readMessages = async (ids: readonly number[], rows: readonly queueRows.RecipientRow[]) => {
    try {
      return await store.read((tx) => queueRows.messages(tx, ids))
    } catch (error) {
      void giveBack(
        rows.map(({ id }) => id),
        clock.now(),
        '',
      )
      throw error
    }
  }

  /** Sets the timer to when something is due next. */
  const timer = async () => {
    if (!running) return
    // Enough is in memory: whoever ends next looks again.
    if (behind) {
      oldestDue = undefined
      return setTimer(mostPause)
    }
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
    void freeClaims().finally(wake)
  }

  let lastFreed: number | undefined
  /** Claims of processes that are no more are void: at the start, and while other nodes may die also later. */
  const freeClaims = async () => {
    // On SQLite there are no other processes to die.
    const again = store.dialect === 'sqlite' ? Number.POSITIVE_INFINITY : mostPause
    if (lastFreed !== undefined && clock.monotonic() - lastFreed < again) return
    lastFreed = clock.monotonic()
    try {
      const live = await store.read(metaRows.liveIncarnations)
      const freed = await store.write([], (tx) => queueRows.voidClaims(tx, [...live, store.incarnation]))
      if (freed > 0) log.info({ recipients: freed }, 'took over mail that a process left when it ended')
    } catch (error) {
      lastFreed = undefined
      log.error({ err: error }, 'the queue could not look for dead claims')
    }
  }

  const stopBell = store.bell.on((ring) => {
    if ('topic' in ring && ring.topic === 'queue') wake()
  })

  return {
    get open() {
      return running && inMemory() < maxWaiting
    },
    async start() {
      running = true
      await freeClaims()
      wake()
    },
    async stop() {
      running = false
      stopBell()
      cancelTimer?.()
      await looking
    },
    wake,
    replan: timer,
    refill() {
      if (behind && inMemory() < maxWaiting / 2) wake()
    },
    stalled() {
      if (failure !== undefined) return failure
      if (!running) return 'the queue is not running'
      if (clock.monotonic() - Math.max(lastLook, timerAt) > stallMs)
        return 'the queue has not looked for due mail for a long time'
      const overdue = oldestDue === undefined ? 0 : clock.now() - oldestDue
      if (overdue <= stallMs) return undefined
      return `mail is due since ${Math.round(overdue / 60_000)} minutes and was not tried`
    },
  }
}
