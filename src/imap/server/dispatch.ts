// From a whole command to its reply: parse to the end of the line, compare the state, run. The table of commands is all it knows.

import { type Fault, type Log, SyntaxFault } from '../../base/index.ts'
import { abortLiterals, type CommandText, Cursor, type LiteralSink } from '../wire/index.ts'
import type { Command, Contexts, State } from './command.ts'
import { type Hidden, hidesCapability, hidesCommand } from './hidden.ts'
import { failure, type Outcome, UidRequired } from './replies.ts'
import type { Session } from './session.ts'

export type Parsed =
  | {
      readonly kind: 'command'
      readonly tag: string
      readonly command: Command
      readonly args: unknown
      readonly text: CommandText
    }
  | {
      readonly kind: 'broken'
      readonly tag: string
      readonly command?: Command
      readonly error: unknown
      readonly text: CommandText
    }

export interface Dispatch {
  parse(text: CommandText, session: Pick<Session, 'state' | 'hidden' | 'utf8' | 'enabled'>): Parsed
  /** Runs the command; never rejects but when the connection is gone. */
  run(parsed: Parsed, session: Session): Promise<Outcome>
  /** Tells the client what else changed, before the reply. */
  tell(parsed: Parsed, session: Session): Promise<void>
  place(text: CommandText, size: number, session: Session): Promise<'inline' | LiteralSink | Fault>
  /** Capabilities of the session's moment, derived from the commands. */
  capabilities(session: Session): string
  /** What ENABLE takes, derived from the commands too. */
  readonly enables: ReadonlySet<string>
}

export function createDispatch(
  commands: readonly Command[],
  capabilitiesOf: (session: Session) => readonly string[],
): Dispatch {
  const table = new Map(commands.map((command) => [command.name, command]))

  const find = (name: string, hidden: Hidden) => {
    const command = table.get(name)
    const base = name.startsWith('UID ') ? table.get(name.slice(4)) : undefined
    return command && !hidesCommand(hidden, command, base) ? command : undefined
  }
  /** Commands that have a twin by UID name messages by number; EXPUNGE names none. */
  const takesNumbers = ({ name }: Command) => table.has(`UID ${name}`) && name !== 'EXPUNGE'
  const announced = (hidden: Hidden) =>
    commands.flatMap(({ name, capabilities = [] }) => (find(name, hidden) ? capabilities : []))
  const heading = (text: CommandText, { hidden, utf8 }: Pick<Session, 'hidden' | 'utf8'>) => {
    const p = new Cursor(text, utf8)
    const tag = p.tag()
    return { p, tag, command: () => find(commandName(p.sp()), hidden) }
  }

  return {
    parse(text, session) {
      const { state, enabled } = session
      let tag = '*'
      let command: Command | undefined
      try {
        const head = heading(text, session)
        tag = head.tag
        command = head.command()
        if (!command) throw new SyntaxFault('unknown command')
        if (enabled.has('UIDONLY') && takesNumbers(command)) throw new UidRequired()
        const args = command.parse(head.p)
        head.p.end()
        if (!command.states.includes(state))
          throw new SyntaxFault(`${command.name} is not allowed now: ${stateWords[state]}`)
        return { kind: 'command', tag, command, args, text }
      } catch (error) {
        return { kind: 'broken', tag, command, error, text }
      }
    },

    async run(parsed, session) {
      if (parsed.kind === 'broken') {
        await abortLiterals(parsed.text)
        return failure(parsed.error, session.log, parsed.command?.codes)
      }
      const { command, args } = parsed
      try {
        await session.recheck()
        if (session.selected?.lost) return { status: 'NO', code: 'NOPERM', text: 'the mailbox is no longer shared' }
        if (command.refresh === 'before') await refresh(parsed, session)
        return await command.run(session.context() as Contexts[State], args)
      } catch (error) {
        return failure(error, session.log.child({ command: command.name }), command.codes)
      }
    },

    async tell(parsed, session) {
      if (!session.selected || !parsed.command || parsed.command.refresh === 'never') return
      if (parsed.command.refresh === 'before') tellSelected(parsed, session)
      else await refresh(parsed, session)
      await session.selected?.listener?.settle()
    },

    async place(text, size, session) {
      try {
        const command = heading(text, session).command()
        if (!command?.place || !command.states.includes(session.state)) return 'inline'
        return await command.place(session.context() as Contexts[State], text, size)
      } catch (error) {
        // What is wrong is said when the whole command is there.
        if (error instanceof SyntaxFault) return 'inline'
        throw error
      }
    },

    enables: new Set(commands.flatMap((command) => command.enables ?? [])),

    capabilities: (session) =>
      [...new Set([...capabilitiesOf(session), ...announced(session.hidden)])]
        .filter((name) => !hidesCapability(session.hidden, name))
        .join(' '),
  }
}

const stateWords: { readonly [state in State]: string } = {
  greeted: 'log in first',
  authenticated: 'no mailbox is selected',
  selected: 'you are logged in',
}

function commandName(p: Cursor): string {
  const name = p.word()
  return name === 'UID' ? `UID ${p.sp().word()}` : name
}

async function refresh(parsed: Parsed, session: Session): Promise<void> {
  const { selected, out } = session
  if (!selected) return
  // What has become of a whole mailbox takes a turn to be read, one to be compared with what was told, and one to be told.
  await out.pace()
  await selected.view.catchUp()
  await out.pace()
  selected.absorb()
  await out.pace()
  tellSelected(parsed, session)
}

function tellSelected(parsed: Parsed, { selected, out }: Session): void {
  const { command } = parsed
  if (command) selected?.tell(out, !keepsNumbers(parsed), command.name.startsWith('UID '), takesAway.has(command.name))
}

const takesAway = new Set(['EXPUNGE', 'UID EXPUNGE', 'MOVE', 'UID MOVE', 'REPLACE', 'UID REPLACE'])

function keepsNumbers(parsed: Parsed): boolean {
  const keeps = parsed.command?.keepsNumbers
  if (typeof keeps !== 'function') return keeps === true
  // Numbers of a command that was not understood may be those of the next one.
  return parsed.kind === 'broken' || keeps(parsed.args)
}

/** The reply to a command whose literal was refused while it was read. */
export function refusedBy({ command }: Parsed, fault: Fault, log: Log): Outcome {
  return failure(fault, log, command?.codes)
}
