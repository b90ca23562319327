// The command line: every command of the server under one program.

import { Command, CommanderError } from 'commander'
import { version } from '../version.ts'
import { adminCommands } from './admin.ts'
import { aliasCommands } from './alias.ts'
import { completionCommands } from './completion.ts'
import { configCommands } from './config.ts'
import { command, outputOf, type Shared } from './context.ts'
import { domainCommands } from './domain.ts'
import { exitCodes, reportError } from './output.ts'
import { queueCommands } from './queue.ts'
import { suppressionCommands } from './suppression.ts'
import { traceCommands } from './trace.ts'
import { userCommands } from './user.ts'

export function createProgram(): Command {
  const program = new Command('posthorn')
    .description('All-in-one mail server. --config <file> and --json go with every command, before or behind it.')
    .version(version(), '--version', 'says which version this is')
    .showSuggestionAfterError()
    .enablePositionalOptions()
    .exitOverride()
  command(program, 'run', 'runs the server').action(async (options: Shared) => (await import('../run.ts')).run(options))
  command(
    program,
    'dev',
    'runs a development world: two domains, a made-up DNS, a temporary folder, outbound mail caught',
  ).action(async (options: Shared) => (await import('../dev.ts')).dev(options))
  adminCommands(program)
  configCommands(program)
  domainCommands(program)
  userCommands(program)
  aliasCommands(program)
  queueCommands(program)
  suppressionCommands(program)
  traceCommands(program)
  command(program, 'version', 'says which version this is').action((options: Shared) =>
    outputOf(options).result(
      { version: version(), node: process.version },
      (found) => `posthorn ${found.version}, Node ${found.node}`,
    ),
  )
  completionCommands(program)
  inherit(program)
  return program
}

/** `--config FILE` and `--json` may stand before the command too: they are the same for all. */
function toBack(args: readonly string[]): string[] {
  let at = 0
  while (at < args.length) {
    const arg = args[at]!
    if (arg === '--config') at += 2
    else if (arg === '--json' || arg.startsWith('--config=')) at++
    else break
  }
  const end = args.indexOf('--')
  const until = end < 0 ? args.length : end
  return at >= until ? [...args] : [...args.slice(at, until), ...args.slice(0, at), ...args.slice(until)]
}

/** Every command ends in our hands: no process.exit inside commander. */
function inherit(parent: Command): void {
  for (const child of parent.commands) {
    child.exitOverride()
    inherit(child)
  }
}

/** Runs one command line; the exit code is left in process.exitCode. */
export async function runProgram(args: readonly string[]): Promise<void> {
  try {
    await createProgram().parseAsync(toBack(args), { from: 'user' })
  } catch (error) {
    // commander has already said what is wrong with the command line.
    if (error instanceof CommanderError) process.exitCode = error.exitCode === 0 ? exitCodes.done : exitCodes.usage
    else process.exitCode = reportError(error, args.includes('--json'), (text) => process.stderr.write(text))
  }
}
