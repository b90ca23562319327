// A search of one mailbox: a program is tried on what the view knows, then on rows, then on texts, each only for what is still undecided.

import { toRanges } from '../../../../base/index.ts'
import { charsetNames, isCharset } from '../../../../mime/index.ts'
import type { SearchProgram } from '../../../wire/index.ts'
import type { AuthenticatedContext } from '../../command.ts'
import type { Outcome } from '../../replies.ts'
import type { SelectedMailbox } from '../../selected.ts'
import { compile } from './compile.ts'
import { readRows, readTexts } from './read.ts'

const PAGE = 1000

/** What a search needs beside the mailbox. */
export type SearchContext = Pick<AuthenticatedContext, 'services' | 'out' | 'clock'>
/** What is looked for; `charset` is of its texts. */
export type Criteria = Pick<SearchProgram, 'key' | 'charset'>

/** Messages side by side, in the mailbox's order. */
export interface Found {
  readonly numbers: readonly number[]
  readonly uids: readonly number[]
}

/** The charsets are named when another is asked for (RFC 9051 §6.4.4). */
export const badCharset: Outcome = {
  status: 'NO',
  code: `BADCHARSET (${charsetNames.join(' ')})`,
  text: 'this charset is not known here',
}

export const knowsCharset = ({ charset }: Criteria) => charset === undefined || isCharset(charset)

/** The messages that the client counts and that fit. */
export async function search(context: SearchContext, selected: SelectedMailbox, criteria: Criteria): Promise<Found> {
  const test = compile(criteria, selected, context.clock.now())
  const { numbers, uids } = selected.pickAll()
  const found = { numbers: [] as number[], uids: [] as number[] }
  for (let at = 0; at < uids.length; at += PAGE) {
    const page = uids.subarray(at, at + PAGE)
    const hits = await searchPage(context, selected, test, page, numbers.subarray(at, at + PAGE))
    for (let i = 0; i < page.length; i++) {
      if (hits[i] !== 1) continue
      found.numbers.push(numbers[at + i]!)
      found.uids.push(page[i]!)
    }
    await context.out.pace()
  }
  return found
}

type Compiled = ReturnType<typeof compile>

/** 1 where the message matches. */
async function searchPage(
  context: SearchContext,
  selected: SelectedMailbox,
  test: Compiled,
  uids: Uint32Array,
  numbers: Uint32Array,
) {
  const hits = new Uint8Array(uids.length)
  let undecided: number[] = []
  const decide = (i: number, verdict: boolean | undefined, next: number[]) => {
    if (verdict === undefined) next.push(i)
    else if (verdict) hits[i] = 1
  }
  const place = new Map<number, number>()
  for (let i = 0; i < uids.length; i++) {
    decide(i, test.run({ uid: uids[i]!, number: numbers[i]! }), undecided)
    place.set(uids[i]!, i)
  }
  const asked = () => toRanges(undecided.map((i) => uids[i]!))
  if (undecided.length > 0 && test.needs.facts.size > 0) {
    const next: number[] = []
    for (const message of await readRows(context, selected, asked(), test.needs)) {
      const i = place.get(message.uid)
      if (i !== undefined) decide(i, test.run({ ...message, number: numbers[i]! }), next)
    }
    undecided = next
  }
  if (undecided.length > 0 && test.needs.texts)
    for await (const message of readTexts(context, selected, asked(), test.needs)) {
      const i = place.get(message.uid)
      if (i !== undefined) decide(i, test.run({ ...message, number: numbers[i]! }), [])
    }
  return hits
}
