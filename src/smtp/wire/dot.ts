// The text of DATA (RFC 5321 §4.5.2): dots taken out on the way in, put in on the way out, chunk by chunk.
// Only CR LF . CR LF ends it; whatever else looks like an end is content, and noted (SMTP smuggling).

const CR = 13
const LF = 10
const DOT = 46

/** Where the decoder stands between two bytes. */
const at = { start: 0, inside: 1, cr: 2, dot: 3, dotCr: 4, ended: 5 } as const
type State = (typeof at)[keyof typeof at]

/** What was seen that makes a message unacceptable. */
export interface LineFaults {
  /** A CR without LF or an LF without CR. */
  readonly bare: boolean
  /** Octets of the longest line without its CRLF; a line still open counts. */
  readonly longest: number
}

export class DotDecoder implements LineFaults {
  #state: State = at.start
  #line = 0
  bare = false
  longest = 0

  get ended(): boolean {
    return this.#state === at.ended
  }

  /**
   * Takes a chunk, appends the content in it to `out` as slices of the chunk (one slice when no line begins with a dot), and
   * returns how many bytes belonged to the message: less than the chunk's length only when the message ended in it.
   */
  decode(chunk: Buffer, out: Buffer[]): number {
    const length = chunk.length
    let state = this.#state
    let from = 0
    let i = 0
    // Where the line would have begun in this chunk's coordinates.
    let lineStart = -this.#line
    while (i < length && state !== at.ended) {
      const byte = chunk[i]!
      if (state === at.inside) {
        if (byte === CR) state = at.cr
        else if (byte === LF) this.bare = true
        i++
        continue
      }
      if (state === at.start) {
        if (byte === DOT) {
          if (i > from) out.push(chunk.subarray(from, i))
          from = ++i
          lineStart = i
          state = at.dot
        } else state = at.inside
        continue
      }
      if (state === at.cr) {
        if (byte === LF) {
          this.#endLine(i - 1 - lineStart)
          lineStart = ++i
          state = at.start
        } else {
          this.bare = true
          state = at.inside
        }
        continue
      }
      if (state === at.dot) {
        if (byte === CR) {
          from = ++i
          state = at.dotCr
        } else state = at.inside
        continue
      }
      if (byte === LF) {
        state = at.ended
        from = ++i
      } else {
        this.bare = true
        state = at.inside
      }
    }
    if (i > from) out.push(chunk.subarray(from, i))
    this.#state = state
    this.#line = i - lineStart
    // A CR that waits for its LF is no part of the line.
    const open = state === at.cr || state === at.dotCr ? this.#line - 1 : this.#line
    if (state !== at.ended && open > this.longest) this.longest = open
    return i
  }

  #endLine(length: number): void {
    if (length > this.longest) this.longest = length
  }
}

/** The same watch for content that comes counted (BDAT) and is not dot-stuffed. */
export class LineWatch implements LineFaults {
  #cr = false
  #line = 0
  bare = false
  longest = 0

  push(chunk: Buffer): void {
    let cr = this.#cr
    let line = this.#line
    for (let i = 0; i < chunk.length; i++) {
      const byte = chunk[i]!
      if (byte === LF) {
        if (!cr) this.bare = true
        else line--
        if (line > this.longest) this.longest = line
        line = 0
        cr = false
        continue
      }
      if (cr) this.bare = true
      cr = byte === CR
      line++
    }
    this.#cr = cr
    this.#line = line
    this.longest = Math.max(this.longest, cr ? line - 1 : line)
  }

  /** After the last byte: a CR at the very end is bare. */
  end(): void {
    if (this.#cr) this.bare = true
  }
}

const crlf = Buffer.from('\r\n')
const lf = Buffer.from('\n')
const dot = Buffer.from('.')

/** Stuffs dots, and turns bare CR and bare LF into CRLF: what leaves the house can smuggle nothing. */
export class DotEncoder {
  #start = true
  #cr = false

  /** Appends the chunk to `out` as slices, with what must stand between. */
  encode(chunk: Buffer, out: Buffer[]): void {
    let from = 0
    const put = (to: number, between: Buffer) => {
      if (to > from) out.push(chunk.subarray(from, to))
      out.push(between)
      from = to
    }
    for (let i = 0; i < chunk.length; i++) {
      const byte = chunk[i]!
      if (this.#cr) {
        this.#cr = false
        this.#start = true
        if (byte === LF) continue
        put(i, lf)
      }
      if (this.#start) {
        this.#start = false
        if (byte === DOT) put(i, dot)
      }
      if (byte === CR) this.#cr = true
      else if (byte === LF) {
        put(i, crlf)
        from = i + 1
        this.#start = true
      }
    }
    if (from < chunk.length) out.push(chunk.subarray(from))
  }

  /** What ends the message: completes the last line, then the dot. */
  end(): Buffer {
    if (this.#cr) return Buffer.from('\n.\r\n')
    return Buffer.from(this.#start ? '.\r\n' : '\r\n.\r\n')
  }
}
