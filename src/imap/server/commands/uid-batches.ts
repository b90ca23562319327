// UIDBATCHES: ranges of UIDs that cut the mailbox into pieces of equal size (RFC 10022).

import type { Cursor } from '../../wire/index.ts'
import { command } from '../command.ts'
import type { Outcome } from '../replies.ts'

/** RFC 10022 §3.1.3.2: with smaller ones numbers could be worked out again. */
const MIN_SIZE = 500
/** RFC 10022 §3.1.5 */
const MAX_MESSAGES = 100_000

interface Arguments {
  readonly size: number
  /** Which of the batches; the first holds the newest messages. */
  readonly range?: readonly [number, number]
}

function parse(p: Cursor): Arguments {
  const size = p.sp().nzNumber()
  if (!p.has(' ') || p.atEnd()) return { size }
  const first = p.nzNumber()
  p.expect(':')
  return { size, range: [first, p.nzNumber()] }
}

function refusal({ size, range }: Arguments): Outcome | undefined {
  if (range && range[0] > range[1]) return { status: 'BAD', code: 'CLIENTBUG', text: 'the range goes backwards' }
  if (size < MIN_SIZE) return { status: 'NO', code: 'TOOFEW', text: `a batch has at least ${MIN_SIZE} messages` }
  if (range && (range[1] - range[0] + 1) * size > MAX_MESSAGES)
    return { status: 'NO', code: 'TOOMANY', text: `at most ${MAX_MESSAGES} messages at once` }
  return undefined
}

/** Batches side by side, from the highest UID to 1: no UID is between two of them. */
function batches(uids: Uint32Array, { size, range = [1, Number.POSITIVE_INFINITY] }: Arguments): string[] {
  const out: string[] = []
  for (let batch = range[0]; batch <= range[1]; batch++) {
    const end = uids.length - (batch - 1) * size
    if (end <= 0) break
    out.push(`${uids[end - 1]!}:${end <= size ? 1 : uids[end - size - 1]! + 1}`)
  }
  return out
}

// How often it may be asked is not limited (RFC 10022 §3.1.1): an answer is read off the view, and costs less than a NOOP.
export const uidBatches = command({
  name: 'UIDBATCHES',
  rfc: 'RFC 10022 §3.1',
  states: ['selected'],
  capabilities: ['UIDBATCHES'],
  refresh: 'before',
  parse,
  run({ selected, out, connection }, args) {
    const refused = refusal(args)
    if (refused) return refused
    const found = batches(selected.pickAll().uids, args)
    out.line(`* UIDBATCHES (TAG "${connection.currentTag()}")${found.length > 0 ? ` ${found.join(',')}` : ''}`)
    return { text: 'done' }
  },
})
