// The bytes of the header being read, gathered from chunks under the scanner's limits.

/** Offsets count from the start of the message; a chunk `b` begins at `base`. */
export class HeaderCollector {
  readonly #limit: number
  #budget: number
  #start = 0
  /** Bytes seen in earlier chunks, kept or not. */
  #seen = 0
  #pieces: Buffer[] = []
  /** A header was cut. */
  limited = false

  /** `limit`: bytes of one header; `total`: of all. */
  constructor(limit: number, total: number) {
    this.#limit = limit
    this.#budget = total
  }

  begin(at: number): void {
    this.#start = at
    this.#seen = 0
    this.#pieces = []
  }

  /** Copies what belongs to the header from a chunk that goes away; the header reaches at least to `end`. */
  keep(b: Buffer, base: number, end: number): void {
    const from = this.#start + this.#seen
    if (end <= from) return
    const room = Math.min(this.#limit, this.#budget) - this.#seen
    if (room > 0) this.#pieces.push(Buffer.from(b.subarray(from - base, Math.min(end, from + room) - base)))
    this.#seen += end - from
  }

  /** The header, which ends at `end`: a view of `b` when it lies wholly in it. */
  take(b: Buffer, base: number, end: number): Buffer {
    const size = Math.min(end - this.#start, this.#limit, this.#budget)
    if (size < end - this.#start) this.limited = true
    this.#budget -= size
    if (this.#seen === 0) return b.subarray(this.#start - base, this.#start - base + size)
    this.keep(b, base, end)
    return Buffer.concat(this.#pieces, size)
  }
}
