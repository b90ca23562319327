// The suppression lists: addresses to which a domain does not write, because they are not there any more, because somebody there
// complained, or because a person said so. Looks addresses up before mail is tried, and notes what failures teach.

import { createMemory, type DomainPolicies, type DomainPolicy } from '../accounts/index.ts'
import { type Address, addressKey, formatAddress, type Path } from '../address/index.ts'
import type { Clock, DomainId } from '../base/index.ts'
import { classWords, type ReplyClass } from '../smtp/bounces/index.ts'
import { domainRows, type Reader, type ReadStore, suppressionRows, type Writer } from '../store/index.ts'
import type { Outcome, Recipient } from './batch.ts'
import type { Settled } from './record.ts'
import { oneLine } from './transmit.ts'
import type { Suppression, SuppressionClass, SuppressionSource } from './types.ts'

export interface SuppressionReads {
  /** The entries that keep mail of this sender from these recipients, by their addressKey. */
  of(sender: Path, recipients: readonly Address[]): Promise<ReadonlyMap<string, Suppression>>
  /** The same within a transaction. */
  within(tx: Reader, sender: Path, recipients: readonly Address[]): Promise<ReadonlyMap<string, Suppression>>
}

export interface Suppressions extends SuppressionReads {
  /** Learns from what became of recipients, in the transaction that writes it down; only for domains that want it. */
  note(tx: Writer, settled: readonly Settled[]): Promise<void>
  /** Notes one failure or complaint that came back about mail of `domain`, when the domain wants it. Says whether it did. */
  noteReturned(tx: Writer, domain: DomainPolicy, failure: Failure): Promise<boolean>
}

/** What is known of an address that failed. */
export interface Failure {
  readonly address: Address
  readonly class: ReplyClass | 'complaint'
  /** The other side said that it is for good. */
  readonly hard: boolean
  readonly reason: string
  readonly source: SuppressionSource
}

const day = 86_400_000
/** An address that is not there may be given out again some day; a full mailbox has room again sooner. */
const hardLife = 180 * day
const softLife = 30 * day
/** Failures that are not for good suppress when so many came in a row, over at least so long. */
const softTimes = 3
const softSpan = 3 * day

/** Classes that speak of the mailbox itself. Names that do not resolve, rules, blocks and spam say nothing of the address. */
const aboutMailbox: ReadonlySet<string> = new Set<ReplyClass>(['bad-mailbox', 'disabled', 'moved', 'mailbox-full'])

export const isAboutMailbox = (kind: string): boolean => aboutMailbox.has(kind)

const page = 1_000

/** What does not change from message to message ends with a change in these. */
const topics = ['suppression', 'accounts'] as const

interface Parts {
  readonly store: ReadStore
  readonly clock: Clock
}

export function createSuppressionReads({ store, clock }: Parts): SuppressionReads {
  // Most domains have no entry at all, and most senders are not ours: of these nobody asks the store.
  const memory = createMemory<string, 'none' | { readonly id: DomainId; readonly name: string }>(
    store.bell,
    clock,
    topics,
  )
  const isEmpty = (sender: Path, recipients: readonly Address[]) =>
    sender === null || recipients.length === 0 || memory().get(sender.domain) === 'none'
  const within: SuppressionReads['within'] = async (tx, sender, recipients) => {
    if (sender === null || isEmpty(sender, recipients)) return new Map()
    const known = memory()
    const domain =
      known.get(sender.domain) ?? known.keep(sender.domain, (await domainWithEntries(tx, sender.domain)) ?? 'none')
    if (domain === 'none') return new Map()
    const entries = new Map<string, Suppression>()
    for (let at = 0; at < recipients.length; at += page) {
      const keys = recipients.slice(at, at + page).map(addressKey)
      for (const row of await suppressionRows.findActive(tx, domain.id, keys, clock.now()))
        entries.set(row.address, toSuppression(domain.name, row))
    }
    return entries
  }
  return {
    within,
    of: async (sender, recipients) =>
      isEmpty(sender, recipients) ? new Map() : store.read((tx) => within(tx, sender, recipients)),
  }
}

async function domainWithEntries(tx: Reader, name: string) {
  const domain = await domainRows.findTarget(tx, name)
  return domain && (await suppressionRows.hasAny(tx, domain.id)) ? { id: domain.id, name: domain.name } : undefined
}

