// Writes down what came of attempts: rows deleted or put off, reports put as mail, in one transaction each. Tries nothing.

import type { Clock, Log, QueueId } from '../base/index.ts'
import { queueRows, type Store, type Writer } from '../store/index.ts'
import type { Mail, Outcome } from './batch.ts'
import { endOf, isOverdue, nextOf, noticeAt } from './deadline.ts'
import { isWanted, type Report, type ReportKind, successOf } from './report.ts'
import type { Reporter } from './reporter.ts'
import type { Schedule } from './schedule.ts'
import type { Suppressions } from './suppression.ts'

export interface RecordOptions {
  readonly store: Store
  readonly clock: Clock
  readonly log: Log
  readonly schedule: Schedule
  readonly reporter: Reporter
  /** Learns from failures which addresses are not there any more. */
  readonly suppressions?: Pick<Suppressions, 'note'>
  /** Hears of every change of a recipient's state, within the transaction that makes it. */
  readonly witness?: Witness
  readonly fault: (point: string) => void
}

/** What is written of one recipient after an attempt. */
export interface Settled {
  readonly mail: Mail
  readonly outcome: Outcome
  readonly state: 'delivered' | 'deferred' | 'failed'
  /** Of what is deferred. */
  readonly nextAt?: number
  /** The report to the sender in the same transaction. */
  readonly report?: ReportKind
}
export type Witness = (tx: Writer, settled: readonly Settled[]) => Promise<void>

export interface Recorder {
  /** A batch of this message is on its way: what calls for a report waits until all have come back. */
  open(mail: Mail): void
  /** When a recipient who is put off is tried again, and when we give him up; undefined: a report is due, `settle` decides. */
  plan(mail: Mail, outcome: Outcome): { readonly nextAt: number; readonly end: number } | undefined
  /** One batch has come back. Resolves when all of it is written down; retries for as long as the store fails. */
  settle(mail: Mail, outcomes: readonly Outcome[]): Promise<void>
  /** A batch was given back untried. */
  drop(mail: Mail): Promise<void>
  /** Takes recipients out as failed, at once; with a report when `bounce`. Returns how many. */
  remove(mail: Mail, outcomes: readonly Outcome[], bounce: boolean): Promise<number>
  /** Does a write of the queue's own state, again and again while the store fails; undefined when closed. */
  persist<T>(write: () => Promise<T>): Promise<T | undefined>
  /** Gives up waiting for a failing store. */
  close(): void
}

const maxPause = 30_000
/** Who greylists wants to see the message again after five minutes, counted from when he first saw it. */
const greylisted = 5 * 60_000 + 5_000
/** A report waits so long for other recipients of the message who are being tried. */
const company = 30_000

interface Pending {
  open: number
  loud: Outcome[]
  /** Resolves when `loud` is written. */
  written?: { readonly promise: Promise<void>; readonly resolve: () => void }
}

const sayEveryMs = 60_000

/** Says that results cannot be written when it begins, once a minute how many times since, and when all are written again: never once for each. */
function createTrouble(clock: Clock, log: Log) {
  let times = 0
  let said: number | undefined
  let isOpen = false
  /** Writes that failed and are tried again. */
  let failing = 0
  return {
    /** `first`: this write did not fail before. */
    note(error: unknown, first: boolean): void {
      times++
      if (first) failing++
      const now = clock.monotonic()
      if (said !== undefined && now - said < sayEveryMs) return
      log.error({ err: error, times }, 'the queue could not write down what attempts came to, and tries again')
      said = now
      isOpen = true
      times = 0
    },
    /** A write that had failed is done, or given up. While others still fail it is not over. */
    end(): void {
      if (--failing > 0 || !isOpen) return
      log.info({ times }, 'the queue writes down again what attempts come to')
      isOpen = false
      times = 0
    },
  }
}

