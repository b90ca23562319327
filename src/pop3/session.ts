// One connection: reads lines, keeps the state, lets dispatch run them and sends what comes out. A session that does not end with
// QUIT removes nothing.

import type { Socket } from 'node:net'
import { TLSSocket } from 'node:tls'
import type { Login } from '../accounts/index.ts'
import { type Client, isFault, type Log } from '../base/index.ts'
import type { SaslChannel } from '../sasl/index.ts'
import { channelBindings } from '../tls/index.ts'
import { Channel, ConnectionClosed, LineTooLong, SessionEnd } from './channel.ts'
import type { SessionControl, State, TransactionContext } from './command.ts'
import type { Dispatch } from './dispatch.ts'
import type { Pop3Limits } from './limits.ts'
import { parseLine } from './line.ts'
import { startTls } from './listen.ts'
import { Maildrop } from './maildrop.ts'
import type { Pop3ServerOptions } from './options.ts'
import { formatReply, type Outcome } from './replies.ts'
import type { Pop3Stats } from './stats.ts'

/** What a session needs of its server. */
export interface SessionHost {
  readonly options: Pop3ServerOptions
  readonly limits: Pop3Limits
  readonly dispatch: Dispatch
  readonly stats: Pop3Stats
}

export class Pop3Session implements SessionControl {
  readonly #host: SessionHost
  readonly #log: Log
  readonly #channel: Channel
  readonly #client: Client
  readonly #began: number
  #login: Login | undefined
  #maildrop: Maildrop | undefined
  #over = false
  #tlsWanted = false
  #failedLogins = 0
  #badCommands = 0
  /** Set: why the server ends the session. */
  #stopped: string | undefined
  user: string | undefined

  constructor(host: SessionHost, socket: Socket, client: Client) {
    this.#host = host
    this.#client = client
    this.#log = host.options.log.child({ ip: client.address })
    this.#began = host.options.clock.monotonic()
    this.#channel = new Channel(socket, host.options.clock, host.limits.inputBuffer)
  }

  get state(): State {
    return this.#maildrop ? 'transaction' : 'authorization'
  }
  get secure(): boolean {
    return this.#channel.socket instanceof TLSSocket
  }
  get address(): string {
    return this.#client.address
  }
  get login(): Login | undefined {
    return this.#login
  }
  get mayStartTls(): boolean {
    return !this.secure && this.#host.options.tls() !== undefined
  }
  get channel(): SaslChannel {
    const { plaintext } = this.#host.options
    const { socket } = this.#channel
    const near = plaintext === 'loopback' && this.#client.near
    return {
      bindings: socket instanceof TLSSocket ? channelBindings(socket) : undefined,
      plaintext: this.secure || plaintext === 'always' || near,
    }
  }

  capabilities(): string[] {
    return this.#host.dispatch.capabilities(this)
  }

