// Many small pieces of responses as bytes: gathered in large buffers, written without a string for each. Knows bytes only.

import type { Output } from './output.ts'

/** A buffer leaves when it is full; the first is small, for most answers are. */
const FIRST = 8 * 1024
const PIECE = 128 * 1024
/** Shorter pieces are copied faster byte by byte than by a call. */
const SHORT = 24

export class Bulk {
  readonly #out: Output
  #piece = Buffer.alloc(0)
  #at = 0
  #next = FIRST

  constructor(out: Output) {
    this.#out = out
  }

  /** ASCII, or Latin-1 as it stands. */
  latin1(text: string): void {
    this.#makeRoom(text.length)
    this.#at += this.#piece.write(text, this.#at, 'latin1')
  }

  /** A whole number, not negative. */
  number(n: number): void {
    if (n > 0x7fff_ffff) {
      this.latin1(String(n))
      return
    }
    this.#makeRoom(10)
    const piece = this.#piece
    let digits = 1
    for (let ten = 10; ten <= n; ten *= 10) digits++
    let rest = n
    for (let at = this.#at + digits - 1; at >= this.#at; at--) {
      const next = (rest / 10) | 0
      piece[at] = 48 + rest - next * 10
      rest = next
    }
    this.#at += digits
  }

  /** The bytes `from` … `to`, end exclusive. */
  bytes(source: Buffer, from = 0, to = source.length): void {
    const size = to - from
    this.#makeRoom(size)
    const piece = this.#piece
    if (size > SHORT) source.copy(piece, this.#at, from, to)
    else for (let i = from, at = this.#at; i < to; i++, at++) piece[at] = source[i]!
    this.#at += size
  }

  /** Hands over what was gathered. Before anything else is written to the output. */
  flush(): void {
    if (this.#at === 0) return
    const full = this.#piece.subarray(0, this.#at)
    // What is left of the buffer takes what comes next.
    this.#piece = this.#piece.subarray(this.#at)
    this.#at = 0
    this.#out.bytes(full)
  }

  #makeRoom(size: number): void {
    if (this.#piece.length - this.#at >= size) return
    this.flush()
    if (this.#piece.length >= size) return
    this.#piece = Buffer.allocUnsafeSlow(Math.max(size, this.#next))
    this.#next = PIECE
  }
}
