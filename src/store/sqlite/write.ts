// Group commit: the writes of one turn of the loop share one transaction and one sync. When one of them fails, all are taken back and
// run again with a savepoint each: failures are rare, and a savepoint copies each page that several works change.
// A work awaits only its tx, so a whole batch runs within one turn; a work that awaits anything else is rejected.

import { type AccountId, type Clock, Fault, type Log } from '../../base/index.ts'
import type { RingingBell } from '../bell.ts'
import type { FaultPoint } from '../fault-points.ts'
import { type Aftermath, Transaction } from '../transaction.ts'
import type { Ring, Scope, Topic, Writer } from '../types.ts'
import { type Connection, isBroken, toFault } from './connection.ts'

/** A batch ends at so many works, or after so many milliseconds of work: those who wait first shall not wait for all. */
const batchWorks = 200
const batchMs = 20
/** For so long a write for which nobody waits waits for company: under load another comes sooner. */
const patienceMs = 5
/** Frames in the WAL from which it is copied back to the database between batches: 32 MiB of 4 KiB pages. */
const checkpointFrames = 8_192
/** Batches after which the length of the WAL is looked at: asking costs as much as a statement. */
const checkpointLook = 16

interface Waiting {
  readonly scope: Scope
  readonly work: (tx: Writer) => Promise<unknown>
  readonly durable: boolean
  readonly patient: boolean
  readonly resolve: (value: unknown) => void
  readonly reject: (error: unknown) => void
}
interface Worked {
  readonly waiting: Waiting
  readonly value: unknown
  readonly aftermath: Aftermath
}
type Outcome = { readonly value: unknown; readonly aftermath: Aftermath } | { readonly error: unknown }

export interface GroupOptions {
  readonly connection: Connection
  readonly bell: RingingBell
  readonly clock: Clock
  readonly log: Log
  readonly onFatal: (error: Error) => void
  readonly fault?: (point: FaultPoint) => void
}

export class GroupWriter {
  readonly #options: GroupOptions
  #queue: Waiting[] = []
  #scheduled = false
  #patience: NodeJS.Timeout | undefined
  #running = false
  #relaxed = false
  /** Why nothing is taken any more. */
  #ended: Error | undefined
  #idle: (() => void)[] = []
  #sinceLook = 0
  #closed = false
  /** The last checkpoint had no room. */
  #full = false
  /** Ends the work that runs now, when it broke the law. */
  #interrupt: ((error: Error) => void) | undefined

  constructor(options: GroupOptions) {
    this.#options = options
  }

  write<T>(scope: Scope, work: (tx: Writer) => Promise<T>, durable: boolean, patient = false): Promise<T> {
    return new Promise<T>((resolve, reject) => {
      if (this.#ended) return reject(this.#ended)
      this.#queue.push({ scope, work, durable, patient, resolve: resolve as (value: unknown) => void, reject })
      this.#plan()
    })
  }

  /** Finishes what was asked for and takes nothing more. */
  async close(): Promise<void> {
    this.#ended ??= new Fault('unavailable', 'the store is closed')
    if (this.#queue.length > 0) this.#schedule()
    if (this.#running || this.#queue.length > 0) await new Promise<void>((resolve) => this.#idle.push(resolve))
    this.#closed = true
  }

  /** A batch begins in this turn, or later when nobody waits for one. */
  #plan(): void {
    if (this.#queue.some(({ patient }) => !patient)) {
      this.#schedule()
      return
    }
    if (this.#running || this.#scheduled) return
    // A real one: a clock of tests that stands still must not keep a write from its end.
    this.#patience ??= setTimeout(() => {
      this.#patience = undefined
      if (this.#queue.length > 0) this.#schedule()
    }, patienceMs)
  }

  #schedule(): void {
    if (this.#scheduled || this.#running) return
    this.#scheduled = true
    setImmediate(() => {
      this.#scheduled = false
      void this.#runBatch()
    })
  }

  async #runBatch(): Promise<void> {
    const taken = this.#queue.splice(0, batchWorks)
    this.#running = true
    this.#watch()
    const worked: Worked[] = []
    try {
      this.#begin(taken)
      if (!(await this.#runWorks(taken, worked, taken.length > 1 ? 'together' : 'alone'))) {
        this.#takeBack(taken, worked)
        await this.#runWorks(taken, worked, 'apart')
      }
      this.#commit(worked)
    } catch (error) {
      this.#undo(error, [...worked.map(({ waiting }) => waiting), ...taken])
    } finally {
      this.#running = false
    }
    this.#rest()
  }

  /**
   * Every await of a work settles in a microtask, so a batch is over when the microtasks are: if it is not, the work that runs
   * awaits something else. A tick asked for within a microtask comes when no microtask is left.
   */
  #watch(): void {
    queueMicrotask(() =>
      process.nextTick(() => {
        if (!this.#running) return
        this.#interrupt?.(
          new Error(
            'a write awaited something other than its tx: inside store.write only tx may be awaited (HOUSE §6)',
          ),
        )
        this.#watch()
      }),
    )
  }

  #begin(taken: readonly Waiting[]): void {
    const { connection, fault } = this.#options
    fault?.('write.begin')
    // Only a commit that nobody needs on stable storage goes without a sync; a later one syncs all before it.
    const relaxed = taken.every(({ durable }) => !durable)
    if (relaxed !== this.#relaxed) connection.exec(`PRAGMA synchronous = ${relaxed ? 'NORMAL' : 'FULL'}`)
    this.#relaxed = relaxed
    connection.control('BEGIN IMMEDIATE')
  }

  /**
   * Runs the works of `taken` one after the other, moving them to `worked`; those for which the batch has no time left go back. False: one
   * of several that run together failed, and what the others did cannot be told from what it did.
   */
  async #runWorks(taken: Waiting[], worked: Worked[], how: 'alone' | 'together' | 'apart'): Promise<boolean> {
    const { connection, clock, fault } = this.#options
    const start = clock.monotonic()
    while (taken.length > 0) {
      if (worked.length > 0 && clock.monotonic() - start > batchMs) {
        this.#queue.unshift(...taken.splice(0))
        return true
      }
      const waiting = taken[0]!
      if (how === 'apart') connection.control('SAVEPOINT work')
      const outcome = await this.#runWork(waiting)
      fault?.('write.worked')
      if ('error' in outcome) {
        if (isBroken(outcome.error) || !connection.inTransaction) throw outcome.error
        if (how === 'together') return false
        this.#undoWork(waiting, outcome.error, how === 'alone')
      } else {
        if (how === 'apart') connection.control('RELEASE work')
        worked.push({ waiting, ...outcome })
      }
      taken.shift()
    }
    return true
  }

