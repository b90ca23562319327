// A message on its way in: hashed, scanned and kept while it comes, in memory while it is small, in a blob's file from then on.
// Memory stays flat whatever the size. Knows no socket and no row.

import { createHash, type Hash, hash } from 'node:crypto'
import { Fault } from '../base/index.ts'
import { formatBodyStructure, formatEnvelope } from '../imap/wire/index.ts'
import { createScanner, digest, literalEnd, type Scan } from '../mime/index.ts'
import type { Blobs, BlobWriter } from '../store/index.ts'
import type { NewContent } from './types.ts'

/** The top header is held whole until `onHeader` has seen it. */
const maxHeader = 262_144

export interface SpoolOptions {
  readonly blobs: Blobs
  /** Bytes received; more is Fault `too-large`. */
  readonly maxSize: number
  /** Sees the complete top header with its empty line before anything is hashed; what it returns takes its place. */
  readonly onHeader?: (header: Buffer) => Promise<Buffer>
}

export interface Spool {
  /** Bytes received so far. */
  readonly size: number
  /**
   * Takes the next bytes, which must not be reused by the caller. A promise must be awaited before the next call; undefined: go on.
   * Faults `too-large`, `disk-full`, and what `onHeader` throws, thrown or rejected: `abort` then.
   */
  write(chunk: Buffer): Promise<void> | undefined
  /** The content, its file synced; `bytes` and `hash` stand in buffers of their own, so that they can be moved to another thread. */
  finish(): Promise<NewContent>
  /** Leaves nothing behind. */
  abort(): Promise<void>
}

export function createSpool(options: SpoolOptions): Spool {
  return new MessageSpool(options)
}

class MessageSpool implements Spool {
  readonly #options: SpoolOptions
  readonly #scanner = createScanner()
  #head: HeadCollector | undefined
  #received = 0
  #size = 0
  #chunks: Buffer[] = []
  #file: { readonly writer: BlobWriter; readonly hash: Hash } | undefined
  /** The last write that had to be waited for. */
  #pending: Promise<void> | undefined

  constructor(options: SpoolOptions) {
    this.#options = options
    if (options.onHeader) this.#head = new HeadCollector()
  }

  get size(): number {
    return this.#received
  }

  write(chunk: Buffer): Promise<void> | undefined {
    this.#received += chunk.length
    if (this.#received > this.#options.maxSize)
      throw new Fault('too-large', `the message is larger than ${this.#options.maxSize} bytes`)
    if (!this.#head) return (this.#pending = this.#put(chunk))
    const split = this.#head.push(chunk)
    if (split === undefined) return undefined
    return (this.#pending = this.#replaceHeader(this.#head.take(), chunk.subarray(split)))
  }

  async #replaceHeader(header: Buffer, rest: Buffer): Promise<void> {
    this.#head = undefined
    await this.#put(await this.#options.onHeader!(header))
    if (rest.length > 0) await this.#put(rest)
  }

  #put(chunk: Buffer): Promise<void> | undefined {
    this.#size += chunk.length
    this.#scanner.write(chunk)
    if (this.#file) {
      this.#file.hash.update(chunk)
      return this.#file.writer.write(chunk)
    }
    this.#chunks.push(chunk)
    return this.#size > this.#options.blobs.inlineLimit ? this.#moveToFile() : undefined
  }

  async #moveToFile(): Promise<void> {
    const chunks = this.#chunks
    this.#chunks = []
    const file = { writer: await this.#options.blobs.create(), hash: createHash('sha256') }
    this.#file = file
    for (const chunk of chunks) {
      file.hash.update(chunk)
      await file.writer.write(chunk)
    }
  }

  async finish(): Promise<NewContent> {
    if (this.#head) await this.#replaceHeader(this.#head.take(), Buffer.alloc(0))
    const scan = this.#scanner.end()
    return this.#file ? this.#finishFile(scan, this.#file) : this.#finishBytes(scan)
  }

  async #finishBytes(scan: Scan): Promise<NewContent> {
    // Not from the pool: a view of the pool takes the whole pool with it to another thread.
    const bytes = Buffer.allocUnsafeSlow(this.#size)
    let at = 0
    for (const chunk of this.#chunks) at += chunk.copy(bytes, at)
    this.#chunks = []
    const found = await digest(scan, (start, end) => bytes.subarray(start, end))
    const literal = scan.has8bit ? undefined : literalEnd(scan.root, bytes)
    return {
      ...describe(scan, found),
      ...(literal !== undefined && { literalEnd: literal }),
      hash: hash('sha256', bytes, 'buffer'),
      bytes,
    }
  }

  async #finishFile(scan: Scan, { writer, hash }: { writer: BlobWriter; hash: Hash }): Promise<NewContent> {
    const { blobs } = this.#options
    const sum = hash.digest()
    const file = await writer.finish(sum.toString('hex'))
    this.#file = undefined
    try {
      const found = await digest(scan, (start, end) => blobs.read(file, start, end))
      return { ...describe(scan, found), hash: sum, file }
    } catch (error) {
      await blobs.remove(file)
      throw error
    }
  }

  async abort(): Promise<void> {
    // A write that was not waited for ends first: it may be the one that makes the file.
    await this.#pending?.catch(() => {})
    const file = this.#file
    this.#file = undefined
    this.#chunks = []
    await file?.writer.abort()
  }
}

function describe(scan: Scan, found: NewContent['digest']): Omit<NewContent, 'hash'> {
  return {
    size: scan.size,
    structure: JSON.stringify(scan.root),
    envelope: formatEnvelope(scan.envelope),
    bodystructure: formatBodyStructure(scan.root, true),
    digest: found,
    has8bit: scan.has8bit,
  }
}

const emptyLine = Buffer.from('\r\n\r\n')

/** Finds the empty line that ends the top header, across chunks. */
class HeadCollector {
  #chunks: Buffer[] = []
  #length = 0
  /** The last bytes seen; a message may begin with the empty line. */
  #tail: Buffer = Buffer.from('\r\n')

  /** How many bytes of the chunk belong to the header; undefined while it goes on. */
  push(chunk: Buffer): number | undefined {
    // Over the seam between two chunks first, so that a chunk is not copied to be searched.
    const seam = Buffer.concat([this.#tail, chunk.subarray(0, 3)])
    const before = seam.indexOf(emptyLine)
    const within = before < 0 ? chunk.indexOf(emptyLine) : before - this.#tail.length
    const split = before < 0 && within < 0 ? undefined : within + emptyLine.length
    this.#length += split ?? chunk.length
    if (this.#length > maxHeader) throw new Fault('too-large', `the header is larger than ${maxHeader} bytes`)
    this.#chunks.push(split === undefined ? chunk : chunk.subarray(0, split))
    this.#tail = chunk.length < 3 ? seam.subarray(-3) : Buffer.from(chunk.subarray(-3))
    return split
  }

  /** What was collected. */
  take(): Buffer {
    return Buffer.concat(this.#chunks)
  }
}
