// Second step: what is done to mail that goes on to others because an address here leads to them: under which sender it leaves, and
// what a sealer puts in front of it. Before the transaction, for it may have to read and to compute.

import type { Path } from '../../address/index.ts'
import type { Log } from '../../base/index.ts'
import type { NewContent } from '../../mail/index.ts'
import type { Rewriter } from '../forward.ts'
import type { Arrival, Envelope, Forwarded } from '../types.ts'
import type { Outgoing, Plan } from './expand.ts'

export interface ForwardParts {
  readonly rewriter: Rewriter
  /** Header lines that vouch for a forwarded message, to stand in front of it (ARC); absent: none. */
  readonly seal?: (forwarded: Forwarded) => Promise<Uint8Array>
  readonly log: Log
}

export interface ForwardedMessage {
  readonly arrival: Arrival
  readonly envelope: Envelope
  readonly content?: NewContent
}

/** The plan with senders rewritten and seals made. */
export async function prepareForwards(parts: ForwardParts, message: ForwardedMessage, plan: Plan): Promise<Plan> {
  if (plan.outgoing.every(({ via }) => via === undefined)) return plan
  const outgoing: Outgoing[] = []
  for (const group of plan.outgoing) outgoing.push(await prepare(parts, message, group))
  return { ...plan, outgoing }
}

async function prepare(parts: ForwardParts, message: ForwardedMessage, group: Outgoing): Promise<Outgoing> {
  const { via } = group
  if (!via) return group
  const { arrival, envelope, content } = message
  const sender: Path = await parts.rewriter.forward(envelope.from, via)
  if (!parts.seal || !content) return { ...group, sender }
  try {
    return { ...group, sender, seal: await parts.seal({ arrival, envelope, content, via, sender }) }
  } catch (error) {
    // A message without a seal may still be taken; a message that waits for one is not there.
    parts.log.error({ err: error, id: arrival.traceId }, 'a forwarded message could not be sealed')
    return { ...group, sender }
  }
}