  /** Begins the transaction anew, with all its works before it. */
  #takeBack(taken: Waiting[], worked: Worked[]): void {
    const { connection } = this.#options
    taken.unshift(...worked.splice(0).map(({ waiting }) => waiting))
    connection.control('ROLLBACK')
    connection.control('BEGIN IMMEDIATE')
  }

  #runWork({ scope, work }: Waiting): Promise<Outcome> {
    const { connection, clock } = this.#options
    const tx = new Transaction(connection, scope, clock.now())
    return new Promise<Outcome>((resolve) => {
      const fail = (error: unknown) => {
        tx.end()
        resolve({ error })
      }
      this.#interrupt = fail
      const run = async () => {
        const value = await work(tx)
        resolve({ value, aftermath: await tx.finish() })
      }
      run().catch(fail)
    }).finally(() => {
      this.#interrupt = undefined
    })
  }

  /** Takes back one work. */
  #undoWork({ reject }: Waiting, error: unknown, alone: boolean): void {
    const { connection } = this.#options
    if (alone) connection.control('ROLLBACK')
    else {
      connection.control('ROLLBACK TO work')
      connection.control('RELEASE work')
    }
    reject(toFault(error))
  }

  #commit(worked: readonly Worked[]): void {
    const { connection, bell, log, fault } = this.#options
    if (!connection.inTransaction) return
    if (worked.length === 0) {
      connection.control('ROLLBACK')
      return
    }
    fault?.('write.before-commit')
    connection.control('COMMIT')
    fault?.('write.committed')
    for (const { waiting, value } of worked) waiting.resolve(value)
    bell.ring(joinRings(worked.map(({ aftermath }) => aftermath)))
    for (const { aftermath } of worked)
      for (const run of aftermath.after) {
        try {
          run()
        } catch (error) {
          log.error({ err: error }, 'what was to run after a commit failed')
        }
      }
  }

  /** The transaction as a whole failed: nobody's rows are there. A full disk is told; anything else ends the store. */
  #undo(error: unknown, lost: readonly Waiting[]): void {
    const { connection } = this.#options
    const told = toFault(error)
    try {
      if (connection.inTransaction) connection.control('ROLLBACK')
    } catch {
      // The first error says more.
    }
    for (const { reject } of lost) reject(told)
    if (!(told instanceof Fault)) this.#fail(error)
  }

  /** Storage failed: nothing is taken any more, and the process must end. */
  #fail(error: unknown): void {
    const reason = error instanceof Error ? error : new Error(String(error))
    this.#ended = new Fault('unavailable', `the store has failed: ${reason.message}`)
    for (const { reject } of this.#queue.splice(0)) reject(this.#ended)
    this.#options.onFatal(reason)
  }

  /** Between two batches: the WAL, then the next one. Those who were answered go first. */
  #rest(): void {
    if (this.#queue.length === 0) for (const resolve of this.#idle.splice(0)) resolve()
    setImmediate(() => this.#checkpoint())
    if (this.#queue.length > 0) this.#plan()
  }

  /** Copies a long WAL back while no batch runs; the next write then begins it anew unless a reader still needs it. */
  #checkpoint(): void {
    const { connection, log } = this.#options
    if (++this.#sinceLook < checkpointLook) return
    this.#sinceLook = 0
    if (this.#closed || this.#running || connection.walFrames() < checkpointFrames) return
    try {
      const done = connection.checkpoint('PASSIVE')
      if (!done && !this.#full)
        log.warn({}, 'the disk of the data folder is full: the log of the database cannot be copied back and grows')
      this.#full = !done
    } catch (error) {
      this.#fail(error)
    }
  }
}

/** One ring per account with its highest modseq, one per topic. */
function joinRings(aftermaths: readonly Aftermath[]): Ring[] {
  const modseqs = new Map<AccountId, number>()
  const topics = new Set<Topic>()
  for (const { rings } of aftermaths)
    for (const ring of rings) {
      if ('topic' in ring) topics.add(ring.topic)
      else modseqs.set(ring.account, Math.max(ring.modseq, modseqs.get(ring.account) ?? 0))
    }
  const accounts: Ring[] = [...modseqs].map(([account, modseq]) => ({ account, modseq }))
  return [...accounts, ...[...topics].map((topic) => ({ topic }))]
}
