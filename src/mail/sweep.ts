// What jobs do after a mailbox was deleted or an account removed: rows go in bounded pages, a transaction each.

import { type AccountId, type Clock, type MailboxId, watchLoop } from '../base/index.ts'
import type { JobHandlers } from '../jobs/index.ts'
import {
  aclRows,
  annotationRows,
  changeRows,
  entryRows,
  fetchBlockRows,
  flagRows,
  mailboxRows,
  type Store,
  subscriptionRows,
  threadRows,
  type Writer,
} from '../store/index.ts'
import { removeEntries } from './copy.ts'
import { packMailbox } from './pack.ts'

/** The handlers of the jobs that mail puts. */
export function mailHandlers(store: Store, clock: Clock): Pick<JobHandlers, 'sweep-mailbox' | 'pack-mailbox'> {
  return {
    'sweep-mailbox': ({ mailbox }) => sweepMailbox(store, mailbox),
    'pack-mailbox': ({ mailbox }, job) => packMailbox(store, clock, mailbox, { job, load: watchLoop() }),
  }
}

/** Removes the rows of a mailbox that was deleted (`sweep-mailbox`). May be called again at any time. */
export async function sweepMailbox(store: Store, mailbox: MailboxId): Promise<void> {
  const row = await store.read(async (tx) => mailboxRows.findBuried(tx, mailbox))
  if (!row) return
  await repeat(() => store.write(row.account as AccountId, (tx) => sweepPage(tx, mailbox)))
}

/** Whether there is more. */
async function sweepPage(tx: Writer, mailbox: number): Promise<boolean> {
  const uids = (await entryRows.firstUids(tx, mailbox)).map(({ uid }) => uid)
  if (uids.length > 0) {
    await removeEntries(tx, mailbox, uids)
    return true
  }
  if ((await fetchBlockRows.sweep(tx, mailbox)) > 0) return true
  if ((await flagRows.sweep(tx, mailbox)) > 0) return true
  await mailboxRows.remove(tx, mailbox)
  return false
}

/** Removes all mail of an account (`remove-account`), whose row is already marked and is the accounts' to erase. May be called again. */
export async function sweepAccount(store: Store, account: AccountId): Promise<void> {
  for (;;) {
    const rows = await store.read((tx) => mailboxRows.allIds(tx, account))
    if (rows.length === 0) break
    for (const { id } of rows) await repeat(() => store.write(account, (tx) => sweepPage(tx, id)))
  }
  for (const sweep of [aclRows.sweep, annotationRows.sweep, threadRows.sweep, subscriptionRows.sweep, sweepChanges])
    await repeat(async () => (await store.write(account, (tx) => sweep(tx, account))) > 0)
}

const sweepChanges = (tx: Writer, account: AccountId) =>
  changeRows.pruneChanges(tx, account, Number.MAX_SAFE_INTEGER, 1000)

/** Until there is no more. Each turn is a transaction of its own: others come between. */
async function repeat(step: () => Promise<boolean>): Promise<void> {
  while (await step());
}
