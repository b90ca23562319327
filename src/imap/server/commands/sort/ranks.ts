// Where each message of a mailbox stands by one sort key, as small integers. What orders a message never changes, so that ranks are kept
// with the view: only new messages make them stale.

import type { ColumnName, Columns, Texts } from '../../../../mail/index.ts'
import type { SortKey } from '../../../wire/index.ts'
import type { MailboxView } from '../../view.ts'
import type { SearchContext } from '../search/run.ts'

/** `ranks[i]` is of `uids[i]`; equal keys have equal ranks, below `count`. */
export interface Ranks {
  readonly uids: Uint32Array
  readonly ranks: Uint32Array
  readonly count: number
}

/** What a message has of itself, whatever is searched for. */
export type StoredKey = Exclude<SortKey, 'RELEVANCY'>
type NumberKey = 'ARRIVAL' | 'DATE' | 'SIZE'

/** RFC 5256 §3, RFC 5957 §4. RFC 5256 §2.2: without a date of its own a message was sent when it came. */
const numbers = {
  ARRIVAL: ['receivedAt'],
  DATE: ['sentAt', 'receivedAt'],
  SIZE: ['size'],
} as const satisfies Record<NumberKey, readonly ColumnName[]>
const texts = {
  SUBJECT: 'baseSubject',
  FROM: 'sortFrom',
  TO: 'sortTo',
  CC: 'sortCc',
  DISPLAYFROM: 'displayFrom',
  DISPLAYTO: 'displayTo',
} as const satisfies Record<Exclude<StoredKey, NumberKey>, ColumnName>

const kept = new WeakMap<MailboxView, Map<StoredKey, Ranks>>()

/** Ranks that hold at least `uids` (ascending). Few of many messages are ranked by themselves; else the whole mailbox is, and kept. */
export async function ranksOf(
  context: SearchContext,
  view: MailboxView,
  key: StoredKey,
  uids: readonly number[],
): Promise<Ranks> {
  const known = kept.get(view)?.get(key)
  const last = uids[uids.length - 1] ?? 0
  if (known && (known.uids[known.uids.length - 1] ?? 0) >= last) return known
  if (uids.length * 4 < view.count) return rank(context, view, key, Uint32Array.from(uids))
  const ranks = await rank(context, view, key, view.uids.slice(0, view.count))
  let ofView = kept.get(view)
  if (!ofView) kept.set(view, (ofView = new Map()))
  view.cachedBytes += bytesOf(ranks) - bytesOf(ofView.get(key))
  ofView.set(key, ranks)
  return ranks
}

const bytesOf = (ranks: Ranks | undefined) => (ranks ? ranks.uids.byteLength + ranks.ranks.byteLength : 0)

async function rank(context: SearchContext, view: MailboxView, key: StoredKey, uids: Uint32Array): Promise<Ranks> {
  const ranked = key in numbers ? rankByNumber : rankByText
  return { uids, ...(await ranked(context, view, key as never, uids)) }
}

async function rankByNumber({ services, out }: SearchContext, view: MailboxView, key: NumberKey, uids: Uint32Array) {
  // A message that is gone meanwhile has no value; it is told as expunged soon, and stands anywhere until then.
  const values = new Float64Array(uids.length)
  const [first, second] = numbers[key]
  const align = alignWith(uids)
  const want: readonly (typeof first | 'receivedAt')[] = second ? [first, second] : [first]
  for await (const columns of services.reads.columns(view.id, uids, want)) {
    const [own, other] = [columns.values[first], columns.values[second ?? first]]
    align(columns, (i, at) => {
      values[i] = Number.isNaN(own[at]!) ? other[at]! : own[at]!
    })
    await out.pace()
  }
  return rankNumbers(values)
}

async function rankByText(
  { services, out }: SearchContext,
  view: MailboxView,
  key: Exclude<StoredKey, NumberKey>,
  uids: Uint32Array,
) {
  const lists: (readonly string[])[] = [['']]
  // Which text each message has, counted through all lists.
  const places = new Uint32Array(uids.length)
  let base = 1
  const align = alignWith(uids)
  const name = texts[key]
  for await (const columns of services.reads.columns(view.id, uids, [name])) {
    const { texts: list, places: within }: Texts = columns.values[name]
    align(columns, (i, at) => {
      places[i] = base + within[at]!
    })
    lists.push(list)
    base += list.length
    await out.pace()
  }
  const { ranks, count } = await rankLists(lists, () => out.pace())
  return { ranks: places.map((place) => ranks[place]!), count }
}

