// A command as a value. The states it names decide which context its `run` gets: using the maildrop before sign-in does not compile.

import type { Login } from '../accounts/index.ts'
import type { SaslChannel } from '../sasl/index.ts'
import type { Pop3Limits } from './limits.ts'
import type { Maildrop } from './maildrop.ts'
import type { Pop3Services } from './options.ts'
import type { Outcome } from './replies.ts'
import type { Pop3Stats } from './stats.ts'

/** RFC 1939 §3; UPDATE is what QUIT does. */
export type State = 'authorization' | 'transaction'

/** What commands may do to their session. */
export interface SessionControl {
  readonly state: State
  readonly secure: boolean
  /** The client's IP. */
  readonly address: string
  /** How one may sign in here. */
  readonly channel: SaslChannel
  readonly mayStartTls: boolean
  /** The name that USER gave. */
  user: string | undefined
  /** Sends a continuation and resolves with the client's next line; undefined when it went away. */
  ask(text: string): Promise<string | undefined>
  /** Opens the maildrop of whoever `attempt` finds, or counts a failure and waits. */
  signIn(attempt: () => Promise<Login>): Promise<Outcome>
  startTls(): void
  /** No command is read after this one. */
  end(): void
  /** What the session can do: the same before and after signing in (RFC 2449 §5). */
  capabilities(): string[]
}

export interface AuthorizationContext {
  readonly session: SessionControl
  readonly services: Pop3Services
  readonly limits: Pop3Limits
  readonly stats: Pop3Stats
}
export interface TransactionContext extends AuthorizationContext {
  readonly maildrop: Maildrop
}
export interface Contexts {
  readonly authorization: AuthorizationContext
  readonly transaction: TransactionContext
}

export interface CommandSpec<A, S extends State> {
  /** Capitals. */
  readonly name: string
  /** The law, and the section. */
  readonly rfc: string
  readonly states: readonly S[]
  /** Lines of CAPA because this command is here. */
  readonly capabilities?: (session: SessionControl) => readonly string[]
  /** What follows the keyword; undefined when nothing does. */
  parse(rest: string | undefined): A
  run(context: Contexts[S], args: A): Promise<Outcome> | Outcome
}

/** A command with its types forgotten: dispatch has compared the state before it calls `parse` and `run`. */
export type Command = CommandSpec<unknown, State>

export function command<A, const S extends State>(spec: CommandSpec<A, S>): Command {
  return spec as unknown as Command
}
