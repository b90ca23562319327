// posthorn domain add | list | remove | set

import type { Command } from 'commander'
import { type DomainSettings, domainSettings, formatDomainSettings, parseDomainSetting } from '../../accounts/index.ts'
import { command, outputOf, type Shared, withServices } from './context.ts'
import { CommandError, formatTable } from './output.ts'
import { explainKeys, parsePairs } from './pairs.ts'

export function domainCommands(program: Command): void {
  const domain = program.command('domain').description('domains that are ours')

  command(domain, 'add <domain>', 'takes mail for a domain')
    .option('--alias-of <domain>', 'its users are those of this domain')
    .option('--backup-mx', 'its mailboxes are elsewhere: mail is taken and sent on to its own mail servers')
    .action(async (name: string, options: Shared & { aliasOf?: string; backupMx?: boolean }) => {
      if (options.aliasOf !== undefined && options.backupMx)
        throw new CommandError('a domain is an alias, or it has mailboxes elsewhere: not both')
      const added = await withServices(options, async ({ accounts }) => {
        const made = await accounts.addDomain(name, options.aliasOf === undefined ? {} : { aliasOf: options.aliasOf })
        return options.backupMx ? accounts.setDomain(made.name, { backupMx: true }) : made
      })
      outputOf(options).result(
        added,
        () =>
          `${added.name} added${added.aliasOf ? `, an alias of ${added.aliasOf}` : options.backupMx ? ' as backup MX' : ''}`,
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
    .addHelpText('after', explainKeys(domainSettings))
    .action(async (name: string, pairs: string[], options: Shared) => {
      const change: DomainSettings = Object.assign({}, ...parsePairs(pairs, parseDomainSetting))
      const set = await withServices(options, ({ accounts }) => accounts.setDomain(name, change))
      const text = formatDomainSettings(set.settings).join(' ')
      outputOf(options).result(set, () => `${set.name}: ${text || 'no settings'}`)
    })
}
