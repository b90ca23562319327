// The packed form of what FETCH shows of 64 UIDs: facts as arrays, texts one behind the other, each column by itself. Pure; made by
// pack.ts, read by whoever fetches many messages at once.
//
// A part: version u8 = 1 · 7 bytes, then for facts received f64[64] · size f64[64] · state u8[64], for the others the end of each item
// u32[64] and the bytes. Little-endian and aligned, as flag blocks are.

import { fetchBlockRows, toBuffer } from '../store/index.ts'

type Part = fetchBlockRows.Part

/** UIDs in one block: a page of a list is in two of them. */
export const fetchBlockSize = 64
const version = 1
const headSize = 8
const present = 1
const eightBit = 2

/** Texts of a block. What was too long to be packed is empty, and so is what is not there: no packed item is. */
export interface FetchColumn {
  readonly bytes: Buffer
  /** Where item i ends; it begins where the one before it ends. */
  readonly ends: Uint32Array
}

/** Messages whose UIDs are block * 256 + slot; only the parts that were asked for are there. */
export interface FetchBlock {
  readonly received: Float64Array
  readonly sizes: Float64Array
  readonly states: Uint8Array
  readonly envelope?: FetchColumn
  readonly bodystructure?: FetchColumn
  /** Excerpts of headers, see header-excerpt.ts. */
  readonly fields?: FetchColumn
}

/** One message on its way into a block. */
export interface Packable {
  readonly uid: number
  readonly receivedAt: number
  readonly size: number
  readonly has8bit: boolean
  readonly envelope: Buffer | undefined
  readonly bodystructure: Buffer | undefined
  readonly fields: Buffer | undefined
}

/** Longer texts are rare, and are read from their rows. */
const maxText = 4096

/** The parts of a block, of messages in ascending order. */
export function packBlock(messages: readonly Packable[]): { readonly [part in Part]: Uint8Array } {
  const facts = startPart(17)
  const received = new Float64Array(facts.buffer, headSize, fetchBlockSize)
  const sizes = new Float64Array(facts.buffer, headSize + fetchBlockSize * 8, fetchBlockSize)
  const states = facts.subarray(statesAt)
  for (const { uid, receivedAt, size, has8bit } of messages) {
    const slot = uid & (fetchBlockSize - 1)
    received[slot] = receivedAt
    sizes[slot] = size
    states[slot] = present | (has8bit ? eightBit : 0)
  }
  const column = (part: 'envelope' | 'bodystructure' | 'fields') =>
    packColumn(messages.map((message) => [message.uid & (fetchBlockSize - 1), message[part]] as const))
  return { facts, envelope: column('envelope'), bodystructure: column('bodystructure'), fields: column('fields') }
}

function startPart(bytesPerSlot: number, more = 0): Uint8Array {
  const out = new Uint8Array(headSize + fetchBlockSize * bytesPerSlot + more)
  out[0] = version
  return out
}

function packColumn(items: readonly (readonly [slot: number, text: Buffer | undefined])[]): Uint8Array {
  const texts = Array.from<Buffer | undefined>({ length: fetchBlockSize })
  let bytes = 0
  for (const [slot, text] of items) {
    if (!text || text.length > maxText) continue
    texts[slot] = text
    bytes += text.length
  }
  const out = startPart(4, bytes)
  const ends = new Uint32Array(out.buffer, headSize, fetchBlockSize)
  let at = 0
  for (let slot = 0; slot < fetchBlockSize; slot++) {
    const text = texts[slot]
    if (text) out.set(text, endsSize + at)
    at += text?.length ?? 0
    ends[slot] = at
  }
  return out
}

/** The blocks of these rows, by number; left out when a part is missing, or of another version. */
export function readBlocks(
  rows: readonly fetchBlockRows.PartRow[],
  wanted: readonly Part[],
): ReadonlyMap<number, FetchBlock> {
  const blocks = new Map<number, FetchBlock>()
  for (let at = 0; at < rows.length; ) {
    const { block } = rows[at]!
    let end = at + 1
    while (rows[end]?.block === block) end++
    const read = readBlock(rows.slice(at, end), wanted)
    if (read) blocks.set(block, read)
    at = end
  }
  return blocks
}

function readBlock(rows: readonly fetchBlockRows.PartRow[], wanted: readonly Part[]): FetchBlock | undefined {
  const data = new Map(rows.map((row) => [row.part, row.data]))
  const opened = new Map(
    wanted.map((part) => {
      const found = data.get(fetchBlockRows.parts[part])
      return [part, found && openPart(found)]
    }),
  )
  const facts = opened.get('facts')
  if (!facts || wanted.some((part) => !opened.get(part))) return undefined
  const column = (part: Part): FetchColumn | undefined => {
    const found = opened.get(part)
    return (
      found && { ends: new Uint32Array(found.buffer, begin(found), fetchBlockSize), bytes: found.subarray(endsSize) }
    )
  }
  return {
    received: new Float64Array(facts.buffer, begin(facts), fetchBlockSize),
    sizes: new Float64Array(facts.buffer, begin(facts) + fetchBlockSize * 8, fetchBlockSize),
    states: facts.subarray(statesAt, statesAt + fetchBlockSize),
    envelope: column('envelope'),
    bodystructure: column('bodystructure'),
    fields: column('fields'),
  }
}

const begin = (part: Buffer) => part.byteOffset + headSize
/** Where the texts of a column stand, and the states among the facts. */
const endsSize = headSize + fetchBlockSize * 4
const statesAt = headSize + fetchBlockSize * 16

function openPart(data: Uint8Array): Buffer | undefined {
  // A copy begins at offset 0: the arrays within are aligned.
  const bytes = toBuffer(data.byteOffset % 8 === 0 ? data : new Uint8Array(data))
  return bytes[0] === version && bytes.length >= headSize + fetchBlockSize * 4 ? bytes : undefined
}

/** Whether the facts part tells of the same messages: 1 where there is one. */
export function tellsOf(facts: Uint8Array, messages: Uint8Array): boolean {
  const bytes = openPart(facts)
  if (!bytes) return false
  for (let slot = 0; slot < fetchBlockSize; slot++)
    if (((bytes[statesAt + slot]! & present) !== 0) !== (messages[slot] === 1)) return false
  return true
}

export const isPresent = ({ states }: FetchBlock, slot: number) => (states[slot]! & present) !== 0
export const is8bit = ({ states }: FetchBlock, slot: number) => (states[slot]! & eightBit) !== 0
