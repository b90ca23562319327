// posthorn suppression list | show | add | remove | import | export

import { readFile, writeFile } from 'node:fs/promises'
import { userInfo } from 'node:os'
import type { Command } from 'commander'
import {
  describeClass,
  type NewSuppression,
  type Suppression,
  type SuppressionClass,
  type SuppressionSource,
} from '../../queue/index.ts'
import { classWords } from '../../smtp/bounces/index.ts'
import type { AdminServices } from '../services.ts'
import { command, outputOf, type Shared, toNumber, withServices } from './context.ts'
import { parseCsv } from './csv.ts'
import { CommandError, formatTable } from './output.ts'

const day = 86_400_000
const atOnce = 1_000
const classes: readonly string[] = [...Object.keys(classWords), 'complaint', 'manual']
const sources: readonly string[] = ['reply', 'bounce', 'complaint', 'hand']

interface ListOptions extends Shared {
  readonly class?: string
  readonly source?: string
  readonly search?: string
  readonly limit: string
  readonly after?: string
  readonly counted?: boolean
}

export function suppressionCommands(program: Command): void {
  const suppression = program
    .command('suppression')
    .description('addresses that a domain does not write to: they are gone, or somebody complained')
    .addHelpText('after', examples)

  command(suppression, 'list <domain>', 'shows the list of a domain')
    .option('--class <class>', `only one reason: ${classes.filter((name) => shown.has(name)).join(', ')}`)
    .option('--source <source>', `only from one source: ${sources.join(', ')}`)
    .option('--search <text>', 'only addresses that hold this text')
    .option('--counted', 'also addresses that are not held back yet: their failures are counted, or they have expired')
    .option('--limit <n>', 'at most so many', '100')
    .option('--after <id>', 'continue after this entry')
    .action(async (domain: string, options: ListOptions) => {
      const page = await withServices(options, ({ suppressions }) =>
        suppressions.list({ domain, ...toFilter(options) }),
      )
      outputOf(options).result(page, ({ entries, next }) => {
        const table = formatTable(
          ['address', 'why', 'from', 'times', 'last', 'until', 'reason'],
          entries.map(toRow),
          `nothing is on the suppression list of ${domain}`,
        )
        return next === undefined ? table : `${table}\nmore: --after ${next}`
      })
    })

  command(suppression, 'show <domain> <address>', 'shows one entry with all that is known').action(
    async (domain: string, address: string, options: Shared) => {
      const found = await withServices(options, ({ suppressions }) => suppressions.find(domain, address))
      if (!found) throw new CommandError(`${address} is not on the suppression list of ${domain}`, 1)
      outputOf(options).result(found, formatEntry)
    },
  )

  command(suppression, 'add <domain> <address...>', 'holds mail to these addresses back')
    .option('--reason <text>', 'why, for whoever asks later', '')
    .option('--days <n>', 'for so many days; else until they are removed')
    .action(async (domain: string, addresses: string[], options: Shared & { reason: string; days?: string }) => {
      const until = options.days === undefined ? {} : { expiresAt: Date.now() + toNumber(options.days) * day }
      const entries = addresses.map((address) => ({ address, reason: options.reason, ...until }))
      await report(
        options,
        await withServices(options, ({ suppressions }) => addAll(suppressions, domain, entries)),
        domain,
      )
    })

  command(suppression, 'remove <domain> <address...>', 'lifts entries: mail to these addresses is sent again').action(
    async (domain: string, addresses: string[], options: Shared) => {
      const removed = await withServices(options, ({ suppressions }) => suppressions.remove(domain, addresses))
      outputOf(options).result({ removed }, () => `${counted(removed)} removed from the list of ${domain}`)
    },
  )

  command(
    suppression,
    'import <domain> <file>',
    'adds a list: address[,reason[,class]] on each line; - reads standard input',
  )
    .option('--days <n>', 'for so many days; else until they are removed')
    .action(async (domain: string, file: string, options: Shared & { days?: string }) => {
      const until = options.days === undefined ? {} : { expiresAt: Date.now() + toNumber(options.days) * day }
      const entries = parseEntries(await readText(file)).map((entry) => ({ ...entry, ...until }))
      await report(
        options,
        await withServices(options, ({ suppressions }) => addAll(suppressions, domain, entries)),
        domain,
      )
    })

  command(suppression, 'export <domain> [file]', 'writes the list as CSV that import reads').action(
    async (domain: string, file: string | undefined, options: Shared) => {
      const entries = await withServices(options, ({ suppressions }) => readAll(suppressions, domain))
      if (options.json) return outputOf(options).result(entries, () => '')
      const text = toCsv(entries)
      if (file === undefined) process.stdout.write(text)
      else await writeFile(file, text)
    },
  )
}

