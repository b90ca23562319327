// posthorn quarantine list | show | release | delete

import type { Command } from 'commander'
import type { QuarantineAnswer, Quarantined, QuarantinePreview } from '../../delivery/index.ts'
import type { AdminServices } from '../services.ts'
import { command, outputOf, type Shared, toNumber, withServices } from './context.ts'
import { CommandError, exitCodes, formatBytes, formatSpan, formatTable } from './output.ts'

interface ListOptions extends Shared {
  readonly domain?: string
  readonly user?: string
  readonly limit: string
  readonly before?: string
}

export function quarantineCommands(program: Command): void {
  const quarantine = program
    .command('quarantine')
    .description('mail that was taken and not delivered, because it is spam, holds malware or is not from whom it says')
    .addHelpText('after', examples)

  command(quarantine, 'list', 'shows what is there, the newest first')
    .option('--domain <domain>', 'only for this domain')
    .option('--user <address>', 'only for this user')
    .option('--limit <n>', 'at most so many', '100')
    .option('--before <id>', 'continue with what is older than this message')
    .action(async (options: ListOptions) => {
      const page = await withServices(options, ({ quarantine }) => quarantine.list(toFilter(options)))
      outputOf(options).result(page, ({ entries, next }) => {
        const now = Date.now()
        const table = formatTable(
          ['id', 'age', 'expires', 'to', 'from', 'subject', 'size', 'why'],
          entries.map((entry) => toRow(entry, now)),
          'the quarantine is empty',
        )
        return next === undefined ? table : `${table}\nmore: --before ${next}`
      })
    })

  command(quarantine, 'show <id>', 'shows why a message is there, its header and its first lines, as text').action(
    async (id: string, options: Shared) => {
      const found = await withServices(options, ({ quarantine }) => quarantine.show(toNumber(id)))
      outputOf(options).result(found, formatPreview)
    },
  )

  each(quarantine, 'release', 'delivers messages as if they had come and nobody had objected', 'released')
  each(quarantine, 'delete', 'takes messages away for good', 'deleted')
}

const examples = `
Examples:
  posthorn quarantine list --user ann@example.org
  posthorn quarantine show 12
  posthorn quarantine release 12 15
  posthorn domain set example.org spam=quarantine quarantineDays=14`

/** A command for several messages, each of which answers by itself. */
function each(quarantine: Command, verb: 'release' | 'delete', description: string, done: string): void {
  command(quarantine, `${verb} <id...>`, description).action(async (ids: string[], options: Shared) => {
    const by = process.env['SUDO_USER'] ?? process.env['USER'] ?? 'the command line'
    const answers = await withServices(options, ({ quarantine: admin }) => run(admin, verb, ids.map(toNumber), by))
    outputOf(options).result(answers, () => answers.map((answer) => formatAnswer(answer, done)).join('\n'))
    if (answers.some(({ error }) => error !== undefined)) process.exitCode = exitCodes.refused
  })
}

const run = (admin: AdminServices['quarantine'], verb: 'release' | 'delete', ids: readonly number[], by: string) =>
  verb === 'release' ? admin.release(ids, by) : admin.remove(ids, by)

const formatAnswer = ({ id, to, error }: QuarantineAnswer, done: string) =>
  error === undefined ? `${id} for ${to} ${done}` : `${id} not ${done}: ${error}`

function toFilter({ domain, user, limit, before }: ListOptions) {
  if (domain !== undefined && user !== undefined)
    throw new CommandError('name a domain or a user, not both', exitCodes.usage)
  return {
    limit: toNumber(limit),
    ...(domain !== undefined && { domain }),
    ...(user !== undefined && { user }),
    ...(before !== undefined && { before: toNumber(before) }),
  }
}

const subjectWidth = 40
const cut = (text: string, width: number) => (text.length > width ? `${text.slice(0, width - 1)}…` : text)
const left = (expiresAt: number, now: number) => (expiresAt <= now ? 'now' : `in ${formatSpan(expiresAt - now)}`)

function toRow(entry: Quarantined, now: number): (string | number)[] {
  const { id, receivedAt, expiresAt, to, from, sender, subject, size, reasons } = entry
  return [
    id,
    formatSpan(now - receivedAt),
    left(expiresAt, now),
    to,
    cut(from || sender || '<>', subjectWidth),
    cut(subject, subjectWidth),
    formatBytes(size),
    reasons[0] ?? '',
  ]
}

function formatPreview(message: QuarantinePreview): string {
  const { id, to, user, sender, size, trace, reasons, header, lines, receivedAt, expiresAt } = message
  const now = Date.now()
  return [
    `message ${id} for ${to}${user === undefined || user === to ? '' : ` (${user})`} from ${sender || '<>'}, ${formatBytes(size)}`,
    `came ${formatSpan(now - receivedAt)} ago, expires ${left(expiresAt, now)}; posthorn trace ${trace}`,
    ...reasons.map((reason) => `  ${reason}`),
    '',
    ...header.map(({ name, value }) => `${name}: ${value}`),
    '',
    ...(lines.length > 0 ? lines.map((line) => `  ${line}`) : ['  no text']),
  ].join('\n')
}
