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
  let places = new Float64Array(uids.length)
  for (const { key, reverse } of distinct(criteria)) {
    const ranks = key === 'RELEVANCY' ? ranksOfScores(found) : await ranksOf(context, view, key, uids)
    // Dense again, so that no product goes beyond what a number holds exactly.
    places = Float64Array.from(rankNumbers(refine(places, uids, ranks, reverse)).ranks)
    await context.out.pace()
  }
  for (let i = 0; i < places.length; i++) places[i] = places[i]! * places.length + i
  places.sort()
  const order = Array.from(places, (place) => place % places.length)
  const inOrder = (list: readonly number[]) => order.map((i) => list[i]!)
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

/** Places by what went before, and by these ranks among equals. Both lists of UIDs ascend. */
function refine(
  places: Float64Array,
  uids: readonly number[],
  ranks: Ranks,
  reverse: boolean,
): Float64Array<ArrayBuffer> {
  const out = new Float64Array(places.length)
  for (let i = 0, at = 0; i < uids.length; i++) {
    while (ranks.uids[at]! < uids[i]!) at++
    const rank = ranks.uids[at] === uids[i] ? ranks.ranks[at]! : 0
    out[i] = places[i]! * ranks.count + (reverse ? ranks.count - 1 - rank : rank)
  }
  return out
}
