// MESSAGELIMIT (RFC 9738): what is left of a command that is about more messages than one may have, and how its client hears of it.

import type { ImapLimits } from './limits.ts'
import type { Output } from './output.ts'
import { formatMessageLimit, type Outcome } from './replies.ts'
import type { Picked } from './selected.ts'

type Limits = Pick<ImapLimits, 'commandMessages'>

export interface Newest {
  readonly picked: Picked
  /** The oldest that is left, when some are not. */
  readonly lowest?: number
}

/** Those with the highest UIDs, as many as one command may have (RFC 9738 §3.1). */
export function newest(picked: Picked, { commandMessages }: Limits): Newest {
  const from = picked.count - commandMessages
  if (from <= 0) return { picked }
  const uids = picked.uids.subarray(from)
  const { missing, numbers } = picked
  return { picked: { count: uids.length, missing, numbers: numbers.subarray(from), uids }, lowest: uids[0]! }
}

/** Messages between two looks at the clock. */
const TURN = 1000

/** Those that pass, where a command is not about all that it names. */
export async function only(
  out: Output,
  picked: Picked,
  passes: (uid: number, number: number) => boolean,
): Promise<Picked> {
  const { uids, numbers, missing } = picked
  const kept: number[] = []
  for (let i = 0; i < picked.count; i++) {
    if (passes(uids[i]!, numbers[i]!)) kept.push(i)
    if (i % TURN === TURN - 1) await out.pace()
  }
  return {
    count: kept.length,
    missing,
    numbers: Uint32Array.from(kept, (i) => numbers[i]!),
    uids: Uint32Array.from(kept, (i) => uids[i]!),
  }
}

/** RFC 9738 §3.1: a command that stops at the limit goes from the highest UID down. */
export const inOrderOf = ({ picked, lowest }: Newest): Picked =>
  lowest === undefined ? picked : { ...picked, numbers: picked.numbers.toReversed(), uids: picked.uids.toReversed() }

/** Says in the reply how far down the command came; before it, when the reply has another code (RFC 9738 §3.1). */
export function withLowest(
  { limits, out }: { readonly limits: Limits; readonly out: Output },
  lowest: number | undefined,
  outcome: Outcome,
): Outcome {
  if (lowest === undefined) return outcome
  const code = formatMessageLimit(limits.commandMessages, lowest)
  const text = `the newest ${limits.commandMessages} messages only`
  if (outcome.code === undefined) return { ...outcome, code, text }
  out.line(`* NO [${code}] ${text}`)
  return outcome
}
