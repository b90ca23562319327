// What the search index knows before anything is read: which messages hold a text nowhere. Whatever it leaves is looked at.

import type { MailboxId } from '../../../../base/index.ts'
import type { ImapServices } from '../../options.ts'
import type { Known, Needs } from './compile.ts'

/** So few messages are looked at sooner than the index is asked. */
const FEW = 20

/** Undefined when the index says nothing of any needle. */
export async function askIndex(
  { reads }: Pick<ImapServices, 'reads'>,
  mailbox: MailboxId,
  { needles }: Pick<Needs, 'needles'>,
  messages: number,
): Promise<Known['lacks']> {
  if (messages <= FEW) return undefined
  const holders = new Map<string, ReadonlySet<number>>()
  for (const needle of needles) {
    const found = await reads.holders(mailbox, needle)
    if (found) holders.set(needle, found)
  }
  if (holders.size === 0) return undefined
  return (uid, needle) => holders.get(needle)?.has(uid) === false
}
