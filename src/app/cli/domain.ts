// posthorn domain add | list | remove | set

import type { Command } from 'commander'
import { type DomainSettings, domainSettings, formatDomainSettings, parseDomainSetting } from '../../accounts/index.ts'
import { command, outputOf, type Shared, withServices } from './context.ts'
import { CommandError, formatTable } from './output.ts'

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
        domains.map(({ name, aliasOf, settings }) => [name, aliasOf ?? '', formatDomainSettings(settings).join(' ')]),
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

  command(domain, 'set <domain> <key=value...>', 'changes settings of a domain; the value `default` takes one back')
    .addHelpText('after', () => `\nSettings:\n${explainSettings()}`)
    .action(async (name: string, pairs: string[], options: Shared) => {
      const change: DomainSettings = Object.assign({}, ...pairs.map(parsePair))
      const set = await withServices(options, ({ accounts }) => accounts.setDomain(name, change))
      const text = formatDomainSettings(set.settings).join(' ')
      outputOf(options).result(set, () => `${set.name}: ${text || 'no settings'}`)
    })
}

function parsePair(pair: string): DomainSettings {
  const at = pair.indexOf('=')
  if (at < 0) throw new CommandError(`expected KEY=VALUE, found ${pair}`)
  return parseDomainSetting(pair.slice(0, at), pair.slice(at + 1))
}

const explainSettings = () =>
  Object.entries(domainSettings)
    .map(([key, { explain, standard }]) => `  ${key.padEnd(14)} ${explain} (default: ${standard})`)
    .join('\n')
