// Small facts about the whole store: the epoch of UIDs, and which processes are alive to hold claims.

import { randomBytes } from 'node:crypto'
import { lockRow, sql } from '../sql.ts'
import type { Reader, Writer } from '../types.ts'

/** A node of which nothing was heard for this long has lost its claims. Its own beat comes every tenth of it. */
export const nodeLifeMs = 60_000

export async function getMeta(tx: Reader, key: string): Promise<string | undefined> {
  return (await tx.get<{ value: string }>(sql`SELECT value FROM meta WHERE key = ${key}`))?.value
}

export async function putMeta(tx: Writer, key: string, value: string): Promise<void> {
  await tx.run(
    sql`INSERT INTO meta (key, value) VALUES (${key}, ${value}) ON CONFLICT (key) DO UPDATE SET value = excluded.value`,
  )
}

/**
 * The store was opened: returns the epoch, raised when the last writer did not close it and the machine has been started
 * since, for then what was told to clients may be gone from the disk.
 */
export async function openEpoch(tx: Writer, bootId: string): Promise<number> {
  const known = Number((await getMeta(tx, 'epoch')) ?? 0)
  const open = await getMeta(tx, 'open')
  const epoch = known === 0 || (open !== undefined && open !== '' && open !== bootId) ? known + 1 : known
  if (epoch !== known) await putMeta(tx, 'epoch', `${epoch}`)
  await putMeta(tx, 'open', bootId)
  return epoch
}

/** The store was closed in order: the next start raises nothing. */
export async function closeEpoch(tx: Writer): Promise<void> {
  await putMeta(tx, 'open', '')
}

/** Says that this incarnation lives. On SQLite there is only one: the others are forgotten. */
export async function beat(tx: Writer, incarnation: string): Promise<void> {
  const key = `node:${incarnation}`
  if (tx.dialect === 'sqlite') {
    await tx.run(sql`DELETE FROM meta WHERE key LIKE 'node:%' AND key <> ${key}`)
    await putMeta(tx, key, '0')
    return
  }
  // The database's clock: those of the nodes may differ.
  await tx.run(
    sql`INSERT INTO meta (key, value) VALUES (${key}, (extract(epoch FROM clock_timestamp()) * 1000)::bigint::text)
        ON CONFLICT (key) DO UPDATE SET value = excluded.value`,
  )
}

/** This incarnation ends: its claims are void from now on. */
export async function endBeat(tx: Writer, incarnation: string): Promise<void> {
  await tx.run(sql`DELETE FROM meta WHERE key = ${`node:${incarnation}`}`)
}

/** Incarnations whose claims hold, at most 1,000; the rows of dead ones are for `buryNodes`. */
export async function liveIncarnations(tx: Reader): Promise<string[]> {
  const rows =
    tx.dialect === 'sqlite'
      ? await tx.all<{ key: string }>(sql`SELECT key FROM meta WHERE key LIKE 'node:%' LIMIT 1000`)
      : await tx.all<{ key: string }>(
          sql`SELECT key FROM meta WHERE key LIKE 'node:%'
              AND value::bigint > extract(epoch FROM clock_timestamp()) * 1000 - ${nodeLifeMs}::bigint LIMIT 1000`,
        )
  return rows.map(({ key }) => key.slice('node:'.length))
}

/** Takes away the rows of nodes that died without a word. */
export async function buryNodes(tx: Writer): Promise<void> {
  if (tx.dialect === 'sqlite') return
  await tx.run(
    sql`DELETE FROM meta WHERE key LIKE 'node:%'
        AND value::bigint <= extract(epoch FROM clock_timestamp()) * 1000 - ${nodeLifeMs}::bigint`,
  )
}

const setBack = 'clock set back'
const lately = 10 * 60_000
const about = 2 * 60_000

/** The clock was set back by `by` to `at`, milliseconds, and what waits is moved with it. */
export interface SetBack {
  readonly at: number
  readonly by: number
  /** Up to this id it is done; absent: all of it. */
  readonly after?: number
}

/** Whether it was noted and not done to its end. */
export async function isSettingBack(tx: Reader): Promise<boolean> {
  return toSetBack(await getMeta(tx, setBack))?.after !== undefined
}

/** What was noted last, for who does the next page: nobody else does it until the transaction ends. */
export async function lockSetBack(tx: Writer): Promise<SetBack | undefined> {
  const row = await tx.get<{ value: string }>(sql`SELECT value FROM meta WHERE key = ${setBack} ${lockRow(tx)}`)
  return toSetBack(row?.value)
}

export async function putSetBack(tx: Writer, { at, by, after }: SetBack): Promise<void> {
  await putMeta(tx, setBack, after === undefined ? `${at} ${by}` : `${at} ${by} ${after}`)
}

/** Notes that what waits is to be moved. False when that was noted lately: several nodes on one machine notice the same. */
export async function noteSetBack(
  tx: Writer,
  { by, now }: { readonly by: number; readonly now: number },
): Promise<boolean> {
  await tx.run(sql`INSERT INTO meta (key, value) VALUES (${setBack}, '') ON CONFLICT (key) DO NOTHING`)
  const known = await lockSetBack(tx)
  if (known && Math.abs(now - known.at) < lately && Math.abs(by - known.by) < about) return false
  await putSetBack(tx, { at: now, by, after: 0 })
  return true
}

function toSetBack(value = ''): SetBack | undefined {
  const [at, by, after] = value.split(' ').map(Number)
  if (!at || by === undefined) return undefined
  return { at, by, ...(after !== undefined && { after }) }
}

/** It was set forward: being set back again is news. */
export async function noteSetForward(tx: Writer): Promise<void> {
  await tx.run(sql`DELETE FROM meta WHERE key = ${setBack}`)
}

/** The key of this name, if it was ever asked for. */
export async function findKey(tx: Reader, name: string): Promise<Buffer | undefined> {
  const value = await getMeta(tx, `key:${name}`)
  return value === undefined ? undefined : Buffer.from(value, 'base64')
}

/**
 * 32 random bytes under this name, made when first asked for: the same for all nodes and for as long as the store lives.
 * For what this server signs to itself (return paths); whoever reads the database can forge those, and no more.
 */
export async function ensureKey(tx: Writer, name: string): Promise<Buffer> {
  const key = `key:${name}`
  const fresh = randomBytes(32).toString('base64')
  await tx.run(sql`INSERT INTO meta (key, value) VALUES (${key}, ${fresh}) ON CONFLICT (key) DO NOTHING`)
  return Buffer.from((await getMeta(tx, key))!, 'base64')
}
