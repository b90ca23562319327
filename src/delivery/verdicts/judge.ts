// Second step in the core: what is done with a message for each of its recipients, by what was found and by the settings of who gets it. Reads
// settings; writes nothing.

import type { AccountReads, DomainPolicies, DomainSettings } from '../../accounts/index.ts'
import { type Address, formatAddress } from '../../address/index.ts'
import type { DomainId } from '../../base/index.ts'
import type { NewQueueRecipient } from '../../queue/index.ts'
import type { Reader, ReadStore } from '../../store/index.ts'
import type { LocalCopy, Outgoing, Plan } from '../steps/expand.ts'
import type { Arrival, Envelope, Refusal } from '../types.ts'
import { refuse } from '../verdict.ts'
import { type Decided, type Decision, decide, type Finding } from './decide.ts'
import { formatFields } from './fields.ts'
import { findingsOf, oneLine } from './findings.ts'

export interface JudgeParts {
  readonly store: ReadStore
  readonly accounts: Pick<AccountReads, 'findUser'>
  readonly policies: DomainPolicies
}

/** A copy, or a recipient outside, whose message is kept apart. */
export interface KeptApart {
  readonly decision: Decision
  /** Whose settings say so; 0: nobody's. */
  readonly domain: DomainId | 0
  readonly days: number
  /** Header fields that say why. */
  readonly fields: Uint8Array
  /** Whom the message was for, here. */
  readonly address: Address
  readonly copy?: LocalCopy
  /** Where it would have gone on to. */
  readonly onward?: Pick<Outgoing, 'via' | 'lifetime'> & { readonly recipient: NewQueueRecipient }
}

/** A decision and whom it is for. */
export interface Judgement {
  readonly address: Address
  readonly decision: Decision
}

export interface Judged {
  /** For all recipients. */
  readonly refusal?: Refusal
  /** With what is left of it, each copy with its fields. */
  readonly plan: Plan
  readonly keptApart: readonly KeptApart[]
  /** One for each recipient behind the envelope's; empty when nobody had anything to say. */
  readonly judgements: readonly Judgement[]
}

/** Who gets the message in the end. */
interface Target {
  readonly settings: DomainSettings
  readonly domain: DomainId | 0
  readonly address: Address
  readonly copy?: LocalCopy
  readonly group?: Outgoing
  readonly recipient?: NewQueueRecipient
}

export const standardDays = 30

export async function judge(parts: JudgeParts, arrival: Arrival, envelope: Envelope, plan: Plan): Promise<Judged> {
  const findings = findingsOf(arrival)
  const { answers = [] } = arrival
  const says =
    findings.length > 0 ||
    arrival.spam !== undefined ||
    answers.some(({ headers }) => headers !== undefined && headers.length > 0)
  if (!says) return { plan, keptApart: [], judgements: [] }
  const targets = await findTargets(parts, arrival, envelope, plan)
  const taken = plan.returned.length > 0 || plan.reported
  const decided = decide(
    targets.map(({ settings, copy }) => ({ settings, findings: withOwn(findings, arrival, copy) })),
    taken,
  )
  const judgements = targets.map(({ address }, i) => ({ address, decision: decided.decisions[i]! }))
  if (decided.whole) return { refusal: toRefusal(decided, findings), plan, keptApart: [], judgements }
  return { ...divide(arrival, plan, targets, decided.decisions), judgements }
}

/** And what the built-in filter says of it to this user. It never refuses: it may not know him yet. */
function withOwn(findings: readonly Finding[], { spam }: Arrival, copy: LocalCopy | undefined): readonly Finding[] {
  const reason = copy && spam?.get(copy.account)
  return reason === undefined
    ? findings
    : [...findings, { by: 'spam filter', action: 'junk', sure: false, reasons: [reason] }]
}

/** The plan's copies and recipients, with the settings that count for each. */
async function findTargets(
  parts: JudgeParts,
  arrival: Arrival,
  { from }: Envelope,
  plan: Plan,
): Promise<readonly Target[]> {
  const users = new Map<Outgoing, Awaited<ReturnType<AccountReads['findUser']>>>()
  for (const group of plan.outgoing)
    if (group.via) users.set(group, await parts.accounts.findUser(formatAddress(group.via)))
  const found: Target[] = []
  for (let at = 0; at < plan.copies.length; at += targetsAtOnce)
    await parts.store.read(async (tx) => {
      for (const copy of plan.copies.slice(at, at + targetsAtOnce)) {
        const policy = await parts.policies.ofAccount(tx, copy.account)
        found.push({ ...toSettings(policy), address: copy.address, copy })
      }
    })
  for (const group of plan.outgoing)
    for (let at = 0; at < group.recipients.length; at += targetsAtOnce)
      await parts.store.read(async (tx) => {
        for (const recipient of group.recipients.slice(at, at + targetsAtOnce)) {
          const policy = await policyOnward(parts.policies, tx, {
            arrival,
            from,
            group,
            recipient,
            user: users.get(group),
          })
          found.push({ ...toSettings(policy), address: group.via ?? recipient.address, group, recipient })
        }
      })
  return found
}

