// FETCH of many messages from packed blocks: what they hold of each is copied between the words of the response. Everything else, and what
// is not packed, is the business of rows.

import {
  type FetchBlock,
  type FetchColumn,
  type FetchPart,
  FieldChooser,
  fetchBlockSize,
  is8bit,
  isPresent,
} from '../../../../mail/index.ts'
import { type FetchItem, formatDateTime } from '../../../wire/index.ts'
import type { Bulk } from '../../bulk.ts'
import type { SelectedContext } from '../../command.ts'
import type { Picked } from '../../selected.ts'

/** A block costs as much as so many rows. */
export const DENSE = 5

type Column = Exclude<FetchPart, 'facts'>

/** Writes one item of the message in `slot`. */
type Write = (bulk: Bulk, message: PackedMessage) => void
interface PackedMessage {
  /** There unless only what the view knows is wanted. */
  readonly block: FetchBlock
  readonly slot: number
  readonly uid: number
  /** In the view. */
  readonly index: number
}

/** How some items are written from blocks; undefined when they need more than blocks hold. */
export interface PackedPlan {
  readonly parts: readonly FetchPart[]
  /** Whether the block holds everything that is wanted of the message. */
  holds(block: FetchBlock, slot: number): boolean
  readonly writes: readonly Write[]
  readonly tellsFlags: boolean
}

const close = Buffer.from(')\r\n')
const blank = Buffer.from(' ')
const words = {
  uid: Buffer.from('UID '),
  modseq: Buffer.from('MODSEQ ('),
  end: Buffer.from(')'),
  size: Buffer.from('RFC822.SIZE '),
  date: Buffer.from('INTERNALDATE '),
  envelope: Buffer.from('ENVELOPE '),
  bodystructure: Buffer.from('BODYSTRUCTURE '),
}

/** The plan for these items in this session. Items that set \Seen are not for it. */
export function planPacked(context: SelectedContext, items: readonly FetchItem[]): PackedPlan | undefined {
  const parts = new Set<Column>()
  const writes: Write[] = []
  for (const item of items) {
    const write = writerOf(context, item, parts)
    if (!write) return undefined
    writes.push(write)
  }
  const columns = [...parts]
  const { utf8 } = context.connection
  const kinds = new Set(items.map(({ kind }) => kind))
  return {
    parts: columns,
    writes,
    // Who enabled UTF-8 is shown what was encoded for others (see in-utf8.ts).
    holds(block, slot) {
      if (!isPresent(block, slot) || (utf8 && is8bit(block, slot))) return false
      for (const part of columns) if (lengthOf(block[part]!, slot) === 0) return false
      return true
    },
    tellsFlags: kinds.has('flags') && (kinds.has('modseq') || !context.selected.condstore),
  }
}

function writerOf({ selected }: SelectedContext, item: FetchItem, parts: Set<Column>): Write | undefined {
  const { view } = selected
  switch (item.kind) {
    case 'uid':
      return (bulk, { uid }) => {
        bulk.bytes(words.uid)
        bulk.number(uid)
      }
    case 'flags': {
      let last: string | undefined
      let bytes = blank
      return (bulk, { index }) => {
        const flags = selected.flagWords(index)
        if (flags !== last) bytes = Buffer.from(`FLAGS (${(last = flags)})`, 'latin1')
        bulk.bytes(bytes)
      }
    }
    case 'modseq':
      return (bulk, { index }) => {
        bulk.bytes(words.modseq)
        bulk.number(view.modseqs[index]!)
        bulk.bytes(words.end)
      }
    case 'size':
      return (bulk, { block, slot }) => {
        bulk.bytes(words.size)
        bulk.number(block.sizes[slot]!)
      }
    case 'internaldate':
      return (bulk, { block, slot }) => {
        bulk.bytes(words.date)
        bulk.latin1(formatDateTime(block.received[slot]!))
      }
    case 'envelope':
    case 'bodystructure': {
      const { kind } = item
      parts.add(kind)
      return (bulk, { block, slot }) => {
        bulk.bytes(words[kind])
        const { bytes, ends } = block[kind]!
        bulk.bytes(bytes, startOf(ends, slot), ends[slot]!)
      }
    }
    case 'body': {
      const { section, partial, label, peek } = item
      const chosen = section.path.length === 0 && section.text === 'HEADER.FIELDS' && !partial
      const chooser = chosen && (peek || !selected.may('s')) ? FieldChooser.of(section.fields ?? []) : undefined
      if (!chooser) return undefined
      parts.add('fields')
      return writeFields(chooser, label)
    }
    default:
      return undefined
  }
}

