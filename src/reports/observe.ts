// What a door saw of mail from outside, gathered until it is worth a call: the same sender's thousand messages are one line with a count.
// Knows no store. A crash loses the last seconds; reports are statistics.

import type { Clock, Log } from '../base/index.ts'
import type { Verification } from '../mailauth/index.ts'
import { parseTags } from './policy-record.ts'
import type { Disposition, DkimLine, DmarcLine, OverrideReason } from './types.ts'

/** A message that DMARC judged, and what was done with it. */
export interface Judged {
  readonly at: number
  readonly ip: string
  /** Domain of MAIL FROM; empty: the null reverse-path. */
  readonly envelopeFrom: string
  /** Domains of the recipients. */
  readonly envelopeTo: readonly string[]
  readonly verification: Verification
  /** What DMARC did with it, by our own settings. */
  readonly done: 'none' | 'quarantine' | 'reject'
  /** Of domains of ours that let failures be told one by one: the message's header, and whether its subject may be told. */
  readonly failure?: { readonly header: Buffer; readonly subject: boolean; readonly mailFrom: string }
}

/** Counted for a domain and a day. */
export interface Observed {
  readonly kind: 'dmarc' | 'tls'
  readonly day: number
  readonly domain: string
  /** The record as published; of TLS empty. */
  readonly policy: string
  readonly count: number
  /** JSON of a DmarcLine or a TlsLine. */
  readonly data: string
}

/** One message that failed, to be told of (RFC 9991). Structured-cloneable. */
export interface FailedMessage {
  readonly at: number
  readonly ip: string
  readonly mailFrom: string
  readonly header: Uint8Array
  readonly subject: boolean
  readonly verification: Verification
  readonly done: Judged['done']
}

/** What the core takes from the doors, over a port. */
export interface ReportNotes {
  note(observed: readonly Observed[]): Promise<void>
  fail(failed: readonly FailedMessage[]): Promise<void>
}

export interface Observer {
  see(judged: Judged): void
  /** Hands over what was gathered. */
  stop(): Promise<void>
}

export const dayMs = 86_400_000
export const dayOf = (time: number): number => Math.floor(time / dayMs)

const flushMs = 2_000
/** Of a record so much is kept: what it names stands in the first lines. */
const maxRecord = 2_048
/** Lines that are held at most, and handed over in one call. */
const flushAt = 1_000
/** Failed messages that are told of: so many in each ten minutes, of one domain and of all. */
const failureWindowMs = 600_000
const failuresEach = 5
const failuresTogether = 50
/** Of a header: what is told is a small part of it. */
const maxHeader = 32_768

export interface ObserverParts {
  readonly notes: ReportNotes
  readonly clock: Clock
  readonly log: Log
}

export function createObserver({ notes, clock, log }: ObserverParts): Observer {
  let gathered = new Map<string, Omit<Observed, 'count'> & { count: number }>()
  let failed: FailedMessage[] = []
  let cancelFlush: (() => void) | undefined
  const limit = failureLimit(clock)

  const flush = async () => {
    cancelFlush?.()
    cancelFlush = undefined
    const [lines, failures] = [[...gathered.values()], failed]
    gathered = new Map()
    failed = []
    try {
      if (lines.length > 0) await notes.note(lines)
      if (failures.length > 0) await notes.fail(failures)
    } catch (error) {
      log.warn({ err: error, lines: lines.length }, 'what was seen of DMARC could not be kept for reports')
    }
  }
  return {
    see(judged) {
      const observed = toObserved(judged)
      if (observed) {
        const key = `${observed.day} ${observed.domain} ${observed.data}`
        const known = gathered.get(key)
        gathered.set(key, { ...observed, count: (known?.count ?? 0) + 1 })
      }
      const failure = toFailed(judged)
      if (failure && limit(failure.verification.dmarc.publishedAt ?? '')) failed.push(failure)
      if (gathered.size + failed.length === 0) return
      if (gathered.size >= flushAt) void flush()
      else cancelFlush ??= clock.after(flushMs, () => void flush())
    },
    stop: flush,
  }
}

/** Undefined: its domain wants no aggregate reports, or there was nothing to judge. */
export function toObserved(judged: Judged): Observed | undefined {
  const { dmarc } = judged.verification
  if ((dmarc.result !== 'pass' && dmarc.result !== 'fail') || !dmarc.record || !dmarc.publishedAt) return undefined
  if (!parseTags(dmarc.record).get('rua')) return undefined
  const data = JSON.stringify(toLine(judged))
  return {
    kind: 'dmarc',
    day: dayOf(judged.at),
    domain: dmarc.publishedAt,
    policy: dmarc.record.slice(0, maxRecord),
    count: 1,
    data,
  }
}

