// A bounded queue of received bytes: what a socket pushes, a reader takes as lines or counts. Copies only across chunk borders.

const LF = 10

export class ByteQueue {
  #chunks: Buffer[] = []
  #head = 0
  #length = 0
  /** Bytes of the head of the queue in which no LF was seen, so that a long line is searched once. */
  #searched = 0

  /** Bytes waiting. */
  get length(): number {
    return this.#length
  }

  push(chunk: Buffer): void {
    if (chunk.length === 0) return
    this.#chunks.push(chunk)
    this.#length += chunk.length
  }

  /** Position of the next LF from the head, or -1. */
  indexOfLf(): number {
    let base = -this.#head
    for (const chunk of this.#chunks) {
      const from = Math.max(this.#searched - base, base < 0 ? this.#head : 0)
      if (from < chunk.length) {
        const at = chunk.indexOf(LF, from)
        if (at >= 0) return base + at
      }
      base += chunk.length
    }
    this.#searched = this.#length
    return -1
  }

  /** The next line with its line end, or undefined while it is incomplete. */
  takeLine(): Buffer | undefined {
    const at = this.indexOfLf()
    return at < 0 ? undefined : this.take(at + 1)
  }

  /** Exactly `n` bytes; `n` must be at most `length`. */
  take(n: number): Buffer {
    if (n > this.#length) throw new RangeError(`take ${n} of ${this.#length} bytes`)
    const first = this.#chunks[0]
    if (n === 0 || !first) return Buffer.alloc(0)
    this.#searched = 0
    this.#length -= n
    if (first.length - this.#head >= n) {
      const out = first.subarray(this.#head, this.#head + n)
      this.#head += n
      if (this.#head === first.length) {
        this.#chunks.shift()
        this.#head = 0
      }
      return out
    }
    const out = Buffer.allocUnsafe(n)
    let filled = 0
    while (filled < n) {
      const chunk = this.#chunks[0]!
      const size = Math.min(chunk.length - this.#head, n - filled)
      chunk.copy(out, filled, this.#head, this.#head + size)
      filled += size
      this.#head += size
      if (this.#head === chunk.length) {
        this.#chunks.shift()
        this.#head = 0
      }
    }
    return out
  }

  /** Up to `max` bytes of the first chunk without copying, or undefined when empty: for streaming. */
  takeChunk(max: number): Buffer | undefined {
    const first = this.#chunks[0]
    if (!first || max <= 0) return undefined
    return this.take(Math.min(first.length - this.#head, max))
  }

  clear(): void {
    this.#chunks = []
    this.#head = 0
    this.#length = 0
    this.#searched = 0
  }
}

/** Walks over the bytes of one buffer from one control character to the next: four bytes at a time, since nearly all are text. */
export class TextWalk {
  readonly #bytes: Uint8Array
  readonly #words: Int32Array
  /** Bytes before the first whole word. */
  readonly #lead: number

  constructor(bytes: Uint8Array) {
    this.#bytes = bytes
    this.#lead = Math.min((4 - (bytes.byteOffset & 3)) & 3, bytes.length)
    this.#words = new Int32Array(
      bytes.buffer,
      bytes.length < 4 ? 0 : bytes.byteOffset + this.#lead,
      (bytes.length - this.#lead) >> 2,
    )
  }

  /** The index of the first byte at or after `from` that is 13 (CR) or less; the length when there is none. */
  next(from: number): number {
    const bytes = this.#bytes
    const words = this.#words
    const lead = this.#lead
    const size = bytes.length
    let i = from
    while (i < size && ((i - lead) & 3) !== 0) {
      if (bytes[i]! <= 13) return i
      i++
    }
    let word = (i - lead) >> 2
    // A byte below 14 borrows into its own highest bit, and only that of a byte which had none set can be such.
    while (word < words.length && ((words[word]! - 0x0e0e0e0e) & ~words[word]! & 0x80808080) === 0) word++
    i = Math.max(i, lead + (word << 2))
    while (i < size && bytes[i]! > 13) i++
    return i
  }
}
