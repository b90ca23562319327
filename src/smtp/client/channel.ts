// The socket under a client: lines out, replies in, each with a time limit, TLS in between. Knows no order of commands.

import net from 'node:net'
import tls from 'node:tls'
import { ByteQueue, SyntaxFault } from '../../base/index.ts'
import { type Reply, ReplyReader, replyLimits } from '../wire/index.ts'
import { ConnectionFault, type Stage } from './fault.ts'
import type { ClientOptions } from './types.ts'

/** Received and unread bytes above which the socket is not read: more than any answer that we wait for. */
const inputBuffer = 262_144

export class Channel {
  #socket: net.Socket
  readonly #input = new ByteQueue()
  readonly #replies = new ReplyReader()
  #wake: (() => void) | undefined
  #error: Error | undefined
  #closed = false
  #deadline = Number.POSITIVE_INFINITY

  constructor(socket: net.Socket) {
    this.#socket = socket
    this.#attach(socket)
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
    const until = this.#until(timeoutMs)
    for (;;) {
      const line = await this.#line(until, stage)
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
    this.#socket.cork()
    for (const piece of pieces) this.#socket.write(piece)
    this.#socket.uncork()
    if (this.#closed) throw this.#lost('data')
    return this.#socket.writableNeedDrain ? this.#drain(timeoutMs) : undefined
  }

  async #drain(timeoutMs: number): Promise<void> {
    const until = this.#until(timeoutMs)
    while (this.#socket.writableNeedDrain && !this.#closed) await this.#wait(until, 'data')
    if (this.#closed) throw this.#lost('data')
  }

  /** Talks TLS from here on. Bytes that came before it were put there by somebody else. */
  async startTls({ host, verify, ca }: ClientOptions, timeoutMs: number): Promise<ConnectionTls> {
    if (this.#input.length > 0 || this.#replies.open) {
      this.close()
      throw new ConnectionFault('tls', 'plaintext followed the answer to STARTTLS')
    }
    const plain = this.#socket
    plain.removeAllListeners('data').removeAllListeners('drain')
    const secured = tls.connect({
      socket: plain,
      host,
      ...(net.isIP(host) === 0 ? { servername: host } : {}),
      rejectUnauthorized: verify,
      ...(ca === undefined ? {} : { ca }),
    })
    this.#socket = secured
    this.#attach(secured)
    let secure = false
    secured.once('secureConnect', () => {
      secure = true
      this.#wakeUp()
    })
    const until = this.#until(timeoutMs)
    while (!secure && !this.#closed) await this.#wait(until, 'tls')
    if (!secure) throw this.#lost('tls')
    const { name, standardName } = secured.getCipher()
    return { version: secured.getProtocol() ?? 'TLS', cipher: standardName ?? name, authorized: secured.authorized }
  }

  close(): void {
    this.#closed = true
    this.#socket.destroy()
    this.#wakeUp()
  }

  async #line(until: number, stage: Stage): Promise<string> {
    for (;;) {
      const at = this.#input.indexOfLf()
      if (at >= replyLimits.line + 1 || (at < 0 && this.#input.length > replyLimits.line)) {
        this.close()
        throw new ConnectionFault(stage, 'the server sent an over-long line')
      }
      if (at >= 0) {
        const line = this.#input.take(at + 1)
        if (this.#socket.isPaused()) this.#socket.resume()
        // A bare LF ends a reply line too: nothing is smuggled in this direction.
        const end = line[at - 1] === 13 ? at - 1 : at
        return line.toString('utf8', 0, end)
      }
      if (this.#closed) throw this.#lost(stage)
      await this.#wait(until, stage)
    }
  }

  #until(timeoutMs: number): number {
    return Math.min(performance.now() + timeoutMs, this.#deadline)
  }

  #lost(stage: Stage): ConnectionFault {
    return new ConnectionFault(stage, `the connection broke${this.#error ? ` (${this.#error.message})` : ''}`)
  }

  #attach(socket: net.Socket): void {
    socket.on('data', (chunk: Buffer) => {
      this.#input.push(chunk)
      if (this.#input.length > inputBuffer) socket.pause()
      this.#wakeUp()
    })
    socket.on('drain', () => this.#wakeUp())
    socket.on('error', (error) => {
      this.#error ??= error
    })
    const closed = () => {
      this.#closed = true
      this.#wakeUp()
    }
    socket.on('end', closed)
    socket.on('close', closed)
  }

  #wait(until: number, stage: Stage): Promise<void> {
    return new Promise((resolve, reject) => {
      // Rounded, so that the many waits of one length share a list of timers.
      const left = Math.max(0, Math.round(until - performance.now()))
      const timer = setTimeout(() => {
        this.#wake = undefined
        this.close()
        reject(new ConnectionFault(stage, 'the server did not answer in time'))
      }, left)
      this.#wake = () => {
        clearTimeout(timer)
        resolve()
      }
    })
  }

  #wakeUp(): void {
    const wake = this.#wake
    this.#wake = undefined
    wake?.()
  }
}

export type ConnectionTls = { readonly version: string; readonly cipher: string; readonly authorized: boolean }

/** Opens a TCP connection, or one to the local socket of that path; ConnectionFault at `connect` when there is none in time. */
export function openSocket(
  { ip, port, path, localAddress }: Pick<ClientOptions, 'ip' | 'port' | 'path' | 'localAddress'>,
  timeoutMs: number,
  signal?: AbortSignal,
): Promise<net.Socket> {
  const place = path ?? `${ip} port ${port}`
  return new Promise((resolve, reject) => {
    const socket =
      path === undefined ? net.connect({ host: ip, port, noDelay: true, localAddress }) : net.connect({ path })
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