function toLine({ ip, envelopeFrom, envelopeTo, verification, done }: Judged): DmarcLine {
  const { dmarc, spf } = verification
  const domains = new Set(envelopeTo)
  return {
    sourceIp: ip,
    disposition: toDisposition(dmarc, done),
    dkim: dmarc.dkimAligned ? 'pass' : 'fail',
    spf: dmarc.spfAligned ? 'pass' : 'fail',
    reasons: toReasons(dmarc, done),
    headerFrom: dmarc.from ?? '',
    envelopeFrom: clip(envelopeFrom),
    // Named only where it is the same for all.
    ...(domains.size === 1 && { envelopeTo: clip([...domains][0]!) }),
    dkimResults: toSignatures(verification),
    // RFC 9990 §3.1.1.11: of the MAIL FROM identity alone; that of a null path is made from HELO (RFC 7208 §2.4).
    spfResults: [{ domain: clip(spf.domain), scope: 'mfrom', result: spf.result }],
  }
}

type Dmarc = Verification['dmarc']

function toDisposition(dmarc: Dmarc, done: Judged['done']): Disposition {
  if (dmarc.result === 'fail') return done
  return dmarc.policy === 'none' || dmarc.policy === undefined ? 'none' : 'pass'
}

/** Why less was done than the domain publishes (RFC 9990 §3.1.6). */
function toReasons({ result, policy, published }: Dmarc, done: Judged['done']): OverrideReason[] {
  if (result !== 'fail') return []
  const reasons: OverrideReason[] = []
  if (published?.testing && policy !== undefined) reasons.push({ type: 'policy_test_mode' })
  if (policy !== undefined && policy !== done) reasons.push({ type: 'local_policy' })
  return reasons
}

/** RFC 9990 §3.1.3: first those that count most. */
function toSignatures({ dkim, dmarc }: Verification): DkimLine[] {
  const rank = ({ result, domain }: Verification['dkim'][number]) => {
    if (result !== 'pass') return 3
    const from = dmarc.from ?? ''
    return domain === from ? 0 : shareEnd(domain, from) ? 1 : 2
  }
  return dkim
    .toSorted((a, b) => rank(a) - rank(b))
    .map(({ domain, selector, result }) => ({ domain: clip(domain), selector: clip(selector), result }))
}

const shareEnd = (a: string, b: string): boolean => a.endsWith(`.${b}`) || b.endsWith(`.${a}`)

/** Strangers chose it: as long as a domain may be. */
const clip = (text: string): string => text.slice(0, 255).toLowerCase()

/** RFC 9989 §4.7: what `fo` asks to be told of. */
function toFailed({ at, ip, verification, done, failure }: Judged): FailedMessage | undefined {
  const { dmarc, dkim, spf } = verification
  if (!failure || !dmarc.record || !dmarc.publishedAt || (dmarc.result !== 'pass' && dmarc.result !== 'fail'))
    return undefined
  const tags = parseTags(dmarc.record)
  // RFC 9991 §2: a public suffix is nobody's domain.
  if (!tags.get('ruf') || tags.get('psd')?.toLowerCase() === 'y') return undefined
  const wanted = (tags.get('fo') || '0')
    .toLowerCase()
    .split(':', 10)
    .map((word) => word.trim())
  const told =
    (wanted.includes('0') && dmarc.result === 'fail') ||
    (wanted.includes('1') && !(dmarc.spfAligned && dmarc.dkimAligned)) ||
    (wanted.includes('d') && dkim.some(({ result }) => result === 'fail' || result === 'permerror')) ||
    (wanted.includes('s') && (spf.result === 'fail' || spf.result === 'softfail' || spf.result === 'permerror'))
  if (!told) return undefined
  const { header, subject, mailFrom } = failure
  return { at, ip, mailFrom, header: new Uint8Array(header.subarray(0, maxHeader)), subject, verification, done }
}

/** Who sends a thousand failing messages must not make us send a thousand reports (RFC 9991 §2). */
function failureLimit(clock: Clock): (domain: string) => boolean {
  let since = clock.monotonic()
  let counts = new Map<string, number>()
  let all = 0
  return (domain) => {
    if (clock.monotonic() - since >= failureWindowMs) {
      since = clock.monotonic()
      counts = new Map()
      all = 0
    }
    const count = counts.get(domain) ?? 0
    if (count >= failuresEach || all >= failuresTogether) return false
    counts.set(domain, count + 1)
    all++
    return true
  }
}
