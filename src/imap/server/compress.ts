// COMPRESS=DEFLATE (RFC 4978): a connection seen through raw deflate, both ways. Knows bytes only.
// Nothing grows: what comes is inflated only as fast as it is read, a piece at a time, however far it expands; what leaves waits for the socket.

import { Duplex } from 'node:stream'
import { promisify } from 'node:util'
import { constants, createInflateRaw, deflateRaw, deflateRawSync, type InflateRaw } from 'node:zlib'

/** What is inflated at once, and what of our own is deflated at once. */
const PIECE_IN = 16 * 1024
const PIECE_OUT = 64 * 1024
/** Smaller pieces are deflated at once: they take some 30 µs. */
const SMALL = 4096
/** So much of what was said is remembered: later text refers to it. A compressor of its own would keep 100 KiB for each connection. */
const HISTORY = 4096

const deflateLater = promisify(deflateRaw) as (bytes: Buffer, options: object) => Promise<Buffer>

export class CompressedSocket extends Duplex {
  readonly #socket: Duplex
  readonly #inflate: InflateRaw
  #history: Buffer = Buffer.alloc(0)
  #whenSent: (() => void) | undefined

  /** `pending`: what came behind the command that began the compression. */
  constructor(socket: Duplex, pending: Buffer) {
    super({ readableHighWaterMark: PIECE_IN, writableHighWaterMark: PIECE_OUT })
    this.#socket = socket
    this.#inflate = createInflateRaw({ chunkSize: PIECE_IN })
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
        this.#inflate.destroy()
        resolve(socket)
      }
      if (this.writableLength === 0 || this.destroyed) this.#whenSent()
    })
  }

  override _read(): void {
    this.#inflate.resume()
    if (!this.#inflate.writableNeedDrain) this.#socket.resume()
  }

  override _write(bytes: Buffer, _: BufferEncoding, done: (error?: Error | null) => void): void {
    this.#send(bytes).then(() => {
      done()
      if (this.writableLength === 0) this.#whenSent?.()
    }, done)
  }

  /** What was written in one turn is compressed and flushed together. */
  override _writev(chunks: { chunk: Buffer }[], done: (error?: Error | null) => void): void {
    this._write(Buffer.concat(chunks.map(({ chunk }) => chunk)), 'latin1', done)
  }

  /** Each piece is a run of blocks that ends on a byte, so that the pieces joined are one deflate stream. */
  async #send(bytes: Buffer): Promise<void> {
    for (let at = 0; at < bytes.length && !this.#socket.destroyed; at += PIECE_OUT) {
      const piece = bytes.subarray(at, at + PIECE_OUT)
      const options = {
        finishFlush: constants.Z_SYNC_FLUSH,
        // The room for the result, which is seldom larger: the default takes 16 KiB for one line.
        chunkSize: piece.length + 64,
        ...(this.#history.length > 0 ? { dictionary: this.#history } : {}),
      }
      const out = piece.length < SMALL ? deflateRawSync(piece, options) : await deflateLater(piece, options)
      this.#remember(piece)
      if (!this.#socket.destroyed && !this.#socket.write(out)) await this.#drained()
    }
  }

  #remember(piece: Buffer): void {
    this.#history =
      piece.length >= HISTORY
        ? Buffer.from(piece.subarray(piece.length - HISTORY))
        : Buffer.concat([this.#history, piece]).subarray(-HISTORY)
  }

  async #drained(): Promise<void> {
    const socket = this.#socket
    await new Promise<void>((resolve) => {
      const go = () => {
        socket.off('drain', go)
        socket.off('close', go)
        resolve()
      }
      socket.on('drain', go)
      socket.on('close', go)
    })
  }

  override _final(done: () => void): void {
    this.#socket.end(deflateRawSync(Buffer.alloc(0)), () => done())
  }

  override _destroy(error: Error | null, done: (error?: Error | null) => void): void {
    this.#inflate.destroy()
    this.#socket.destroy()
    done(error)
    this.#whenSent?.()
  }
}