/** Shows each of the UIDs that the columns have: its index among all, and its place in the columns. Both ascend. */
function alignWith(uids: Uint32Array) {
  let i = 0
  return ({ uids: found }: Columns<never>, show: (i: number, at: number) => void): void => {
    for (let at = 0; at < found.length; at++) {
      while (i < uids.length && uids[i]! < found[at]!) i++
      if (uids[i] === found[at]) show(i, at)
    }
  }
}

/** Dense ranks of numbers. */
export function rankNumbers(numbers: Float64Array): { ranks: Uint32Array; count: number } {
  const sorted = numbers.slice().sort()
  let count = 0
  for (let i = 0; i < sorted.length; i++) if (i === 0 || sorted[i] !== sorted[count - 1]) sorted[count++] = sorted[i]!
  const ranks = new Uint32Array(numbers.length)
  for (let i = 0; i < numbers.length; i++) ranks[i] = placeOf(sorted, count, numbers[i]!)
  return { ranks, count }
}

function placeOf(sorted: Float64Array, count: number, value: number): number {
  let lo = 0
  let hi = count
  while (lo < hi) {
    const mid = (lo + hi) >>> 1
    if (sorted[mid]! < value) lo = mid + 1
    else hi = mid
  }
  return lo
}

/** Indexes by ascending rank; ties stay in their order. */
export function orderOf(ranks: ArrayLike<number>, count: number): Uint32Array {
  const next = new Uint32Array(count + 1)
  for (let i = 0; i < ranks.length; i++) next[ranks[i]! + 1]!++
  for (let rank = 1; rank <= count; rank++) next[rank]! += next[rank - 1]!
  const order = new Uint32Array(ranks.length)
  for (let i = 0; i < ranks.length; i++) order[next[ranks[i]!]!++] = i
  return order
}

/** Texts between two looks at the clock. */
const STEP = 4096

/** Dense ranks of all texts of lists that ascend by code units, counted through; in turns that others are let in between. */
export async function rankLists(lists: readonly (readonly string[])[], pace: () => Promise<void>) {
  const all: string[] = []
  let runs = lists.map((list) => {
    const run = new Uint32Array(list.length)
    for (let i = 0; i < list.length; i++) run[i] = all.push(list[i]!) - 1
    return run
  })
  await pace()
  const order = new Order(all)
  while (runs.length > 1) {
    const merged: Uint32Array<ArrayBuffer>[] = []
    for (let i = 0; i < runs.length; i += 2)
      merged.push(i + 1 < runs.length ? await order.merge(runs[i]!, runs[i + 1]!, pace) : runs[i]!)
    runs = merged
  }
  const ranks = new Uint32Array(all.length)
  let count = 0
  let last: string | undefined
  for (const place of runs[0] ?? []) {
    if (all[place] !== last || count === 0) count++
    last = all[place]
    ranks[place] = count - 1
  }
  return { ranks, count }
}

/** Compares by the first characters, which are numbers, and by the texts only where these are equal. */
class Order {
  readonly #texts: readonly string[]
  readonly #prefixes: Float64Array

  constructor(texts: readonly string[]) {
    this.#texts = texts
    this.#prefixes = Float64Array.from(texts, prefixOf)
  }

  async merge(a: Uint32Array, b: Uint32Array, pace: () => Promise<void>): Promise<Uint32Array<ArrayBuffer>> {
    const out = new Uint32Array(a.length + b.length)
    for (let i = 0, j = 0, at = 0; at < out.length; ) {
      const end = Math.min(out.length, at + STEP)
      for (; at < end; at++) {
        const isFirst = j === b.length || (i < a.length && !this.#isBefore(b[j]!, a[i]!))
        out[at] = isFirst ? a[i++]! : b[j++]!
      }
      await pace()
    }
    return out
  }

  #isBefore(a: number, b: number): boolean {
    const difference = this.#prefixes[a]! - this.#prefixes[b]!
    return difference < 0 || (difference === 0 && this.#texts[a]! < this.#texts[b]!)
  }
}

const PREFIX = 6
/** Stands for all characters that are not Latin-1: what follows one of them does not count. */
const OTHER = 255

/** The first six characters as a number that compares like them as far as it tells; what is missing stands before everything. */
function prefixOf(text: string): number {
  let prefix = 0
  let factor = 256 ** (PREFIX - 1)
  for (let i = 0; i < PREFIX && i < text.length; i++, factor /= 256) {
    const c = text.charCodeAt(i) + 1
    if (c >= OTHER) return prefix + OTHER * factor
    prefix += c * factor
  }
  return prefix
}
