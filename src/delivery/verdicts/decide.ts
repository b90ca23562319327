// What becomes of a message for each of its recipients: what was found about it, put against what each of them wants done. Pure.

import type { DmarcSetting, VerdictSettings } from '../../accounts/index.ts'
import type { FilterAction } from '../../filters/index.ts'

/** What somebody found about a message, and what he proposes. */
export interface Finding {
  /** The filter's name, or DMARC. */
  readonly by: string
  readonly action: FilterAction
  readonly reasons: readonly string[]
  readonly score?: number
  readonly threshold?: number
  /** Malware, by its name. */
  readonly virus?: string
  /** He could not look: what he proposes is what is configured for that. */
  readonly failed?: boolean
  /** False: nothing is refused by this alone. */
  readonly sure?: boolean
  /** The wish of the author's domain. */
  readonly dmarc?: 'quarantine' | 'reject'
}

export type VerdictKind = 'virus' | 'spam' | 'dmarc' | 'wait'

/** What is done for one recipient. */
export interface Decision {
  readonly action: FilterAction
  /** What kind of finding decided; absent: nothing was done. */
  readonly kind?: VerdictKind
  /** Who decided, the first the most severe. */
  readonly by: readonly string[]
  /** In words, of everybody who wanted anything; also of what a setting made milder. */
  readonly reasons: readonly string[]
}

/** Somebody who is to get the message: what was found about it for him, and what he wants done. */
export interface Recipient {
  readonly findings: readonly Finding[]
  readonly settings: VerdictSettings
}

/** `whole`: every recipient refuses, or waits, so that the client can be told; the decisions are those that hold when he is not. */
export interface Decided {
  readonly whole?: 'reject' | 'defer'
  readonly decisions: readonly Decision[]
}

/** Which of two answers counts: what is certain before what may be asked again, and that before what is done here. */
const ranks: Readonly<Record<FilterAction, number>> = { accept: 0, tag: 1, junk: 2, quarantine: 3, defer: 4, reject: 5 }

/**
 * One decision for each recipient, in order. SMTP has one answer for all of them (RFC 5321 §4.1.1.4): refused is what all would refuse, put off what nobody
 * would take. Otherwise who would refuse finds it in the quarantine, and who would wait gets it at once: nothing is lost. `taken`: somebody else takes the
 * message in any case.
 */
export function decide(recipients: readonly Recipient[], taken = false): Decided {
  const decisions = recipients.map(({ findings, settings }) => decideFor(findings, settings))
  if (!taken && decisions.length > 0 && decisions.every(({ action }) => action === 'reject' || action === 'defer')) {
    const whole = decisions.some(({ action }) => action === 'defer') ? 'defer' : 'reject'
    return { whole, decisions }
  }
  return { decisions: decisions.map((decision, i) => withoutAnswer(decision, recipients[i]!)) }
}

/** The decision where the client cannot be told of it, because others take the message. */
function withoutAnswer(decision: Decision, { findings, settings }: Recipient): Decision {
  if (decision.action === 'reject')
    return {
      ...decision,
      action: 'quarantine',
      reasons: [...decision.reasons, 'not refused, because other recipients take it'],
    }
  if (decision.action !== 'defer') return decision
  const rest = decideFor(
    findings.filter(({ action }) => action !== 'defer'),
    settings,
  )
  return rest.action === 'accept'
    ? { ...rest, reasons: [...decision.reasons, 'not put off, because other recipients take it'] }
    : rest
}

/** What one recipient wants done, whatever the others want. */
export function decideFor(findings: readonly Finding[], settings: VerdictSettings): Decision {
  const wishes = findings
    .map((finding) => ({ finding, ...wishOf(finding, settings) }))
    .sort((a, b) => ranks[b.action] - ranks[a.action])
  const first = wishes[0]
  const heard = wishes.filter(({ action, finding }) => action !== 'accept' || finding.action !== 'accept')
  const reasons = heard.flatMap(({ action, finding }) => wordsOf(finding, action))
  if (!first || first.action === 'accept') return { action: 'accept', by: [], reasons }
  const deciding = wishes.filter(({ action }) => action === first.action)
  return { action: first.action, kind: first.kind, by: deciding.map(({ finding }) => finding.by), reasons }
}

interface Wish {
  readonly action: FilterAction
  readonly kind: VerdictKind
}

function wishOf(finding: Finding, settings: VerdictSettings): Wish {
  if (finding.dmarc) return { kind: 'dmarc', action: dmarcActions[settings.dmarc ?? 'enforce'][finding.dmarc] }
  if (finding.virus !== undefined) return { kind: 'virus', action: virusAction(finding, settings) }
  if (finding.action !== 'defer') return { kind: 'spam', action: spamAction(finding, settings) }
  // Who could not look is waited for, whatever he looks for; who has looked and wants it later speaks of spam.
  return { kind: 'wait', action: settings.spam === 'off' && !finding.failed ? 'accept' : 'defer' }
}

/** By what the recipient's domain wants, and what the author's asks for. */
const dmarcActions: Readonly<Record<DmarcSetting, Readonly<Record<'quarantine' | 'reject', FilterAction>>>> = {
  enforce: { quarantine: 'junk', reject: 'reject' },
  quarantine: { quarantine: 'quarantine', reject: 'quarantine' },
  junk: { quarantine: 'junk', reject: 'junk' },
  record: { quarantine: 'accept', reject: 'accept' },
}

/** What the domain wants; without a wish of its own what the filter is configured to propose. */
function virusAction({ action }: Finding, { virus }: VerdictSettings): FilterAction {
  return virus === undefined ? action : virus === 'off' ? 'accept' : virus
}

function spamAction(finding: Finding, settings: VerdictSettings): FilterAction {
  const { spam, spamRejectScore } = settings
  if (spam === 'off') return 'accept'
  const proposed = proposalOf(finding, settings)
  const { score, sure = true } = finding
  if (score !== undefined && spamRejectScore !== undefined && score >= spamRejectScore && sure) return 'reject'
  if (proposed === 'accept' || proposed === 'tag') return proposed
  const wanted = spam ?? proposed
  if (wanted !== 'reject') return wanted
  const high = score === undefined || spamRejectScore === undefined
  return sure && high ? 'reject' : 'junk'
}

/** What the filter proposes, its threshold being the recipient's own when he has one. */
function proposalOf({ action, score }: Finding, { spamScore }: VerdictSettings): FilterAction {
  if (score === undefined || spamScore === undefined) return action
  if (score < spamScore) return 'accept'
  return ranks[action] < ranks.junk ? 'junk' : action
}

function wordsOf(finding: Finding, action: FilterAction): string[] {
  const { by, reasons, score, threshold } = finding
  const figures = score === undefined ? [] : [`score ${score}${threshold === undefined ? '' : ` of ${threshold}`}`]
  const words = [...reasons, ...figures].join(', ') || `proposes ${finding.action}`
  return [
    action === finding.action
      ? `${by}: ${words}`
      : `${by}: ${words} (proposed ${finding.action}, by the settings ${action})`,
  ]
}
