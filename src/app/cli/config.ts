// posthorn config check | example | docs

import type { Command } from 'commander'
import { formatEndpoint } from '../config/units.ts'
import { command, outputOf, readConfig, type Shared } from './context.ts'

export function configCommands(program: Command): void {
  const config = program.command('config').description('the configuration file')

  command(config, 'check', 'says what is wrong with the configuration, or what it comes to').action(
    async (options: Shared) => {
      const found = await readConfig(options)
      const { checkParts } = await import('../check.ts')
      checkParts(found)
      const listen = Object.entries(found.listen).map(([name, at]) => [name, at?.map(formatEndpoint)] as const)
      const value = {
        source: found.source,
        hostname: found.hostname,
        data: found.data,
        listen: Object.fromEntries(listen),
      }
      outputOf(options).result(value, () => {
        const doors = listen.map(([name, at]) => `  ${name.padEnd(12)} ${at?.join(', ')}`)
        return [
          `${found.source} is right`,
          `  ${'hostname'.padEnd(12)} ${found.hostname}`,
          `  ${'data'.padEnd(12)} ${found.data}`,
          ...doors,
        ].join('\n')
      })
    },
  )

  command(config, 'example', 'prints a commented configuration to start from').action(async () => {
    const { formatExample } = await import('../config/document.ts')
    process.stdout.write(formatExample())
  })
  command(config, 'docs', 'prints docs/configuration.md').action(async () => {
    const { formatDocs } = await import('../config/document.ts')
    process.stdout.write(formatDocs())
  })
}
