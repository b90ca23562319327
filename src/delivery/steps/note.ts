// What stands in a message's timeline when it is accepted: what the door saw, where its recipients led, what was stored and queued.

import { type Address, addressKey, formatAddress } from '../../address/index.ts'
import { type StoredCopy, shownAddresses, type TraceEntry, type TraceEvent } from '../../trace/index.ts'
import { describeVerification } from '../authentication.ts'
import type { Arrival, Envelope, RecipientVerdict } from '../types.ts'
import { formatRefusal } from '../verdict.ts'
import type { Decision } from '../verdicts/decide.ts'
import type { NamedAnswer } from '../verdicts/findings.ts'
import type { Judged } from '../verdicts/judge.ts'
import type { Queued } from './commit.ts'
import type { LocalCopy, Plan } from './expand.ts'
import { expiryOf } from './keep-apart.ts'

export interface Accepted {
  readonly arrival: Arrival
  readonly envelope: Pick<Envelope, 'from' | 'to'>
  readonly plan: Plan
  readonly judged?: Judged
  readonly messageId?: string | undefined
  readonly size?: number
  /** Copies that had no room. */
  readonly full: readonly LocalCopy[]
  readonly queued: readonly Queued[]
  /** The sender's own copy was filed in Sent. */
  readonly filed?: boolean
  /** Of LMTP: what was answered for each recipient. */
  readonly verdicts?: readonly RecipientVerdict[] | undefined
}

/** The timeline of a message that was accepted at `at`. */
export function toTraceEntry(accepted: Accepted, at: number): TraceEntry {
  const { arrival, envelope, plan, queued, messageId, size } = accepted
  const { traceId: id, kind: origin, history } = arrival
  const events: TraceEvent[] = history ? [...history.events] : []
  const to = envelope.to.map(({ address }) => address)
  if (history && history.refused.length > 0) to.push(...history.refused)
  events.push(...describeChecks(accepted, at))
  if (accepted.verdicts) addRefused(events, at, accepted)
  const addresses = addExpanded(events, at, plan)
  addStored(events, at, accepted)
  addKeptApart(events, at, accepted)
  if (accepted.filed) events.push({ at, kind: 'filed', mailbox: 'Sent' })
  for (const one of queued) addQueued(events, at, one)
  const apart = accepted.judged?.keptApart ?? []
  for (const { address } of apart) addresses.push(address)
  const copies = [...plan.copies, ...apart.flatMap(({ copy }) => copy ?? [])]
  const also = { addresses, accounts: copies.map(({ account }) => account), queue: queued.map(({ id: n }) => n) }
  return { id, origin, from: envelope.from, to, messageId, size, events, also }
}

/** Who was asked about the message, what each said, and what that came to for whom. */
export function describeChecks(
  { arrival, judged }: { readonly arrival: Arrival; readonly judged?: Judged },
  at: number,
): TraceEvent[] {
  const events: TraceEvent[] = []
  const { verification, answers = [] } = arrival
  const add = (by: string, result: string) => events.push({ at, kind: 'checked', by, result })
  if (verification) add('authentication', describeVerification(verification))
  for (const answer of answers) add(answer.by ?? 'filter', describeAnswer(answer))
  const ways = Map.groupBy(judged?.judgements ?? [], ({ decision: { action, reasons } }) =>
    JSON.stringify([action, reasons]),
  )
  for (const some of ways.values()) {
    const { decision } = some[0]!
    if (decision.action === 'accept' && decision.reasons.length === 0) continue
    const names = some.slice(0, shownAddresses).map(({ address }) => formatAddress(address))
    add(
      'verdict',
      `${whatIsDone[decision.action]}${ways.size > 1 ? ` for ${names.join(', ')}` : ''}: ${decision.reasons.join('; ')}`,
    )
  }
  return events
}

const whatIsDone: Readonly<Record<Decision['action'], string>> = {
  accept: 'accepted',
  tag: 'marked',
  junk: 'to Junk',
  quarantine: 'to the quarantine',
  reject: 'refused',
  defer: 'put off',
}

function describeAnswer({ action, reasons, score, threshold, symbols = [] }: NamedAnswer): string {
  const figures = score === undefined ? [] : [`score ${score}${threshold === undefined ? '' : ` of ${threshold}`}`]
  const words = [...reasons, ...figures, ...(symbols.length > 0 ? [symbols.join(' ')] : [])].join(', ')
  return `${action}${words && `: ${words}`}`
}

/** One event for what is kept for the same reasons and so long. */
function addKeptApart(events: TraceEvent[], at: number, { judged, arrival }: Accepted): void {
  const apart = judged?.keptApart ?? []
  for (const some of Map.groupBy(apart, (one) => JSON.stringify([one.decision.reasons, one.days])).values()) {
    const to = some.slice(0, shownAddresses).map(({ address }) => formatAddress(address))
    const { reasons } = some[0]!.decision
    events.push({ at, kind: 'quarantined', to, count: some.length, reasons, until: expiryOf(arrival, some[0]!) })
  }
}

function addRefused(events: TraceEvent[], at: number, { envelope, verdicts = [] }: Accepted): void {
  verdicts.forEach((verdict, i) => {
    if (verdict.ok) return
    const { code, enhanced, text } = formatRefusal(verdict.refusal)
    const to = formatAddress(envelope.to[i]!.address)
    events.push({ at, kind: 'refused', stage: 'data', to, reply: `${code} ${enhanced} ${text}` })
  })
}

/** Notes recipients that led to others, each with where. The result are those others. */
function addExpanded(events: TraceEvent[], at: number, { copies, outgoing }: Plan): Address[] {
  const ways = new Map<string, { readonly from: string; readonly to: string[]; count: number }>()
  const reached: Address[] = []
  const add = (via: Address | undefined, address: Address) => {
    if (!via) return
    reached.push(address)
    const key = addressKey(via)
    let way = ways.get(key)
    if (!way) ways.set(key, (way = { from: formatAddress(via), to: [], count: 0 }))
    way.count++
    if (way.to.length < shownAddresses) way.to.push(formatAddress(address))
  }
  for (const { via, address } of copies) add(via, address)
  for (const { via, recipients } of outgoing) for (const { address } of recipients) add(via, address)
  for (const { from, to, count } of ways.values()) events.push({ at, kind: 'expanded', from, to, count })
  return reached
}

function addStored(events: TraceEvent[], at: number, { plan, full }: Accepted): void {
  const copies: StoredCopy[] = []
  let count = 0
  for (const copy of plan.copies) {
    if (full.includes(copy)) continue
    if (count++ < shownAddresses)
      copies.push({ to: formatAddress(copy.address), mailbox: copy.junk ? 'Junk' : 'INBOX' })
  }
  if (count > 0) events.push({ at, kind: 'stored', copies, count })
}

/** Notes those who are elsewhere, and those who wait here, by the reason. */
function addQueued(events: TraceEvent[], at: number, { id: queue, recipients, sender }: Queued): void {
  const as = sender ? { as: formatAddress(sender) } : {}
  for (const [why, some] of Map.groupBy(recipients, ({ reason }) => reason)) {
    const to = some.slice(0, shownAddresses).map(({ address }) => formatAddress(address))
    const reason = why === undefined ? {} : { why }
    events.push({ at, kind: 'queued', queue, to, count: some.length, ...as, ...reason })
  }
}