export function createSuppressions(parts: Parts & { readonly policies: DomainPolicies }): Suppressions {
  const { store, clock, policies } = parts
  const memory = createMemory<DomainId, boolean>(store.bell, clock, topics)

  const noteOne = async (tx: Writer, { sender }: Settled['mail'], { outcome, state }: Settled): Promise<void> => {
    if (sender === null || state === 'deferred' || outcome.recipient.kind === 'local') return
    const policy = await policies.of(tx, sender.domain)
    if (!policy?.settings.suppression) return
    const { address } = outcome.recipient
    if (state === 'delivered') {
      const counted = memory()
      const any = counted.get(policy.id) ?? counted.keep(policy.id, await suppressionRows.hasCounted(tx, policy.id))
      if (any) await suppressionRows.forgetCounted(tx, policy.id, [addressKey(address)])
      return
    }
    const { class: kind = 'unknown', hard = false, reason } = outcome
    await write(tx, policy.id, { address, class: kind, hard, reason, source: 'reply' })
  }

  return {
    ...createSuppressionReads(parts),
    async note(tx, settled) {
      for (const one of settled) await noteOne(tx, one.mail, one)
    },
    async noteReturned(tx, policy, failure) {
      return policy.settings.suppression === true && write(tx, policy.id, failure)
    },
  }
}

async function write(tx: Writer, domain: DomainId, failure: Failure): Promise<boolean> {
  const complaint = failure.class === 'complaint'
  if (!complaint && !isAboutMailbox(failure.class)) return false
  const address = addressKey(failure.address)
  const before = await suppressionRows.find(tx, domain, address)
  const known = before !== undefined && (before.expires_at === null || before.expires_at > tx.now) ? before : undefined
  // What a person decided is not changed by a machine.
  if (known?.active === 1 && known.source === 'hand') return false
  if (before && !known) await suppressionRows.remove(tx, domain, [address])
  const first = known?.first_at ?? tx.now
  const times = (known?.times ?? 0) + 1
  const final = complaint || failure.hard
  const active = final || known?.active === 1 || (times >= softTimes && tx.now - first >= softSpan)
  const expires = tx.now + (failure.hard ? hardLife : softLife)
  const lasting = complaint || (known?.active === 1 && known.expires_at === null)
  await suppressionRows.put(tx, {
    domain,
    address,
    class: known?.class === 'complaint' ? known.class : failure.class,
    source: failure.source,
    reason: oneLine(failure.reason),
    created_by: '',
    active: active ? 1 : 0,
    times,
    first_at: first,
    last_at: tx.now,
    expires_at: lasting ? null : Math.max(expires, known?.active === 1 ? (known.expires_at ?? 0) : 0),
  })
  tx.ring('suppression')
  return active
}

export function toSuppression(domain: string, row: suppressionRows.SuppressionRow): Suppression {
  return {
    id: row.id,
    domain,
    address: row.address,
    class: row.class as SuppressionClass,
    source: row.source as SuppressionSource,
    reason: row.reason,
    createdBy: row.created_by,
    times: row.times,
    firstAt: row.first_at,
    lastAt: row.last_at,
    ...(row.expires_at !== null && { expiresAt: row.expires_at }),
  }
}

/** Why an entry is there, in a few words. */
export function describeClass(kind: SuppressionClass): string {
  if (kind === 'complaint') return 'complained'
  return kind === 'manual' ? 'by hand' : classWords[kind].short
}

/** For the session that names the recipient: one line. */
export function suppressedWords({ domain, address, class: kind, lastAt }: Suppression): string {
  return `<${address}> is on the suppression list of ${domain} since ${showDay(lastAt)} (${describeClass(kind)}); an administrator can lift it`
}

/** What is said to the sender of a recipient that stands on the list of his domain; without an entry: it was lifted a moment ago. */
export function toSuppressed(recipient: Recipient, entry: Suppression | undefined, sender: Path): Outcome {
  const domain = entry?.domain ?? sender?.domain ?? ''
  const since = entry ? `since ${showDay(entry.lastAt)} (${describeClass(entry.class)})` : 'when it was sent'
  return {
    recipient,
    result: 'fail',
    status: '5.7.1',
    reason: `on the suppression list of ${domain} ${since}${entry?.reason ? `: ${entry.reason}` : ''}`,
    class: 'policy',
    hard: false,
    explained: {
      what: `${domain} does not write to this address any more:\r\n    it stands on its suppression list ${since}.`,
      todo: `If it is right, ask your administrator to lift it:\r\n    posthorn suppression remove ${domain} ${formatAddress(recipient.address)}`,
    },
  }
}

const showDay = (at: number): string => new Date(at).toISOString().slice(0, 10)
