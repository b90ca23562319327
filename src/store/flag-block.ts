// The packed form of 256 UIDs: which are present, their flags and modseqs. Pure; knows no table and no meaning of a bit.
//
// version u8 = 1 · wide u8 · count u16 · presence bitmap · lo u32[count] · hi u32[count] when wide · modseq u48[count]; little-endian.

/** UIDs in one block. */
export const blockSize = 256
const version = 1
const headSize = 4

/** The UIDs block * 256 … block * 256 + count - 1. Slots are written in place by whoever made it. */
export interface PackedBlock {
  readonly block: number
  /** Highest modseq in the block. */
  modseq: number
  /** Slots in use: one more than the highest that ever held a message. */
  count: number
  /** 1 where the UID has a message. */
  readonly present: Uint8Array
  readonly lo: Uint32Array
  readonly hi: Uint32Array
  /** Of a missing UID that once was: the modseq of its expunge; 0: never was. */
  readonly modseqs: Float64Array
}

/** An empty block with room for all its slots. */
export function createBlock(block: number): PackedBlock {
  return allocate(block, 0, 0, blockSize)
}

function allocate(block: number, modseq: number, count: number, room: number): PackedBlock {
  return {
    block,
    modseq,
    count,
    present: new Uint8Array(room),
    lo: new Uint32Array(room),
    hi: new Uint32Array(room),
    modseqs: new Float64Array(room),
  }
}

/** The bytes of the first `count` slots. */
export function encodeBlock(from: PackedBlock): Uint8Array {
  const { count, present, lo, hi, modseqs } = from
  let wide = 0
  for (let i = 0; i < count; i++) if (hi[i] !== 0) wide = 1
  const bitmap = (count + 7) >> 3
  const out = new Uint8Array(headSize + bitmap + count * (wide ? 14 : 10))
  const view = new DataView(out.buffer)
  out[0] = version
  out[1] = wide
  view.setUint16(2, count, true)
  for (let i = 0; i < count; i++) if (present[i]) out[headSize + (i >> 3)]! |= 1 << (i & 7)
  let at = headSize + bitmap
  for (let i = 0; i < count; i++, at += 4) view.setUint32(at, lo[i]!, true)
  if (wide) for (let i = 0; i < count; i++, at += 4) view.setUint32(at, hi[i]!, true)
  for (let i = 0; i < count; i++, at += 6) {
    const modseq = modseqs[i]!
    view.setUint32(at, modseq % 0x1_0000_0000, true)
    view.setUint16(at + 4, modseq / 0x1_0000_0000, true)
  }
  return out
}

/** Reads what encodeBlock wrote. `writable`: with room for all 256 slots. Throws on bytes that are no block. */
export function decodeBlock(block: number, data: Uint8Array, writable = false): PackedBlock {
  const view = new DataView(data.buffer, data.byteOffset, data.byteLength)
  const count = data.length < headSize ? blockSize + 1 : view.getUint16(2, true)
  const wide = data[1]!
  const bitmap = (count + 7) >> 3
  if (data[0] !== version || count > blockSize || data.length !== headSize + bitmap + count * (wide ? 14 : 10))
    throw new Error(`flag block ${block} is damaged: ${data.length} bytes, version ${data[0]}, count ${count}`)
  const out = allocate(block, 0, count, writable ? blockSize : count)
  for (let i = 0; i < count; i++) out.present[i] = (data[headSize + (i >> 3)]! >> (i & 7)) & 1
  let at = headSize + bitmap
  for (let i = 0; i < count; i++, at += 4) out.lo[i] = view.getUint32(at, true)
  if (wide) for (let i = 0; i < count; i++, at += 4) out.hi[i] = view.getUint32(at, true)
  for (let i = 0; i < count; i++, at += 6) {
    const modseq = view.getUint32(at, true) + view.getUint16(at + 4, true) * 0x1_0000_0000
    out.modseqs[i] = modseq
    if (modseq > out.modseq) out.modseq = modseq
  }
  return out
}
