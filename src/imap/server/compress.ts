// COMPRESS=DEFLATE (RFC 4978): a connection seen through raw deflate, both ways. Knows bytes only.
// Nothing grows: what comes is inflated only as fast as it is read, a piece at a time, however far it expands; what leaves waits for the socket.

import { Duplex } from 'node:stream'
import { constants, createDeflateRaw, createInflateRaw, type DeflateRaw, type InflateRaw } from 'node:zlib'
import type { Clock } from '../../base/index.ts'

/** What is inflated or deflated at once. */
const PIECE = 16 * 1024
/** Of what we send: 48 KiB for the state, where zlib's defaults take 256 KiB; replies compress hardly worse. */
const windowBits = 13
const memLevel = 5
/** What nobody writes to for so long gives its compressor back; the next reply makes a new one, which the client cannot tell. */
const QUIET_MS = 10_000

type Done = (error?: Error | null) => void

export class CompressedSocket extends Duplex {
  readonly #socket: Duplex
  readonly #clock: Clock
  readonly #inflate: InflateRaw
  #deflate: DeflateRaw | undefined
  #forget: (() => void) | undefined
  #whenSent: (() => void) | undefined

  /** `pending`: what came behind the command that began the compression. */
  constructor(socket: Duplex, clock: Clock, pending: Buffer) {
    super({ readableHighWaterMark: PIECE, writableHighWaterMark: 4 * PIECE, emitClose: true })
    this.#socket = socket
    this.#clock = clock
    this.#inflate = createInflateRaw({ chunkSize: PIECE })
    this.#inflate.on('data', (piece: Buffer) => {
      if (!this.push(piece)) this.#inflate.pause()
    })
    // The end of the client's deflate stream is the end of what it says, and so is what is no deflate stream.
    this.#inflate.on('end', () => this.push(null))
    this.#inflate.on('error', () => this.push(null))
    this.#inflate.on('drain', () => socket.resume())
    socket.on('data', this.#take)
    socket.on('end', this.#end)
    socket.on('close', this.#gone)
    socket.on('error', this.#gone)
    if (pending.length > 0) this.#take(pending)
  }

  readonly #take = (bytes: Buffer) => {
    if (!this.#inflate.destroyed && !this.#inflate.write(bytes)) this.#socket.pause()
  }

  readonly #end = () => this.#inflate.end()
  readonly #gone = () => this.destroy()

  /** Gives the connection back as it was, when everything written has left compressed. What comes from now on is plain. */
  release(): Promise<Duplex> {
    return new Promise((resolve) => {
      this.#whenSent = () => {
        this.#whenSent = undefined
        const socket = this.#socket
        socket.off('data', this.#take).off('end', this.#end).off('close', this.#gone).off('error', this.#gone)
        this.#keep()
        this.#inflate.destroy()
        this.#deflate?.destroy()
        resolve(socket)
      }
      if (this.writableLength === 0 || this.destroyed) this.#whenSent()
    })
  }

  override _read(): void {
    this.#inflate.resume()
    if (!this.#inflate.writableNeedDrain) this.#socket.resume()
  }

  override _write(bytes: Buffer, _: BufferEncoding, done: Done): void {
    this.#send([bytes], done)
  }

  /** What was written in one turn is compressed and flushed together. */
  override _writev(chunks: { chunk: Buffer }[], done: Done): void {
    this.#send(
      chunks.map(({ chunk }) => chunk),
      done,
    )
  }

  #send(pieces: readonly Buffer[], done: Done): void {
    const deflate = this.#open()
    for (const piece of pieces) deflate.write(piece)
    deflate.flush(constants.Z_SYNC_FLUSH, () => {
      if (this.#socket.writableNeedDrain && !this.#socket.destroyed) this.#waitForDrain(done)
      else this.#sent(done)
      this.#forgetLater()
    })
  }

  #sent(done: Done): void {
    done()
    if (this.writableLength === 0) this.#whenSent?.()
  }

  #waitForDrain(done: Done): void {
    const socket = this.#socket
    const go = () => {
      socket.off('drain', go)
      socket.off('close', go)
      this.#sent(done)
    }
    socket.on('drain', go)
    socket.on('close', go)
  }

  #open(): DeflateRaw {
    this.#keep()
    if (this.#deflate) return this.#deflate
    const deflate = createDeflateRaw({ windowBits, memLevel, chunkSize: PIECE })
    deflate.on('data', (piece: Buffer) => {
      if (!this.#socket.destroyed) this.#socket.write(piece)
    })
    deflate.on('error', () => this.destroy())
    this.#deflate = deflate
    return deflate
  }

  /** After a flush no byte is held back and no later one refers to an earlier: another compressor may go on. */
  #forgetLater(): void {
    this.#keep()
    this.#forget = this.#clock.after(QUIET_MS, () => {
      this.#deflate?.destroy()
      this.#deflate = undefined
    })
  }

  #keep(): void {
    this.#forget?.()
    this.#forget = undefined
  }

  override _final(done: Done): void {
    const deflate = this.#open()
    this.#keep()
    deflate.once('end', () => this.#socket.end(() => done()))
    deflate.end()
  }

  override _destroy(error: Error | null, done: Done): void {
    this.#keep()
    this.#inflate.destroy()
    this.#deflate?.destroy()
    this.#socket.destroy()
    done(error)
    this.#whenSent?.()
  }
}
