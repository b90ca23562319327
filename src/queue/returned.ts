// What comes back after a server had accepted a message: bounces and complaints that reach a signed return path. Finds the message
// and the recipient, teaches the suppression list, says it in the log. Only the signature proves anything: what a stranger's message
// claims to be about changes nothing.

import type { DomainPolicies } from '../accounts/index.ts'
import { type Address, addressKey, formatAddress, parseAddress } from '../address/index.ts'
import { type Clock, type ContentId, type Log, type QueueId, toId } from '../base/index.ts'
import { ensureJob, type JobHandlers } from '../jobs/index.ts'
import { type Bounce, type BouncedRecipient, type Complaint, type Finding, readBounce } from '../smtp/bounces/index.ts'
import {
  metaRows,
  type Reader,
  type ReadStore,
  type Store,
  sentRows,
  suppressionRows,
  type Writer,
} from '../store/index.ts'
import type { TraceTx } from '../trace/index.ts'
import { noteComplaint } from './complaints.ts'
import { readStart } from './content.ts'
import { isMarked, looksSigned, readReturnPath, returnPathKey, type Signed } from './return-path.ts'
import type { Failure, Suppressions } from './suppression.ts'

/** A message to which something came back. */
export interface Sent {
  readonly message: QueueId
  /** Its timeline. */
  readonly trace: string
  readonly sender: Address
  /** Of the recipients those that may be spoken of under this return path. */
  readonly recipients: readonly Address[]
  /** The sender wants it in his mailbox too. */
  readonly pass: boolean
  /** So much has come back already that nothing more is taken: it is not a report any more. */
  readonly full: boolean
}

export interface ReturnedReads {
  /** The message that a signed return path names; undefined: forged, too old, or not of that form at all. */
  find(address: Address): Promise<Sent | undefined>
}

export interface ReturnedParts {
  readonly store: Store
  readonly clock: Clock
  readonly log: Log
  readonly reads: ReturnedReads
  readonly policies: DomainPolicies
  readonly suppressions: Pick<Suppressions, 'noteReturned'>
  readonly trace: TraceTx
}

/** What came back about one recipient of one message. */
export interface Returned {
  readonly message: QueueId
  readonly recipient: Address
  readonly action: BouncedRecipient['action'] | 'complaint'
  readonly class: Failure['class']
  readonly status?: string
  readonly reason: string
  /** He was put on the suppression list. */
  readonly suppressed: boolean
}

export function createReturnedReads({
  store,
  clock,
  policies,
}: {
  readonly store: ReadStore
  readonly clock: Clock
  readonly policies: DomainPolicies
}): ReturnedReads {
  let key: Buffer | undefined
  return {
    async find(address) {
      if (!looksSigned(address)) return undefined
      return store.read(async (tx) => {
        key ??= await metaRows.findKey(tx, returnPathKey)
        const signed = key && readReturnPath(key, address, clock.now())
        const sent = signed && (await findSent(tx, signed))
        const policy = sent && (await policies.of(tx, sent.sender.domain))
        return policy && { ...sent, pass: policy.settings.passBounces !== false }
      })
    },
  }
}

/** A delay or two, a failure, an automatic reply for each recipient; who was sent a message knows the path and could send without end. */
const leastReports = 20
const reportsEach = 5

async function findSent(tx: Reader, { message, mark }: Signed): Promise<Omit<Sent, 'pass'> | undefined> {
  const row = await sentRows.find(tx, message)
  const sender = row && parseAddress(row.sender)
  if (!row || !sender) return undefined
  const all = (JSON.parse(row.recipients) as readonly string[]).flatMap((text) => parseAddress(text) ?? [])
  return {
    message: row.message,
    trace: row.trace,
    full: row.reports >= leastReports + reportsEach * all.length,
    sender,
    recipients: all.filter((address) => isMarked(mark, address)),
  }
}

/** Bytes of a message that came back that are read: as the reader of bounces looks at no more. */
const maxRead = 512 * 1024
const sweepEveryMs = 6 * 3_600_000
const sweptAtOnce = 500

