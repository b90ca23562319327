// What the search index knows before anything is read: which messages hold a text nowhere. Whatever it leaves is looked at.

import type { MailboxId } from '../../../../base/index.ts'
import type { ImapServices } from '../../options.ts'
import type { Lacks, Needs } from './compile.ts'

/** So few messages are looked at sooner than the index is asked. */
const FEW = 20

/** Undefined when the index says nothing of anything that is looked for. */
export async function askIndex(
  { reads }: Pick<ImapServices, 'reads'>,
  mailbox: MailboxId,
  { needles, words }: Pick<Needs, 'needles' | 'words'>,
  messages: number,
): Promise<Lacks | undefined> {
  if (messages <= FEW) return undefined
  const holders = { needle: new Map<string, ReadonlySet<number>>(), word: new Map<string, ReadonlySet<number>>() }
  for (const needle of needles) {
    const found = await reads.holders(mailbox, needle)
    if (found) holders.needle.set(needle, found)
  }
  for (const word of words) {
    const found = await reads.wordHolders(mailbox, word)
    if (found) holders.word.set(word, found)
  }
  if (holders.needle.size + holders.word.size === 0) return undefined
  return (uid, wanted, as) => holders[as].get(wanted)?.has(uid) === false
}
