// One connection: bounded input, batched output, the state of the dialogue, time. Knows no command.

import type { Socket } from 'node:net'
import { TLSSocket } from 'node:tls'
import type { Visit } from '../../abuse/index.ts'
import type { Login } from '../../accounts/index.ts'
import { ByteQueue, type Client, type Log, notePassing, toClientIp } from '../../base/index.ts'
import type { SaslChannel } from '../../sasl/index.ts'
import { channelBindings, type ServerTls } from '../../tls/index.ts'
import { formatReply, type Reply } from '../wire/index.ts'
import { Attendance } from './attendance.ts'
import type { SmtpLimits } from './limits.ts'
import { replies } from './replies.ts'
import type { SmtpStats } from './stats.ts'
import { isSubmission, type Kind, type Named, type Session, type SmtpServerOptions, type State } from './types.ts'

/** Turns a socket into a TLS socket, handshake done; undefined when that failed. */
export type Secure = (socket: Socket, offered: ServerTls) => Promise<TLSSocket | undefined>

export interface SessionOptions {
  readonly server: SmtpServerOptions
  readonly limits: SmtpLimits
  readonly stats: SmtpStats
  readonly kind: Kind
  readonly client: Client
  readonly may: Session['may']
  readonly isTrusted: (client: Client) => boolean
  readonly seat: Seat
  readonly secure: Secure
}

/** The session's place in the count of sessions from one address. */
export interface Seat {
  /** Why it cannot be one of `client`'s. */
  refuse(client: Client): Reply | undefined
  move(client: Client): void
}

const CR = 13
/** After we hang up, what still comes is thrown away so that our last reply is not lost to a reset; this much, and no longer. */
const lingerBytes = 1_048_576
const lingerMs = 5_000

export class SmtpSession implements Session {
  readonly options: SmtpServerOptions
  readonly limits: SmtpLimits
  readonly stats: SmtpStats
  readonly kind: Kind
  readonly peerIp: string
  readonly may: Session['may']
  readonly log: Log
  client: Client
  trusted: boolean
  readonly ownIp: string
  clientName: string | undefined
  origin: Session['origin']
  state: State = { name: 'new' }
  tls: Session['tls']
  login: Login | undefined
  authFailures = 0
  transactions = 0
  refusedRecipients = 0
  readonly connectedAt: number
  signedIn: Session['signedIn']
  badCommands = 0
  /** The server stops: no new transaction. */
  stopping = false

  readonly #secure: Secure
  readonly #peer: Client
  readonly #isTrusted: (client: Client) => boolean
  readonly #seat: Seat
  readonly #attendance: Attendance
  #named: Named = {}
  readonly #input = new ByteQueue()
  #socket: Socket
  #output = ''
  #wake: (() => void) | undefined
  #deadline = Number.POSITIVE_INFINITY
  #paused = false
  #inputEnded = false
  #ending = false
  /** The client said QUIT. */
  #parted = false
  #gone = false
  #lingered = 0

  constructor(socket: Socket, options: SessionOptions) {
    this.options = options.server
    this.limits = options.limits
    this.stats = options.stats
    this.kind = options.kind
    this.#peer = options.client
    this.peerIp = options.client.address
    this.ownIp = toClientIp(socket.localAddress)
    this.client = options.client
    this.#isTrusted = options.isTrusted
    this.trusted = options.isTrusted(options.client)
    this.may = options.may
    this.#seat = options.seat
    this.log = options.server.log
    const gate = options.kind === 'lmtp' ? undefined : options.server.gate
    this.#attendance = new Attendance({ gate, isTrusted: options.isTrusted, log: this.log })
    this.connectedAt = options.server.clock.now()
    this.#secure = options.secure
    this.#socket = socket
    this.#attach(socket)
  }

  get clientIp(): string {
    return this.client.address
  }

  get gone(): boolean {
    return this.#gone
  }

  /** Whether no further command is wanted. */
  get over(): boolean {
    return this.#gone || this.#ending
  }

  /** Whether the client said that it sends no more. */
  get inputEnded(): boolean {
    return this.#inputEnded
  }

  get pending(): number {
    return this.#input.length
  }

  get mayAuthenticate(): boolean {
    if (!isSubmission(this.kind) && !(this.kind === 'mx' && this.options.authOnMx)) return false
    if (this.tls || this.options.plaintextAuth === 'always') return true
    return this.options.plaintextAuth === 'loopback' && this.client.near
  }

  get channel(): SaslChannel {
    const bindings = this.#socket instanceof TLSSocket ? channelBindings(this.#socket) : undefined
    return { bindings, plaintext: true }
  }

