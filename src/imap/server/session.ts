// One connection: reads whole commands, keeps the state, lets dispatch run them, and tells the client what happened elsewhere.

import type { Duplex } from 'node:stream'
import { TLSSocket } from 'node:tls'
import type { Login } from '../../accounts/index.ts'
import { type Client, Fault, isFault, type Log } from '../../base/index.ts'
import type { SaslChannel } from '../../sasl/index.ts'
import { channelBindings } from '../../tls/index.ts'
import {
  type CommandReader,
  type CommandText,
  createCommandReader,
  type LiteralSink,
  type Received,
} from '../wire/index.ts'
import type { ConnectionControl, GreetedContext, State } from './command.ts'
import type { CompressedSocket } from './compress.ts'
import { type Dispatch, type Parsed, refusedBy } from './dispatch.ts'
import { type Hidden, hidesCapability, nothingHidden } from './hidden.ts'
import { Input } from './input.ts'
import { type Interest, usualInterest } from './interest.ts'
import type { ImapLimits } from './limits.ts'
import { startTls } from './listen.ts'
import { Notices } from './notices.ts'
import type { Notifier } from './notifier.ts'
import type { ImapServerOptions } from './options.ts'
import { ConnectionClosed, Output } from './output.ts'
import { formatModseq, formatReply, type Outcome } from './replies.ts'
import type { SelectedMailbox } from './selected.ts'
import type { MailboxViews } from './views.ts'

/** What a session needs of its server. */
export interface SessionHost {
  readonly options: ImapServerOptions
  readonly limits: ImapLimits
  readonly views: MailboxViews
  readonly dispatch: Dispatch
  /** Counts the session among the account's; Fault `limit` when there are too many. */
  enter(session: Session, login: Login): void
}

/** What ENABLE of a name puts in force beside it. */
const implied: { readonly [name: string]: readonly string[] } = {
  QRESYNC: ['CONDSTORE'], // RFC 7162 §3.2.3
}

const MAX_SYNTAX_ERRORS = 20
const LINGER_MS = 5000
const RIGHTS_WAIT_MS = 100