  /** Serves the connection to its end. Never rejects. */
  async serve(): Promise<void> {
    try {
      await this.#say(`+OK ${this.#host.options.hostname} POP3 ready\r\n`)
      while (!this.#over && (await this.#step()));
      if (this.#stopped !== undefined && !this.#over) await this.#say(`-ERR [SYS/TEMP] ${this.#stopped}\r\n`)
    } catch (error) {
      await this.#fail(error)
    } finally {
      await this.#leave()
      this.#channel.close()
    }
  }

  async #fail(error: unknown): Promise<void> {
    if (error instanceof LineTooLong) await this.#say('-ERR the line is too long\r\n').catch(() => {})
    // RFC 1939 §3: a client that fell silent is told nothing.
    else if (!(error instanceof SessionEnd)) this.#log.error({ err: error }, 'session failed')
  }

  async #leave(): Promise<void> {
    if (!this.#login) return
    this.#host.stats.authenticated--
    await this.#host.options.services.locks.leave(this.#login.account).catch((error: unknown) => {
      this.#log.error({ err: error }, 'the maildrop could not be given back')
    })
  }

  /** One command. False at the end of the connection. */
  async #step(): Promise<boolean> {
    const { limits, dispatch, options, stats } = this.#host
    const line = await this.#channel.readLine(limits.commandLine, this.#patience())
    if (!line) return false
    const { services } = options
    // Before sign-in no command that uses the maildrop is run.
    const context = { session: this, services, limits, stats, ...(this.#maildrop && { maildrop: this.#maildrop }) }
    await this.#send(await dispatch.run(line, context as TransactionContext, this.#log))
    if (this.#tlsWanted) await this.#secure()
    return true
  }

  #patience(): number {
    const { limits, options } = this.#host
    if (this.#maildrop) return limits.idleMs
    return Math.min(limits.greetedWaitMs, this.#began + limits.greetedTotalMs - options.clock.monotonic())
  }

  async #send(outcome: Outcome): Promise<void> {
    await this.#say(formatReply(outcome))
    try {
      for await (const piece of outcome.body ?? []) await this.#say(piece)
    } catch (error) {
      // In the middle of a message nothing else can be said: the client would take it for text.
      this.#channel.destroy()
      throw error
    }
    if (!outcome.bad || ++this.#badCommands < this.#host.limits.badCommands) return
    await this.#say('-ERR too many errors\r\n')
    this.#over = true
  }

  #say(text: Buffer | string): Promise<void> {
    return this.#channel.write(text, this.#host.limits.writeWaitMs)
  }

  async ask(text: string): Promise<string | undefined> {
    await this.#say(`+ ${text}\r\n`)
    const line = await this.#channel.readLine(this.#host.limits.authLine, this.#patience())
    return line && parseLine(line)
  }

  async signIn(attempt: () => Promise<Login>): Promise<Outcome> {
    const { options, stats } = this.#host
    const login = await attempt().catch((error: unknown) => this.#refused(error))
    if (!(await options.services.locks.enter(login.account)))
      return { ok: false, code: 'IN-USE', text: 'another session has this maildrop open' }
    // From here on #leave gives it back, also when it cannot be opened.
    this.#login = login
    stats.authenticated++
    try {
      this.#maildrop = await Maildrop.open(options.services, login.account)
    } catch (error) {
      await this.#leave()
      this.#login = undefined
      throw error
    }
    stats.signIns++
    this.#log.info({ user: login.email, tls: this.secure }, 'signed in')
    const { count, size } = this.#maildrop.total
    return { ok: true, text: `${count} messages (${size} octets)` }
  }

  async #refused(error: unknown): Promise<never> {
    // Who is banned, or guesses too much at once, hears it as late as who is wrong.
    const refused = isFault(error, 'unauthenticated') || isFault(error, 'disabled') || isFault(error, 'limit')
    if (!refused) throw error
    const { options, limits, stats } = this.#host
    stats.signInsRefused++
    this.#log.info({ reason: error.code }, 'sign-in failed')
    await new Promise<void>((resolve) => {
      options.clock.after(limits.failedLoginDelayMs, resolve)
    })
    if (++this.#failedLogins >= limits.failedLogins) this.end()
    throw error
  }

  startTls(): void {
    this.#tlsWanted = true
  }

  async #secure(): Promise<void> {
    this.#tlsWanted = false
    const context = this.#host.options.tls()
    // Plaintext behind STLS would be taken for commands sent under TLS (CVE-2011-0411 and its kin).
    if (!context || this.#channel.pending > 0) {
      this.#channel.destroy()
      throw new ConnectionClosed()
    }
    // RFC 2595 §4: what was said before is forgotten.
    this.user = undefined
    const secured = await startTls(this.#channel.detach(), context, this.#host.limits.tlsHandshakeMs).catch(() => {
      throw new ConnectionClosed()
    })
    this.#channel.attach(secured)
  }

  end(): void {
    this.#over = true
  }

  /** Ends the session as soon as no command runs; nothing is removed. */
  stop(reason: string): void {
    this.#stopped ??= reason
    this.#channel.stop()
  }

  destroy(): void {
    this.#channel.destroy()
  }
}
