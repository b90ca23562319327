// Columns of a mailbox's messages: from the search index where they are packed, from rows where they are not, without a difference.

import { hash, randomBytes } from 'node:crypto'
import type { MailboxId } from '../base/index.ts'
import { blocksPerStatement, mailboxRows, metaRows, type ReadStore, type SearchReader } from '../store/index.ts'
import {
  blockOf,
  blockSize,
  type ColumnName,
  type Columns,
  decodeColumns,
  factsOf,
  toColumns,
  uidsName,
} from './columns.ts'
import type { Fact, MessageFacts } from './types.ts'

/** Of a block of which less is asked the rows are read. */
const fewOfBlock = 50

type ReadFacts = (uids: Uint32Array, want: readonly Fact[]) => Promise<MessageFacts[]>

/** A stretch of the asked; `block`: so much of one block that it is worth its columns. */
interface Stretch {
  readonly from: number
  readonly to: number
  readonly block?: number
}

/** Columns of the asked (ascending), at most 1,000 messages at a time, ascending; a block brings along what was not asked for. */
export async function* readColumns<Name extends ColumnName>(
  { store, index }: { readonly store: ReadStore; readonly index: SearchReader | undefined },
  mailbox: MailboxId,
  uids: Uint32Array,
  want: readonly Name[],
  readFacts: ReadFacts,
): AsyncGenerator<Columns<Name>> {
  const stretches = divide(uids)
  const seed = want.some((name) => name === 'threading') ? await seedOf(store) : undefined
  const useIndex = stretches.some(({ block }) => block !== undefined) && seed?.isKept !== false
  const box = index && useIndex ? await store.read((tx) => mailboxRows.find(tx, mailbox)) : undefined
  const rows = async function* ({ from, to }: Stretch) {
    for (let at = from; at < to; at += blockSize) {
      const found = await readFacts(uids.subarray(at, Math.min(to, at + blockSize)), factsOf(want))
      yield toColumns(found, want, seed?.bytes)
    }
  }
  let packed = box ? Number.POSITIVE_INFINITY : 0
  for (let at = 0; at < stretches.length; ) {
    const first = stretches[at]!
    if (first.block === undefined || first.block >= packed) {
      yield* rows(first)
      at++
      continue
    }
    const last = first.block + blocksPerStatement
    const kept = await index!.facts({ mailbox, validity: box!.uidValidity }, [uidsName, ...want], first.block, last)
    packed = kept?.packed ?? 0
    for (; at < stretches.length; at++) {
      const stretch = stretches[at]!
      const { block } = stretch
      if (block === undefined || block >= last || block >= packed) break
      const dataOf = (name: string) => kept!.facts.get(name)?.find((one) => one.block === block)?.data
      const columns = decodeColumns(block, dataOf, want)
      if (columns) yield columns
      // No row at all: nothing of it was there when it was packed, and nothing is now.
      else if (dataOf(uidsName)) yield* rows(stretch)
    }
  }
}

/** Blocks of which much is asked, and what is between them, joined. */
function divide(uids: Uint32Array): Stretch[] {
  const out: Stretch[] = []
  for (let from = 0, to = 0; from < uids.length; from = to) {
    const block = blockOf(uids[from]!)
    while (to < uids.length && blockOf(uids[to]!) === block) to++
    const last = out.at(-1)
    if (to - from >= fewOfBlock) out.push({ from, to, block })
    else if (last && last.block === undefined) out[out.length - 1] = { from: last.from, to }
    else out.push({ from, to })
  }
  return out
}

export interface Seed {
  readonly bytes: Uint8Array
  /** It will be the same tomorrow, and for whoever packs. */
  readonly isKept: boolean
}

const seeds = new WeakMap<ReadStore, Promise<Seed>>()

/** With what threading hashes, for as long as the store is open. */
export function seedOf(store: ReadStore): Promise<Seed> {
  let seed = seeds.get(store)
  if (!seed) seeds.set(store, (seed = findSeed(store)))
  return seed
}

/** The name of a store is random, and nobody is told it; a store that never had an index has none. */
async function findSeed(store: ReadStore): Promise<Seed> {
  const name = await store.read((tx) => metaRows.getMeta(tx, 'store'))
  if (name === undefined) return { bytes: randomBytes(8), isKept: false }
  return { bytes: hash('sha256', name, 'buffer').subarray(0, 8), isKept: true }
}