export class Session implements ConnectionControl {
  readonly #host: SessionHost
  readonly #log: Log
  readonly #input: Input
  readonly #out: Output
  readonly #reader: CommandReader
  readonly #client: Client
  #tls: TLSSocket | undefined
  #socket: Duplex
  #login: Login | undefined
  #selected: SelectedMailbox | undefined
  /** Ends the hearing of what happens to another's mailbox that is open. */
  #stopHearing = () => {}
  /** Set while the client waits for news. */
  #heard: (() => void) | undefined
  #looking = false
  /** Set: the connection ends after this reply; empty when BYE was said already. */
  #bye: string | undefined
  #tlsWanted = false
  #compression: 'none' | 'wanted' | 'active' | 'ending' = 'none'
  #compressed: CompressedSocket | undefined
  #waiting = false
  #tag = ''
  readonly #enabled = new Set<string>()
  #hidden = nothingHidden
  #failedLogins = 0
  readonly #notices = new Notices({
    out: () => this.#out,
    selected: () => this.#selected,
    context: () => this.context(),
    recheck: () => this.recheck(),
    between: (work) => this.#between(work),
    stop: (reason) => this.stop(reason),
  })
  #syntaxErrors = 0
  /** When the client was last a stranger. */
  #began: number
  /** Replies leave in the order of their commands; this is the last one under way. */
  #tail: Promise<void> = Promise.resolve()
  #overlapping = 0
  #failed: unknown

  constructor(host: SessionHost, socket: Duplex, client: Client) {
    const { options, limits } = host
    this.#host = host
    this.#socket = socket
    this.#tls = socket instanceof TLSSocket ? socket : undefined
    this.#client = client
    this.#log = options.log.child({ ip: client.address })
    this.#began = options.clock.monotonic()
    this.#input = new Input(socket, options.clock, limits.inputBytes)
    this.#out = new Output(socket, limits, options.clock)
    this.#reader = createCommandReader(this.#input, {
      limits: () => (this.#login ? limits.afterLogin : limits.beforeLogin),
      place: (text, size) => this.#place(text, size),
      proceed: () => this.#say('+ OK'),
    })
  }

  get state(): State {
    return this.#selected ? 'selected' : this.#login ? 'authenticated' : 'greeted'
  }

  get address(): string {
    return this.#client.address
  }

  get secure(): boolean {
    return this.#tls !== undefined
  }

  /** Whether the client is on this machine, and no proxy speaks for it. */
  get near(): boolean {
    return this.#client.near
  }

  get login(): Login | undefined {
    return this.#login
  }

  get selected(): SelectedMailbox | undefined {
    return this.#selected
  }

  get out(): Output {
    return this.#out
  }

  get log(): Log {
    return this.#log
  }

  /** Serves the connection to its end. Never rejects. */
  async serve(): Promise<void> {
    try {
      this.#say(`* OK [CAPABILITY ${this.capabilities()}] ${this.#host.options.hostname} ready`)
      while (this.#bye === undefined && (await this.#step()));
      await this.#tail
      if (this.#bye) this.#say(`* BYE ${this.#bye}`)
    } catch (error) {
      if (!(error instanceof ConnectionClosed)) this.#log.error({ err: error }, 'session failed')
    } finally {
      this.#notices.set(undefined, usualInterest)
      this.unselect()
      this.#leave()
    }
  }

  /** Lets what is written go out; a client that does not take it is cut off. */
  #leave(): void {
    const socket = this.#socket
    if (socket.destroyed) return
    const cancel = this.#host.options.clock.after(LINGER_MS, () => socket.destroy())
    socket.once('close', cancel)
    socket.end(() => socket.destroy())
  }

  /** Ends the session as soon as no command runs. */
  stop(reason: string): void {
    this.close(reason)
    if (this.#waiting) this.#input.stop()
  }

  destroy(): void {
    this.#socket.destroy()
  }

  #say(line: string): void {
    this.#out.line(line)
    this.#out.flush()
  }

  /** One command. False at the end of the connection. */
  async #step(): Promise<boolean> {
    const received = await this.#receive()
    if (this.#failed) throw this.#failed
    if (received.kind === 'end') {
      if (this.#input.timedOut) this.close('you were silent for too long')
      return false
    }
    if (received.kind === 'close') {
      this.close(`[LIMIT] ${received.reason}`)
      return false
    }
    this.#out.beginTurn()
    const parsed = this.#host.dispatch.parse(received.text, this)
    if (received.kind === 'refused') await this.#finish(parsed, refusedBy(parsed, received.fault, this.#log))
    else if (parsed.kind === 'command' && parsed.command.overlaps) await this.#overlap(parsed)
    else await this.#runAlone(parsed)
    return true
  }

  async #receive(): Promise<Received> {
    const { limits, options } = this.#host
    this.#waiting = true
    this.#input.patience(
      this.#login
        ? limits.idleMs
        : Math.min(limits.greetedWaitMs, this.#began + limits.greetedTotalMs - options.clock.monotonic()),
      limits.commandWaitMs,
    )
    const received = await this.#reader.next()
    this.#waiting = false
    return received
  }

  async #runAlone(parsed: Parsed): Promise<void> {
    await this.#tail
    if (this.#failed) throw this.#failed
    this.#tag = parsed.tag
    await this.#finish(parsed, await this.#host.dispatch.run(parsed, this))
    if (this.#tlsWanted) await this.#secureConnection()
    if (this.#compression === 'wanted') await this.#compressConnection()
    if (this.#compression === 'ending') await this.#endCompression()
  }

  /** Runs beside those before it; its reply waits for theirs. */
  async #overlap(parsed: Parsed): Promise<void> {
    const running = this.#host.dispatch.run(parsed, this)
    this.#overlapping++
    this.#tail = this.#tail
      .then(async () => {
        const outcome = await running
        // What changed is told once, with the last reply of those that wait.
        await this.#finish(parsed, outcome, --this.#overlapping > 0)
      })
      .catch((error: unknown) => {
        this.#failed ??= error
      })
    if (this.#overlapping >= this.#host.limits.overlappingAppends) await this.#tail
  }

  async #finish(parsed: Parsed, outcome: Outcome, untold = false): Promise<void> {
    if (!untold) {
      await this.#host.dispatch.tell(parsed, this)
      if (parsed.command?.refresh !== 'never') await this.#notices.tell()
    }
    if (this.#selected?.gone) this.close(this.#selected.gone)
    this.#say(formatReply(parsed.tag, untold ? outcome : this.#withModseq(outcome)))
    if (outcome.status === 'BAD' && ++this.#syntaxErrors >= MAX_SYNTAX_ERRORS) this.close('too many errors')
    await this.#out.pace()
  }

  notify(notifier: Notifier | undefined, interest: Interest): void {
    this.#notices.set(notifier, interest)
  }

  /** Runs `work` if no command is in progress; one that is tells all at its end, and IDLE at once. */
  #between(work: () => Promise<void>): void {
    if (this.#heard) this.#heard()
    else if (this.#waiting && this.#overlapping === 0)
      this.#tail = this.#tail.then(work).catch((error: unknown) => this.#fail(error))
  }

  #fail(error: unknown): void {
    this.#failed ??= error
    this.#input.stop()
  }

  /** In the tagged reply when it has no other code (RFC 7162 §3.2.7), before it otherwise. */
  #withModseq(outcome: Outcome): Outcome {
    const modseq = this.#selected?.takeModseq()
    if (modseq === undefined) return outcome
    if (outcome.code === undefined && outcome.status === undefined)
      return { ...outcome, code: `HIGHESTMODSEQ ${modseq}` }
    this.#out.line(formatModseq(modseq))
    return outcome
  }

  async #place(text: CommandText, size: number): Promise<'inline' | LiteralSink | Fault> {
    try {
      return await this.#host.dispatch.place(text, size, this)
    } catch (error) {
      if (isFault(error)) return error
      throw error
    }
  }

  /** Everything a command may use; commands see of it what their states allow. */
  context(): GreetedContext & { login?: Login; account?: Login['account']; selected?: SelectedMailbox } {
    const { options, limits, views } = this.#host
    return {
      out: this.#out,
      log: this.#log,
      clock: options.clock,
      limits,
      options,
      services: options.services,
      views,
      connection: this,
      login: this.#login,
      account: this.#login?.account,
      selected: this.#selected,
    }
  }

  capabilities(): string {
    return this.#host.dispatch.capabilities(this)
  }

  /** What this account is not offered. */
  get hidden(): Hidden {
    return this.#hidden
  }

  get enabled(): ReadonlySet<string> {
    return this.#enabled
  }

  get utf8(): boolean {
    return this.#enabled.has('UTF8=ACCEPT') || this.#enabled.has('IMAP4REV2')
  }

  enable(names: readonly string[]): string[] {
    const known = [...new Set(names)].filter(
      (name) => this.#host.dispatch.enables.has(name) && !hidesCapability(this.#hidden, name),
    )
    const had = this.#enabled.has('CONDSTORE')
    for (const name of known) for (const each of [name, ...(implied[name] ?? [])]) this.#enabled.add(each)
    // RFC 7162 §3.1: who begins to want modseqs is told from where.
    if (!had && this.#enabled.has('CONDSTORE') && this.#selected)
      this.#out.line(formatModseq(this.#selected.toldModseq))
    return known
  }

  get mayStartTls(): boolean {
    return !this.secure && !this.#login && this.#host.options.tls() !== undefined
  }

  get channel(): SaslChannel {
    const { plaintext } = this.#host.options
    const near = plaintext === 'loopback' && this.#client.near
    return {
      bindings: this.#tls && channelBindings(this.#tls),
      plaintext: this.secure || plaintext === 'always' || near,
    }
  }

  async authenticate(attempt: () => Promise<Login>): Promise<Login> {
    let login: Login | undefined
    try {
      login = await attempt()
      const account = await this.#host.options.services.accounts.account(login.account)
      this.#host.enter(this, login)
      this.#hidden = new Set(account?.settings.imapHide)
      this.#login = login
      this.#log.info({ user: login.email, tls: this.secure }, 'signed in')
      return login
    } catch (error) {
      // Who is banned, or guesses too much at once, hears it as late as who is wrong.
      const limited = isFault(error, 'limit') && !login
      if (!limited && !isFault(error, 'unauthenticated') && !isFault(error, 'disabled')) throw error
      this.#log.info({ reason: error.code }, 'sign-in failed')
      await new Promise<void>((resolve) => {
        this.#host.options.clock.after(this.#host.limits.failedLoginDelayMs, resolve)
      })
      if (++this.#failedLogins >= this.#host.limits.failedLogins) this.close('too many failed logins')
      throw error
    }
  }

  unauthenticate(): void {
    this.#log.info({ user: this.#login?.email }, 'signed out')
    this.unselect()
    this.#login = undefined
    this.#enabled.clear()
    this.#notices.set(undefined, usualInterest)
    this.#hidden = nothingHidden
    this.#began = this.#host.options.clock.monotonic()
    if (this.#compression !== 'none') this.#compression = 'ending'
  }

  startTls(): void {
    this.#tlsWanted = true
  }

  async #secureConnection(): Promise<void> {
    this.#tlsWanted = false
    const context = this.#host.options.tls()
    // Plaintext behind STARTTLS would be taken for commands sent under TLS (CVE-2011-0411 and its kin).
    if (!context || this.#input.queue.length > 0) throw new ConnectionClosed()
    this.#input.detach()
    this.#tls = await startTls(this.#socket, context, this.#host.limits.tlsHandshakeMs)
    this.#socket = this.#tls
    this.#out.attach(this.#socket)
    this.#input.attach(this.#socket)
  }

  get compressed(): boolean {
    return this.#compression !== 'none'
  }

  compress(): void {
    this.#compression = 'wanted'
  }

  async #compressConnection(): Promise<void> {
    this.#compression = 'active'
    // Few clients ask for it: nobody else loads it.
    const { CompressedSocket } = await import('./compress.ts')
    if (this.#socket.destroyed) throw new ConnectionClosed()
    this.#input.detach()
    const { queue } = this.#input
    // What a client sent without waiting for the reply is compressed already, or ends the connection.
    const socket = new CompressedSocket(this.#socket, Buffer.from(queue.take(queue.length)))
    this.#compressed = socket
    this.#socket = socket
    this.#out.attach(socket)
    this.#input.attach(socket)
  }

  /** RFC 8437 §3: of the connection only TLS stays. Commands that were sent before the answer were compressed, or not: nobody can tell. */
  async #endCompression(): Promise<void> {
    this.#compression = 'none'
    this.#input.detach()
    if (this.#input.queue.length > 0 || !this.#compressed) throw new ConnectionClosed()
    const socket = await this.#compressed.release()
    this.#compressed = undefined
    if (socket.destroyed) throw new ConnectionClosed()
    this.#socket = socket
    this.#out.attach(socket)
    this.#input.attach(socket)
  }

  select(mailbox: SelectedMailbox): void {
    this.unselect()
    this.#selected = mailbox
    this.#notices.attach(mailbox)
    if (mailbox.isOwn) return
    const { bell } = this.#host.options.services
    this.#stopHearing = bell.on((ring) => {
      if ('account' in ring ? ring.account !== mailbox.access.owner : ring.topic !== 'accounts') return
      this.#lookAgain()
    })
  }

  /**
   * Commands look for themselves; only who waits for news has to be told that rights have changed. Its owner's account may be busy: many
   * rings are one look.
   */
  #lookAgain(): void {
    if (!this.#heard || this.#looking || this.#selected?.isOwn !== false) return
    this.#looking = true
    this.#host.options.clock.after(RIGHTS_WAIT_MS, () => {
      this.#looking = false
      this.recheck()
        .then(() => this.#heard?.())
        .catch((error: unknown) => this.#log.error({ err: error }, 'rights could not be looked up again'))
    })
  }

  /** Looks again at what may be done with a mailbox of somebody else that is open. */
  async recheck(): Promise<void> {
    const selected = this.#selected
    if (!selected || selected.isOwn) return
    const { actor, mailbox } = selected.access
    const found = await this.#host.options.services.reads.resolveById(actor, mailbox)
    if (found?.access.rights.includes('r')) selected.access = found.access
    else selected.lost = true
  }

  unselect(): void {
    const selected = this.#selected
    if (!selected) return
    this.#selected = undefined
    this.#stopHearing()
    this.#stopHearing = () => {}
    this.#notices.detach(selected)
    selected.release()
    this.#keepRecent(selected)
  }

  /** What was shown as \Recent while the mailbox was open is not shown again when it is opened next. */
  #keepRecent({ view, examined, isOwn }: SelectedMailbox): void {
    if (examined || !isOwn || view.gone || view.recentUid <= view.mailbox.recentUid) return
    this.#host.options.services.writes.claimRecent(view.account, view.id).catch((error: unknown) => {
      this.#log.debug({ err: error }, 'recent messages could not be noted')
    })
  }

  currentTag(): string {
    return this.#tag
  }

  selectedName(): string | undefined {
    return this.#selected?.name
  }

  async ask(text: string): Promise<string | undefined> {
    this.#say(`+ ${text}`)
    const { limits } = this.#host
    this.#input.patience(this.#login ? limits.commandWaitMs : limits.greetedWaitMs, limits.commandWaitMs)
    return this.#reader.line()
  }

  async watch(heard: () => void): Promise<string | undefined> {
    const { limits } = this.#host
    const view = this.#selected?.view
    let told = Promise.resolve()
    const hear = () => {
      try {
        heard()
        this.#out.flush()
        told = told
          .then(() => this.#notices.tell())
          .then(
            () => this.#out.flush(),
            (error: unknown) => this.#fail(error),
          )
      } catch (error) {
        this.#fail(error)
      }
    }
    // One hearer is enough.
    if (this.#selected) this.#notices.detach(this.#selected)
    view?.watchers.add(hear)
    this.#heard = hear
    // What changed since the command began.
    this.#lookAgain()
    try {
      hear()
      this.#waiting = true
      this.#input.patience(limits.idleMs, limits.commandWaitMs)
      return await this.#reader.line()
    } finally {
      this.#waiting = false
      this.#heard = undefined
      view?.watchers.delete(hear)
      if (this.#selected) this.#notices.attach(this.#selected)
      await told
    }
  }

  close(bye: string): void {
    this.#bye ??= bye
  }

  leave(): void {
    this.#bye ??= ''
  }
}

/** Commands that need the limit say so with this. */
export const tooMany = (what: string, limit: number) => new Fault('limit', `at most ${limit} ${what}`)
