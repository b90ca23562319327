// posthorn domain add | list | remove | set

import type { Command } from 'commander'
import type { DomainSettings } from '../../accounts/index.ts'
import { parseSize } from '../config/units.ts'
import { command, outputOf, type Shared, withServices } from './context.ts'
import { CommandError, formatBytes, formatTable } from './output.ts'

export function domainCommands(program: Command): void {
  const domain = program.command('domain').description('domains that are ours')

  command(domain, 'add <domain>', 'takes mail for a domain')
    .option('--alias-of <domain>', 'its users are those of this domain')
    .action(async (name: string, options: Shared & { aliasOf?: string }) => {
      const added = await withServices(options, ({ accounts }) =>
        accounts.addDomain(name, options.aliasOf === undefined ? {} : { aliasOf: options.aliasOf }),
      )
      outputOf(options).result(
        added,
        () => `${added.name} added${added.aliasOf ? `, an alias of ${added.aliasOf}` : ''}`,
      )
    })

  command(domain, 'list', 'shows the domains').action(async (options: Shared) => {
    const domains = await withServices(options, ({ queries }) => queries.domains())
    outputOf(options).result(domains, () =>
      formatTable(
        ['domain', 'alias of', 'settings'],
        domains.map(({ name, aliasOf, settings }) => [name, aliasOf ?? '', formatSettings(settings)]),
        'no domain yet: posthorn domain add example.org',
      ),
    )
  })

  command(domain, 'remove <domain>', 'takes a domain away; it must have no users and aliases').action(
    async (name: string, options: Shared) => {
      await withServices(options, ({ accounts }) => accounts.removeDomain(name))
      outputOf(options).result({ removed: name }, () => `${name} removed`)
    },
  )

  command(domain, 'set <domain> <key=value...>', `changes settings: ${Object.keys(settings).join(', ')}`).action(
    async (name: string, pairs: string[], options: Shared) => {
      const set = await withServices(options, async ({ accounts, queries }) => {
        const before = (await queries.domains()).find((one) => one.name === name.toLowerCase())?.settings ?? {}
        return accounts.setDomain(name, applySettings(before, pairs))
      })
      outputOf(options).result(set, () => `${set.name}: ${formatSettings(set.settings) || 'no settings'}`)
    },
  )
}

/** How each setting is read from text. An empty value takes the setting back. */
const settings: Readonly<Record<keyof DomainSettings, (text: string) => string | number | undefined>> = {
  detail: (text) => text,
  quotaBytes: parseSize,
  quotaMessages: (text) => (/^\d+$/.test(text) ? Number(text) : undefined),
}

function applySettings(before: DomainSettings, pairs: readonly string[]): DomainSettings {
  const after: { -readonly [K in keyof DomainSettings]: string | number } = { ...before }
  for (const pair of pairs) {
    const [key, value] = [pair.slice(0, pair.indexOf('=')), pair.slice(pair.indexOf('=') + 1)]
    if (!pair.includes('=') || !Object.hasOwn(settings, key))
      throw new CommandError(`expected KEY=VALUE with one of ${Object.keys(settings).join(', ')}, found ${pair}`)
    const name = key as keyof DomainSettings
    if (value === '' && name !== 'detail') {
      delete after[name]
      continue
    }
    const parsed = settings[name](value)
    if (parsed === undefined) throw new CommandError(`${key}: expected a number or a size such as 2G, found ${value}`)
    after[name] = parsed
  }
  return after as DomainSettings
}

function formatSettings(found: DomainSettings): string {
  return Object.entries(found)
    .map(([key, value]) => `${key}=${key === 'quotaBytes' ? formatBytes(value as number) : value}`)
    .join(' ')
}
