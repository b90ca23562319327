// posthorn list show | allow | block | remove | import | export

import { readFile, writeFile } from 'node:fs/promises'
import { userInfo } from 'node:os'
import type { Command } from 'commander'
import type { ListAction, ListEntry, ListOwner, NewListEntry } from '../../abuse/index.ts'
import type { AdminServices } from '../services.ts'
import { command, outputOf, type Shared, withServices } from './context.ts'
import { CommandError, formatTable } from './output.ts'

const atOnce = 1_000

interface OwnerOptions extends Shared {
  readonly domain?: string
  readonly user?: string
}

/** A command with the words that say whose list is meant. */
const ofOwner = (parent: Command, usage: string, description: string) =>
  command(parent, usage, description)
    .option('--domain <domain>', "a domain's list; else that of the whole server")
    .option('--user <email>', "a user's list")

export function listCommands(program: Command): void {
  const list = program
    .command('list')
    .description('senders and networks that are let in, or kept out')
    .addHelpText('after', examples)

  ofOwner(list, 'show', 'shows a list').action(async (options: OwnerOptions) => {
    const entries = await withServices(options, ({ abuse }) => readAll(abuse, toOwner(options)))
    outputOf(options).result(entries, () =>
      formatTable(
        ['what', 'is', 'since', 'by', 'reason'],
        entries.map(({ value, action, since, by, reason }) => [value, words[action], toDay(since), by, reason]),
        `nothing is on ${nameOf(options)}`,
      ),
    )
  })

  for (const action of ['allow', 'block'] as const)
    ofOwner(list, `${action} <what...>`, explain[action])
      .option('--reason <text>', 'why, for whoever asks later', '')
      .action(async (values: string[], options: OwnerOptions & { reason: string }) => {
        await add(
          options,
          values.map((value) => ({ action, value, reason: options.reason })),
        )
      })

  ofOwner(list, 'remove <what...>', 'takes entries out').action(async (values: string[], options: OwnerOptions) => {
    const removed = await withServices(options, ({ abuse }) => abuse.removeEntries(toOwner(options), values))
    outputOf(options).result({ removed }, () => `${counted(removed)} removed from ${nameOf(options)}`)
  })

  ofOwner(list, 'import <file>', 'adds lines as export writes them; - reads standard input').action(
    async (file: string, options: OwnerOptions) => add(options, parseLines(await readText(file))),
  )

  ofOwner(list, 'export [file]', 'writes a list as text that import reads').action(
    async (file: string | undefined, options: OwnerOptions) => {
      const entries = await withServices(options, ({ abuse }) => readAll(abuse, toOwner(options)))
      if (options.json) return outputOf(options).result(entries, () => '')
      const text = entries.map(toLine).join('')
      if (file === undefined) process.stdout.write(text)
      else await writeFile(file, text)
    },
  )
}

const words: Readonly<Record<ListAction, string>> = { allow: 'let in', block: 'kept out' }
const explain: Readonly<Record<ListAction, string>> = {
  allow:
    'lets senders (ann@example.net, example.net, .example.net with all below it) or networks in without further questions',
  block: 'keeps senders (ann@example.net, example.net, .example.net with all below it) or networks out: 550 5.7.1',
}

const examples = `
A user's list goes before his domain's, and that before the server's; in one list the most exact entry holds.

Examples:
  posthorn list block spammer@example.net 192.0.2.0/24
  posthorn list allow example.net --domain example.org --reason "our printer's"
  posthorn list block .news.example --user ann@example.org
  posthorn list export blocked.txt`

function toOwner({ domain, user }: OwnerOptions): ListOwner {
  if (domain !== undefined && user !== undefined)
    throw new CommandError('a list is of a domain or of a user, not of both')
  return { ...(domain !== undefined && { domain }), ...(user !== undefined && { user }) }
}

const nameOf = ({ domain, user }: OwnerOptions) => `the list of ${user ?? domain ?? 'the server'}`
const toDay = (at: number) => new Date(at).toISOString().slice(0, 10)
const counted = (count: number) => `${count} entr${count === 1 ? 'y' : 'ies'}`

async function add(options: OwnerOptions, entries: readonly NewListEntry[]): Promise<void> {
  const answers = await withServices(options, async ({ abuse }) => {
    const all = []
    const by = userInfo().username
    for (let at = 0; at < entries.length; at += atOnce)
      all.push(...(await abuse.addEntries(toOwner(options), entries.slice(at, at + atOnce), by)))
    return all
  })
  const failed = answers.filter(({ error }) => error !== undefined)
  outputOf(options).result(answers, () =>
    [
      `${counted(answers.length - failed.length)} on ${nameOf(options)}`,
      ...failed.map(({ value, error }) => `not added: ${value}: ${error}`),
    ].join('\n'),
  )
  if (failed.length > 0) process.exitCode = 1
}

async function readAll(abuse: AdminServices['abuse'], owner: ListOwner): Promise<ListEntry[]> {
  const all: ListEntry[] = []
  for (let after = 0; ; after = all.at(-1)!.id) {
    const some = await abuse.entries(owner, { after })
    all.push(...some)
    if (some.length < atOnce) return all
  }
}

/** `block 192.0.2.0/24 # reason`. */
function toLine({ action, value, reason }: ListEntry): string {
  const why = reason.replaceAll(/\s+/g, ' ').trim()
  return `${action} ${value}${why === '' ? '' : ` # ${why}`}\n`
}

function parseLines(text: string): NewListEntry[] {
  return text.split('\n').flatMap((line, i) => {
    const [what = '', ...reason] = line.trim().split(' # ')
    if (what === '' || what.startsWith('#')) return []
    const [action, value, more] = what.split(/\s+/)
    if ((action !== 'allow' && action !== 'block') || value === undefined || more !== undefined)
      throw new CommandError(`line ${i + 1}: expected "allow WHAT" or "block WHAT", with "# reason" behind it or not`)
    return [{ action, value, reason: reason.join(' # ') }]
  })
}

async function readText(file: string): Promise<string> {
  if (file !== '-') return readFile(file, 'utf8')
  const chunks: Buffer[] = []
  for await (const chunk of process.stdin) chunks.push(chunk as Buffer)
  return Buffer.concat(chunks).toString()
}
