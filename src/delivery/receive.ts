// The way of a message in the core: expand its recipients, write everything in one transaction, say what became of it.
// Knows no protocol; the door has checked sender, recipients and header, and brings the content.

import type { AccountReads, DomainPolicies } from '../accounts/index.ts'
import { formatAddress, formatPath } from '../address/index.ts'
import type { AccountId, Clock, ContentId, Log, QueueId } from '../base/index.ts'
import type { MailTx, NewContent } from '../mail/index.ts'
import type { QueueTx, Reporter, ReturnedReads } from '../queue/index.ts'
import type { Store, Writer } from '../store/index.ts'
import type { TraceTx } from '../trace/index.ts'
import type { Rewriter } from './forward.ts'
import { formatTrace } from './prefix.ts'
import {
  deliverCopies,
  enqueue,
  heldCopy,
  mailboxFull,
  placeOf,
  type Queued,
  toGroups,
  type Waiting,
  waitingCopy,
} from './steps/commit.ts'
import { type Expanded, expand, type LocalCopy, type Plan } from './steps/expand.ts'
import { type ForwardParts, prepareForwards } from './steps/forward.ts'
import { toKept } from './steps/keep.ts'
import { keepApart, readSaid, type Said } from './steps/keep-apart.ts'
import { describeChecks, toTraceEntry } from './steps/note.ts'
import { composeSuccesses, isAsked, readHeader } from './steps/notify.ts'
import { putReported, putReturned } from './steps/returned.ts'
import type { Arrival, Delivery, Envelope, RecipientVerdict, Refusal } from './types.ts'
import { accepted, refuse } from './verdict.ts'
import { type Judged, judge } from './verdicts/judge.ts'

export interface DeliveryParts {
  readonly store: Store
  /** Reads of the core's own store. */
  readonly accounts: AccountReads
  readonly mail: MailTx
  readonly queue: QueueTx
  readonly reporter: Reporter
  readonly returned: ReturnedReads
  readonly trace: TraceTx
  /** Told of whom a user wrote to, outside and in here: their answers are no strangers' mail. Absent: nobody. */
  readonly wrote?: (account: AccountId, to: readonly string[]) => Promise<void>
  readonly rewriter: Rewriter
  /** What domains and users want done with what is not as it should be. */
  readonly policies: DomainPolicies
  /** What vouches for a message that is forwarded; nothing does unless somebody is given here. */
  readonly seal?: ForwardParts['seal']
  readonly hostname: string
  readonly clock: Clock
  readonly log: Log
  /** Named fault points, only in tests. */
  readonly fault?: (point: DeliveryFaultPoint) => void
}

export const deliveryFaultPoints = ['delivery.received', 'delivery.before-write', 'delivery.written'] as const
export type DeliveryFaultPoint = (typeof deliveryFaultPoints)[number]

type Answer = Awaited<ReturnType<Delivery['receive']>>

/** One message on its way, with all that the steps found out. */
interface Passage {
  readonly arrival: Arrival
  readonly envelope: Envelope
  /** As mailboxes keep it. */
  readonly content: NewContent
  /** As it came and leaves again, when that is something else. */
  readonly original?: NewContent
  readonly plan: Plan
  /** What is kept apart of it, and why. */
  readonly judged: Judged
  /** The account whose Sent mailbox gets a copy. */
  readonly fileFor?: AccountId
  /** What the message says of itself, when some of it is kept apart. */
  readonly said?: Said
  /** The message's header, when a report of success will quote it. */
  readonly quoted?: Buffer
}

interface Written {
  readonly queueId?: QueueId
  /** Accounts that had no room. */
  readonly full: readonly LocalCopy[]
  /** Those that get it later. */
  readonly held: readonly LocalCopy[]
}

