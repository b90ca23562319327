// Puts found messages in the order that is asked for. Ties stay in the mailbox's order (RFC 5256 §3).

import type { SortCriterion } from '../../../wire/index.ts'
import type { SelectedMailbox } from '../../selected.ts'
import type { Found, SearchContext } from '../search/run.ts'
import { type Ranks, rankNumbers, ranksOf } from './ranks.ts'

export async function sortFound(
  context: SearchContext,
  { view }: SelectedMailbox,
  found: Found,
  criteria: readonly SortCriterion[],
): Promise<Found> {
  const { uids, numbers, scores } = found
  let places: Float64Array | undefined
  for (const { key, reverse } of distinct(criteria)) {
    const ranks = key === 'RELEVANCY' ? ranksOfScores(found) : await ranksOf(context, view, key, uids)
    const refined = refine(places, uids, ranks, reverse)
    // Dense again, so that no product goes beyond what a number holds exactly.
    places = places ? Float64Array.from(rankNumbers(refined).ranks) : refined
    await context.out.pace()
  }
  const count = uids.length
  const order = new Float64Array(count)
  for (let i = 0; i < count; i++) order[i] = places![i]! * count + i
  order.sort()
  for (let i = 0; i < count; i++) order[i] = order[i]! % count
  const inOrder = (list: readonly number[]) => Array.from(order, (i) => list[i]!)
  return { uids: inOrder(uids), numbers: inOrder(numbers), ...(scores && { scores: inOrder(scores) }) }
}

/** The most relevant is the first (RFC 6203 §6). */
function ranksOfScores({ uids, scores = [] }: Found): Ranks {
  return { uids: Uint32Array.from(uids), ranks: Uint32Array.from(scores, (score) => 100 - score), count: 100 }
}

/** A key that was given before decides nothing more. */
function distinct(criteria: readonly SortCriterion[]): readonly SortCriterion[] {
  return criteria.filter(({ key }, i) => criteria.findIndex((other) => other.key === key) === i)
}

/** Places by what went before, and by these ranks among equals; whole numbers. Both lists of UIDs ascend. */
function refine(
  places: Float64Array | undefined,
  uids: readonly number[],
  ranks: Ranks,
  reverse: boolean,
): Float64Array<ArrayBuffer> {
  const out = new Float64Array(uids.length)
  for (let i = 0, at = 0; i < uids.length; i++) {
    while (ranks.uids[at]! < uids[i]!) at++
    const rank = ranks.uids[at] === uids[i] ? ranks.ranks[at]! : 0
    out[i] = (places ? places[i]! : 0) * ranks.count + (reverse ? ranks.count - 1 - rank : rank)
  }
  return out
}
