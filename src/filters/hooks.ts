// What of moving and marking mail teaches the spam filter: into Junk and out of it, and the keywords that say the same. Writes a job in
// the same transaction and reads nothing; mail that has nothing to do with Junk costs a comparison.

import type { AccountId, Ranges } from '../base/index.ts'
import { enqueueJob } from '../jobs/index.ts'
import type { HookMailbox, MailHooks } from '../mail/index.ts'
import { entryRows, type Writer } from '../store/index.ts'

/** The keywords of RFC 5788 §4 that mark spam and what is none. Others are set by programs of their own accord. */
const keywords: Readonly<Record<string, 'spam' | 'ham'>> = { $junk: 'spam', $notjunk: 'ham' }
/** Mailboxes into which one puts mail away, whatever it is. */
const nowhere: ReadonlySet<string | undefined> = new Set(['trash', 'junk', 'drafts', 'sent'])

export const learningHooks: MailHooks = {
  async placed(tx, from, to, uids) {
    if (to.role === 'junk' && from.role !== 'junk') await teach(tx, to, uids, 'spam', to.owner)
    else if (from.role === 'junk' && !nowhere.has(to.role)) await teach(tx, to, uids, 'ham', from.owner)
  },
  async flagged(tx, mailbox, flags, uids) {
    for (const flag of flags) {
      const as = flag[0] === '$' ? keywords[flag.toLowerCase()] : undefined
      if (as) await teach(tx, mailbox, toUids(uids), as, mailbox.owner)
    }
  },
}

async function teach(
  tx: Writer,
  { owner, mailbox }: HookMailbox,
  uids: readonly number[],
  as: 'spam' | 'ham',
  account: AccountId,
): Promise<void> {
  // Into another's mailbox it is another message, which is his: nobody learns of what he cannot see.
  if (owner !== account) return
  for (let at = 0; at < uids.length; at += entryRows.uidsPerStatement) {
    const messages = await entryRows.messagesOf(tx, mailbox, uids.slice(at, at + entryRows.uidsPerStatement))
    if (messages.length > 0) await enqueueJob(tx, 'learn', { account, messages, as })
  }
}

/** Marked at once: more are a mistake. */
const mostMarked = 10_000

function toUids(ranges: Ranges): number[] {
  const uids: number[] = []
  for (const [first, last] of ranges)
    for (let uid = first; uid <= last && uids.length < mostMarked; uid++) uids.push(uid)
  return uids
}
