// The socket under a client: lines out, replies in, each with a time limit, TLS in between. Knows no order of commands.

import net from 'node:net'
import tls from 'node:tls'
import { ByteQueue, SyntaxFault } from '../../base/index.ts'
import { type Reply, ReplyReader, replyLimits } from '../wire/index.ts'
import { ConnectionFault, type Stage } from './fault.ts'
import { inspectPeer } from './peer.ts'
import type { ClientOptions, ConnectionTls } from './types.ts'

/** Received and unread bytes above which the socket is not read: more than any answer that we wait for. */
const inputBuffer = 262_144
/** Replies are short: a connection reads into one small buffer of its own, where each read would take 64 KiB anew. */
const readBuffer = 4_096

interface Waiting {
  readonly until: number
  readonly stage: Stage
  readonly resolve: () => void
  readonly reject: (error: Error) => void
}

export class Channel {
  #socket!: net.Socket
  readonly #input = new ByteQueue()
  readonly #replies = new ReplyReader()
  #waiting: Waiting | undefined
  /** One for all waits: when it ends, the wait of that moment may have longer. */
  #timer: NodeJS.Timeout | undefined
  #timerAt = Number.POSITIVE_INFINITY
  #error: Error | undefined
  #closed = false
  #paused = false
  #deadline = Number.POSITIVE_INFINITY

  private constructor() {}

  /** ConnectionFault at `connect` or `bind` when there is no connection in time. */
  static async open(options: Place, timeoutMs: number, signal?: AbortSignal): Promise<Channel> {
    const channel = new Channel()
    const hear = (bytes: Buffer) => channel.#receive(Buffer.from(bytes))
    channel.#attach(await openSocket(options, timeoutMs, hear, signal))
    return channel
  }

  get closed(): boolean {
    return this.#closed
  }

  /** Bytes came that nobody has read: before a command was sent, an answer to nothing. */
  get unread(): boolean {
    return this.#input.length > 0
  }

  /** Nothing is waited for longer than `ms` from now on, whatever each wait allows: a server that drips its answers ends here. */
  limit(ms: number): void {
    this.#deadline = performance.now() + ms
  }

