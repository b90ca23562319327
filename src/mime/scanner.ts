// One pass over a message in chunks of any size: where each part begins and ends, and what its header says.
// Keeps headers only; a body is counted, never held. Knows no charset and decodes nothing.

import { isAscii } from 'node:buffer'
import { TextWalk } from '../base/index.ts'
import { parseFields } from './header.ts'
import { HeaderCollector } from './header-collector.ts'
import { MAX_BOUNDARY_LINE, type ScanLimits, scanLimits } from './limits.ts'
import { findParam } from './parameters.ts'
import { readEnvelope, readPartHead } from './part-header.ts'
import { isIdentity } from './transfer.ts'
import type { Envelope, Part, Scan } from './types.ts'

const LF = 10
const CR = 13
const DASH = 45

export interface Scanner {
  /** The chunk may be reused by the caller afterwards. */
  write(chunk: Uint8Array): void
  /** Call once, after the last chunk. */
  end(): Scan
}

/** A scanner for one message. Lines end in CRLF or LF; a lone CR ends none. */
export function createScanner(limits?: Partial<ScanLimits>): Scanner {
  return new MessageScanner({ ...scanLimits, ...limits })
}

type Writable<T> = { -readonly [K in keyof T]: T[K] }

/** A part that has not ended. */
interface Frame {
  readonly part: Writable<Part>
  readonly parent: Frame | undefined
  /** Of a multipart whose delimiters still count: the boundary, one character for each of its bytes. */
  boundary: string | undefined
  children: Part[] | undefined
  /** Line feeds of the message before the body. */
  feeds: number
}

class MessageScanner implements Scanner {
  readonly #limits: ScanLimits
  readonly #header: HeaderCollector
  readonly #stack: Frame[] = []
  readonly #root: Part
  #rootHeader: Buffer = Buffer.alloc(0)
  #envelope: Envelope | undefined
  /** Offset of the first byte of the chunk, and the four bytes before it. */
  #base = 0
  #tail: Buffer = Buffer.alloc(4)
  /** The start of a line, cut by the end of a chunk, that may be a delimiter or the end of the header. */
  #carry: Buffer | undefined
  #atLineStart = true
  #inHeader = true
  /** Line feeds before the read position. */
  #feeds = 0
  /** Boundaries that are looked for: with none, bodies are counted without a look at their lines. */
  #watched = 0
  #parts = 0
  #has8bit = false
  #header8bit = false
  #limited: string | undefined

  constructor(limits: ScanLimits) {
    this.#limits = limits
    this.#header = new HeaderCollector(limits.headerBytes, limits.headerBytesTotal)
    this.#root = this.#open(0, undefined)
  }

