// One connection to a daemon: bytes out with back pressure, bytes in by count, by delimiter or to the end, all until a signal says that it
// is enough. Knows no protocol.

import net from 'node:net'
import { ByteQueue, Fault } from '../base/index.ts'
import { formatPlace, type Place } from './place.ts'

/** Received and unread bytes above which the socket is not read. */
const maxUnread = 262_144

export interface Daemon {
  /** For people: `clamd`. */
  readonly name: string
  readonly place: Place
}

export class Connection {
  readonly #socket: net.Socket
  readonly #daemon: Daemon
  readonly #signal: AbortSignal
  readonly #input = new ByteQueue()
  #ended = false
  #error: Error | undefined
  #wake: (() => void) | undefined

  private constructor(socket: net.Socket, daemon: Daemon, signal: AbortSignal) {
    this.#socket = socket
    this.#daemon = daemon
    this.#signal = signal
    const wake = () => this.#wake?.()
    signal.addEventListener('abort', wake, { once: true })
    socket.on('data', (chunk: Buffer) => {
      this.#input.push(chunk)
      if (this.#input.length > maxUnread) socket.pause()
      wake()
    })
    socket.on('drain', wake)
    socket.on('error', (error) => {
      this.#error ??= error
      wake()
    })
    const ended = () => {
      this.#ended = true
      wake()
    }
    socket.on('end', ended).on('close', () => {
      signal.removeEventListener('abort', wake)
      ended()
    })
  }

  /** Fault `unavailable` in words when there is no connection; the reason of `signal` when it comes first. */
  static async open(daemon: Daemon, signal: AbortSignal): Promise<Connection> {
    signal.throwIfAborted()
    // Both directions end by themselves: a daemon may close its side while it is still written to, and what it said counts.
    const socket = net.connect({ ...daemon.place, noDelay: true, allowHalfOpen: true })
    try {
      await new Promise<void>((resolve, reject) => {
        const abort = () => reject(signal.reason)
        signal.addEventListener('abort', abort, { once: true })
        socket.once('connect', resolve).once('error', reject)
        socket.once('close', () => signal.removeEventListener('abort', abort))
        socket.once('connect', () => signal.removeEventListener('abort', abort))
      })
    } catch (error) {
      socket.on('error', () => {}).destroy()
      signal.throwIfAborted()
      throw unreachable(daemon, error)
    }
    return new Connection(socket, daemon, signal)
  }

  /** Bytes came that nobody has read, or no more will come. */
  get answered(): boolean {
    return this.#input.length > 0 || this.#ended || this.#error !== undefined
  }

  /** Resolves when the next piece may be written. False: the connection broke, and why is told to who reads. */
  async write(bytes: Uint8Array): Promise<boolean> {
    this.#signal.throwIfAborted()
    if (this.#broken) return false
    this.#socket.write(bytes)
    while (this.#socket.writableNeedDrain && !this.#broken) await this.#wait()
    return !this.#broken
  }

  /** Waits until it answers, `ms` at the most. */
  async listen(ms: number): Promise<void> {
    let over = false
    const timer = setTimeout(() => {
      over = true
      this.#wake?.()
    }, ms)
    try {
      while (!over && !this.answered) await this.#wait()
    } finally {
      clearTimeout(timer)
    }
  }

  get #broken(): boolean {
    return this.#socket.destroyed || this.#error !== undefined
  }

  /** Says that nothing more will be written. */
  end(): void {
    this.#socket.end()
  }

  /** Exactly `count` bytes, 128 KiB at the most. */
  async read(count: number): Promise<Buffer> {
    while (this.#input.length < count) await this.#more()
    return this.#take(count)
  }

  /** Everything up to the byte `end`, without it; `limit` bytes at the most. */
  async readTo(end: number, limit: number): Promise<Buffer> {
    const pieces: Buffer[] = []
    let size = 0
    for (;;) {
      while (this.#input.length === 0) await this.#more()
      const chunk = this.#take(Math.min(this.#input.length, limit - size + 1))
      const at = chunk.indexOf(end)
      if (at < 0 && size + chunk.length > limit) throw this.fault('it said more than it should')
      pieces.push(at < 0 ? chunk : chunk.subarray(0, at))
      size += chunk.length
      if (at < 0) continue
      this.#putBack(chunk.subarray(at + 1))
      return Buffer.concat(pieces)
    }
  }

  /** Everything until the daemon ends; `limit` bytes at the most. */
  async readAll(limit: number): Promise<Buffer> {
    while (!this.#ended && !this.#error && this.#input.length <= limit) await this.#wait()
    if (this.#input.length > limit) throw this.fault('it said more than it should')
    if (this.#error) throw this.#lost()
    return this.#take(this.#input.length)
  }

  close(): void {
    this.#socket.destroy()
  }

  /** What went wrong with this daemon, as an error. */
  fault(words: string): Fault {
    return new Fault('unavailable', `${this.#daemon.name} at ${formatPlace(this.#daemon.place)}: ${words}`)
  }

  #take(count: number): Buffer {
    const bytes = Buffer.from(this.#input.take(count))
    if (this.#input.length <= maxUnread) this.#socket.resume()
    return bytes
  }

  #putBack(bytes: Buffer): void {
    const rest = this.#input.take(this.#input.length)
    this.#input.push(bytes)
    this.#input.push(rest)
  }

  async #more(): Promise<void> {
    if (this.#ended || this.#error) throw this.#lost()
    await this.#wait()
  }

  #lost(): Fault {
    return this.fault(this.#error ? `the connection broke (${this.#error.message})` : 'it closed the connection')
  }

  async #wait(): Promise<void> {
    this.#signal.throwIfAborted()
    await new Promise<void>((resolve) => {
      this.#wake = resolve
    })
    this.#wake = undefined
    this.#signal.throwIfAborted()
  }
}

export function unreachable({ name, place }: Daemon, error: unknown): Fault {
  const { code, message } = error as NodeJS.ErrnoException
  return new Fault('unavailable', `${name} at ${formatPlace(place)}: ${causes[code ?? ''] ?? code ?? message}`)
}
const causes: Readonly<Record<string, string>> = {
  ECONNREFUSED: 'nobody listens there',
  ENOENT: 'there is no such socket',
  EACCES: 'this process may not use that socket',
  ENOTFOUND: 'there is no such host',
  EHOSTUNREACH: 'that host cannot be reached',
}
