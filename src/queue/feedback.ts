// What the outcomes of a transaction say of the site, not of the recipients. By the classes of docs/refusals.md.

import { classifyText } from '../smtp/bounces/index.ts'
import type { Outcome } from './batch.ts'
import type { Feedback } from './site.ts'

/** The worst that any of them says. */
const order: readonly Feedback[] = ['none', 'fine', 'slower', 'failed', 'blocked']

export function toFeedback(outcomes: readonly Outcome[]): { readonly feedback: Feedback; readonly reason: string } {
  let worst: ReturnType<typeof toFeedback> = { feedback: 'none', reason: '' }
  for (const outcome of outcomes) {
    const feedback = judge(outcome)
    if (order.indexOf(feedback) > order.indexOf(worst.feedback)) worst = { feedback, reason: outcome.reason }
  }
  return worst
}

function judge({ result, reason, status, mta, broken, unusable, class: kind }: Outcome): Feedback {
  if (result === 'delivered') return mta === undefined ? 'none' : 'fine'
  if (unusable) return 'blocked'
  // Nobody was asked: no such domain, or the message cannot be read.
  if (mta === undefined && !broken) return 'none'
  const found = kind ?? classifyText(reason, { status }).class
  // It wants the same message again later, and nothing less.
  if (found === 'greylisted') return 'fine'
  if (found === 'blocked-address') return 'blocked'
  if (broken) return 'failed'
  if (found === 'rate-limited' || reason.startsWith('421')) return 'slower'
  return 'fine'
}
