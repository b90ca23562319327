// What stands in a message's timeline when it is accepted: what the door saw, where its recipients led, what was stored and queued.

import { type Address, addressKey, formatAddress } from '../../address/index.ts'
import { type StoredCopy, shownAddresses, type TraceEntry, type TraceEvent } from '../../trace/index.ts'
import { describeVerification } from '../authentication.ts'
import type { Arrival, Envelope, RecipientVerdict } from '../types.ts'
import { formatRefusal } from '../verdict.ts'
import type { Queued } from './commit.ts'
import type { LocalCopy, Plan } from './expand.ts'

export interface Accepted {
  readonly arrival: Arrival
  readonly envelope: Pick<Envelope, 'from' | 'to'>
  readonly plan: Plan
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
  const { verification, junk } = arrival
  if (verification)
    events.push({ at, kind: 'checked', by: 'authentication', result: describeVerification(verification) })
  if (junk !== undefined) events.push({ at, kind: 'checked', by: 'DMARC', result: `to Junk: ${junk}` })
  addSpam(events, at, arrival)
  if (accepted.verdicts) addRefused(events, at, accepted)
  const addresses = addExpanded(events, at, plan)
  addStored(events, at, accepted)
  if (accepted.filed) events.push({ at, kind: 'filed', mailbox: 'Sent' })
  for (const one of queued) addQueued(events, at, one)
  const also = { addresses, accounts: plan.copies.map(({ account }) => account), queue: queued.map(({ id: n }) => n) }
  return { id, origin, from: envelope.from, to, messageId, size, events, also }
}

/** Notes for how many the spam filter held it for spam, and why for the first. */
function addSpam(events: TraceEvent[], at: number, { spam }: Arrival): void {
  for (const reason of spam?.values() ?? []) {
    const others = spam!.size > 1 ? ` (and for ${spam!.size - 1} more)` : ''
    events.push({ at, kind: 'checked', by: 'spam filter', result: `to Junk: ${reason}${others}` })
    return
  }
}

const mailboxOf = ({ junk, spam }: Arrival, { account }: LocalCopy): string =>
  junk !== undefined || spam?.has(account) ? 'Junk' : 'INBOX'

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

function addStored(events: TraceEvent[], at: number, { plan, full, arrival }: Accepted): void {
  const copies: StoredCopy[] = []
  let count = 0
  for (const copy of plan.copies) {
    if (full.includes(copy)) continue
    if (count++ < shownAddresses) copies.push({ to: formatAddress(copy.address), mailbox: mailboxOf(arrival, copy) })
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
