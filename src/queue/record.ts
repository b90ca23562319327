// Writes down what came of attempts: rows deleted or put off, reports put as mail, in one transaction each. Tries nothing.

import type { Clock, ContentId, Log, QueueId } from '../base/index.ts'
import { enqueueJob } from '../jobs/index.ts'
import { decodeWords, firstField } from '../mime/index.ts'
import { queueRows, type Store, type Writer } from '../store/index.ts'
import type { Mail, Outcome } from './batch.ts'
import { cutHeader, readStart } from './content.ts'
import { isWanted, type Report, type ReportKind, type ReportOptions, reportTo, toReport } from './report.ts'
import { isDelayed, nextAttempt, type Schedule } from './schedule.ts'

export interface RecordOptions {
  readonly store: Store
  readonly clock: Clock
  readonly log: Log
  readonly hostname: string
  readonly schedule: Schedule
  readonly putContent: (tx: Writer, bytes: Buffer) => Promise<ContentId>
  readonly fault: (point: string) => void
}

export interface Recorder {
  /** A batch of this message is on its way: what calls for a report waits until all have come back. */
  open(mail: Mail): void
  /** One batch has come back. Resolves when it is written down; retries for as long as the store fails. */
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

/** Bytes of the message's header that go back with a report, and of a whole message. */
const maxHeader = 65_536
const maxReturned = 50_000
const maxPause = 30_000

type Original = Pick<ReportOptions, 'original' | 'originalIs' | 'subject'>

interface Pending {
  open: number
  readonly loud: Outcome[]
}

export function createRecorder(options: RecordOptions): Recorder {
  const { store, clock, log, schedule } = options
  const pending = new Map<QueueId, Pending>()
  const delivered = createDeliveredWriter(options)
  let closed = false

  /** A result must not be lost because the database is away for a minute: the message would be sent twice. */
  const persist = async <T>(write: () => Promise<T>): Promise<T | undefined> => {
    for (let pause = 1_000; ; pause = Math.min(pause * 2, maxPause)) {
      try {
        return await write()
      } catch (error) {
        log.error({ err: error }, 'the queue could not write down the result of an attempt')
        if (closed) return undefined
        await new Promise<void>((resolve) => clock.after(pause, resolve))
        if (closed) return undefined
      }
    }
  }

  const defer = async (tx: Writer, mail: Mail, { recipient, reason }: Outcome, warned: boolean) => {
    const nextAt = nextAttempt(schedule, mail.arrived, clock.now()) ?? clock.now()
    await queueRows.deferRecipient(tx, recipient.id, { nextAt, reason, warned })
  }

  const writeLoud = async (mail: Mail, loud: readonly Outcome[]) => {
    const failed = loud.filter((outcome) => isFinal(mail, outcome))
    const delayed = loud.filter((outcome) => !isFinal(mail, outcome))
    const reports = await composeReports(options, mail, failed, delayed)
    return store.write([], async (tx) => {
      for (const report of reports) await post(options, tx, report)
      for (const outcome of delayed) await defer(tx, mail, outcome, true)
      return failed.length > 0 ? deleteOutcomes(tx, mail, failed) : 0
    })
  }

  const isFinal = (mail: Mail, { result }: Outcome) =>
    result === 'fail' || nextAttempt(schedule, mail.arrived, clock.now()) === undefined

  const finish = async (mail: Mail, outcomes: readonly Outcome[]) => {
    const entry = pending.get(mail.id) ?? { open: 1, loud: [] }
    entry.loud.push(...outcomes)
    entry.open--
    if (entry.open > 0) return
    pending.delete(mail.id)
    if (entry.loud.length > 0) await persist(() => writeLoud(mail, entry.loud))
  }

  return {
    open(mail) {
      const entry = pending.get(mail.id)
      if (entry) entry.open++
      else pending.set(mail.id, { open: 1, loud: [] })
    },
    async settle(mail, outcomes) {
      const now = clock.now()
      const good = outcomes.filter(({ result, recorded }) => result === 'delivered' && !recorded)
      const bad = outcomes.filter(({ result }) => result !== 'delivered')
      const notice = (outcome: Outcome) =>
        mail.sender !== null && !outcome.recipient.warned && isDelayed(schedule, mail.arrived, now)
      const quiet = bad.filter((outcome) => !isFinal(mail, outcome) && !notice(outcome))
      const loud = bad.filter((outcome) => !quiet.includes(outcome))
      await Promise.all([
        good.length > 0 && persist(() => delivered(mail, good)),
        quiet.length > 0 &&
          persist(() =>
            store.write([], async (tx) => {
              for (const outcome of quiet) await defer(tx, mail, outcome, outcome.recipient.warned)
            }),
          ),
      ])
      await finish(mail, loud)
      options.fault('queue.recorded')
    },
    drop: (mail) => finish(mail, []),
    persist,
    async remove(mail, outcomes, bounce) {
      if (bounce) return writeLoud(mail, outcomes)
      return store.write([], (tx) => deleteOutcomes(tx, mail, outcomes))
    },
    close() {
      closed = true
    },
  }
}

/** Deletes of one turn, and of all that come while one is written, share a transaction: a busy relay writes many a millisecond. */
function createDeliveredWriter({ store }: RecordOptions) {
  let ids: number[] = []
  let messages: number[] = []
  let writing: Promise<number> | undefined
  let next: Promise<number> | undefined
  const maxIds = 900

  const flush = async (): Promise<number> => {
    await writing?.catch(() => 0)
    const batch = { ids, messages }
    ids = []
    messages = []
    next = undefined
    writing = store.write([], (tx) => queueRows.deleteRecipients(tx, batch.ids, batch.messages))
    return writing
  }
  return async (mail: Mail, outcomes: readonly Outcome[]): Promise<number> => {
    // A full batch is closed: who comes now waits for the one after.
    while (next && ids.length + outcomes.length > maxIds) await next.catch(() => 0)
    ids.push(...outcomes.map(({ recipient }) => recipient.id))
    messages.push(mail.id)
    next ??= flush()
    return next
  }
}

async function deleteOutcomes(tx: Writer, mail: Mail, outcomes: readonly Outcome[]): Promise<number> {
  let gone = 0
  for (let at = 0; at < outcomes.length; at += 1000) {
    const ids = outcomes.slice(at, at + 1000).map(({ recipient }) => recipient.id)
    gone += await queueRows.deleteRecipients(tx, ids, [mail.id])
  }
  return gone
}

/** The report's content and the job that delivers it stand in the transaction that forgets the recipients: neither without the other. */
async function post({ putContent }: RecordOptions, tx: Writer, { to, bytes, utf8 }: Report): Promise<void> {
  const content = await putContent(tx, bytes)
  await enqueueJob(tx, 'post', { from: null, to: [to], content, utf8 })
}

async function composeReports(
  options: RecordOptions,
  mail: Mail,
  failed: readonly Outcome[],
  delayed: readonly Outcome[],
): Promise<readonly Report[]> {
  const reports: Report[] = []
  const kinds: readonly (readonly [ReportKind, readonly Outcome[]])[] = [
    ['failed', failed],
    ['delayed', delayed],
  ]
  for (const [kind, all] of kinds) {
    const outcomes = all.filter(({ recipient }) => isWanted(recipient, kind))
    if (outcomes.length === 0) continue
    const to = reportTo(mail, outcomes, kind, options.hostname)
    if (to === undefined) {
      if (kind === 'failed')
        options.log.warn({ queueId: mail.id }, 'a message without a sender failed and nobody is told')
      continue
    }
    const until = mail.arrived + options.schedule.lifetime
    const facts = { hostname: options.hostname, now: options.clock.now(), until }
    const compose = (original: Original) => toReport(mail, outcomes, kind, to, { ...facts, ...original })
    try {
      reports.push(compose(await readOriginal(options, mail, kind)))
    } catch (error) {
      // Whatever stands in the message: its sender hears that it failed.
      options.log.error({ err: error, queueId: mail.id }, 'a report could not quote its message')
      reports.push(compose({ original: Buffer.alloc(0), originalIs: 'headers' }))
    }
  }
  return reports
}

/**
 * What goes back: the whole of a small message to our own user or to who asked for it (RFC 3461 §4.3), else its header.
 * A stranger's sender may be forged, and the report then must not carry his text to a third party.
 */
async function readOriginal({ store }: RecordOptions, mail: Mail, kind: ReportKind): Promise<Original> {
  const returned = mail.params.ret ?? (mail.account === undefined ? 'hdrs' : 'full')
  const whole = kind === 'failed' && returned === 'full' && mail.size <= maxReturned
  const bytes = await readStart(store, mail, Math.max(maxHeader, whole ? maxReturned : 0))
  const header = cutHeader(bytes)
  const raw = firstField(header, 'subject')
  const subject = raw === undefined ? {} : { subject: decodeWords(raw).trim() }
  return whole
    ? { original: bytes, originalIs: 'message', ...subject }
    : { original: header, originalIs: 'headers', ...subject }
}
