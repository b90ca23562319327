// Which thread a message belongs to: messages that name a common message id under the same base subject (RFC 8621 §3, RFC 5256 §2.1).

import { hash } from 'node:crypto'
import type { AccountId, ThreadId } from '../base/index.ts'
import type { Digest } from '../mime/index.ts'
import { messageRows, threadRows, type Writer } from '../store/index.ts'

/** A thread with more messages is not merged into another: a merge rewrites each message's row. */
const mergeLimit = 1000
/** Merges form chains (a into b, b into c); each step goes to an older thread. */
const chainLimit = 100

/** 48 bits: a positive safe integer. */
function threadKey(messageId: string, baseSubject: string): number {
  return Number.parseInt(hash('sha1', `${messageId}\n${baseSubject}`, 'hex').slice(0, 12), 16)
}

/** What a message says of its thread. */
export type ThreadFacts = Pick<Digest, 'messageId' | 'references' | 'baseSubject'>

/** The ids of a row's `refs`. */
export const parseRefs = (refs: string): string[] => refs.split('\n').filter((id) => id !== '')

/** Keys of the message's own id and of those that it names. */
export function threadKeys(digest: ThreadFacts): number[] {
  const ids = digest.messageId === undefined ? digest.references : [digest.messageId, ...digest.references]
  if (ids.length === 1) return [threadKey(ids[0]!, digest.baseSubject)]
  return [...new Set(ids.map((id) => threadKey(id, digest.baseSubject)))]
}

/** Where the keys of a message lead. */
export interface FoundThread {
  /** Undefined: a new thread. */
  readonly thread: ThreadId | undefined
  /** Keys that do not lead to the thread yet. */
  readonly missing: readonly number[]
}

/** The thread that the keys lead to. Several are merged: the oldest stays. */
export async function findThread(tx: Writer, account: AccountId, keys: readonly number[]): Promise<FoundThread> {
  if (keys.length === 0) return { thread: undefined, missing: keys }
  const found = await threadRows.find(tx, account, keys)
  if (found.size === 0) return { thread: undefined, missing: keys }
  const threads = new Set<number>()
  for (const thread of new Set(found.values())) threads.add(await followMerges(tx, account, thread))
  const [oldest, ...younger] = [...threads].sort((a, b) => a - b)
  for (const thread of younger) await merge(tx, account, thread, oldest!)
  return { thread: oldest as ThreadId, missing: keys.filter((key) => found.get(key) !== oldest) }
}

async function followMerges(tx: Writer, account: AccountId, thread: number): Promise<number> {
  let at = thread
  for (let i = 0; i < chainLimit; i++) {
    const next = await threadRows.mergedInto(tx, account, at)
    if (next === undefined) break
    at = next
  }
  return at
}

async function merge(tx: Writer, account: AccountId, from: number, to: number): Promise<void> {
  if ((await threadRows.size(tx, account, from, mergeLimit + 1)) > mergeLimit) return
  await messageRows.moveThread(tx, account, from, to)
  await threadRows.putMerge(tx, account, from, to)
  tx.changed(account, { kind: 'thread', container: 0, what: 'destroyed', ids: [[from, from]] })
  tx.changed(account, { kind: 'thread', container: 0, what: 'updated', ids: [[to, to]] })
}

/** Notes that these keys lead to the thread. */
export async function noteThread(
  tx: Writer,
  account: AccountId,
  keys: readonly number[],
  thread: number,
): Promise<void> {
  for (const key of keys) await threadRows.put(tx, account, key, thread)
}
