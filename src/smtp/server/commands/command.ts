// What a command is: a value that says where it is allowed, how it is read, when it is refused and what it does.

import { SyntaxFault } from '../../../base/index.ts'
import { type Cursor, type Reply, reply } from '../../wire/index.ts'
import { wrongState } from '../replies.ts'
import type { SmtpSession } from '../session.ts'
import type { Kind, Session, State, StateName, StateOf } from '../types.ts'

export interface CommandSpec<N extends StateName, A> {
  readonly verb: string
  /** Where the law stands. */
  readonly rfc: string
  /** How it is written, for HELP and for the reply to a bad argument. */
  readonly syntax: string
  /** The doors that offer it; absent: all. */
  readonly kinds?: readonly Kind[]
  /** The states it may stand in. */
  readonly states: readonly N[]
  /** The reply in a state where this command has its own words. */
  readonly wrong?: { readonly [state in StateName]?: Reply }
  /** Bytes follow the command line: when it cannot be read nobody knows how many, and the session ends. */
  readonly bytesFollow?: boolean
  /** Lines of the EHLO reply that it brings. */
  readonly capabilities?: (session: Session) => readonly string[]
  /** Reads the arguments to the end of the line. */
  readonly parse: (line: Cursor) => A
  /** May refuse, and has no effect. */
  readonly check?: (session: Session, args: A, state: StateOf<N>) => Reply | undefined | Promise<Reply | undefined>
  /** Has the effect, replies, and returns the next state. */
  readonly proceed: (session: Session, args: A, state: StateOf<N>) => State | Promise<State>
}

export interface Command {
  readonly verb: string
  readonly rfc: string
  readonly syntax: string
  readonly kinds: readonly Kind[] | undefined
  readonly capabilities: (session: Session) => readonly string[]
  /** Replies by itself, or returns the reply to a command that was none: bad arguments, wrong place. */
  readonly run: (session: SmtpSession, line: Cursor) => Promise<Reply | undefined>
}

const none = () => []

/** The one order in which every command runs: parse to the end of the line, state, check, proceed. */
export function command<N extends StateName, A>(spec: CommandSpec<N, A>): Command {
  return {
    verb: spec.verb,
    rfc: spec.rfc,
    syntax: spec.syntax,
    kinds: spec.kinds,
    capabilities: spec.capabilities ?? none,
    async run(session, line) {
      let args: A
      try {
        args = spec.parse(line)
      } catch (error) {
        if (!(error instanceof SyntaxFault)) throw error
        if (spec.bytesFollow) session.end()
        return reply(501, '5.5.4', `${error.message}; syntax: ${spec.syntax}`)
      }
      const { state } = session
      if (!isIn(state, spec.states)) return spec.wrong?.[state.name] ?? wrongState[state.name]
      const refused = spec.check?.(session, args, state)
      const refusal = refused instanceof Promise ? await refused : refused
      if (refusal) {
        session.reply(refusal)
        // RFC 5321 §3.8: who says 421 closes.
        if (refusal.code === 421) session.end()
        return undefined
      }
      const next = spec.proceed(session, args, state)
      session.state = next instanceof Promise ? await next : next
      return undefined
    },
  }
}

function isIn<N extends StateName>(state: State, names: readonly N[]): state is StateOf<N> & State {
  return (names as readonly StateName[]).includes(state.name)
}
