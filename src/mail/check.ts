// Whether the store's mail agrees with itself: counters equal rows, entries have messages, messages have bytes. For `posthorn check`
// and the crash test; reads in pages, so that a server at rest is the right moment.

import { type AccountId, inRanges, type MailboxId, toRanges } from '../base/index.ts'
import { contentRows, entryRows, flagRows, mailboxRows, messageRows, type ReadStore } from '../store/index.ts'
import { deleted, seen } from './flags.ts'
import { listMailboxes } from './mailboxes.ts'

const pageSize = 1000

/** What is wrong, one sentence each; empty when all is well. */
export async function checkMail(store: ReadStore): Promise<string[]> {
  const problems: string[] = []
  for (let after = 0; ; ) {
    const page = await store.read((tx) => mailboxRows.accounts(tx, after))
    for (const account of page) await checkAccount(store, account, problems)
    if (page.length < pageSize) break
    after = page[page.length - 1]!.id
  }
  await checkMessages(store, problems)
  await checkContents(store, problems)
  return problems
}

async function checkAccount(store: ReadStore, account: mailboxRows.AccountUsage, problems: string[]): Promise<void> {
  const used = { bytes: 0, messages: 0 }
  for (const row of await store.read((tx) => listMailboxes(tx, account.id as AccountId))) {
    const found = await checkMailbox(store, row, problems)
    used.bytes += found.size
    used.messages += found.messages
    if (row.modseq > account.modseq)
      problems.push(`mailbox ${row.id}: modseq ${row.modseq} is above the account's ${account.modseq}`)
  }
  // A removed account has given its mailboxes to the sweeper.
  if (account.removed) return
  if (used.bytes !== account.usedBytes || used.messages !== account.usedMessages)
    problems.push(
      `account ${account.id}: ${account.usedMessages} messages of ${account.usedBytes} bytes noted, ${used.messages} of ${used.bytes} found`,
    )
}

async function checkMailbox(store: ReadStore, row: mailboxRows.MailboxRow, problems: string[]) {
  const name = `mailbox ${row.id} (${row.name})`
  const uids: number[] = []
  let size = 0
  for (let after = 0; ; ) {
    const page = await store.read((tx) => entryRows.page(tx, row.id, after))
    for (const entry of page) {
      uids.push(entry.uid)
      size += entry.size ?? 0
      if (entry.size === null) problems.push(`${name}: UID ${entry.uid} has no message ${entry.message}`)
      else if (entry.account !== row.account) problems.push(`${name}: UID ${entry.uid} is a message of another account`)
    }
    if (page.length < pageSize) break
    after = page[page.length - 1]!.uid
  }
  const found = await countBlocks(store, row, uids, problems)
  const noted = { messages: row.messages, unseen: row.unseen, deleted: row.deleted, size: row.size }
  const counted = { messages: uids.length, unseen: found.unseen, deleted: found.deleted, size }
  if (JSON.stringify(noted) !== JSON.stringify(counted))
    problems.push(`${name}: ${JSON.stringify(noted)} noted, ${JSON.stringify(counted)} found`)
  if ((uids[uids.length - 1] ?? 0) >= row.uidNext) problems.push(`${name}: UIDNEXT ${row.uidNext} is in use`)
  return { messages: uids.length, size }
}

async function countBlocks(
  store: ReadStore,
  row: mailboxRows.MailboxRow,
  uids: readonly number[],
  problems: string[],
): Promise<{ unseen: number; deleted: number }> {
  const name = `mailbox ${row.id} (${row.name})`
  const entries = toRanges(uids)
  const counts = { unseen: 0, deleted: 0 }
  let present = 0
  for (let after = -1; ; ) {
    const page = await store.read((tx) => flagRows.changedSince(tx, row.id as MailboxId, -1, after))
    for (const block of page) {
      if (block.modseq > row.modseq) problems.push(`${name}: block ${block.block} has modseq ${block.modseq}`)
      for (let slot = 0; slot < block.count; slot++) {
        if (!block.present[slot]) continue
        present++
        const uid = block.block * 256 + slot
        if (!inRanges(entries, uid)) problems.push(`${name}: UID ${uid} has flags and no entry`)
        if (!(block.lo[slot]! & seen)) counts.unseen++
        if (block.lo[slot]! & deleted) counts.deleted++
      }
    }
    if (page.length < flagRows.blocksPerPage) break
    after = page[page.length - 1]!.block
  }
  if (present !== uids.length) problems.push(`${name}: ${present} UIDs have flags, ${uids.length} have entries`)
  return counts
}

async function checkMessages(store: ReadStore, problems: string[]): Promise<void> {
  for (let after = 0; ; ) {
    const page = await store.read((tx) => messageRows.page(tx, after))
    for (const { id, size, prefix, contentSize, entries } of page) {
      if (contentSize === null) problems.push(`message ${id} has no content`)
      else if (size !== prefix + contentSize)
        problems.push(`message ${id}: size ${size} is not prefix ${prefix} + content ${contentSize}`)
      if (entries === 0) problems.push(`message ${id} has no entry`)
    }
    if (page.length < pageSize) return
    after = page[page.length - 1]!.id
  }
}

async function checkContents(store: ReadStore, problems: string[]): Promise<void> {
  for (let after = 0; ; ) {
    const page = await store.read((tx) => contentRows.page(tx, after))
    for (const { id, size, file, inline } of page) {
      if (file === null && inline !== size)
        problems.push(`content ${id}: ${size} bytes noted, ${inline ?? 'none'} stored`)
      if (file !== null && !(await isReadable(store, file, size)))
        problems.push(`content ${id}: file ${file} is not whole`)
    }
    if (page.length < pageSize) return
    after = page[page.length - 1]!.id
  }
}

async function isReadable(store: ReadStore, file: string, size: number): Promise<boolean> {
  try {
    return (await store.blobs.read(file, size - 1, size)).length === 1
  } catch {
    return false
  }
}
