// What keeps the store small: contents that nobody refers to, files that no content names, change logs that nobody follows.

import type { Log } from '../base/index.ts'
import { blobRows, changeRows, jobRows, type Store } from '../store/index.ts'
import { enqueueJob, ensureJob } from './enqueue.ts'
import type { JobHandlers, JobMap } from './types.ts'

const hourMs = 3_600_000
/** A reader may still hold a row whose content is gone, a writer a file whose row is not there yet: so long their files stay. */
export const fileAgeMs = hourMs
const sweepEveryMs = 6 * hourMs
const pruneEveryMs = 24 * hourMs
/** Modseqs of each account that a follower can always catch up with. */
const keptModseqs = 10_000
const prunedAtOnce = 500
const pendingUnlinks = 1_000

/** The handlers of the store's own jobs. */
export function housekeepingHandlers({
  store,
  log,
}: {
  readonly store: Store
  readonly log: Log
}): Pick<JobHandlers, 'sweep-contents' | 'prune-changes' | 'unlink-blobs'> {
  return {
    async 'sweep-contents'(_payload, job) {
      const swept = await sweepContents(store)
      if (swept.contents + swept.files > 0) log.info(swept, 'contents swept')
      await store.write([], (tx) => job.again(tx, tx.now + sweepEveryMs))
    },
    async 'prune-changes'(_payload, job) {
      await pruneChanges(store)
      await store.write([], (tx) => job.again(tx, tx.now + pruneEveryMs))
    },
    'unlink-blobs': ({ files }) => unlinkBlobs(store, files),
  }
}

/** Makes sure that the recurring jobs are there; call once at start. */
export async function scheduleHousekeeping(store: Store): Promise<void> {
  await store.write('server', async (tx) => {
    await ensureJob(tx, 'sweep-contents', {}, { runAt: tx.now + hourMs })
    await ensureJob(tx, 'prune-changes', {}, { runAt: tx.now + hourMs })
  })
}

/**
 * Deletes every content that no message, queued message or job refers to, and the files that no content names.
 * Files go when they, or the deletion of their content, are older than `olderThanMs`.
 */
export async function sweepContents(
  store: Store,
  { olderThanMs = fileAgeMs }: { readonly olderThanMs?: number } = {},
): Promise<{ readonly contents: number; readonly files: number }> {
  let contents = 0
  for (let after: number | undefined = 0; after !== undefined; ) {
    const from: number = after
    const page = await store.write([], async (tx) => {
      const swept = await blobRows.sweepContentPage(tx, from)
      if (swept.files.length > 0)
        await enqueueJob(tx, 'unlink-blobs', { files: swept.files }, { runAt: tx.now + olderThanMs })
      return swept
    })
    contents += page.deleted
    after = page.next
  }
  return { contents, files: await sweepFiles(store, olderThanMs) }
}

/** Takes away files without a row: leftovers of writes that ended between the file and its row. */
async function sweepFiles(store: Store, olderThanMs: number): Promise<number> {
  const pending = await store.read((tx) => jobRows.payloadsOf(tx, 'unlink-blobs', pendingUnlinks))
  // More than can be looked at: the jobs come first, the leftovers next time.
  if (pending.length === pendingUnlinks) return 0
  const scheduled = new Set(pending.flatMap((text) => (JSON.parse(text) as JobMap['unlink-blobs']).files))
  let removed = 0
  for (let after: string | undefined; ; ) {
    const page = await store.blobs.list(olderThanMs, after)
    const used = await store.read((tx) => blobRows.filesInUse(tx, page))
    for (const file of page) {
      if (used.has(file) || scheduled.has(file)) continue
      await store.blobs.remove(file)
      removed++
    }
    after = page.at(-1)
    if (after === undefined) return removed
  }
}

/** Takes away files whose contents were deleted by a transaction that is on stable storage by now. */
async function unlinkBlobs(store: Store, files: readonly string[]): Promise<void> {
  const used = await store.read((tx) => blobRows.filesInUse(tx, files))
  for (const file of files) if (!used.has(file)) await store.blobs.remove(file)
}

/** Deletes changes that are more than `keep` modseqs old; followers that far behind start over. */
export async function pruneChanges(store: Store, keep = keptModseqs): Promise<number> {
  let pruned = 0
  for (let after = 0; ; ) {
    const from = after
    const page = await store.read((tx) => changeRows.prunableAccounts(tx, from, keep))
    for (const { account, upTo, due } of page) {
      after = account
      if (!due) continue
      for (let gone = 1; gone > 0; pruned += gone)
        gone = await store.write(account, (tx) => changeRows.pruneChanges(tx, account, upTo, prunedAtOnce))
    }
    if (page.length === 0) return pruned
  }
}