function writeFields(chooser: FieldChooser, label: string): Write {
  const head = Buffer.from(`${label} {`, 'latin1')
  const begin = Buffer.from('}\r\n')
  const nothing = Buffer.from(`${label} ""`, 'latin1')
  return (bulk, { block, slot }) => {
    const { bytes, ends } = block.fields!
    chooser.find(bytes, startOf(ends, slot))
    const { size, runs, count } = chooser
    if (size === 0) return bulk.bytes(nothing)
    bulk.bytes(head)
    bulk.number(size)
    bulk.bytes(begin)
    for (let i = 0; i < count; i++) bulk.bytes(bytes, runs[i * 2]!, runs[i * 2 + 1]!)
  }
}

const startOf = (ends: Uint32Array, slot: number) => (slot === 0 ? 0 : ends[slot - 1]!)
const lengthOf = ({ ends }: FetchColumn, slot: number) => ends[slot]! - startOf(ends, slot)

export const blockOf = (uid: number) => Math.floor(uid / fetchBlockSize)

/** Where the messages end that stand in the same block as the one at `from`. */
export function endOfBlock({ uids, count }: Picked, from: number): number {
  const block = blockOf(uids[from]!)
  let at = from + 1
  while (at < count && blockOf(uids[at]!) === block) at++
  return at
}

/** Reads the blocks of what was picked, some ahead. */
export class BlockReader {
  readonly #context: SelectedContext
  readonly #picked: Picked
  readonly #parts: readonly FetchPart[]
  #read: ReadonlyMap<number, FetchBlock> = new Map()
  #from = 0
  #to = -1

  constructor(context: SelectedContext, picked: Picked, parts: readonly FetchPart[]) {
    this.#context = context
    this.#picked = picked
    this.#parts = parts
  }

  /** The block of the message at this place; undefined when it is not packed. */
  async read(place: number): Promise<FetchBlock | undefined> {
    const { uids, count } = this.#picked
    const block = blockOf(uids[place]!)
    if (block < this.#from || block > this.#to) {
      const { services, selected } = this.#context
      // As far as the next messages reach, were none missing; going down, one at a time.
      const ahead = blockOf(uids[Math.min(place + (AHEAD - 1) * fetchBlockSize, count - 1)]!)
      this.#from = block
      this.#to = Math.max(block, Math.min(ahead, block + AHEAD - 1))
      this.#read = await services.reads.fetchBlocks(selected.view.id, this.#from, this.#to, this.#parts)
    }
    return this.#read.get(block)
  }
}
const AHEAD = 4

/**
 * Writes the messages `from` … `to` of one block; returns the places of those that have to be read otherwise. Without a block: of any messages,
 * when the view knows all that is wanted.
 */
export function writePacked(
  { selected }: SelectedContext,
  bulk: Bulk,
  plan: PackedPlan,
  block: FetchBlock | undefined,
  picked: Picked,
  from: number,
  to: number,
): number[] {
  const { view, uidOnly } = selected
  const star = Buffer.from('* ')
  const open = Buffer.from(uidOnly ? ' UIDFETCH (' : ' FETCH (')
  const left: number[] = []
  selected.absorb()
  let index = -1
  for (let i = from; i < to; i++) {
    const uid = picked.uids[i]!
    const slot = uid % fetchBlockSize
    index = view.uids[index + 1] === uid && index + 1 < view.count ? index + 1 : view.indexOf(uid)
    if (index < 0 || (block && !plan.holds(block, slot))) {
      left.push(i)
      continue
    }
    if (plan.tellsFlags) selected.told(uid)
    bulk.bytes(star)
    bulk.number(uidOnly ? uid : picked.numbers[i]!)
    bulk.bytes(open)
    const message = { block: block!, slot, uid, index }
    for (let n = 0; n < plan.writes.length; n++) {
      if (n > 0) bulk.bytes(blank)
      plan.writes[n]!(bulk, message)
    }
    bulk.bytes(close)
  }
  return left
}
