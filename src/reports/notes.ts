// The core's side of what was seen: counted in the store, without waiting for the disk, until its day is over and it is told.

import { hash } from 'node:crypto'
import type { Clock, Log } from '../base/index.ts'
import { enqueueJob, type JobMap } from '../jobs/index.ts'
import type { TlsResult } from '../mailauth/index.ts'
import { reportDueRows, type Store, type Writer } from '../store/index.ts'
import type { FailedMessage, Observed, ReportNotes } from './observe.ts'
import { dayMs, dayOf } from './observe.ts'

/** Kinds of messages that are told apart for one domain and day, and domains of one day: strangers choose both. */
const maxLines = 10_000
const maxDomains = 20_000
/** Reports leave within four hours after midnight UTC, each at its own time (RFC 8460 §4.1 says so of TLS). */
const spreadMs = 4 * 3_600_000
/** What was seen before midnight is counted by then. */
const settleMs = 600_000
const linesAtOnce = 200

export interface NotesParts {
  readonly store: Store
  /** 0 to 1. */
  readonly random: () => number
  /** False: nothing is gathered. */
  readonly on: () => boolean
  /** Makes the job's payload of a failure: redacted, for the store. */
  readonly toFailure: (failed: FailedMessage) => FailureJob | undefined
}

/** What is told of one message that failed. */
export type FailureJob = JobMap['send-failure-report']

/** How a session with another server began: counted for its domain. What fails is logged and lost. */
export type RecordTlsResult = (results: readonly TlsResult[]) => void

export function createReportNotes(parts: NotesParts): ReportNotes {
  const { store, on, toFailure } = parts
  return {
    async note(observed) {
      if (!on()) return
      // In one order for all nodes, so that none waits for another that waits for it.
      const sorted = observed.toSorted((a, b) => (a.domain < b.domain ? -1 : a.domain > b.domain ? 1 : 0))
      for (let at = 0; at < sorted.length; at += linesAtOnce)
        await store.write([], (tx) => count(tx, parts, sorted.slice(at, at + linesAtOnce)), { durable: false })
    },
    async fail(failed) {
      if (!on()) return
      const jobs: FailureJob[] = []
      for (const one of failed) {
        const job = toFailure(one)
        if (job) jobs.push(job)
      }
      if (jobs.length === 0) return
      await store.write(
        [],
        async (tx) => {
          for (const job of jobs) await enqueueJob(tx, 'send-failure-report', job)
        },
        { durable: false },
      )
    },
  }
}

async function count(tx: Writer, { random }: NotesParts, observed: readonly Observed[]): Promise<void> {
  const dues = new Map<string, reportDueRows.ReportDueRow | undefined>()
  for (const { kind, day, domain, policy, count, data } of observed) {
    const key = `${kind} ${day} ${domain}`
    if (!dues.has(key)) {
      const due_at = (day + 1) * dayMs + settleMs + Math.floor(random() * spreadMs)
      const full =
        (await reportDueRows.find(tx, kind, day, domain)) === undefined &&
        (await reportDueRows.countOfDay(tx, kind, day, maxDomains)) >= maxDomains
      dues.set(key, full ? undefined : await reportDueRows.ensure(tx, { kind, day, domain, policy, due_at }))
    }
    const due = dues.get(key)
    // Its report has left already, as after a clock that was set back: nothing is told twice.
    if (due?.state !== 'gathering') continue
    const digest = hash('sha256', data).slice(0, 32)
    if (await reportDueRows.addCount(tx, due.id, digest, count)) continue
    if (due.lines >= maxLines) await reportDueRows.leaveOut(tx, due.id, count)
    else {
      await reportDueRows.insertLine(tx, due.id, { hash: digest, count, data })
      dues.set(key, { ...due, lines: due.lines + 1 })
    }
  }
}

/** What sessions have in common, for the report of their domain. */
export interface TlsLine {
  readonly policyType: TlsResult['policyType']
  readonly policyStrings: readonly string[]
  readonly mxPatterns: readonly string[]
  readonly outcome: TlsResult['outcome']
  readonly sendingIp?: string
  readonly receivingMx?: string
  readonly receivingIp?: string
  readonly reasonCode?: string
}

const flushMs = 5_000
const flushAt = 1_000
const maxStrings = 50

/** Gathers results for some seconds: a busy queue has thousands that are the same. */
export function createTlsRecorder({
  notes,
  clock,
  log,
}: {
  readonly notes: Pick<ReportNotes, 'note'>
  readonly clock: Clock
  readonly log: Log
}): { readonly record: RecordTlsResult; stop(): Promise<void> } {
  let gathered = new Map<string, Observed>()
  let cancelFlush: (() => void) | undefined
  const flush = async () => {
    cancelFlush?.()
    cancelFlush = undefined
    const lines = [...gathered.values()]
    gathered = new Map()
    if (lines.length === 0) return
    try {
      await notes.note(lines)
    } catch (error) {
      log.warn({ err: error, lines: lines.length }, 'results of TLS could not be kept for reports')
    }
  }
  return {
    record(results) {
      for (const result of results) {
        const data = JSON.stringify(toTlsLine(result))
        const domain = result.domain.toLowerCase()
        const key = `${dayOf(result.at)} ${domain} ${data}`
        const count = (gathered.get(key)?.count ?? 0) + 1
        gathered.set(key, { kind: 'tls', day: dayOf(result.at), domain, policy: '', count, data })
      }
      if (gathered.size >= flushAt) void flush()
      else if (gathered.size > 0) cancelFlush ??= clock.after(flushMs, () => void flush())
    },
    stop: flush,
  }
}

/** A success is one of many: which host took it is told of failures only. */
function toTlsLine(result: TlsResult): TlsLine {
  const { policyType, outcome, sendingIp, receivingMx, receivingIp, reasonCode } = result
  const policy = {
    policyType,
    policyStrings: result.policyStrings.slice(0, maxStrings),
    mxPatterns: result.mxPatterns.slice(0, maxStrings),
    outcome,
  }
  if (outcome === 'success') return policy
  return {
    ...policy,
    ...(sendingIp !== undefined && { sendingIp }),
    ...(receivingMx !== undefined && { receivingMx }),
    ...(receivingIp !== undefined && { receivingIp }),
    ...(reasonCode !== undefined && { reasonCode: reasonCode.slice(0, 200) }),
  }
}