/** The jobs: read what came back; forget what is old. `keptMs`: how long a sent message is remembered. */
export function returnedHandlers(
  parts: ReturnedParts,
  keptMs: () => number,
): Pick<JobHandlers, 'read-returned' | 'forget-returned'> {
  const { store, log, reads, policies } = parts
  /** In the timeline of the message, and in that of the report. */
  const note = async (tx: Writer, sent: string, own: string, returned: Returned) => {
    const { recipient, action, status, reason, suppressed } = returned
    const to = formatAddress(recipient)
    const at = parts.clock.now()
    await parts.trace.add(tx, sent, { at, kind: 'returned', to, action, status, reply: reason, suppressed, by: own })
    await parts.trace.add(tx, own, { at, kind: 'checked', by: 'report', result: `${to} ${action}, about ${sent}` })
  }
  return {
    async 'read-returned'({ content, to, trace: own }, job) {
      const bytes = await readStart(store, { content: toId<ContentId>(content), prefix: Buffer.alloc(0) }, maxRead)
      const finding = readBounce(bytes)
      const address = to === undefined ? complainedPath(finding) : parseAddress(to)
      const sent = address && (await reads.find(address))
      const failures = sent ? toFailures(finding, sent) : []
      const noted = await store.write([], async (tx) => {
        if (sent) await sentRows.countReport(tx, sent.message)
        const policy = sent && (await policies.of(tx, sent.sender.domain))
        const all: Returned[] = []
        for (const { returned, failure } of failures) {
          const suppressed = !!policy && !!failure && (await parts.suppressions.noteReturned(tx, policy, failure))
          all.push({ ...returned, suppressed })
          if (sent) await note(tx, sent.trace, own, all.at(-1)!)
        }
        if (finding.kind === 'complaint')
          await noteComplaint(tx, policies, { complaint: finding, sent, returned: all, report: own })
        await job.done(tx)
        return all
      })
      const facts = { queueId: sent?.message, kind: finding.kind, form: 'form' in finding ? finding.form : undefined }
      if (noted.length === 0) log.info(facts, 'something came back that tells of no recipient')
      for (const { message: _, recipient, ...rest } of noted)
        log.info({ ...facts, to: addressKey(recipient), ...rest }, 'came back')
    },
    async 'forget-returned'(_payload, job) {
      const forget = async (page: (tx: Writer) => Promise<number>) => {
        while ((await store.write([], page)) === sweptAtOnce);
      }
      await forget((tx) => sentRows.removeOld(tx, tx.now - keptMs(), sweptAtOnce))
      await forget((tx) => suppressionRows.removeExpired(tx, tx.now, sweptAtOnce))
      await store.write([], (tx) => job.again(tx, tx.now + sweepEveryMs))
    },
  }
}

/** Makes sure that the recurring job is there; call once at start. */
export async function scheduleForgetting(store: Store): Promise<void> {
  await store.write('server', (tx) => ensureJob(tx, 'forget-returned', {}, { runAt: tx.now + sweepEveryMs }))
}

/** A complaint may come to any mailbox: it is about us when it names a return path of ours as the sender. */
function complainedPath(finding: Finding): Address | undefined {
  const path = finding.kind === 'complaint' ? finding.mailFrom : undefined
  return path === undefined ? undefined : parseAddress(path)
}

interface Noted {
  readonly returned: Omit<Returned, 'suppressed'>
  /** What the suppression list may learn of it. */
  readonly failure?: Failure
}

function toFailures(finding: Finding, sent: Sent): readonly Noted[] {
  if (finding.kind === 'bounce') return fromBounce(finding, sent)
  return finding.kind === 'complaint' ? fromComplaint(finding, sent) : []
}

function fromBounce({ recipients }: Bounce, sent: Sent): readonly Noted[] {
  const seen = new Set<string>()
  return recipients.flatMap((told): Noted[] => {
    const recipient = whoIs([told.original, told.address], recipients.length, sent)
    if (!recipient || seen.has(addressKey(recipient))) return []
    seen.add(addressKey(recipient))
    const { action, class: kind, status, hard, diagnostic = '' } = told
    const returned = {
      message: sent.message,
      recipient,
      action,
      class: kind,
      reason: diagnostic,
      ...(status && { status }),
    }
    const failure: Failure = { address: recipient, class: kind, hard, reason: diagnostic, source: 'bounce' }
    return [{ returned, ...(action === 'failed' && { failure }) }]
  })
}

function fromComplaint({ type, recipients, agent }: Complaint, sent: Sent): readonly Noted[] {
  // Failed authentication is about our signatures, and what is no spam is praise.
  if (type === 'auth-failure' || type === 'not-spam') return []
  const told = recipients.length === 0 ? [undefined] : recipients
  const found = new Set(told.flatMap((text) => whoIs([text], told.length, sent) ?? []))
  const reason = `complaint (${type})${agent ? ` by ${agent}` : ''}`
  return [...found].map((recipient) => ({
    returned: { message: sent.message, recipient, action: 'complaint', class: 'complaint', reason },
    failure: { address: recipient, class: 'complaint', hard: true, reason, source: 'complaint' },
  }))
}

/**
 * The recipient of ours that a report speaks of: by his address; else, as after a forward or where a receiver blanks addresses out,
 * the only one whom both can mean.
 */
function whoIs(texts: readonly (string | undefined)[], told: number, { recipients }: Sent): Address | undefined {
  for (const text of texts) {
    const address = text === undefined ? undefined : parseAddress(text)
    const known = address && recipients.find((one) => addressKey(one) === addressKey(address))
    if (known) return known
  }
  return told === 1 && recipients.length === 1 ? recipients[0] : undefined
}

/** Messages that tell of complaints say so in their Content-Type; the structure of content holds it as text. */
export function mayComplain(structure: string): boolean {
  return structure.includes('feedback-report')
}
