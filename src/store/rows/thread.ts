// Rows of thread_ref: which thread a message id (hashed with its base subject) belongs to. A thread that was merged into an older one
// leaves a row with its own id, negated, as the key: keys themselves are never negative.

import { sql } from '../sql.ts'
import type { Reader, Writer } from '../types.ts'

/** Keys of one statement; shorter lists are filled up by repeating. */
const width = 8
const at = (keys: readonly number[], i: number): number => keys[Math.min(i, keys.length - 1)]!

interface Ref {
  readonly key: number
  readonly thread: number
}

/** Those of the keys that lead to a thread, with it. */
export async function find(tx: Reader, account: number, keys: readonly number[]): Promise<Map<number, number>> {
  const found = new Map<number, number>()
  for (let i = 0; i < keys.length; i += width) {
    const rows =
      keys.length === 1
        ? await tx.all<Ref>(sql`
            SELECT key, thread FROM thread_ref WHERE account = ${account} AND key = ${keys[0]!}`)
        : await tx.all<Ref>(sql`
            SELECT key, thread FROM thread_ref WHERE account = ${account}
              AND key IN (${at(keys, i)}, ${at(keys, i + 1)}, ${at(keys, i + 2)}, ${at(keys, i + 3)},
                ${at(keys, i + 4)}, ${at(keys, i + 5)}, ${at(keys, i + 6)}, ${at(keys, i + 7)})`)
    for (const { key, thread } of rows) found.set(key, thread)
  }
  return found
}

/** The thread into which `thread` was merged. */
export async function mergedInto(tx: Reader, account: number, thread: number): Promise<number | undefined> {
  const row = await tx.get<{ thread: number }>(sql`
    SELECT thread FROM thread_ref WHERE account = ${account} AND key = ${-thread}`)
  return row?.thread
}

export function put(tx: Writer, account: number, key: number, thread: number): Promise<number> {
  return tx.run(sql`
    INSERT INTO thread_ref (account, key, thread) VALUES (${account}, ${key}, ${thread})
    ON CONFLICT (account, key) DO UPDATE SET thread = excluded.thread`)
}

/** How many messages a thread has, counted up to `limit`. */
export async function size(tx: Reader, account: number, thread: number, limit: number): Promise<number> {
  const row = await tx.get<{ n: number }>(sql`
    SELECT count(*) AS n FROM
      (SELECT 1 FROM message WHERE account = ${account} AND (thread = ${thread} OR (id = ${thread} AND thread IS NULL))
        LIMIT ${limit}) AS counted`)
  return row!.n
}

/** Says that `from` is now a part of the older thread `to`. */
export function putMerge(tx: Writer, account: number, from: number, to: number): Promise<number> {
  return put(tx, account, -from, to)
}

/** At most 1,000 rows of an account that is being removed. */
export function sweep(tx: Writer, account: number): Promise<number> {
  return tx.run(sql`
    DELETE FROM thread_ref WHERE account = ${account}
      AND key IN (SELECT key FROM thread_ref WHERE account = ${account} LIMIT 1000)`)
}
