// A search of one mailbox: a program is tried on what the view knows, then on rows, then on texts, each only for what is still undecided.

import { blockOf } from '../../../../mail/index.ts'
import { charsetNames, isCharset } from '../../../../mime/index.ts'
import type { SearchKey, SearchProgram } from '../../../wire/index.ts'
import { countBelow } from '../../ascending.ts'
import type { AuthenticatedContext } from '../../command.ts'
import { newest, only } from '../../message-limit.ts'
import { Progress } from '../../progress.ts'
import { MessageLimit, type Outcome } from '../../replies.ts'
import type { Picked, SelectedMailbox } from '../../selected.ts'
import { compile, type Known, type Needs } from './compile.ts'
import { readRows, readTexts } from './read.ts'
import { askIndex, createQuickLook, type QuickLook } from './rule-out.ts'

const PAGE = 1000

/** What a search needs beside the mailbox. */
export type SearchContext = Pick<AuthenticatedContext, 'services' | 'out' | 'clock' | 'limits' | 'connection'>
/** What is looked for; `charset` is of its texts. */
export type Criteria = Pick<SearchProgram, 'key' | 'charset'>

/** Messages side by side, in the mailbox's order. */
export interface Found {
  readonly numbers: readonly number[]
  readonly uids: readonly number[]
  /** How relevant each is among them, 1 to 100; absent when nothing was fuzzy. */
  readonly scores?: readonly number[]
  /** Older messages than this were not looked at. */
  readonly lowest?: number
}

/** The charsets are named when another is asked for (RFC 9051 §6.4.4). */
export const badCharset: Outcome = {
  status: 'NO',
  code: `BADCHARSET (${charsetNames.join(' ')})`,
  text: 'this charset is not known here',
}

export const knowsCharset = ({ charset }: Criteria) => charset === undefined || isCharset(charset)

/** The messages that the client counts and that fit. */
export function search(context: SearchContext, selected: SelectedMailbox, criteria: Criteria): Promise<Found> {
  return searchAmong(context, selected, criteria, selected.pickAll())
}

/** Of more messages than a command may have the newest are looked at (RFC 9738 §3.1); no others come to be saved (RFC 9738 §3.4). */
export async function searchNewest(
  context: SearchContext,
  selected: SelectedMailbox,
  criteria: Criteria,
): Promise<Found> {
  const { picked, lowest } = newest(await named(context, selected, criteria), context.limits)
  const found = await searchAmong(context, selected, criteria, picked)
  return lowest === undefined ? found : { ...found, lowest }
}

/** Fault `limit` where a command may not have all: an order of some is none (RFC 9738 §3.3). */
export async function searchWhole(
  context: SearchContext,
  selected: SelectedMailbox,
  criteria: Criteria,
): Promise<Found> {
  const { commandMessages } = context.limits
  const picked = await named(context, selected, criteria)
  if (picked.count > commandMessages) throw new MessageLimit(commandMessages)
  return searchAmong(context, selected, criteria, picked)
}

/** The messages that have to be looked at. Where there are too many, those that the program names by number or UID. */
async function named(
  { limits, clock, out }: SearchContext,
  selected: SelectedMailbox,
  { key }: Criteria,
): Promise<Picked> {
  const all = selected.pickAll()
  const keys = conjuncts(key).filter(isName)
  if (all.count <= limits.commandMessages || keys.length === 0) return all
  const { run } = compile({ key: { kind: 'and', keys } }, selected, clock.now())
  return only(out, all, (uid, number) => run({ uid, number }) === true)
}

const conjuncts = (key: SearchKey): readonly SearchKey[] => (key.kind === 'and' ? key.keys.flatMap(conjuncts) : [key])
const isName = (key: SearchKey): boolean =>
  key.kind === 'not' ? isName(key.key) : key.kind === 'sequence' || key.kind === 'uid'