  /** Waits for the next reply, all its lines within `timeoutMs`. */
  async read(timeoutMs: number, stage: Stage): Promise<Reply> {
    let until: number | undefined
    for (;;) {
      const line = this.#line(stage)
      if (line === undefined) {
        if (this.#closed) throw this.#lost(stage)
        until ??= this.#until(timeoutMs)
        await this.#wait(until, stage)
        continue
      }
      try {
        const reply = this.#replies.push(line)
        if (reply) return reply
      } catch (error) {
        if (!(error instanceof SyntaxFault)) throw error
        this.close()
        throw new ConnectionFault(stage, `the server speaks no SMTP: ${error.message}`)
      }
    }
  }

  /** Sends command lines, given without their ends. */
  writeLines(...lines: readonly string[]): void {
    for (const line of lines) assertLine(line)
    this.#socket.write(`${lines.join('\r\n')}\r\n`)
  }

  async command(line: string, timeoutMs: number, stage: Stage): Promise<Reply> {
    this.writeLines(line)
    return this.read(timeoutMs, stage)
  }

  /** Sends command lines and, in the same packets, what follows them. */
  writeWith(lines: readonly string[], pieces: readonly Buffer[]): void {
    this.#socket.cork()
    this.writeLines(...lines)
    for (const piece of pieces) this.#socket.write(piece)
    this.#socket.uncork()
  }

  /** Sends pieces of a message; a promise when the next must wait for it. */
  writeData(pieces: readonly Buffer[], timeoutMs: number): Promise<void> | undefined {
    const [first] = pieces
    if (first && pieces.length === 1) this.#socket.write(first)
    else {
      this.#socket.cork()
      for (const piece of pieces) this.#socket.write(piece)
      this.#socket.uncork()
    }
    if (this.#closed) throw this.#lost('data')
    return this.#socket.writableNeedDrain ? this.#drain(timeoutMs) : undefined
  }

  async #drain(timeoutMs: number): Promise<void> {
    const until = this.#until(timeoutMs)
    while (this.#socket.writableNeedDrain && !this.#closed) await this.#wait(until, 'data')
    if (this.#closed) throw this.#lost('data')
  }

  /** Talks TLS from here on. Bytes that came before it were put there by somebody else. A certificate that will not do closes it. */
  async startTls(options: ClientOptions, timeoutMs: number): Promise<ConnectionTls> {
    const { host, servername = host, ca } = options
    if (this.#input.length > 0 || this.#replies.open) {
      this.close()
      throw new ConnectionFault('tls', 'plaintext followed the answer to STARTTLS')
    }
    const plain = this.#socket
    plain.removeAllListeners('data').removeAllListeners('drain')
    const secured = tls.connect({
      socket: plain,
      host,
      ...(net.isIP(servername) === 0 ? { servername } : {}),
      // The certificate is looked at when TLS stands: then it can be said what is wrong with it.
      rejectUnauthorized: false,
      ...(ca === undefined ? {} : { ca }),
    })
    this.#paused = false
    this.#attach(secured)
    secured.on('data', (chunk: Buffer) => {
      if (!this.#receive(chunk)) secured.pause()
    })
    let secure = false
    secured.once('secureConnect', () => {
      secure = true
      this.#wakeUp()
    })
    const until = this.#until(timeoutMs)
    while (!secure && !this.#closed) await this.#wait(until, 'tls')
    if (!secure) throw this.#lost('tls')
    try {
      return inspectPeer(secured, options)
    } catch (error) {
      this.close()
      throw error
    }
  }

  close(): void {
    this.#closed = true
    clearTimeout(this.#timer)
    this.#socket.destroy()
    this.#wakeUp()
  }

  /** The next line that has come whole. */
  #line(stage: Stage): string | undefined {
    const at = this.#input.indexOfLf()
    if (at >= replyLimits.line + 1 || (at < 0 && this.#input.length > replyLimits.line)) {
      this.close()
      throw new ConnectionFault(stage, 'the server sent an over-long line')
    }
    if (at < 0) return undefined
    const line = this.#input.take(at + 1)
    if (this.#paused) {
      this.#paused = false
      this.#socket.resume()
    }
    // A bare LF ends a reply line too: nothing is smuggled in this direction.
    const end = line[at - 1] === 13 ? at - 1 : at
    return line.toString('utf8', 0, end)
  }

  #until(timeoutMs: number): number {
    return Math.min(performance.now() + timeoutMs, this.#deadline)
  }

  #lost(stage: Stage): ConnectionFault {
    return new ConnectionFault(stage, `the connection broke${this.#error ? ` (${this.#error.message})` : ''}`)
  }

  #attach(socket: net.Socket): void {
    this.#socket = socket
    socket.on('drain', () => this.#wakeUp())
    socket.on('error', (error) => {
      this.#error ??= error
    })
    const closed = () => {
      this.#closed = true
      clearTimeout(this.#timer)
      this.#wakeUp()
    }
    socket.on('end', closed)
    socket.on('close', closed)
  }

  /** False: no more for now. */
  #receive(bytes: Buffer): boolean {
    this.#input.push(bytes)
    if (this.#input.length > inputBuffer) this.#paused = true
    this.#wakeUp()
    return !this.#paused
  }

  #wait(until: number, stage: Stage): Promise<void> {
    return new Promise((resolve, reject) => {
      this.#waiting = { until, stage, resolve, reject }
      if (until < this.#timerAt) this.#setTimer(until)
    })
  }

  #setTimer(until: number): void {
    clearTimeout(this.#timer)
    this.#timerAt = until
    // Rounded, so that the many waits of one length share a list of timers.
    this.#timer = setTimeout(() => this.#timeOut(), Math.max(0, Math.round(until - performance.now())))
    // The socket keeps the process alive.
    this.#timer.unref()
  }

  #timeOut(): void {
    this.#timerAt = Number.POSITIVE_INFINITY
    const waiting = this.#waiting
    if (!waiting) return
    if (performance.now() < waiting.until - 1) {
      this.#setTimer(waiting.until)
      return
    }
    this.#waiting = undefined
    this.close()
    waiting.reject(new ConnectionFault(waiting.stage, 'the server did not answer in time'))
  }

  #wakeUp(): void {
    const waiting = this.#waiting
    this.#waiting = undefined
    waiting?.resolve()
  }
}

type Place = Pick<ClientOptions, 'ip' | 'port' | 'path' | 'localAddress'>

/** Opens a TCP connection, or one to the local socket of that path. `hear` gets what comes, in memory that is used again; false: no more for now. */
function openSocket(
  { ip, port, path, localAddress }: Place,
  timeoutMs: number,
  hear: (bytes: Buffer) => boolean,
  signal?: AbortSignal,
): Promise<net.Socket> {
  const place = path ?? `${ip} port ${port}`
  const buffer = Buffer.allocUnsafeSlow(readBuffer)
  const onread = { buffer, callback: (length: number) => hear(buffer.subarray(0, length)) }
  return new Promise((resolve, reject) => {
    const socket =
      path === undefined
        ? net.connect({ host: ip, port, noDelay: true, localAddress, onread })
        : net.connect({ path, onread })
    const timer = setTimeout(() => socket.destroy(new Error('timeout')), timeoutMs)
    const abort = () => socket.destroy(new Error('aborted'))
    signal?.addEventListener('abort', abort, { once: true })
    socket.once('close', () => signal?.removeEventListener('abort', abort))
    if (signal?.aborted) abort()
    const failed = (error: NodeJS.ErrnoException) => {
      clearTimeout(timer)
      if (error.syscall === 'bind')
        reject(
          new ConnectionFault(
            'bind',
            `cannot send from ${localAddress} (${error.code}): is it an address of this machine?`,
          ),
        )
      else reject(new ConnectionFault('connect', `cannot connect to ${place} (${error.message})`))
    }
    socket.once('error', failed)
    socket.once('connect', () => {
      clearTimeout(timer)
      socket.off('error', failed)
      resolve(socket)
    })
  })
}

/** A command is one line whatever it was built from: nothing in it can begin another (command injection). */
function assertLine(line: string): void {
  for (let i = 0; i < line.length; i++) {
    const code = line.charCodeAt(i)
    if (code < 0x20 || code === 0x7f) throw new TypeError('a command holds a control character')
  }
}
