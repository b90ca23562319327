// What comes from the client: a queue with back-pressure and patience. Knows bytes only.

import type { Duplex } from 'node:stream'
import { ByteQueue, type Clock } from '../../base/index.ts'
import type { Source } from '../wire/index.ts'

export class Input implements Source {
  readonly queue = new ByteQueue()
  readonly #clock: Clock
  readonly #highWater: number
  #socket: Duplex
  #ended = false
  #wake: (() => void) | undefined
  #firstWaitMs = 60_000
  #laterWaitMs = 60_000
  timedOut = false

  constructor(socket: Duplex, clock: Clock, highWater: number) {
    this.#clock = clock
    this.#highWater = highWater
    this.#socket = socket
    this.attach(socket)
  }

  attach(socket: Duplex): void {
    this.#socket = socket
    socket.on('data', this.#onData)
    socket.on('end', this.#onEnd)
    socket.on('close', this.#onEnd)
    socket.on('error', this.#onEnd)
  }

  /** Leaves the socket alone, so that TLS can have it. */
  detach(): void {
    const socket = this.#socket
    socket.pause()
    socket.off('data', this.#onData)
    socket.off('end', this.#onEnd)
    socket.off('close', this.#onEnd)
  }

  readonly #onData = (chunk: Buffer) => {
    this.queue.push(chunk)
    if (this.queue.length >= this.#highWater) this.#socket.pause()
    this.#wake?.()
  }

  readonly #onEnd = () => {
    this.#ended = true
    this.#wake?.()
  }

  /** How long to wait for the first bytes of what is read next, and for each further piece of it. */
  patience(firstMs: number, laterMs: number): void {
    this.#firstWaitMs = firstMs
    this.#laterWaitMs = Math.min(firstMs, laterMs)
  }

  /** Nothing more will be read: wakes who waits. */
  stop(): void {
    this.#onEnd()
  }

  async more(): Promise<boolean> {
    if (this.#ended) return false
    const before = this.queue.length
    this.#socket.resume()
    await new Promise<void>((resolve) => {
      const cancel = this.#clock.after(before === 0 ? this.#firstWaitMs : this.#laterWaitMs, () => {
        this.timedOut = true
        this.#ended = true
        this.#wake?.()
      })
      this.#wake = () => {
        this.#wake = undefined
        cancel()
        resolve()
      }
    })
    return this.queue.length > before
  }
}