export function createDelivery(parts: DeliveryParts): Delivery {
  const { accounts, clock, fault } = parts
  return {
    async receive(arrival, envelope, content) {
      const started = clock.monotonic()
      fault?.('delivery.received')
      const expanded = await expand(parts, arrival, envelope)
      const judged = await judge(parts, arrival, envelope, expanded)
      const plan = await prepareForwards(parts, { arrival, envelope, content }, judged.plan)
      const refused = refuseWhole(plan, judged)
      const fileFor = await filesFor(accounts, arrival)
      const quoted = isAsked(plan) ? await readHeader(content, parts.store.blobs) : undefined
      const said = judged.keptApart.length > 0 ? await readSaid(parts.store.blobs, content) : undefined
      const asItCame = { arrival, envelope, content, plan, judged, quoted, said, fileFor }
      const passage = envelope.params?.binary && !refused ? await keepLines(parts, asItCame) : asItCame
      let written: Written | undefined
      if (!refused) {
        fault?.('delivery.before-write')
        written = await write(parts, passage)
        fault?.('delivery.written')
      }
      const answer = refused
        ? { verdicts: refused, checked: describeChecks(passage, clock.now()) }
        : toAnswer(passage, written!)
      if (written) noteCorrespondents(parts, passage)
      logPassage(parts, passage, answer, written, clock.monotonic() - started)
      return answer
    },
  }
}

/** A binary message for mailboxes here is kept in lines. */
async function keepLines({ store }: DeliveryParts, passage: Passage): Promise<Passage> {
  const { content: original, plan, judged, fileFor } = passage
  if (plan.copies.length + judged.keptApart.length === 0 && fileFor === undefined) return passage
  const content = await toKept(original, store.blobs)
  return content === original ? passage : { ...passage, content, original }
}

/** Verdicts when nobody is left to take the message. */
function refuseWhole({ recipients }: Plan, { refusal: judged }: Judged): RecipientVerdict[] | undefined {
  if (judged) return recipients.map(() => ({ ok: false, refusal: judged }))
  const refusals = recipients.flatMap((expanded) => ('refusal' in expanded ? [expanded.refusal] : []))
  return refusals.length < recipients.length ? undefined : refusals.map((refusal) => ({ ok: false, refusal }))
}

async function filesFor(accounts: AccountReads, { kind, account }: Arrival): Promise<AccountId | undefined> {
  if (account === undefined || kind === 'lmtp') return undefined
  return (await accounts.account(account))?.settings.saveSent === true ? account : undefined
}

/** Ends a transaction in which nobody took the message, so that nothing of it stays. */
class NobodyTook extends Error {
  readonly full: readonly LocalCopy[]
  constructor(full: readonly LocalCopy[]) {
    super('nobody took the message')
    this.full = full
  }
}

async function write(parts: DeliveryParts, passage: Passage): Promise<Written> {
  const scope = new Set(passage.plan.copies.map(({ account }) => account))
  if (passage.fileFor !== undefined) scope.add(passage.fileFor)
  try {
    return await parts.store.write([...scope], (tx) => commit(parts, passage, tx))
  } catch (error) {
    if (error instanceof NobodyTook) return { full: error.full, held: [] }
    throw error
  }
}

