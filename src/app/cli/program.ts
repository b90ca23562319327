// The command line: every command of the server under one program.

import { Command, CommanderError } from 'commander'
import { version } from '../version.ts'
import { command, outputOf, type Shared } from './context.ts'
import { exitCodes, reportError } from './output.ts'

/** Where the commands stand. A line loads only what it names: every module costs time before the first word. */
const families: { readonly [command: string]: () => Promise<(program: Command) => void> } = {
  ban: async () => (await import('./ban.ts')).banCommands,
  list: async () => (await import('./list.ts')).listCommands,
  limits: async () => (await import('./limits.ts')).limitsCommands,
  cert: async () => (await import('./cert.ts')).certCommands,
  'create-admin': async () => (await import('./admin.ts')).adminCommands,
  config: async () => (await import('./config.ts')).configCommands,
  dkim: async () => (await import('./dkim.ts')).dkimCommands,
  dns: async () => (await import('./dns.ts')).dnsCommands,
  domain: async () => (await import('./domain.ts')).domainCommands,
  user: async () => (await import('./user.ts')).userCommands,
  alias: async () => (await import('./alias.ts')).aliasCommands,
  queue: async () => (await import('./queue.ts')).queueCommands,
  quarantine: async () => (await import('./quarantine.ts')).quarantineCommands,
  reports: async () => (await import('./reports.ts')).reportCommands,
  suppression: async () => (await import('./suppression.ts')).suppressionCommands,
  spam: async () => (await import('./spam.ts')).spamCommands,
  trace: async () => (await import('./trace.ts')).traceCommands,
}

/** Commands that stand here. */
const own: ReadonlySet<string> = new Set(['run', 'dev', 'version', '--version'])

/** The program with one command, or, for help, completion and what is unknown, with all. */
async function createProgram(named: string | undefined): Promise<Command> {
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
  const only = own.has(named ?? '') ? [] : Object.hasOwn(families, named ?? '') ? [families[named!]!] : undefined
  for (const load of only ?? Object.values(families)) (await load())(program)
  command(program, 'version', 'says which version this is').action((options: Shared) =>
    outputOf(options).result(
      { version: version(), node: process.version },
      (found) => `posthorn ${found.version}, Node ${found.node}`,
    ),
  )
  if (!only) (await import('./completion.ts')).completionCommands(program)
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
    const line = toBack(args)
    const program = await createProgram(line[0])
    await program.parseAsync(line, { from: 'user' })
  } catch (error) {
    // commander has already said what is wrong with the command line.
    if (error instanceof CommanderError) process.exitCode = error.exitCode === 0 ? exitCodes.done : exitCodes.usage
    else process.exitCode = reportError(error, args.includes('--json'), (text) => process.stderr.write(text))
  }
}
