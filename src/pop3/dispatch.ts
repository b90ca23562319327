// From a line to its outcome: find the command, compare the state, parse, run. The table of commands is all it knows.

import { type Log, SyntaxFault } from '../base/index.ts'
import { SessionEnd } from './channel.ts'
import type { Command, Contexts, SessionControl, State, TransactionContext } from './command.ts'
import { parseLine, splitCommand } from './line.ts'
import { failure, type Outcome } from './replies.ts'

export interface Dispatch {
  /** Rejects with SessionEnd alone. */
  run(line: Buffer, context: TransactionContext, log: Log): Promise<Outcome>
  capabilities(session: SessionControl): string[]
}

export function createDispatch(commands: readonly Command[], always: readonly string[]): Dispatch {
  const table = new Map(commands.map((command) => [command.name, command]))
  return {
    async run(line, context, log) {
      let command: Command | undefined
      try {
        const { name, rest } = splitCommand(parseLine(line))
        command = table.get(name)
        if (!command) throw new SyntaxFault('unknown command')
        if (!command.states.includes(context.session.state)) throw new SyntaxFault(wrongState[context.session.state])
        const args = command.parse(rest)
        return await command.run(context satisfies Contexts[State], args)
      } catch (error) {
        if (error instanceof SessionEnd) throw error
        return failure(error, command ? log.child({ command: command.name }) : log)
      }
    },
    capabilities: (session) => [...commands.flatMap(({ capabilities }) => capabilities?.(session) ?? []), ...always],
  }
}

const wrongState: Readonly<Record<State, string>> = {
  authorization: 'sign in first',
  transaction: 'you are signed in',
}
