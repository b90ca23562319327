// A command as a value. The states it names decide which context its `run` gets: using a mailbox in a greeted command does not compile.

import type { Login } from '../../accounts/index.ts'
import type { AccountId, Clock, Fault, Log } from '../../base/index.ts'
import type { SaslChannel } from '../../sasl/index.ts'
import type { CommandText, Cursor, LiteralSink } from '../wire/index.ts'
import type { Interest } from './interest.ts'
import type { ImapLimits } from './limits.ts'
import type { Notifier } from './notifier.ts'
import type { ImapServerOptions, ImapServices } from './options.ts'
import type { Output } from './output.ts'
import type { CodeOverrides, Outcome } from './replies.ts'
import type { SelectedMailbox } from './selected.ts'
import type { MailboxViews } from './views.ts'

export type State = 'greeted' | 'authenticated' | 'selected'

/** What every command may use of its connection. */
export interface GreetedContext {
  readonly out: Output
  readonly log: Log
  readonly clock: Clock
  readonly limits: ImapLimits
  readonly options: ImapServerOptions
  readonly services: ImapServices
  readonly views: MailboxViews
  readonly connection: ConnectionControl
}
export interface AuthenticatedContext extends GreetedContext {
  readonly login: Login
  readonly account: AccountId
}
export interface SelectedContext extends AuthenticatedContext {
  readonly selected: SelectedMailbox
}
export interface Contexts {
  readonly greeted: GreetedContext
  readonly authenticated: AuthenticatedContext
  readonly selected: SelectedContext
}

/** What commands may do to their connection. */
export interface ConnectionControl {
  readonly state: State
  readonly secure: boolean
  /** The client's IP. */
  readonly address: string
  /** Capabilities of this moment, `IMAP4rev1` first. */
  capabilities(): string
  /** Names that are in force since ENABLE, or since a command that implies it, in capitals. */
  readonly enabled: ReadonlySet<string>
  /** Whether strings and mailbox names are UTF-8 both ways (RFC 6855 §3, RFC 9051 §5.1). */
  readonly utf8: boolean
  /** Puts names in force, with those they imply; unknown ones have no effect. Returns those of `names` that are in force now. */
  enable(names: readonly string[]): string[]
  /** How one may sign in here. */
  readonly channel: SaslChannel
  /** Signs in, or counts a failure and waits; `attempt` throws Fault when the credentials are wrong. */
  authenticate(attempt: () => Promise<Login>): Promise<Login>
  /** Forgets who signed in and all that followed from it: the mailbox, what was enabled. TLS stays. */
  unauthenticate(): void
  startTls(): void
  readonly compressed: boolean
  /** Deflates both ways after the reply (RFC 4978). */
  compress(): void
  select(mailbox: SelectedMailbox): void
  unselect(): void
  /** From now on the client hears of these mailboxes, and of the selected one so much (RFC 5465 §3.1). */
  notify(notifier: Notifier | undefined, interest: Interest): void
  /** The name that the selected mailbox had when it was last caught up. */
  selectedName(): string | undefined
  /** Sends a continuation request and resolves with the client's next line; undefined when it went away. */
  ask(text: string): Promise<string | undefined>
  /** Resolves at the next line; `heard` is called on each change of the selected mailbox meanwhile. */
  watch(heard: () => void): Promise<string | undefined>
  /** The tag of the command that runs; meaningless for commands that overlap. */
  currentTag(): string
  /** Says BYE and closes at once if only input is waited for. */
  stop(bye: string): void
  /** Says BYE and closes after the reply. */
  close(bye: string): void
  /** Closes after the reply; BYE was said. */
  leave(): void
}

/** When the selected mailbox is compared with the store: `before` so that the command sees what is new, `after` so that its own effect is told. */
export type Refresh = 'before' | 'after' | 'never'

export interface CommandSpec<A, S extends State> {
  /** Capitals; `UID FETCH` with its prefix. */
  readonly name: string
  /** The law, and the section. */
  readonly rfc: string
  readonly states: readonly S[]
  /** Announced because this command is here. */
  readonly capabilities?: readonly string[]
  /** Names that ENABLE takes because this command is here. */
  readonly enables?: readonly string[]
  /** Response codes in place of the table's. */
  readonly codes?: CodeOverrides
  readonly refresh?: Refresh
  /** EXPUNGE may not be told while it is in progress (RFC 9051 §7.5.1). */
  readonly keepsNumbers?: boolean | ((args: A) => boolean)
  /** The next of these may begin before this one is on disk; replies keep their order. */
  readonly overlaps?: boolean
  /** Decides where a literal goes that is not a short string. */
  readonly place?: (
    context: Contexts[S],
    text: CommandText,
    size: number,
  ) => Promise<LiteralSink | 'inline' | Fault> | LiteralSink | 'inline' | Fault
  /** Arguments to the end of the line; begins behind the name. */
  parse(p: Cursor): A
  run(context: Contexts[S], args: A): Promise<Outcome> | Outcome
}

/** A command with its types forgotten: dispatch has compared the state before it calls `parse` and `run`. */
export type Command = CommandSpec<unknown, State>

export function command<A, const S extends State>(spec: CommandSpec<A, S>): Command {
  return spec as unknown as Command
}

/** For commands without arguments. */
export function noArguments(_: Cursor): undefined {
  return undefined
}