export function createRecorder(options: RecordOptions): Recorder {
  const { store, clock, log, schedule, reporter } = options
  const pending = new Map<QueueId, Pending>()
  const deliver = createDeliveredWriter(options)
  const trouble = createTrouble(clock, log)
  let closed = false

  /** A result must not be lost because the database is away for a minute: the message would be sent twice. */
  const persist = async <T>(write: () => Promise<T>): Promise<T | undefined> => {
    let failed = false
    try {
      for (let pause = 1_000; ; pause = Math.min(pause * 2, maxPause)) {
        try {
          return await write()
        } catch (error) {
          trouble.note(error, !failed)
          failed = true
          if (closed) return undefined
          await new Promise<void>((resolve) => clock.after(pause, resolve))
          if (closed) return undefined
        }
      }
    } finally {
      if (failed && !closed) trouble.end()
    }
  }

  /** What becomes of who was not delivered: told, put off or given up. */
  const judge = (mail: Mail, outcome: Outcome): Settled => {
    const now = clock.now()
    const planned = outcome.result === 'fail' ? undefined : nextOf(schedule, mail, now)
    const nextAt =
      planned !== undefined && outcome.class === 'greylisted'
        ? Math.min(Math.max(planned, now + greylisted), endOf(schedule, mail))
        : planned
    if (nextAt === undefined) return { mail, outcome: giveUp(mail, outcome, now), state: 'failed', report: 'failed' }
    const notice = noticeAt(schedule, mail)
    const told = mail.sender === null || outcome.recipient.warned || notice === undefined || now < notice
    if (told) return { mail, outcome, state: 'deferred', nextAt }
    return { mail, outcome: toLate(mail, outcome), state: 'deferred', nextAt, report: 'delayed' }
  }

  /** Writes states and reports in one transaction: neither without the other. Returns how many recipients are gone. */
  const write = async (mail: Mail, settled: readonly Settled[]): Promise<number> => {
    const reports: Report[] = []
    for (const kind of ['failed', 'delayed'] as const) {
      const outcomes = settled.filter(({ report }) => report === kind).map(({ outcome }) => outcome)
      const report = outcomes.length > 0 && (await reporter.compose(mail, kind, outcomes, endOf(schedule, mail)))
      if (report) reports.push(report)
    }
    return store.write([], async (tx) => {
      for (const report of reports) await reporter.post(tx, report)
      return writeStates(options, tx, settled)
    })
  }

  const finish = async (mail: Mail, loud: readonly Outcome[]): Promise<void> => {
    const entry = pending.get(mail.id) ?? { open: 1, loud: [] }
    entry.loud.push(...loud)
    entry.open--
    if (entry.open <= 0) {
      pending.delete(mail.id)
      return flush(mail, entry)
    }
    if (loud.length === 0) return
    if (!entry.written) {
      entry.written = Promise.withResolvers<void>()
      clock.after(company, () => void flush(mail, entry))
    }
    return entry.written.promise
  }
  const flush = async (mail: Mail, entry: Pending): Promise<void> => {
    const { loud, written } = entry
    entry.loud = []
    delete entry.written
    if (loud.length > 0)
      await persist(() =>
        write(
          mail,
          loud.map((outcome) => judge(mail, outcome)),
        ),
      )
    written?.resolve()
  }

  return {
    open(mail) {
      const entry = pending.get(mail.id)
      if (entry) entry.open++
      else pending.set(mail.id, { open: 1, loud: [] })
    },
    plan(mail, outcome) {
      const { nextAt, report } = judge(mail, outcome)
      return nextAt === undefined || report ? undefined : { nextAt, end: endOf(schedule, mail) }
    },
    async settle(mail, outcomes) {
      const good = outcomes.filter(({ result, recorded }) => result === 'delivered' && !recorded)
      const bad = outcomes.filter(({ result }) => result !== 'delivered').map((outcome) => judge(mail, outcome))
      const quiet = bad.filter(({ report }) => report === undefined)
      const loud = bad.filter(({ report }) => report !== undefined).map(({ outcome }) => outcome)
      await Promise.all([
        good.length > 0 && persist(() => deliver(mail, good)),
        quiet.length > 0 && persist(() => write(mail, quiet)),
      ])
      await finish(mail, loud)
      options.fault('queue.recorded')
    },
    drop: (mail) => finish(mail, []),
    persist,
    remove: (mail, outcomes, bounce) =>
      write(
        mail,
        outcomes.map((outcome) => ({ mail, outcome, state: 'failed', ...(bounce && { report: 'failed' as const }) })),
      ),
    close() {
      closed = true
    },
  }
}

