// What is sent to the client: gathered into chunks, with back-pressure and turns for others. Knows bytes only.

import type { Duplex } from 'node:stream'
import type { Clock } from '../../base/index.ts'
import type { ImapLimits } from './limits.ts'

/** The client went away: nothing more can be told to it. */
export class ConnectionClosed extends Error {}

export class Output {
  #socket: Duplex
  readonly #limits: ImapLimits
  readonly #clock: Clock
  #text = ''
  #turnBegan: number

  constructor(socket: Duplex, limits: ImapLimits, clock: Clock) {
    this.#socket = socket
    this.#limits = limits
    this.#clock = clock
    this.#turnBegan = clock.monotonic()
  }

  /** After STARTTLS. */
  attach(socket: Duplex): void {
    this.#socket = socket
  }

  text(text: string): void {
    this.#text += text
    if (this.#text.length >= this.#limits.outputChunk) this.flush()
  }

  /** One line; the line end is added. */
  line(text: string): void {
    this.text(`${text}\r\n`)
  }

  bytes(bytes: Buffer): void {
    this.flush()
    this.#write(bytes)
  }

  flush(): void {
    if (this.#text === '') return
    const text = this.#text
    this.#text = ''
    this.#write(Buffer.from(text))
  }

  #write(bytes: Buffer): void {
    if (this.#socket.destroyed || !this.#socket.writable) throw new ConnectionClosed()
    if (this.#socket.writableCorked === 0) {
      // Pieces of one turn leave together: a literal and its lines in one packet.
      const socket = this.#socket
      socket.cork()
      process.nextTick(() => socket.uncork())
    }
    this.#socket.write(bytes)
  }

  /** To be awaited between pieces of long work: waits for a slow client, and lets others have the thread when a turn was long. */
  async pace(): Promise<void> {
    if (this.#socket.writableLength > 4 * this.#limits.outputChunk) await this.#drained()
    if (this.#clock.monotonic() - this.#turnBegan < this.#limits.turnMs) return
    await new Promise((resolve) => setImmediate(resolve))
    this.#turnBegan = this.#clock.monotonic()
  }

  /** A new command begins. */
  beginTurn(): void {
    this.#turnBegan = this.#clock.monotonic()
  }

  async #drained(): Promise<void> {
    const socket = this.#socket
    if (socket.destroyed) throw new ConnectionClosed()
    if (socket.writableLength === 0) return
    await new Promise<void>((resolve) => {
      const done = () => {
        cancel()
        socket.off('drain', done)
        socket.off('close', done)
        resolve()
      }
      const cancel = this.#clock.after(this.#limits.writeWaitMs, () => socket.destroy())
      socket.on('drain', done)
      socket.on('close', done)
    })
    if (socket.destroyed) throw new ConnectionClosed()
  }
}