/** Those of the picked that fit. */
export async function searchAmong(
  context: SearchContext,
  selected: SelectedMailbox,
  criteria: Criteria,
  { numbers, uids }: Picked,
): Promise<Found> {
  // SORT and THREAD mostly ask for everything.
  if (criteria.key.kind === 'all') return { numbers: toList(numbers), uids: toList(uids) }
  const test = compile(criteria, selected, context.clock.now())
  const narrowed = await askIndex(context.services, selected.view.id, test.needs, uids.length)
  const hits = new Uint8Array(uids.length)
  const undecided: number[] = []
  const possible = narrowed?.only && placesIn(uids, narrowed.only)
  for (let n = 0, of = possible?.length ?? uids.length; n < of; n++) {
    const i = possible ? possible[n]! : n
    const verdict = test.run({ uid: uids[i]!, number: numbers[i]!, lacks: narrowed?.lacks })
    if (verdict === undefined) undecided.push(i)
    else if (verdict) hits[i] = 1
    if (n % PAGE === PAGE - 1) await context.out.pace()
  }
  const progress = new Progress(context, undecided.length)
  const quickLook = createQuickLook(context.services, selected.view.id, test.needs)
  for (let at = 0; at < undecided.length; ) {
    const page = undecided.slice(at, endOfPage(undecided, uids, at))
    at += page.length
    const places = new Map(page.map((i) => [uids[i]!, i]))
    const judge = (message: Omit<Known, 'number'>) => {
      const i = places.get(message.uid)
      // Came between the two readings.
      if (i === undefined) return false
      const verdict = test.run({ ...message, number: numbers[i]! })
      if (verdict) hits[i] = 1
      return verdict
    }
    await readPage(context, selected, test.needs, quickLook, Uint32Array.from(places.keys()), judge)
    await progress.step(at)
  }
  const found = { numbers: [] as number[], uids: [] as number[] }
  for (let i = 0; i < uids.length; i++) {
    if (hits[i] !== 1) continue
    found.numbers.push(numbers[i]!)
    found.uids.push(uids[i]!)
  }
  return test.fuzzy ? { ...found, scores: test.relevancy.scores(found.uids) } : found
}

/** Array.from would go through its iterator. */
function toList(numbers: Uint32Array): number[] {
  const list = new Array<number>(numbers.length)
  for (let i = 0; i < list.length; i++) list[i] = numbers[i]!
  return list
}

/** A page that is half full ends where a block of packed facts does, so that each block is read once. */
function endOfPage(places: readonly number[], uids: Uint32Array, from: number): number {
  const most = Math.min(places.length, from + PAGE)
  const next = places[most]
  if (next === undefined) return most
  let end = most
  while (end > from && blockOf(uids[places[end - 1]!]!) === blockOf(uids[next]!)) end--
  return end - from >= PAGE / 2 ? end : most
}

/** Where those of `few` stand that are among `uids`; both ascend. */
function placesIn(uids: Uint32Array, few: Uint32Array): number[] {
  const places: number[] = []
  for (const uid of few) {
    const at = countBelow(uids, uid)
    if (uids[at] === uid) places.push(at)
  }
  return places
}

/** Shows what rows, and texts where rows do not suffice, say of the messages. */
async function readPage(
  context: SearchContext,
  selected: SelectedMailbox,
  needs: Needs,
  quickLook: QuickLook,
  uids: Uint32Array,
  judge: (message: Omit<Known, 'number'>) => boolean | undefined,
): Promise<void> {
  let open: readonly Omit<Known, 'number'>[] =
    needs.facts.size > 0 ? await readRows(context, selected, uids, needs) : Array.from(uids, (uid) => ({ uid }))
  if (needs.facts.size > 0) open = open.filter((message) => judge(message) === undefined)
  if (open.length === 0 || !needs.texts) return
  const lacks = await quickLook(uidsOf(open))
  if (lacks) open = open.filter((message) => judge({ ...message, lacks }) === undefined)
  if (open.length > 0) await readTexts(context, selected, uidsOf(open), needs, judge)
}

const uidsOf = (messages: readonly { readonly uid: number }[]) => Uint32Array.from(messages, ({ uid }) => uid)
