// The bytes of one connection: bounded lines in, pieces out as fast as the client takes them, and patience. Knows no command.

import type { Socket } from 'node:net'
import { ByteQueue, type Clock } from '../base/index.ts'

/** No command can answer any more: the session ends. */
export class SessionEnd extends Error {}
/** The client went away, or was cut off. */
export class ConnectionClosed extends SessionEnd {}
/** Nothing came for too long. */
export class TimedOut extends SessionEnd {}
/** A line that never ends. */
export class LineTooLong extends SessionEnd {}

/** After we hang up the client has this long to read the last words. */
const lingerMs = 5000

export class Channel {
  readonly #clock: Clock
  readonly #most: number
  readonly #input = new ByteQueue()
  #socket: Socket
  #ended = false
  #stopped = false
  #wake: (() => void) | undefined

  constructor(socket: Socket, clock: Clock, most: number) {
    this.#clock = clock
    this.#most = most
    this.#socket = socket
    this.attach(socket)
  }

  attach(socket: Socket): void {
    this.#socket = socket
    socket.on('data', this.#onData).on('end', this.#onEnd).on('close', this.#onEnd).on('error', this.#onEnd)
    socket.on('drain', this.#onDrain)
  }

  /** Leaves the socket alone, so that TLS can have it. */
  detach(): Socket {
    const socket = this.#socket
    socket.pause()
    socket.off('data', this.#onData).off('end', this.#onEnd).off('close', this.#onEnd).off('drain', this.#onDrain)
    return socket
  }

  get socket(): Socket {
    return this.#socket
  }

  /** Bytes received and not yet read. */
  get pending(): number {
    return this.#input.length
  }

  readonly #onData = (chunk: Buffer) => {
    this.#input.push(chunk)
    if (this.#input.length >= this.#most) this.#socket.pause()
    this.#wakeUp()
  }
  readonly #onEnd = () => {
    this.#ended = true
    this.#wakeUp()
  }
  readonly #onDrain = () => this.#wakeUp()

  #wakeUp(): void {
    const wake = this.#wake
    this.#wake = undefined
    wake?.()
  }

  /** Ends a wait for input: readLine gives undefined from now on. */
  stop(): void {
    this.#stopped = true
    this.#wakeUp()
  }

  /** The next line with its end; undefined when the client hung up or the server stops. */
  async readLine(limit: number, waitMs: number): Promise<Buffer | undefined> {
    const until = this.#clock.monotonic() + waitMs
    for (;;) {
      const at = this.#input.indexOfLf()
      if (at >= limit || (at < 0 && this.#input.length >= limit)) throw new LineTooLong()
      if (at >= 0) return this.#input.take(at + 1)
      if (this.#ended || this.#stopped) return undefined
      this.#socket.resume()
      if (!(await this.#wait(until - this.#clock.monotonic()))) throw new TimedOut()
    }
  }

  /** Sends; resolves when the client keeps up. */
  async write(bytes: Buffer | string, waitMs: number): Promise<void> {
    if (this.#socket.destroyed || !this.#socket.writable) throw new ConnectionClosed()
    if (this.#socket.writableCorked === 0) {
      // Answers to commands that came together leave together.
      const socket = this.#socket
      socket.cork()
      process.nextTick(() => socket.uncork())
    }
    if (this.#socket.write(bytes)) return
    while (this.#socket.writableNeedDrain) {
      if (!(await this.#wait(waitMs))) throw new TimedOut()
      if (this.#socket.destroyed) throw new ConnectionClosed()
    }
  }

  /** False when nothing happened in time. */
  #wait(ms: number): Promise<boolean> {
    return new Promise((resolve) => {
      const cancel = this.#clock.after(Math.max(ms, 0), () => {
        this.#wake = undefined
        resolve(false)
      })
      this.#wake = () => {
        cancel()
        resolve(true)
      }
    })
  }

  /** Lets what is written go out; a client that does not take it is cut off. */
  close(): void {
    const socket = this.#socket
    if (socket.destroyed) return
    const cancel = this.#clock.after(lingerMs, () => socket.destroy())
    socket.once('close', cancel)
    // What still comes is thrown away.
    socket.off('data', this.#onData)
    socket.resume()
    socket.end(() => socket.destroy())
  }

  destroy(): void {
    this.#socket.destroy()
  }
}