/** The time that the sender set is what ends it, whatever the last answer was (RFC 2852 §4.1). */
function giveUp(mail: Mail, outcome: Outcome, now: number): Outcome {
  return outcome.result === 'retry' && isOverdue(mail, now) ? { ...outcome, status: '5.4.7' } : outcome
}

/** The sender set a time and wants to hear when it has passed (RFC 2852 §4.1). */
function toLate({ params }: Mail, outcome: Outcome): Outcome {
  return params.by?.mode === 'notify' ? { ...outcome, status: '4.4.7' } : outcome
}

/** Rows as the recipients' states are now, and who else must know. */
async function writeStates(
  { suppressions, witness }: RecordOptions,
  tx: Writer,
  settled: readonly Settled[],
): Promise<number> {
  for (const { outcome, nextAt, report } of settled) {
    if (nextAt === undefined) continue
    const { recipient, reason } = outcome
    await queueRows.deferRecipient(tx, recipient.id, {
      nextAt,
      reason,
      warned: recipient.warned || report !== undefined,
    })
  }
  const gone = await deleteRecipients(
    tx,
    settled.filter(({ state }) => state !== 'deferred'),
  )
  await suppressions?.note(tx, settled)
  await witness?.(tx, settled)
  return gone
}

/** What comes until one is written shares a transaction: a busy relay writes many a millisecond. */
function createDeliveredWriter(options: RecordOptions) {
  const { store, reporter } = options
  let waiting: Settled[] = []
  let writing: Promise<void> | undefined
  let next: Promise<void> | undefined
  const maxRecipients = 900

  const flush = async (): Promise<void> => {
    await writing?.catch(() => {})
    let batch: Settled[] | undefined
    const take = () => {
      const taken = waiting
      waiting = []
      next = undefined
      return taken
    }
    const write = async (tx: Writer) => {
      // Who comes while it waits is written with it; run again it is the same.
      batch ??= take()
      await writeStates(options, tx, batch)
    }
    // Nobody waits for it, the place is free already: it need not have a sync of its own.
    writing = store.write([], write, { patient: true }).finally(() => {
      // A store that has failed may not have run it.
      batch ??= take()
    })
    return writing
  }

  /** Who asked to hear of successes has a transaction of his own: the report is written with it. */
  const writeReported = async (mail: Mail, settled: readonly Settled[], kind: 'delivered' | 'relayed') => {
    const outcomes = settled.map(({ outcome }) => outcome)
    const report = await reporter.compose(mail, kind, outcomes)
    await store.write([], async (tx) => {
      if (report) await reporter.post(tx, report)
      await writeStates(options, tx, settled)
    })
  }

  return async (mail: Mail, outcomes: readonly Outcome[]): Promise<void> => {
    const settled = outcomes.map((outcome): Settled => ({ mail, outcome, state: 'delivered' }))
    const reported = settled.filter(({ outcome }) => isReported(mail, outcome))
    if (reported.length > 0) {
      const quiet = settled.filter((one) => !reported.includes(one))
      for (const [kind = 'relayed', some] of Map.groupBy(reported, ({ outcome }) => successOf(mail, outcome)))
        await writeReported(
          mail,
          some.map((one) => ({ ...one, report: kind })),
          kind,
        )
      if (quiet.length === 0) return
      return add(quiet)
    }
    return add(settled)
  }

  async function add(settled: readonly Settled[]): Promise<void> {
    // A full batch is closed: who comes now waits for the one after.
    while (next && waiting.length + settled.length > maxRecipients) await next.catch(() => {})
    waiting.push(...settled)
    next ??= flush()
    return next
  }
}

function isReported(mail: Mail, outcome: Outcome): boolean {
  const kind = successOf(mail, outcome)
  return kind !== undefined && isWanted(outcome.recipient.params, kind, mail, outcome)
}

async function deleteRecipients(tx: Writer, settled: readonly Settled[]): Promise<number> {
  let gone = 0
  for (let at = 0; at < settled.length; at += 1000) {
    const some = settled.slice(at, at + 1000)
    const ids = some.map(({ outcome }) => outcome.recipient.id)
    gone += await queueRows.deleteRecipients(tx, ids, [...new Set(some.map(({ mail }) => mail.id))])
  }
  return gone
}