  write(chunk: Uint8Array): void {
    if (chunk.length === 0) return
    let b = Buffer.from(chunk.buffer, chunk.byteOffset, chunk.length)
    if (!this.#has8bit && !isAscii(b)) this.#has8bit = true
    if (this.#carry) b = Buffer.concat([this.#carry, b])
    this.#carry = undefined
    const text = new TextWalk(b)
    let i = 0
    while (i < b.length) {
      if (this.#atLineStart) {
        const next = this.#lineStart(b, i)
        if (next < 0) break
        if (next > i) {
          i = next
          continue
        }
      }
      i = this.#inHeader ? this.#passLine(b, i) : this.#passBody(b, text, i)
    }
    this.#finishChunk(b, i)
  }

  end(): Scan {
    const b = this.#carry ?? Buffer.alloc(0)
    const size = this.#base + b.length
    // The last line may be a delimiter without a line end.
    if (b[0] === DASH) this.#boundaryLine(b, b, 0, b.length)
    while (this.#inHeader) this.#endHeader(b, size)
    const last = b.length > 0 ? b[b.length - 1] : this.#tail[3]
    while (this.#stack.length > 0) this.#close(size, this.#feeds, size > 0 && last !== LF)
    const { envelope, header } = { envelope: this.#envelope!, header: this.#rootHeader }
    const eight = { has8bit: this.#has8bit, ...(this.#header8bit && { header8bit: true as const }) }
    const scan: Scan = { size, root: this.#root, envelope, header, ...eight }
    const limited = this.#limited ?? (this.#header.limited ? 'header' : undefined)
    return limited === undefined ? scan : { ...scan, limited }
  }

  /** Keeps of the chunk what is needed when it is gone; bytes from `i` on are read again with the next one. */
  #finishChunk(b: Buffer, i: number): void {
    if (this.#inHeader) this.#header.keep(b, this.#base, this.#base + i)
    if (i < b.length) this.#carry = Buffer.from(b.subarray(i))
    this.#tail = i >= 4 ? Buffer.from(b.subarray(i - 4, i)) : Buffer.concat([this.#tail.subarray(i), b.subarray(0, i)])
    this.#base += i
  }

  /** Looks at the line that starts at `i`: the offset behind it when it meant something, `i` when it is an ordinary line, -1 when the chunk ends too early to tell. */
  #lineStart(b: Buffer, i: number): number {
    const c = b[i]!
    if (this.#inHeader && (c === LF || c === CR)) {
      const lf = c === LF ? i : i + 1
      if (lf === b.length) return -1
      if (b[lf] !== LF) return i
      this.#feeds++
      this.#endHeader(b, this.#base + lf + 1)
      return lf + 1
    }
    if (c !== DASH || this.#watched === 0) return i
    if (i + 1 === b.length) return -1
    if (b[i + 1] !== DASH) return i
    const lf = b.indexOf(LF, i)
    const end = lf < 0 ? b.length : lf + 1
    if (end - i > MAX_BOUNDARY_LINE) return i
    if (lf < 0) return -1
    return this.#boundaryLine(b.subarray(i, end), b, i, end) ? end : i
  }

  /** Passes the rest of a header line. */
  #passLine(b: Buffer, i: number): number {
    const lf = b.indexOf(LF, i)
    this.#atLineStart = lf >= 0
    if (lf < 0) return b.length
    this.#feeds++
    return lf + 1
  }

  /** Passes body lines up to one that begins like a delimiter, or to the chunk's end. */
  #passBody(b: Buffer, text: TextWalk, from: number): number {
    const size = b.length
    const watch = this.#watched > 0
    let feeds = 0
    let i = from
    while (i < size) {
      i = text.next(i)
      if (i === size) break
      if (b[i] !== LF) {
        i++
        continue
      }
      feeds++
      i++
      if (watch && b[i] === DASH) break
    }
    this.#feeds += feeds
    this.#atLineStart = b[i - 1] === LF
    return i
  }

  /**
   * Whether the line, which stands in `b` from `from` to `to`, is a delimiter (RFC 2046 §5.1.1): two hyphens, a boundary of an open
   * multipart, innermost first, two more hyphens at its end, then only white space. If so, parts are closed and opened.
   */
  #boundaryLine(line: Buffer, b: Buffer, from: number, to: number): boolean {
    let end = line.length
    while (end > 2 && (line[end - 1] === 32 || (line[end - 1]! >= 9 && line[end - 1]! <= CR))) end--
    const size = end - 2
    const dashes = size > 2 && line[end - 1] === DASH && line[end - 2] === DASH
    let text: string | undefined
    for (let at = this.#stack.length - 1; at >= 0; at--) {
      const { boundary } = this.#stack[at]!
      if (boundary === undefined || (boundary.length !== size && !(dashes && boundary.length === size - 2))) continue
      text ??= line.toString('latin1', 2, end)
      if (!text.startsWith(boundary)) continue
      return this.#delimiter(at, boundary.length < size, b, from, to)
    }
    return false
  }

  #delimiter(at: number, closing: boolean, b: Buffer, from: number, to: number): boolean {
    if (!closing && this.#parts >= this.#limits.parts) {
      this.#limited ??= 'parts'
      this.#watched = 0
      return false
    }
    const start = this.#base + from
    // A header that a delimiter cuts is complete as it is.
    while (this.#inHeader) this.#endHeader(b, start)
    // The line end before the delimiter belongs to it.
    const size = this.#before(b, from, 2) === CR ? 2 : 1
    let end = start - size
    let feeds = this.#feeds - 1
    let partial = this.#before(b, from, size + 1) !== LF
    while (this.#stack.length > at + 1) {
      if (this.#close(end, feeds, partial) <= end) continue
      // A header without empty line took that line end: the parts around it end with it.
      end = start
      feeds = this.#feeds
      partial = false
    }
    if (b[to - 1] === LF) this.#feeds++
    this.#atLineStart = true
    const frame = this.#stack[at]!
    if (closing) {
      frame.boundary = undefined
      this.#watched--
    } else this.#open(this.#base + to, frame)
    return true
  }

  /** The byte `distance` (≤ 4) before index `i` of the chunk. */
  #before(b: Buffer, i: number, distance: number): number {
    const at = i - distance
    return (at >= 0 ? b[at] : this.#tail[4 + at]) ?? 0
  }

  #open(start: number, parent: Frame | undefined): Part {
    const part: Writable<Part> = {
      type: 'text',
      subtype: 'plain',
      params: [],
      encoding: '7bit',
      start,
      body: start,
      end: start,
      lines: 0,
    }
    this.#stack.push({ part, parent, boundary: undefined, children: undefined, feeds: 0 })
    parent?.children?.push(part)
    this.#parts++
    this.#inHeader = true
    this.#header.begin(start)
    return part
  }

  /** The header of the innermost part ends at offset `at`. */
  #endHeader(b: Buffer, at: number): void {
    const frame = this.#stack[this.#stack.length - 1]!
    const { part, parent } = frame
    const header = this.#header.take(b, this.#base, at)
    if (this.#has8bit && !this.#header8bit && !isAscii(header)) this.#header8bit = true
    const fields = parseFields(header)
    this.#inHeader = false
    const inMultipart = parent?.children !== undefined
    Object.assign(part, readPartHead(header, fields, inMultipart && parent.part.subtype === 'digest'))
    part.body = at
    frame.feeds = this.#feeds
    if (!inMultipart) {
      const envelope = readEnvelope(header, fields)
      if (parent) parent.part.message = { envelope, root: part }
      else {
        this.#envelope = envelope
        this.#rootHeader = Buffer.from(header)
      }
    }
    if (part.type === 'multipart') this.#beginMultipart(frame, header)
    else if (part.type === 'message' && (part.subtype === 'rfc822' || part.subtype === 'global'))
      this.#beginMessage(frame)
  }

  #beginMultipart(frame: Frame, header: Buffer): void {
    // RFC 2046 §5.1.1: it does not end with white space, which cannot be told from padding behind a delimiter.
    const boundary = findParam(frame.part.params, 'boundary')?.trimEnd()
    if (!boundary || !this.#mayNest()) return
    const bytes = Buffer.from(boundary)
    // A header that is not UTF-8 was read as Latin-1: its boundary's bytes are these.
    frame.boundary = bytes.toString('latin1')
    if (bytes.length !== boundary.length && !header.includes(bytes)) frame.boundary = boundary
    frame.children = []
    frame.part.parts = frame.children
    this.#watched++
  }

  /** RFC 2046 §5.2.1 allows no encoding here; a message that has one all the same stays closed. */
  #beginMessage(frame: Frame): void {
    if (!isIdentity(frame.part.encoding) || !this.#mayNest()) return
    if (this.#parts < this.#limits.parts) this.#open(frame.part.body, frame)
    else this.#limited ??= 'parts'
  }

  #mayNest(): boolean {
    if (this.#stack.length <= this.#limits.depth) return true
    this.#limited ??= 'depth'
    return false
  }

  /** Ends the innermost part and returns where. `feeds` line feeds stand before `end`; `partial`: the byte before `end` is none. */
  #close(end: number, feeds: number, partial: boolean): number {
    const { part, boundary, feeds: before } = this.#stack.pop()!
    if (boundary !== undefined && this.#watched > 0) this.#watched--
    part.end = Math.max(end, part.body)
    if (end > part.body) part.lines = feeds - before + (partial ? 1 : 0)
    return part.end
  }
}