/** A read is short: so many settings are looked up in one. */
const targetsAtOnce = 200

type Policy = Awaited<ReturnType<DomainPolicies['of']>>

const toSettings = (policy: Policy): Pick<Target, 'settings' | 'domain'> =>
  policy ? { settings: policy.settings, domain: policy.id } : { settings: {}, domain: 0 }

/** Of what goes on to others: those of the address here that leads there, of the domain that we are a backup of, or of the sender's domain. */
async function policyOnward(
  policies: DomainPolicies,
  tx: Reader,
  {
    arrival,
    from,
    group,
    recipient,
    user,
  }: {
    readonly arrival: Arrival
    readonly from: Envelope['from']
    readonly group: Outgoing
    readonly recipient: NewQueueRecipient
    readonly user: Awaited<ReturnType<AccountReads['findUser']>>
  },
): Promise<Policy> {
  if (user) return policies.ofAccount(tx, user.id)
  if (group.via) return policies.of(tx, group.via.domain)
  const ours = await policies.of(tx, recipient.address.domain)
  if (ours) return ours
  // What a user sends is judged by his domain alone: nobody sends malware because he wants to get it.
  const sender = arrival.account === undefined ? undefined : await policies.ofAccount(tx, arrival.account)
  const domain = sender?.name ?? from?.domain
  return domain === undefined ? undefined : policies.of(tx, domain)
}

/** What goes its way, and what is kept apart. */
function divide(
  arrival: Arrival,
  plan: Plan,
  targets: readonly Target[],
  decisions: readonly Decision[],
): Pick<Judged, 'plan' | 'keptApart'> {
  const copies: LocalCopy[] = []
  const outgoing: Outgoing[] = []
  const keptApart: KeptApart[] = []
  const known = new Map<string, Uint8Array>()
  const fieldsOf = ({ settings }: Target, decision: Decision): Uint8Array => {
    const answers = settings.spam === 'off' ? [] : (arrival.answers ?? [])
    const key = JSON.stringify([settings.spam === 'off', decision.action, decision.reasons])
    const fields = known.get(key) ?? formatFields(decision, answers)
    known.set(key, fields)
    return fields
  }
  targets.forEach((target, i) => {
    const decision = decisions[i]!
    const { copy, group, recipient, domain, settings, address } = target
    const fields = fieldsOf(target, decision)
    if (decision.action === 'quarantine') {
      const days = settings.quarantineDays ?? standardDays
      const onward = group && { onward: { via: group.via, lifetime: group.lifetime, recipient: recipient! } }
      keptApart.push({ decision, domain, days, fields, address, ...(copy && { copy }), ...onward })
    } else if (copy) copies.push({ ...copy, fields, junk: decision.action === 'junk' })
    else addOnward(outgoing, group!, recipient!, group!.via && decision.action !== 'accept' ? fields : undefined)
  })
  return { plan: { ...plan, copies, outgoing }, keptApart }
}

/** All recipients of a way share a decision, or it is a way without fields. */
function addOnward(
  outgoing: Outgoing[],
  group: Outgoing,
  recipient: NewQueueRecipient,
  fields: Uint8Array | undefined,
): void {
  const known = outgoing.find(({ via, lifetime }) => via === group.via && lifetime === group.lifetime)
  if (known) known.recipients.push(recipient)
  else outgoing.push({ ...group, recipients: [recipient], ...(fields && { fields }) })
}

const maxWords = 300

/** What the client is told of a message that nobody takes. */
function toRefusal({ whole, decisions }: Decided, findings: readonly Finding[]): Refusal {
  const wanted = decisions.find(({ action }) => action === whole)!
  const deciding = findings.filter(({ by }) => wanted.by.includes(by))
  // Where a filter stands and why it does not answer is for our log and timeline.
  const told = deciding.filter(({ failed }) => !failed)
  const words = toAscii(told.flatMap(({ reasons }) => reasons).join('; '))
  if (whole === 'defer')
    return refuse('try-later', words || 'the message could not be checked now; try again later').refusal
  if (wanted.kind === 'dmarc') return refuse('disowned', words).refusal
  if (wanted.kind !== 'virus') return refuse('spam', `the message is taken for spam${words && `: ${words}`}`).refusal
  const names = deciding.flatMap(({ virus }) => virus ?? []).join(', ')
  return refuse('malware', `the message holds malware: ${toAscii(names)}`).refusal
}

function toAscii(text: string): string {
  let out = ''
  for (const char of oneLine(text, maxWords)) out += char > '\x7e' ? '?' : char
  return out
}
