// The packed form of 256 UIDs: which are present, their flags and modseqs. Pure; knows no table and no meaning of a bit.
//
// version u8 = 1 · wide u8 · count u16 · lo u32[count] · hi u32[count] when wide · low 32 bits of each modseq · high 16 bits · presence
// bitmap. Little-endian and aligned, so that on every machine Posthorn runs on (x64, arm64) arrays are copied whole, not number by number.

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

/** All arrays in one piece of memory: making a piece costs more than filling it. */
function allocate(block: number, modseq: number, count: number, room: number): PackedBlock {
  const memory = new ArrayBuffer(room * 17)
  return {
    block,
    modseq,
    count,
    present: new Uint8Array(memory, room * 16, room),
    lo: new Uint32Array(memory, room * 8, room),
    hi: new Uint32Array(memory, room * 12, room),
    modseqs: new Float64Array(memory, 0, room),
  }
}

/** Bytes of `count` slots without the head and the bitmap. */
const slotBytes = (wide: number) => (wide ? 14 : 10)

/** The bytes of the first `count` slots. */
export function encodeBlock({ count, present, lo, hi, modseqs }: PackedBlock): Uint8Array {
  let wide = 0
  for (let i = 0; i < count; i++) if (hi[i] !== 0) wide = 1
  const bitmap = headSize + count * slotBytes(wide)
  const out = new Uint8Array(bitmap + ((count + 7) >> 3))
  out[0] = version
  out[1] = wide
  out[2] = count & 255
  out[3] = count >> 8
  let at = headSize
  new Uint32Array(out.buffer, at, count).set(lo.subarray(0, count))
  at += count * 4
  if (wide) {
    new Uint32Array(out.buffer, at, count).set(hi.subarray(0, count))
    at += count * 4
  }
  const low = new Uint32Array(out.buffer, at, count)
  const high = new Uint16Array(out.buffer, at + count * 4, count)
  for (let i = 0; i < count; i++) {
    low[i] = modseqs[i]! >>> 0
    high[i] = modseqs[i]! / 0x1_0000_0000
    if (present[i]) out[bitmap + (i >> 3)]! |= 1 << (i & 7)
  }
  return out
}

const NONE = new Uint32Array(blockSize)
const ALL = new Uint8Array(blockSize).fill(1)

/** Reads what encodeBlock wrote. `writable`: with room for all 256 slots; otherwise nothing of it may be written, for it shares what it can. Throws on bytes that are no block. */
export function decodeBlock(block: number, data: Uint8Array, writable = false): PackedBlock {
  // A copy begins at offset 0: the arrays within are aligned.
  const bytes = data.byteOffset % 4 === 0 ? data : new Uint8Array(data)
  const { buffer, byteOffset: start } = bytes
  const count = bytes.length < headSize ? blockSize + 1 : bytes[2]! + bytes[3]! * 256
  const wide = bytes[1]!
  const bitmap = headSize + count * slotBytes(wide)
  if (bytes[0] !== version || count > blockSize || bytes.length !== bitmap + ((count + 7) >> 3))
    throw new Error(`flag block ${block} is damaged: ${data.length} bytes, version ${data[0]}, count ${count}`)
  const numbers = (at: number) => new Uint32Array(buffer, start + headSize + at * 4 * count, count)
  const low = numbers(wide ? 2 : 1)
  const high = new Uint16Array(buffer, start + bitmap - 2 * count, count)
  const out = writable
    ? allocate(block, 0, count, blockSize)
    : {
        block,
        modseq: 0,
        count,
        present: isWhole(bytes, bitmap, count) ? ALL : new Uint8Array(count),
        lo: numbers(0),
        hi: wide ? numbers(1) : count === blockSize ? NONE : NONE.subarray(0, count),
        modseqs: new Float64Array(low),
      }
  if (writable) {
    out.lo.set(numbers(0))
    if (wide) out.hi.set(numbers(1))
    out.modseqs.set(low)
  }
  if (out.present !== ALL) for (let i = 0; i < count; i++) out.present[i] = (bytes[bitmap + (i >> 3)]! >> (i & 7)) & 1
  for (let i = 0; i < count; i++) {
    if (high[i] !== 0) out.modseqs[i]! += high[i]! * 0x1_0000_0000
    if (out.modseqs[i]! > out.modseq) out.modseq = out.modseqs[i]!
  }
  return out
}

/** All 256 slots in use, each with a message. */
function isWhole(bytes: Uint8Array, bitmap: number, count: number): boolean {
  if (count < blockSize) return false
  for (let i = bitmap; i < bytes.length; i++) if (bytes[i] !== 255) return false
  return true
}
