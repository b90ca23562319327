// Where each message of a mailbox stands by one sort key, as small integers. What orders a message never changes, so that ranks are kept
// with the view: only new messages make them stale.

import { toRanges } from '../../../../base/index.ts'
import type { Fact, MessageFacts } from '../../../../mail/index.ts'
import type { SortKey } from '../../../wire/index.ts'
import type { MailboxView } from '../../view.ts'
import type { SearchContext } from '../search/run.ts'

const PAGE = 1000

/** `ranks[i]` is of `uids[i]`; equal keys have equal ranks, below `count`. */
export interface Ranks {
  readonly uids: Uint32Array
  readonly ranks: Uint32Array
  readonly count: number
}

interface KeySource {
  readonly facts: readonly Fact[]
  readonly number?: (row: MessageFacts) => number
  readonly text?: (row: MessageFacts) => string
}

/** What a message has of itself, whatever is searched for. */
export type StoredKey = Exclude<SortKey, 'RELEVANCY'>

/** RFC 5256 §3, RFC 5957 §4. */
const sources: { readonly [key in StoredKey]: KeySource } = {
  ARRIVAL: { facts: ['receivedAt'], number: ({ receivedAt }) => receivedAt! },
  // RFC 5256 §2.2: without a date of its own a message was sent when it came.
  DATE: { facts: ['sentAt', 'receivedAt'], number: ({ sentAt, receivedAt }) => sentAt ?? receivedAt! },
  SIZE: { facts: ['size'], number: ({ size }) => size! },
  SUBJECT: { facts: ['baseSubject'], text: ({ baseSubject }) => baseSubject! },
  FROM: { facts: ['sortFrom'], text: ({ sortFrom }) => sortFrom! },
  TO: { facts: ['sortTo'], text: ({ sortTo }) => sortTo! },
  CC: { facts: ['sortCc'], text: ({ sortCc }) => sortCc! },
  DISPLAYFROM: { facts: ['displayFrom'], text: ({ displayFrom }) => displayFrom! },
  DISPLAYTO: { facts: ['displayTo'], text: ({ displayTo }) => displayTo! },
}

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
  const { facts, number, text } = sources[key]
  const numbers = new Float64Array(number ? uids.length : 0)
  const texts: string[] = []
  for (let at = 0; at < uids.length; at += PAGE) {
    const page = uids.subarray(at, at + PAGE)
    const rows = await context.services.reads.facts(view.id, toRanges(page), facts)
    // A message that is gone meanwhile has no row; it is told as expunged soon, and stands anywhere until then.
    for (let i = 0, next = 0; i < page.length; i++) {
      const row = rows[next]?.uid === page[i] ? rows[next++] : undefined
      if (number) numbers[at + i] = row ? number(row) : 0
      else texts.push(row ? toCollation(text!(row)) : '')
    }
    await context.out.pace()
  }
  return { uids, ...(number ? rankNumbers(numbers) : await rankTexts(texts, () => context.out.pace())) }
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

/** Dense ranks of texts by their code units. */
async function rankTexts(texts: readonly string[], pace: () => Promise<void>) {
  const places = new Map<string, number>()
  for (const text of texts) places.set(text, 0)
  const sorted = await sortTexts([...places.keys()], pace)
  for (let i = 0; i < sorted.length; i++) places.set(sorted[i]!, i)
  return { ranks: Uint32Array.from(texts, (text) => places.get(text)!), count: sorted.length }
}

const RUN = 4096

/** By their first characters, then those that share them: most comparisons are of numbers. */
export async function sortTexts(texts: readonly string[], pace: () => Promise<void>): Promise<string[]> {
  const groups = new Map<number, string[]>()
  for (const text of texts) {
    const prefix = prefixOf(text)
    const group = groups.get(prefix)
    if (group) group.push(text)
    else groups.set(prefix, [text])
  }
  await pace()
  const sorted: string[] = []
  for (const prefix of Float64Array.from(groups.keys()).sort()) {
    const group = groups.get(prefix)!
    for (const text of group.length > RUN ? await sortInTurns(group, pace) : group.sort()) sorted.push(text)
    await pace()
  }
  return sorted
}

/** The first three code units as a number that compares like them; what is missing stands before everything. */
function prefixOf(text: string): number {
  let prefix = 0
  for (let i = 0; i < 3; i++) prefix = prefix * 65_537 + (i < text.length ? text.charCodeAt(i) + 1 : 0)
  return prefix
}

/** Sorts in pieces that others are let in between, then merges them. */
async function sortInTurns(texts: string[], pace: () => Promise<void>): Promise<string[]> {
  let runs: string[][] = []
  for (let at = 0; at < texts.length; at += RUN) {
    runs.push(texts.slice(at, at + RUN).sort())
    await pace()
  }
  while (runs.length > 1) {
    const merged: string[][] = []
    for (let i = 0; i < runs.length; i += 2) {
      merged.push(i + 1 < runs.length ? await merge(runs[i]!, runs[i + 1]!, pace) : runs[i]!)
    }
    runs = merged
  }
  return runs[0] ?? []
}

async function merge(a: readonly string[], b: readonly string[], pace: () => Promise<void>): Promise<string[]> {
  const out: string[] = []
  for (let i = 0, j = 0; i < a.length || j < b.length; ) {
    if (j >= b.length || (i < a.length && a[i]! <= b[j]!)) out.push(a[i++]!)
    else out.push(b[j++]!)
    if (out.length % RUN === 0) await pace()
  }
  return out
}

/**
 * A folded text as i;unicode-casemap compares it (RFC 5051): in titlecase, where `_` stands behind letters, and by code points, whose
 * order is that of code units once surrogates are moved behind the rest.
 */
export function toCollation(folded: string): string {
  const text = folded.toUpperCase()
  for (let i = 0; i < text.length; i++) if (text.charCodeAt(i) >= 0xd800) return moveSurrogates(text)
  return text
}

function moveSurrogates(text: string): string {
  let out = ''
  for (let i = 0; i < text.length; i++) {
    const c = text.charCodeAt(i)
    out += c < 0xd800 ? text[i] : String.fromCharCode(c < 0xe000 ? c + 0x2000 : c - 0x800)
  }
  return out
}
