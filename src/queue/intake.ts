// Watches the time: what waits becomes ready when it is due, a page at a time and with a pause between, never by storm. Notices
// when the wall clock was set, and on PostgreSQL when another node has died. Knows nothing of what becomes of the mail.

import type { Clock, Log } from '../base/index.ts'
import { metaRows, queueLaneRows, queueRows, type Reader, type Store } from '../store/index.ts'

export interface IntakeOptions {
  readonly store: Store
  readonly clock: Clock
  readonly log: Log
  /** Makes a page of what is due ready; returns how many that were. */
  readonly promote: (now: number) => Promise<number>
  /** Looks for ready mail that others put into the store. */
  readonly walk: () => Promise<void>
  /** Reads the rules of people again. */
  readonly readRules: () => Promise<void>
}

export interface Intake {
  /** Makes claims of dead processes void and begins. */
  start(): Promise<void>
  stop(): Promise<void>
  /** Something may be due now. */
  wake(): void
  /** Something may be due at a new time. */
  replan(): Promise<void>
  stalled(): string | undefined
}

const leastPause = 1_000
/** Looks at the store at least so often, should a ring be lost or another node die. */
const mostPause = 60_000
/** With other nodes: what one leaves when it dies should not wait for two minutes. */
const mostPauseOfNodes = 15_000
/** Between two pages: what is due all at once shall not hold up what comes in. */
const pagePause = 10
/** Due for so long and not in its lane: something is wrong here. */
const stallMs = 15 * 60_000
/** The wall clock may drift so far from the monotonic one without having been set. */
const drift = 60_000

/** Whether what waits is being moved with a clock that was set back, and when the newest message came. */
const readTimes = async (tx: Reader) => ({
  isMoving: await metaRows.isSettingBack(tx),
  newest: await queueLaneRows.newest(tx),
})

export function createIntake({ store, clock, log, promote, walk, readRules }: IntakeOptions): Intake {
  const longest = store.dialect === 'postgres' ? mostPauseOfNodes : mostPause
  let running = false
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
      // With each look: a timer of its own would be put off by every look that something else asks for.
      await freeClaims()
      await followClock()
      await promoteAll()
      // On SQLite nobody else puts mail in.
      if (store.dialect === 'postgres') {
        await readRules()
        await walk()
      }
      failure = undefined
      lastLook = clock.monotonic()
    } catch (error) {
      failure = `the queue cannot read the store: ${error instanceof Error ? error.message : String(error)}`
      log.error({ err: error }, 'the queue could not look for due mail')
    }
    await timer()
  }
  const promoteAll = async () => {
    while (running && (await promote(clock.now())) > 0) {
      if (!(await isMoreDue())) return
      await new Promise<void>((resolve) => clock.after(pagePause, resolve))
    }
  }
  const isMoreDue = async () => {
    const due = await store.read(queueRows.nextDue)
    return due !== undefined && due <= clock.now()
  }

  /** Wall clock minus monotonic clock, as it should stay. */
  let offset: number | undefined
  /**
   * The wall clock was set back: what waits by it would wait so much longer. It was set forward: what is due then comes a page
   * at a time, and each has its schedule as before.
   */
  const followClock = async () => {
    const is = clock.now() - clock.monotonic()
    const was = offset ?? is
    let { isMoving, newest } = await store.read(readTimes)
    if (isMoving) {
      await moveWaiting()
      newest = await store.read(queueLaneRows.newest)
    }
    // While nobody looked too: a message cannot have come later than now.
    const back = Math.max(was - is, (newest ?? 0) - clock.now())
    if (is - was > drift) {
      log.warn({ ms: is - was }, 'the clock was set forward')
      await store.write([], (tx) => metaRows.noteSetForward(tx))
    }
    if (back > drift) {
      const isFirst = await store.write([], (tx) => metaRows.noteSetBack(tx, { by: back, now: clock.now() }))
      log.warn({ ms: back, isFirst }, 'the clock was set back: mail that waits is moved with it')
      await moveWaiting()
      await store.write([], (tx) => queueLaneRows.notNewer(tx, clock.now()))
    }
    // When the store fails before, it is noticed again.
    offset = is
  }
  /**
   * Each page and how far it went are one transaction, and whoever looks goes on from there: nodes that notice the same share the
   * pages, and what one leaves when it dies another ends, or itself when it is back.
   */
  const moveWaiting = async () => {
    const movePage = () =>
      store.write([], async (tx) => {
        const move = await metaRows.lockSetBack(tx)
        if (move?.after === undefined) return false
        const after = await queueLaneRows.moveBack(tx, { by: move.by, now: clock.now() }, move.after, 500)
        // Who looks after the last page must not take the old times for news.
        if (after === 0) await queueLaneRows.notNewer(tx, clock.now())
        await metaRows.putSetBack(tx, after === 0 ? { at: move.at, by: move.by } : { ...move, after })
        return after !== 0
      })
    while (await movePage());
  }

  /** Sets the timer to when something is due next. */
  const timer = async () => {
    if (!running) return
    let due: number | undefined
    try {
      due = await store.read(queueRows.nextDue)
      oldestDue = due
    } catch (error) {
      failure = `the queue cannot read the store: ${error instanceof Error ? error.message : String(error)}`
    }
    const wait = Math.max(leastPause, Math.min((due ?? Number.POSITIVE_INFINITY) - clock.now(), longest))
    setTimer(wait)
  }
  const setTimer = (wait: number) => {
    if (!running) return
    cancelTimer?.()
    timerAt = clock.monotonic() + wait
    cancelTimer = clock.after(wait, wake)
  }

  let lastFreed: number | undefined
  /** Claims of processes that are no more are void: at the start, and while other nodes may die also later. */
  const freeClaims = async () => {
    // On SQLite there are no other processes to die.
    const again = store.dialect === 'sqlite' ? Number.POSITIVE_INFINITY : longest
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
    async start() {
      running = true
      await readRules()
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
