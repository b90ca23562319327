// Packs facts of messages into the search index, block by block of each mailbox, once all UIDs of a block are given; and takes out what
// is of no more use.

import type { MailboxId } from '../base/index.ts'
import { indexingRows, type PackedMailbox, type ReadStore, type SearchWriter } from '../store/index.ts'
import {
  blockSize,
  bytesOfUid,
  type ColumnName,
  type Columns,
  encodeColumns,
  factsOf,
  joinColumns,
  maxBytes,
  packedColumns,
  sizeOfValue,
  toColumns,
  tooLong,
  uidsName,
} from './columns.ts'
import { seedOf } from './read-columns.ts'
import type { Fact, MessageFacts } from './types.ts'

/** Rows with the texts of their headers, each of which may take a quarter of a megabyte. */
const rowsAtOnce = 50

export type ReadFacts = (
  mailbox: MailboxId,
  uids: readonly [from: number, to: number],
  want: readonly Fact[],
) => Promise<MessageFacts[]>

export interface PackerOptions {
  readonly store: ReadStore
  readonly index: SearchWriter
  readonly readFacts: ReadFacts
}

export interface Packer {
  /** Packs one block; false when every mailbox has been looked at: the next call begins with the first again. */
  step(): Promise<boolean>
  /** Takes out mailboxes that are gone, and packs blocks anew of which most is gone. */
  sweep(): Promise<void>
}

type Box = PackedMailbox & { readonly uidNext: number }

export function createPacker(options: PackerOptions): Packer {
  const { store, index } = options
  let page: readonly Box[] = []
  let at = 0
  return {
    async step() {
      for (;;) {
        for (; at < page.length; at++) {
          const box = page[at]!
          const whole = Math.floor(box.uidNext / blockSize)
          if (whole === 0) continue
          const block = await index.packed(box)
          if (block >= whole) continue
          await packBlock(options, box, block)
          return true
        }
        const after = page.at(-1)?.mailbox ?? 0
        page = await store.read((tx) => indexingRows.mailboxes(tx, after))
        at = 0
        if (page.length === 0) return false
        await turn()
      }
    },
    async sweep() {
      for (let after: PackedMailbox = { mailbox: 0, validity: 0 }; ; ) {
        const boxes = await index.packedMailboxes(after)
        if (boxes.length === 0) return
        for (const box of boxes) await sweepMailbox(options, box)
        after = boxes.at(-1)!
        await turn()
      }
    },
  }
}

const turn = () => new Promise<void>((resolve) => setImmediate(resolve))

async function packBlock(options: PackerOptions, of: PackedMailbox, block: number): Promise<void> {
  const { store, index, readFacts } = options
  const seed = await seedOf(store)
  let want = packedColumns.filter((name) => name !== 'threading' || seed.isKept)
  const sizes = new Map<ColumnName, number>()
  const facts = new Map<string, Uint8Array>()
  const pieces: Columns<ColumnName>[] = []
  for (let slot = 0; slot < blockSize; slot += rowsAtOnce) {
    const from = block * blockSize + slot
    const rows = await readFacts(of.mailbox as MailboxId, [from, from + rowsAtOnce - 1], factsOf(want))
    if (rows.length === 0) continue
    const piece = toColumns(rows, want, seed.bytes) as Columns<ColumnName>
    // What is too long is not gathered to its end.
    for (const name of want) {
      const size = (sizes.get(name) ?? 0) + sizeOfValue(piece.values[name])
      sizes.set(name, size)
      if (size > maxBytes) facts.set(name, tooLong)
    }
    want = want.filter((name) => !facts.has(name))
    pieces.push(keepOnly(piece, want))
  }
  if (pieces.length > 0)
    for (const [name, data] of encodeColumns(joinColumns(pieces, want), want)) facts.set(name, data)
  await index.pack({ of, block, names: [uidsName, ...packedColumns], facts })
}

/** The columns without those that are not wanted any more. */
function keepOnly({ uids, values }: Columns<ColumnName>, want: readonly ColumnName[]): Columns<ColumnName> {
  const kept = Object.fromEntries(want.map((name) => [name, values[name]])) as Columns<ColumnName>['values']
  return { uids, values: kept }
}

async function sweepMailbox(options: PackerOptions, box: PackedMailbox & { readonly blocks: number }): Promise<void> {
  const { store, index } = options
  const found = await store.read((tx) => indexingRows.mailboxes(tx, box.mailbox - 1))
  if (found[0]?.mailbox !== box.mailbox || found[0].validity !== box.validity) {
    while (!(await index.unpack(box))) await turn()
    return
  }
  for (let next = 0; ; ) {
    const blocks = await index.factSizes(box, uidsName, next)
    for (const { block, size } of blocks) {
      const from = block * blockSize
      const there = await store.read((tx) => indexingRows.countBetween(tx, box.mailbox, from, from + blockSize - 1))
      if (there * 2 < size / bytesOfUid) await packBlock(options, box, block)
      await turn()
    }
    if (blocks.length === 0) return
    next = blocks.at(-1)!.block + 1
  }
}
