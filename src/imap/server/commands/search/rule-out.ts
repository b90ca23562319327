// What is known before texts are read: which messages hold a needle nowhere, by the search index, or by a quick look at their bytes.
// Whatever these leave is read.

import type { MailboxId } from '../../../../base/index.ts'
import type { ImapServices } from '../../options.ts'
import type { Lacks, Needs } from './compile.ts'

/** So few messages are looked at sooner than the index is asked. */
const FEW = 20
/** Each question costs some milliseconds, and its answer memory: of a search for a hundred texts these rule out enough. */
const MAX_ASKED = 20
const MAX_KEPT = 200_000

/** What the index says of a mailbox. */
export interface Narrowed {
  readonly lacks: Lacks
  /** UIDs of the only messages that may fit the program, ascending; undefined: any may. */
  readonly only: Uint32Array | undefined
}

/** Undefined when the index says nothing of anything that is looked for. */
export async function askIndex(
  { reads }: Pick<ImapServices, 'reads'>,
  mailbox: MailboxId,
  { needles, words, required }: Pick<Needs, 'needles' | 'words' | 'required'>,
  messages: number,
): Promise<Narrowed | undefined> {
  if (messages <= FEW) return undefined
  const holders = { needle: new Map<string, ReadonlySet<number>>(), word: new Map<string, ReadonlySet<number>>() }
  let kept = 0
  let fewest: ReadonlySet<number> | undefined
  const wanted = [
    ...[...needles].map((text) => ({ as: 'needle', text }) as const),
    ...[...words].map((text) => ({ as: 'word', text }) as const),
  ]
  for (const { as, text } of wanted.slice(0, MAX_ASKED)) {
    const found = await (as === 'needle' ? reads.holders(mailbox, text) : reads.wordHolders(mailbox, text))
    if (!found || kept + found.size > MAX_KEPT) continue
    kept += found.size
    holders[as].set(text, found)
    if (required[as].has(text) && found.size < (fewest?.size ?? Number.POSITIVE_INFINITY)) fewest = found
  }
  if (holders.needle.size + holders.word.size === 0) return undefined
  return {
    lacks: (uid, text, as) => holders[as].get(text)?.has(uid) === false,
    only: fewest && Uint32Array.from(fewest).sort(),
  }
}

/** A quick look at the bytes of messages whose texts would have to be read. */
export type QuickLook = (uids: Uint32Array) => Promise<Lacks | undefined>

/** For fewer messages, or more needles, reading the texts is no dearer. */
const WORTH_A_LOOK = 100
const MAX_LOOKED_FOR = 2
/** After so many looks of which most told nothing, none is taken: the messages hold the needle, or are not literal. */
const TRIES = 1000

export function createQuickLook(
  { reads }: Pick<ImapServices, 'reads'>,
  mailbox: MailboxId,
  { needles, headers }: Pick<Needs, 'needles' | 'headers'>,
): QuickLook {
  let looked = 0
  let told = 0
  return async (uids) => {
    if (needles.size === 0 || needles.size > MAX_LOOKED_FOR || uids.length < WORTH_A_LOOK) return undefined
    if (looked >= TRIES && told * 2 < looked) return undefined
    const lacking = new Map<string, ReadonlySet<number>>()
    for (const needle of needles) {
      const found = await reads.lacking(mailbox, uids, needle, headers)
      looked += uids.length
      told += found.size
      lacking.set(needle, found)
    }
    return (uid, text, as) => as === 'needle' && lacking.get(text)?.has(uid) === true
  }
}
