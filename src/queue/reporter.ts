// Makes reports of queued mail and puts them as mail of the house: read and composed before a transaction, posted within it.

import type { Clock, ContentId, Log } from '../base/index.ts'
import { enqueueJob } from '../jobs/index.ts'
import { decodeWords, firstField } from '../mime/index.ts'
import type { ReadStore, Writer } from '../store/index.ts'
import type { Mail, Outcome } from './batch.ts'
import { cutHeader, readStart } from './content.ts'
import {
  isWanted,
  type Report,
  type Reported,
  type ReportKind,
  type ReportOptions,
  reportTo,
  toReport,
} from './report.ts'

export interface ReporterOptions {
  readonly store: ReadStore
  readonly clock: Clock
  readonly log: Log
  readonly hostname: string
  /** Stores bytes as content within a transaction. */
  readonly putContent: (tx: Writer, bytes: Buffer) => Promise<ContentId>
}

export interface Reporter {
  /** The report of this kind on those of the outcomes whose sender wants it; undefined when nobody is to be told. */
  compose(mail: Mail, kind: ReportKind, outcomes: readonly Outcome[], until?: number): Promise<Report | undefined>
  /** The same of a message that is not queued; its header is at hand. */
  composeFor(mail: Reported, kind: ReportKind, outcomes: readonly Outcome[], header: Buffer): Report | undefined
  /** Puts the report's content and the job that delivers it: whoever forgets a recipient does so in the same transaction. */
  post(tx: Writer, report: Report): Promise<void>
}

/** Bytes of the message's header that go back with a report, and of a whole message. */
const maxHeader = 65_536
const maxReturned = 50_000

interface Chosen {
  readonly outcomes: readonly Outcome[]
  readonly to: string
}

type Original = Pick<ReportOptions, 'original' | 'originalIs' | 'subject'>

export function createReporter(options: ReporterOptions): Reporter {
  const { clock, log, hostname } = options

  const choose = (mail: Reported, kind: ReportKind, all: readonly Outcome[]): Chosen | undefined => {
    const outcomes = all.filter((outcome) => isWanted(outcome.recipient.params, kind, mail, outcome))
    if (outcomes.length === 0) return undefined
    const to = reportTo(mail, outcomes, kind, hostname)
    if (to !== undefined) return { outcomes, to }
    if (kind === 'failed') log.warn({ queueId: mail.id }, 'a message without a sender failed and nobody is told')
    return undefined
  }

  /** Whatever stands in the message: its sender hears what became of it. */
  const make = (mail: Reported, kind: ReportKind, chosen: Chosen, quoted: () => Original, until?: number): Report => {
    const facts = { hostname, now: clock.now(), ...(until !== undefined && { until }) }
    const compose = (original: Original) => toReport(mail, chosen.outcomes, kind, chosen.to, { ...facts, ...original })
    try {
      return compose(quoted())
    } catch (error) {
      log.error({ err: error, queueId: mail.id }, 'a report could not quote its message')
      return compose({ original: Buffer.alloc(0), originalIs: 'headers' })
    }
  }

  return {
    async compose(mail, kind, all, until) {
      const chosen = choose(mail, kind, all)
      if (!chosen) return undefined
      const read = await readOriginal(options, mail, kind).catch((error: unknown) => () => {
        throw error
      })
      return make(mail, kind, chosen, read, until)
    },
    composeFor(mail, kind, all, header) {
      const chosen = choose(mail, kind, all)
      return chosen && make(mail, kind, chosen, () => quoteHeader(header))
    },
    async post(tx, { to, bytes, utf8, about, requireTls }) {
      const content = await options.putContent(tx, bytes)
      await enqueueJob(tx, 'post', {
        from: null,
        to: [to],
        content,
        utf8,
        ...(about !== undefined && { about }),
        ...(requireTls && { requireTls }),
      })
    },
  }
}

/**
 * What goes back: the whole of a small message that failed to our own user or to who asked for it (RFC 3461 §4.3), else its
 * header. A stranger's sender may be forged, and the report then must not carry his text to a third party.
 */
async function readOriginal({ store }: ReporterOptions, mail: Mail, kind: ReportKind): Promise<() => Original> {
  const { ret, requireTls, binary } = mail.params
  // RFC 8689 §5: what asked for TLS goes back as a header. Nor can a report hold what is no text.
  const returned = requireTls || binary ? 'hdrs' : (ret ?? (mail.account === undefined ? 'hdrs' : 'full'))
  const whole = kind === 'failed' && returned === 'full' && mail.size <= maxReturned
  const bytes = await readStart(store, mail, Math.max(maxHeader, whole ? maxReturned : 0))
  return () => {
    const quoted = quoteHeader(cutHeader(bytes))
    return whole ? { ...quoted, original: bytes, originalIs: 'message' } : quoted
  }
}

function quoteHeader(header: Buffer): Original {
  const raw = firstField(header, 'subject')
  const subject = raw === undefined ? {} : { subject: decodeWords(raw).trim() }
  return { original: header, originalIs: 'headers', ...subject }
}
