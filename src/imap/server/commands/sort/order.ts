// Puts found messages in the order that is asked for. Ties stay in the mailbox's order (RFC 5256 §3).

import type { SortCriterion } from '../../../wire/index.ts'
import type { SelectedMailbox } from '../../selected.ts'
import type { Found, SearchContext } from '../search/run.ts'
import { orderOf, type Ranks, rankNumbers, ranksOf } from './ranks.ts'

export async function sortFound(
  context: SearchContext,
  { view }: SelectedMailbox,
  found: Found,
  criteria: readonly SortCriterion[],
): Promise<Found> {
  const { uids, numbers, scores } = found
  let places: Places | undefined
  for (const { key, reverse } of distinct(criteria)) {
    const ranks = key === 'RELEVANCY' ? ranksOfScores(found) : await ranksOf(context, view, key, uids)
    places = dense(refine(places, uids, ranks, reverse))
    await context.out.pace()
  }
  if (!places) return found
  const order = orderOf(places.values, places.count)
  const inOrder = (list: readonly number[]) => {
    const out = new Array<number>(order.length)
    for (let i = 0; i < out.length; i++) out[i] = list[order[i]!]!
    return out
  }
  return { uids: inOrder(uids), numbers: inOrder(numbers), ...(scores && { scores: inOrder(scores) }) }
}

/** Whole numbers below `count`, side by side with the messages found. */
interface Places {
  readonly values: Float64Array | Uint32Array
  readonly count: number
}

/** The most relevant is the first (RFC 6203 §6). */
function ranksOfScores({ uids, scores = [] }: Found): Ranks {
  return { uids: Uint32Array.from(uids), ranks: Uint32Array.from(scores, (score) => 100 - score), count: 100 }
}

/** A key that was given before decides nothing more. */
function distinct(criteria: readonly SortCriterion[]): readonly SortCriterion[] {
  return criteria.filter(({ key }, i) => criteria.findIndex((other) => other.key === key) === i)
}

/** Places by what went before, and by these ranks among equals. Both lists of UIDs ascend. */
function refine(before: Places | undefined, uids: readonly number[], ranks: Ranks, reverse: boolean): Places {
  const values = new Float64Array(uids.length)
  for (let i = 0, at = 0; i < uids.length; i++) {
    while (ranks.uids[at]! < uids[i]!) at++
    const rank = ranks.uids[at] === uids[i] ? ranks.ranks[at]! : 0
    values[i] = (before ? before.values[i]! : 0) * ranks.count + (reverse ? ranks.count - 1 - rank : rank)
  }
  return { values, count: (before?.count ?? 1) * ranks.count }
}

/** With few more places than messages: counting orders them, and no product goes beyond what a number holds exactly. */
function dense(places: Places): Places {
  if (places.count <= 4 * places.values.length) return places
  const { ranks, count } = rankNumbers(Float64Array.from(places.values))
  return { values: ranks, count }
}