  /** Whether a message is under way: such a session may finish when the server stops. */
  get inTransaction(): boolean {
    return this.state.name !== 'new' && this.state.name !== 'greeted'
  }

  get visit(): Visit | undefined {
    return this.#attendance.visit
  }

  /** Counts a stranger in, before anything is said to him. The reply to whom there is no place for. */
  arrive(): Promise<Reply | undefined> {
    return this.#attendance.arrive(this.client)
  }

  /** Reads nothing before TLS begins: what comes is its first bytes. */
  hold(): void {
    this.#socket.pause()
  }

  /** Whether `arrive` has anybody to count. Who hands mail in by LMTP is a server of the operator's. */
  get isStranger(): boolean {
    return this.#attendance.counts(this.client)
  }

  /** Lets an unknown client wait for its greeting. True: it could not. */
  async hearsEarly(): Promise<boolean> {
    const { clock, greetingDelayMs = 0 } = this.options
    if (greetingDelayMs === 0 || this.kind !== 'mx' || !this.visit?.unknown) return false
    if (this.pending === 0)
      await new Promise<void>((resolve) => {
        const cancel = clock.after(greetingDelayMs, resolve)
        this.#wake = () => {
          cancel()
          resolve()
        }
      })
    this.#wake = undefined
    return this.pending > 0
  }

  async refuse(client: Client): Promise<Reply | undefined> {
    const refused = this.#seat.refuse(client)
    return refused || client.address === this.client.address ? refused : this.#attendance.prepare(client)
  }

  welcome(): void {
    this.visit?.signedIn()
  }

  blame(): void {
    this.#attendance.blame()
  }

  /** Whether a stranger did something wrong since the last pause. */
  get isBlamed(): boolean {
    return this.#attendance.isBlamed && !this.stopping && !this.over
  }

  /** After an error of a stranger. */
  pause(): Promise<void> {
    return this.#attendance.pause()
  }

  become(client: Client, said: Named): Named {
    this.#seat.move(client)
    if (client.address !== this.client.address) this.#attendance.become(client)
    this.client = client
    this.trusted = this.#isTrusted(client)
    this.#named = { ...this.#named, ...said }
    this.clientName = this.#named.name
    this.login = this.#named.login
    this.signedIn = undefined
    this.origin = undefined
    this.authFailures = 0
    this.transactions = 0
    this.refusedRecipients = 0
    return this.#named
  }

  reply(reply: Reply): void {
    this.#output += formatReply(reply)
  }

  async flush(): Promise<void> {
    if (this.#output !== '' && !this.#gone) {
      const text = this.#output
      this.#output = ''
      this.#socket.write(text, 'latin1')
    }
    // A client that sends and does not read gets no more than the kernel's buffer.
    while (this.#socket.writableNeedDrain && !this.#gone) await this.#wait(this.limits.dataMs)
  }

  async readLine(limit: number, tooLong: Reply = replies.lineTooLong): Promise<Buffer | undefined> {
    let until: number | undefined
    for (;;) {
      if (this.#gone) return undefined
      const at = this.#input.indexOfLf()
      if (at >= limit || (at < 0 && this.#input.length >= limit)) {
        // What follows an over-long line cannot be told from its rest.
        this.reply(tooLong)
        this.end()
        return undefined
      }
      if (at >= 0) {
        const line = this.#take(at + 1)
        if (line[at - 1] === CR) return line
        // Command injection: to who sent it, what stands behind a bare LF is no command, and must not become one.
        this.reply(replies.bareLf)
        this.end()
        return undefined
      }
      if (this.#inputEnded) return undefined
      await this.flush()
      // Who sends one byte after the other gets no more time than who sends none.
      until ??= this.options.clock.monotonic() + this.limits.idleMs
      if (this.#input.indexOfLf() < 0 && !this.#inputEnded) await this.#waitUntil(until)
      if (this.over || (this.stopping && !this.inTransaction)) return undefined
    }
  }

  async readChunk(max: number): Promise<Buffer | undefined> {
    for (;;) {
      if (this.#gone) return undefined
      const chunk = this.#input.takeChunk(max)
      if (chunk) {
        notePassing(chunk.length)
        this.#readOn()
        return chunk
      }
      if (this.#inputEnded) return undefined
      await this.#wait(this.limits.dataMs)
      if (this.over) return undefined
    }
  }

  unread(chunk: Buffer): void {
    const rest = this.#input.take(this.#input.length)
    this.#input.push(chunk)
    this.#input.push(rest)
  }

  async startTls(): Promise<boolean> {
    const context = this.options.tls()
    if (!context) return false
    const plain = this.#socket
    plain.pause()
    plain.removeAllListeners('data').removeAllListeners('end').removeAllListeners('drain')
    await this.flush()
    const tls = await this.#secure(plain, context)
    if (!tls || this.#gone) {
      this.stats.tlsFailures++
      this.destroy()
      return false
    }
    this.stats.tls++
    this.noteTls(tls)
    // RFC 3207 §4.2: nothing that was said before holds, neither by the client nor of him.
    this.#named = {}
    this.become(this.#peer, {})
    this.#socket = tls
    this.#paused = false
    this.#attach(tls)
    return true
  }

  /** Keeps what the handshake agreed on. */
  noteTls(socket: TLSSocket): void {
    const { name, standardName } = socket.getCipher()
    this.tls = { version: socket.getProtocol() ?? 'TLS', cipher: standardName ?? name }
  }

  end(): void {
    this.#ending = true
  }

  part(): void {
    this.#ending = true
    this.#parted = true
  }

  destroy(): void {
    this.#gone = true
    this.#attendance.leave()
    this.#socket.destroy()
    this.#wakeUp()
  }

  /** Called each second: ends what waited too long. */
  tick(now: number): void {
    if (now < this.#deadline) return
    if (this.#lingered > 0 || this.#ending) {
      this.destroy()
      return
    }
    this.#deadline = Number.POSITIVE_INFINITY
    this.reply(replies.timeout)
    this.end()
    // A client that does not read gets no goodbye either.
    if (this.#socket.writableNeedDrain) this.destroy()
    this.#wakeUp()
  }

  /** The server stops: a session between messages ends now, one with a message after it. */
  stop(): void {
    this.stopping = true
    this.#attendance.endPause()
    if (!this.inTransaction) this.#wakeUp()
  }

  /** Says the last words and closes; resolves at once, the socket goes when the client has heard. */
  close(): void {
    if (this.#gone) return
    this.#ending = true
    this.#lingered = 1
    // Who said QUIT and nothing after it has often gone already: shutdown() would only fail.
    if (this.#parted && this.#input.length === 0 && !this.tls) {
      // A tick later: destroyed within the callback, the stream would make an error that nobody reads.
      this.#socket.write(this.#output, 'latin1', () => process.nextTick(() => this.destroy()))
      this.#output = ''
      return
    }
    this.#input.clear()
    if (this.#paused) this.#socket.resume()
    this.#paused = false
    this.#deadline = this.options.clock.monotonic() + lingerMs
    this.#socket.end(this.#output, 'latin1')
    this.#output = ''
    if (this.#inputEnded) this.#socket.destroySoon()
  }

  #attach(socket: Socket): void {
    socket.on('data', (chunk: Buffer) => this.#receive(chunk))
    socket.on('end', () => {
      this.#inputEnded = true
      if (this.#lingered > 0) socket.destroySoon()
      this.#wakeUp()
    })
    socket.on('drain', () => this.#wakeUp())
    socket.on('error', (error: NodeJS.ErrnoException) =>
      this.log.debug({ ip: this.clientIp, error: error.code ?? error.message }, 'connection lost'),
    )
    socket.on('close', () => {
      this.#gone = true
      this.#attendance.leave()
      this.#wakeUp()
    })
    socket.resume()
  }

  #receive(chunk: Buffer): void {
    if (this.#lingered > 0) {
      this.#lingered += chunk.length
      if (this.#lingered > lingerBytes) this.destroy()
      return
    }
    this.#input.push(chunk)
    if (this.#input.length >= this.limits.inputBuffer && !this.#paused) {
      this.#paused = true
      this.#socket.pause()
    }
    this.#wakeUp()
  }

  #take(n: number): Buffer {
    const out = this.#input.take(n)
    this.#readOn()
    return out
  }

  #readOn(): void {
    if (!this.#paused || this.#input.length >= this.limits.inputBuffer / 2) return
    this.#paused = false
    this.#socket.resume()
  }

  #wait(ms: number): Promise<void> {
    return this.#waitUntil(this.options.clock.monotonic() + ms)
  }

  #waitUntil(deadline: number): Promise<void> {
    this.#deadline = deadline
    return new Promise((resolve) => {
      this.#wake = resolve
    })
  }

  #wakeUp(): void {
    const wake = this.#wake
    if (!wake) return
    this.#wake = undefined
    this.#deadline = Number.POSITIVE_INFINITY
    wake()
  }
}