/** Reasons that an entry can have. */
const shown: ReadonlySet<string> = new Set(['bad-mailbox', 'disabled', 'moved', 'mailbox-full', 'complaint', 'manual'])

const examples = `
Examples:
  posthorn suppression list example.org
  posthorn suppression add example.org gone@example.net --reason "asked on the phone"
  posthorn suppression remove example.org back@example.net
  posthorn suppression export example.org list.csv
  posthorn domain set example.org suppression=on     entries are made by themselves`

type Admin = AdminServices['suppressions']

async function addAll(admin: Admin, domain: string, entries: readonly NewSuppression[]) {
  const answers = []
  const by = userInfo().username
  for (let at = 0; at < entries.length; at += atOnce)
    answers.push(...(await admin.add(domain, entries.slice(at, at + atOnce), by)))
  return answers
}

async function readAll(admin: Admin, domain: string): Promise<Suppression[]> {
  const all: Suppression[] = []
  for (let after: number | undefined = 0; after !== undefined; ) {
    const page: Awaited<ReturnType<Admin['list']>> = await admin.list({ domain, after, limit: atOnce })
    all.push(...page.entries)
    after = page.next
  }
  return all
}

async function report(
  options: Shared,
  answers: readonly { readonly address: string; readonly error?: string }[],
  domain: string,
): Promise<void> {
  const failed = answers.filter(({ error }) => error !== undefined)
  outputOf(options).result(answers, () =>
    [
      `${counted(answers.length - failed.length)} on the list of ${domain}`,
      ...failed.map(({ address, error }) => `not added: ${address}: ${error}`),
    ].join('\n'),
  )
  if (failed.length > 0) process.exitCode = 1
}

function toFilter({ class: kind, source, search, limit, after, counted: all }: ListOptions) {
  if (kind !== undefined && !classes.includes(kind)) throw new CommandError(`there is no class ${kind}`)
  if (source !== undefined && !sources.includes(source)) throw new CommandError(`there is no source ${source}`)
  return {
    limit: toNumber(limit),
    ...(kind !== undefined && { class: kind as SuppressionClass }),
    ...(source !== undefined && { source: source as SuppressionSource }),
    ...(search !== undefined && { search }),
    ...(after !== undefined && { after: toNumber(after) }),
    ...(all && { counted: true }),
  }
}

const toDay = (at: number) => new Date(at).toISOString().slice(0, 10)
const toUntil = ({ expiresAt }: Suppression) => (expiresAt === undefined ? 'removed' : toDay(expiresAt))

function toRow(entry: Suppression): (string | number)[] {
  const { address, class: kind, source, times, lastAt, reason } = entry
  return [address, describeClass(kind), source, times, toDay(lastAt), toUntil(entry), reason]
}

function formatEntry(entry: Suppression): string {
  const { address, domain, class: kind, source, times, firstAt, lastAt, reason, createdBy } = entry
  return [
    `${address} gets no mail from ${domain}`,
    `why:    ${describeClass(kind)}${reason === '' ? '' : `: ${reason}`}`,
    `from:   ${source}${createdBy === '' ? '' : `, by ${createdBy}`}`,
    `seen:   ${times === 1 ? `once, ${toDay(lastAt)}` : `${times} times, ${toDay(firstAt)} to ${toDay(lastAt)}`}`,
    `until:  ${toUntil(entry)}`,
  ].join('\n')
}

/** CSV (RFC 4180); a header line is left out. */
function parseEntries(text: string): NewSuppression[] {
  return parseCsv(text).flatMap(({ line, fields }, i) => {
    const [address = '', reason = '', kind = ''] = fields.map((field) => field.trim())
    if (i === 0 && address.toLowerCase() === 'address') return []
    if (kind !== '' && !classes.includes(kind)) throw new CommandError(`line ${line}: there is no class ${kind}`)
    return [{ address, reason, ...(kind !== '' && { class: kind as SuppressionClass }) }]
  })
}

function toCsv(entries: readonly Suppression[]): string {
  const quote = (text: string) => (/[",\r\n]/.test(text) ? `"${text.replaceAll('"', '""')}"` : text)
  const lines = entries.map(({ address, reason, class: kind }) => [address, reason, kind].map(quote).join(','))
  return `${['address,reason,class', ...lines].join('\n')}\n`
}

async function readText(file: string): Promise<string> {
  if (file !== '-') return readFile(file, 'utf8')
  const chunks: Buffer[] = []
  for await (const chunk of process.stdin) chunks.push(chunk as Buffer)
  return Buffer.concat(chunks).toString()
}

const counted = (count: number) => `${count} address${count === 1 ? '' : 'es'}`