async function commit(parts: DeliveryParts, passage: Passage, tx: Writer): Promise<Written> {
  const { mail, reporter, hostname } = parts
  const { arrival, envelope, content, plan, judged, quoted, said } = passage
  const { receivedAt } = arrival
  const received = formatTrace(arrival, envelope, hostname)
  const id = await mail.putContent(tx, content)
  const until = envelope.params?.holdUntil ?? 0
  const held = until > receivedAt ? plan.copies : []
  const now = held.length > 0 ? [] : plan.copies
  const full = await deliverCopies(now, envelope.from, received, ({ account, junk }, prefix) => {
    const { where, flags } = placeOf(junk)
    return mail.deliver(tx, account, where, id, { content, flags, receivedAt, prefix })
  })
  const waiting = [...toWaiting(passage, full), ...held.map((copy) => heldCopy(copy, until))]
  const nothing = plan.outgoing.length + waiting.length + judged.keptApart.length === 0
  if (nothing && full.length === now.length && plan.returned.length === 0 && !plan.reported) throw new NobodyTook(full)
  const { keptApart } = judged
  if (said) await keepApart(tx, { arrival, envelope, keptApart, received, content: id, size: content.size, said })
  await putReturned(tx, plan, id, arrival.traceId, content.structure)
  await putReported(tx, plan, id, arrival, content.structure)
  const queued = await queueAll(parts, passage, tx, { id, received, waiting })
  if (quoted)
    for (const report of composeSuccesses(reporter, passage, quoted, [...full, ...held]))
      await reporter.post(tx, report)
  const filed = await fileSent(parts, passage, tx, id, received)
  await trace(parts, passage, tx, { full, held, queued, filed })
  return { queueId: queued[0]?.id, full, held }
}

/** Queues what leaves, as it came, and what waits for a mailbox, as that will keep it. */
async function queueAll(
  { mail, queue }: DeliveryParts,
  { arrival, envelope, content, original, plan }: Passage,
  tx: Writer,
  { id, received, waiting }: { id: ContentId; received: Uint8Array; waiting: readonly Waiting[] },
): Promise<readonly Queued[]> {
  const { from: sender, utf8, params } = envelope
  const { account, traceId: trace } = arrival
  const shared = { sender, account, utf8, params, received, trace }
  const kept = { ...shared, content: id, size: content.size, has8bit: content.has8bit, bytes: content.bytes }
  if (!original || plan.outgoing.length === 0) return enqueue(queue, tx, kept, toGroups(plan.outgoing, waiting))
  const { size, has8bit, bytes } = original
  const asItCame = { ...shared, content: await mail.putContent(tx, original), size, has8bit, bytes }
  const leaving = await enqueue(queue, tx, asItCame, plan.outgoing)
  return [...leaving, ...(await enqueue(queue, tx, kept, toGroups([], waiting)))]
}

/** Files the sender's own copy. False: he wants none, or there is no room. */
async function fileSent(
  { mail, log }: DeliveryParts,
  { arrival, envelope, content, fileFor }: Passage,
  tx: Writer,
  id: ContentId,
  received: Uint8Array,
): Promise<boolean> {
  if (fileFor === undefined) return false
  const item = { content, flags: ['\\Seen'], receivedAt: arrival.receivedAt }
  const copy = { account: fileFor, address: envelope.to[0]!.address }
  const unfiled = await deliverCopies([copy], null, received, () =>
    mail.deliver(tx, fileFor, { role: 'sent' }, id, item),
  )
  if (unfiled.length > 0) log.warn({ id: arrival.traceId, account: fileFor }, 'no room to file the sent message')
  return unfiled.length === 0
}

async function trace(
  { trace, clock }: DeliveryParts,
  passage: Passage,
  tx: Writer,
  done: Written & { readonly queued: readonly Queued[]; readonly filed: boolean },
): Promise<void> {
  if (!trace.on) return
  const { arrival, content } = passage
  const { size, digest } = content
  const verdicts = arrival.kind === 'lmtp' ? toAnswer(passage, done).verdicts : undefined
  const { envelope, plan, judged } = passage
  const { queued, filed } = done
  const full = [...done.full, ...done.held]
  const accepted = { arrival, envelope, plan, judged, full, queued, filed, size, messageId: digest.messageId, verdicts }
  await trace.begin(tx, toTraceEntry(accepted, clock.now()))
}

