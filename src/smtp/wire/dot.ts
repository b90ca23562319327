// The text of DATA (RFC 5321 §4.5.2): dots taken out on the way in, put in on the way out, chunk by chunk.
// Only CR LF . CR LF ends it; whatever else looks like an end is content, and noted (SMTP smuggling).

import { TextWalk } from '../../base/index.ts'

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
    const text = new TextWalk(chunk)
    // Where the line would have begun in this chunk's coordinates.
    let lineStart = -this.#line
    while (i < length && state !== at.ended) {
      let byte = chunk[i]!
      if (state === at.inside) {
        i = text.next(i)
        if (i === length) break
        byte = chunk[i]!
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
const ending = Buffer.from('.\r\n')
const nothing = Buffer.alloc(0)

/** Turns bare CR and bare LF into CRLF: what leaves the house as text can smuggle nothing. */
export class LineEncoder {
  #start = true
  #cr = false
  readonly #dots: boolean

  constructor(dots = false) {
    this.#dots = dots
  }

  /** Appends the chunk to `out` as slices, with what must stand between. */
  encode(chunk: Buffer, out: Buffer[]): void {
    const { length } = chunk
    let from = 0
    let at = 0
    // Line by line while all is well, which the native search sees faster than a look at each byte.
    while (at < length && !this.#cr) {
      if (this.#start && this.#dots && chunk[at] === DOT) {
        if (at > from) out.push(chunk.subarray(from, at))
        out.push(dot)
        from = at
        this.#start = false
      }
      const cr = chunk.indexOf(CR, at)
      const lf = chunk.indexOf(LF, at)
      // Anything but CRLF, or a line that is open at the end, is looked at closely.
      if (cr < 0 ? lf >= 0 : lf !== cr + 1) break
      this.#start = cr >= 0
      at = cr < 0 ? length : lf + 1
    }
    if (at < length) this.#encodeBytes(chunk, out, from, at)
    else if (from < length) out.push(chunk.subarray(from))
  }

  /** The same byte by byte, from `at` on; what stands before and is not sent yet begins at `begin`. */
  #encodeBytes(chunk: Buffer, out: Buffer[], begin: number, at: number): void {
    const dots = this.#dots
    const length = chunk.length
    let from = begin
    let cr = this.#cr
    let start = this.#start
    for (let i = at; i < length; i++) {
      const byte = chunk[i]!
      if (cr) {
        cr = false
        start = true
        if (byte === LF) continue
        if (i > from) out.push(chunk.subarray(from, i))
        out.push(lf)
        from = i
      }
      if (start) {
        start = false
        if (dots && byte === DOT) {
          if (i > from) out.push(chunk.subarray(from, i))
          out.push(dot)
          from = i
        }
      }
      if (byte === CR) cr = true
      else if (byte === LF) {
        if (i > from) out.push(chunk.subarray(from, i))
        out.push(crlf)
        from = i + 1
        start = true
      }
    }
    this.#cr = cr
    this.#start = start
    if (from < length) out.push(chunk.subarray(from))
  }

  /** What completes the last line. */
  end(): Buffer {
    return this.#cr ? lf : this.#start ? nothing : crlf
  }
}

/** The same, and stuffs dots: the text of DATA. */
export class DotEncoder extends LineEncoder {
  constructor() {
    super(true)
  }

  /** What ends the message: completes the last line, then the dot. */
  override end(): Buffer {
    return Buffer.concat([super.end(), ending])
  }
}
