// What went wrong, for the person who wrote the message: one sentence on what happened, one on what to do.

import { classifyText, classWords, type ReplyClass } from '../smtp/bounces/index.ts'
import type { Explanation, Outcome } from './batch.ts'

const spelling = 'Check the spelling, or ask the recipient for the right address.'
const waitOrAsk = 'Try again later, or reach the recipient another way.'

/** By enhanced status code without its class; the longest that fits explains. */
const explanations: readonly (readonly [prefix: string, explanation: Explanation])[] = [
  ['1.1', { what: 'Nobody has this address there.', todo: spelling }],
  ['1.2', { what: 'The part after the @ is not a domain that exists.', todo: spelling }],
  ['1.10', { what: 'This domain does not accept any mail.', todo: spelling }],
  ['1.6', { what: 'The mailbox has moved.', todo: spelling }],
  ['1.', { what: 'The address was not accepted.', todo: spelling }],
  ['2.1', { what: 'The mailbox is switched off.', todo: 'Reach the recipient another way.' }],
  ['2.2', { what: 'The mailbox is full.', todo: waitOrAsk }],
  [
    '2.3',
    {
      what: 'The message is too large for this mailbox.',
      todo: 'Send a smaller one, or a link instead of an attachment.',
    },
  ],
  [
    '3.4',
    {
      what: 'The message is too large for that server.',
      todo: 'Send a smaller one, or a link instead of an attachment.',
    },
  ],
  ['4.4', { what: 'The domain has no working mail server.', todo: spelling }],
  [
    '4.6',
    {
      what: 'The message would have gone round in a circle.',
      todo: 'Tell the administrator of the domain that its mail is set up wrongly.',
    },
  ],
  ['4.7', { what: 'It could not be delivered in the time that was set for it.', todo: waitOrAsk }],
  ['4.3', { what: 'The name servers of the domain did not answer.', todo: waitOrAsk }],
  ['4.', { what: 'The mail server of the domain could not be reached.', todo: waitOrAsk }],
  [
    '6.7',
    {
      what: 'The mail server there does not know addresses with letters beyond ASCII.',
      todo: 'Ask the recipient for another address.',
    },
  ],
]
const putOff: Explanation = { what: 'The mail server there put us off each time.', todo: waitOrAsk }

/** Being put off for such a reason says nothing that helps. */
const vague: ReadonlySet<ReplyClass> = new Set(['unknown', 'policy', 'system', 'greylisted', 'protocol'])

/** `expired`: given up after trying for days; the last answer was not final. Codes 7 and none leave it to the server's words. */
export function explain({ status, reason, explained }: Outcome, expired: boolean): Explanation {
  if (explained) return explained
  const detail = status.slice(status.indexOf('.') + 1)
  const found = explanations
    .filter(([prefix]) => (prefix.endsWith('.') ? detail.startsWith(prefix) : detail === prefix))
    .sort(([a], [b]) => b.length - a.length)[0]?.[1]
  if (found) return found
  const kind = classifyText(reason, { status }).class
  return expired && vague.has(kind) ? putOff : classWords[kind]
}
