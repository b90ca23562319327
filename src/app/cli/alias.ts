// posthorn alias add | list | remove

import type { Command } from 'commander'
import { command, outputOf, type Shared, withServices } from './context.ts'
import { formatTable } from './output.ts'

export function aliasCommands(program: Command): void {
  const alias = program.command('alias').description('addresses that lead elsewhere; @domain is the catch-all')

  command(alias, 'add <address> <destination...>', 'leads an address to one or many, here or elsewhere').action(
    async (address: string, destinations: string[], options: Shared) => {
      const added = await withServices(options, ({ accounts }) => accounts.addAlias(address, destinations))
      outputOf(options).result(added, () => `${added.address} → ${added.destinations.join(', ')}`)
    },
  )

  command(alias, 'list [domain]', 'shows the aliases').action(async (domain: string | undefined, options: Shared) => {
    const aliases = await withServices(options, ({ queries }) => queries.aliases(domain))
    outputOf(options).result(aliases, () =>
      formatTable(
        ['alias', 'destinations'],
        aliases.map(({ address, destinations }) => [address, destinations.join(', ')]),
        'no alias yet: posthorn alias add info@example.org anna@example.org',
      ),
    )
  })

  command(alias, 'remove <address>', 'takes an alias away').action(async (address: string, options: Shared) => {
    await withServices(options, ({ accounts }) => accounts.removeAlias(address))
    outputOf(options).result({ removed: address }, () => `${address} removed`)
  })
}