/** Recipients that must not be lost although their mailbox did not take the message. */
function toWaiting({ arrival, envelope, plan }: Passage, full: readonly LocalCopy[]): Waiting[] {
  // LMTP can refuse one recipient: only a copy that its recipient's other copies left behind waits here.
  const refusable = (copy: LocalCopy) =>
    arrival.kind === 'lmtp' &&
    plan.recipients.every((expanded) => !leadsTo(expanded, copy) || tookNothing(expanded, full))
  const waiting = full.filter((copy) => !refusable(copy)).map(waitingCopy)
  if (arrival.kind === 'lmtp') return waiting
  // Somebody went away between RCPT and the end of the data: the others have the message, the sender gets a notice about him.
  plan.recipients.forEach((expanded, i) => {
    if (!('refusal' in expanded)) return
    const { address, params } = envelope.to[i]!
    waiting.push({ address, kind: 'local', firstAttemptAt: arrival.receivedAt, reason: expanded.refusal.text, params })
  })
  return waiting
}

function leadsTo(expanded: Expanded, { account }: LocalCopy): boolean {
  return !('refusal' in expanded) && expanded.accounts.includes(account)
}

function tookNothing(expanded: Expanded, full: readonly LocalCopy[]): boolean {
  if ('refusal' in expanded) return true
  return (
    !expanded.returned &&
    !expanded.outside &&
    expanded.accounts.every((account) => full.some((copy) => copy.account === account))
  )
}

function toAnswer({ arrival, plan, judged }: Passage, { full, queueId }: Written): Answer {
  const verdicts = plan.recipients.map((expanded): RecipientVerdict => {
    if (arrival.kind !== 'lmtp') return accepted
    if ('refusal' in expanded) return { ok: false, refusal: expanded.refusal }
    return tookNothing(expanded, full) ? refuse('over-quota', mailboxFull.slice('4.2.2 '.length)) : accepted
  })
  return {
    verdicts,
    ...(queueId !== undefined && { queueId }),
    ...(isUnwanted(plan, judged) && { unwanted: true as const }),
  }
}

/** Nobody got it where mail is read. */
const isUnwanted = ({ copies, outgoing }: Plan, { keptApart }: Judged): boolean =>
  outgoing.length === 0 && copies.length + keptApart.length > 0 && copies.every(({ junk }) => junk)

/** Nobody waits for it, and what is lost is one acquaintance. */
function noteCorrespondents({ wrote, log }: DeliveryParts, { arrival, plan }: Passage): void {
  const { account } = arrival
  if (!wrote || account === undefined || plan.outgoing.length === 0) return
  const to = plan.outgoing.flatMap(({ recipients }) => recipients.map(({ address }) => formatAddress(address)))
  wrote(account, to).catch((error: unknown) => log.warn({ err: error }, 'correspondents could not be noted'))
}

const shownRecipients = 20

/** One line per message. */
function logPassage(
  { log }: DeliveryParts,
  { arrival, envelope, content, plan, judged }: Passage,
  { verdicts, queueId }: Answer,
  written: Written | undefined,
  ms: number,
): void {
  const { traceId, kind, clientIp, helo, user, origin } = arrival
  const to = envelope.to.slice(0, shownRecipients).map(({ address }) => formatAddress(address))
  const refusals: Refusal[] = verdicts.flatMap((verdict) => (verdict.ok ? [] : [verdict.refusal]))
  const verdict = refusals.length === 0 ? 'accepted' : refusals.length < verdicts.length ? 'partly' : refusals[0]!.code
  const [full, held] = [written?.full.length ?? 0, written?.held.length ?? 0]
  const local = plan.copies.length - full - held
  const [junk, quarantined] = [plan.copies.filter(({ junk }) => junk).length, judged.keptApart.length]
  const some = Object.entries({ full, held, junk, quarantined }).filter(([, count]) => count > 0)
  const counts = { recipients: envelope.to.length, local, ...Object.fromEntries(some) }
  const fields = {
    id: traceId,
    queueId,
    kind,
    from: formatPath(envelope.from),
    to,
    size: content.size,
    verdict,
    ...counts,
  }
  log.info({ ...fields, ip: clientIp, helo, user, origin, ms: Math.round(ms * 10) / 10 }, 'message')
}
