// Where to look for a key: the keys of 256 timelines at a time are sorted into one row, behind the back of those who write them. Who looks
// for one reads these rows, and the keys of the timelines that are in none yet.

import type { Log } from '../base/index.ts'
import { type Reader, type Store, traceRows } from '../store/index.ts'
import { keyLength, readKey, unpackKeys } from './keys.ts'

/** A key and, in one byte, which timeline has it. */
const entryLength = keyLength + 1
export const segmentSpan = 256
/** A segment ends early when its messages have thousands of recipients: its row stays some 24 KB. */
const maxEntries = 4_000
/** On PostgreSQL a transaction that began earlier may commit later: a segment is made when that is over. */
const settleMs = 30_000
const segmentsAtOnce = 40
const rowsAtOnce = 200

export interface Segments {
  /** A timeline was written; now and then it is time for a segment. */
  written(): void
  /** Makes all that can be made. */
  make(): Promise<void>
}

export function createSegments({ store, log }: { readonly store: Store; readonly log: Log }): Segments {
  let since = 0
  let making: Promise<void> | undefined

  /** Makes the next segment; false when there are too few timelines for one. */
  const makeOne = (): Promise<boolean> =>
    store.write(
      [],
      async (tx) => {
        const after = await traceRows.lastSegmented(tx)
        const before = tx.dialect === 'sqlite' ? Number.MAX_SAFE_INTEGER : tx.now - settleMs
        const rows = await traceRows.keysAfter(tx, after, before, segmentSpan)
        if (rows.length < segmentSpan) return false
        await traceRows.insertSegment(tx, toSegment(rows))
        return true
      },
      { durable: false },
    )
  const makeAll = async () => {
    try {
      while (await makeOne());
    } catch (error) {
      log.warn({ err: error }, 'timelines could not be sorted; they are found all the same, but slower')
    }
  }
  const make = () => {
    since = 0
    making ??= makeAll().finally(() => {
      making = undefined
    })
    return making
  }
  return {
    make,
    written() {
      if (++since >= segmentSpan) void make()
    },
  }
}

/** As many of `rows` as one segment holds: at least one. */
export function toSegment(rows: readonly traceRows.TraceKeys[]): traceRows.SegmentRow {
  const first = rows[0]!.n
  const entries: number[] = []
  let last = rows[0]!
  for (const row of rows) {
    const keys = [...unpackKeys(row.keys)]
    // Numbers may be missing: the distance from the first has one byte.
    if (row.n - first >= segmentSpan || (row.n !== first && entries.length + keys.length > maxEntries)) break
    for (const key of keys) entries.push(key * segmentSpan + (row.n - first))
    last = row
  }
  const sorted = Float64Array.from(entries).sort()
  const packed = Buffer.allocUnsafe(sorted.length * entryLength)
  let at = 0
  for (const entry of sorted) at = packed.writeUIntBE(entry, at, entryLength)
  return { first, last: last.n, at: last.at, keys: packed }
}

/** Numbers of the segment's timelines that have one of `wanted`. */
export function searchSegment({ first, keys }: traceRows.SegmentRow, wanted: readonly number[]): Set<number> {
  const found = new Set<number>()
  for (const key of wanted) {
    let low = 0
    let high = keys.length / entryLength
    while (low < high) {
      const middle = (low + high) >>> 1
      if (readKey(keys, middle * entryLength) < key) low = middle + 1
      else high = middle
    }
    for (let at = low * entryLength; at < keys.length && readKey(keys, at) === key; at += entryLength)
      found.add(first + keys[at + keyLength]!)
  }
  return found
}

/** Numbers of timelines before `before` that have one of the keys, the newest first: one page, and where the next one begins. */
export interface FoundPage {
  readonly numbers: readonly number[]
  /** Undefined when there is nothing older. */
  readonly next?: number
}

/** Looks through one page of what is before `before`: of timelines that are in no segment, else of segments. */
export async function searchPage(
  tx: Reader,
  wanted: readonly number[],
  before: number,
  since: number,
): Promise<FoundPage> {
  const last = await traceRows.lastSegmented(tx)
  if (before > last + 1) {
    const rows = await traceRows.keysBefore(tx, last + 1, before, rowsAtOnce)
    const numbers = rows.filter(({ keys }) => hasKey(keys, wanted)).map(({ n }) => n)
    return { numbers, next: rows.length < rowsAtOnce ? last + 1 : rows.at(-1)!.n }
  }
  const segments = await traceRows.segmentsBefore(tx, before, segmentsAtOnce)
  const numbers = segments
    .filter(({ at }) => at >= since)
    .flatMap((segment) => [...searchSegment(segment, wanted)].filter((n) => n < before).sort((a, b) => b - a))
  const oldest = segments.at(-1)
  return oldest && oldest.at >= since && segments.length === segmentsAtOnce
    ? { numbers, next: oldest.first }
    : { numbers }
}

function hasKey(keys: Uint8Array, wanted: readonly number[]): boolean {
  for (const key of unpackKeys(keys)) if (wanted.includes(key)) return true
  return false
}
