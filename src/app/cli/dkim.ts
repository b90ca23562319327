// posthorn dkim add | list | show | check | activate | retire | remove

import type { Command } from 'commander'
import type { DkimKey } from '../../accounts/index.ts'
import { realClock } from '../../base/index.ts'
import { lookForDkimRecord, type Published } from '../../mailauth/index.ts'
import { createConfiguredResolver } from '../resolver.ts'
import { command, outputOf, type Shared, withServices } from './context.ts'
import { CommandError, exitCodes, formatTable, formatTxt } from './output.ts'

export function dkimCommands(program: Command): void {
  const dkim = program.command('dkim').description('keys with which mail of a domain is signed')

  command(dkim, 'add <domain>', 'makes new keys, which sign as soon as their records are published')
    .option('--algorithm <name...>', 'rsa2048, rsa4096, ed25519', ['rsa2048', 'ed25519'])
    .option('--selector <name>', 'with one algorithm: what the key is called (default: the month)')
    .action(async (domain: string, options: Shared & { algorithm: string[]; selector?: string }) => {
      const { algorithm, selector } = options
      if (selector !== undefined && algorithm.length > 1)
        throw new CommandError('--selector names one key: give one --algorithm with it')
      const made = await withServices(options, async ({ dkim }) => {
        const keys: DkimKey[] = []
        for (const one of algorithm) keys.push(await dkim.add(domain, one, selector))
        return keys
      })
      outputOf(options).result(
        made,
        (keys) =>
          `Publish ${keys.length === 1 ? 'this record' : 'these records'}:\n\n${keys.map(formatRecord).join('\n\n')}\n\nThen: posthorn dkim check ${made[0]!.domain}`,
      )
    })

  command(dkim, 'list [domain]', 'shows the keys').action(async (domain: string | undefined, options: Shared) => {
    const keys = await withServices(options, ({ dkim }) => dkim.list(domain))
    outputOf(options).result(keys, () =>
      formatTable(
        ['domain', 'selector', 'algorithm', 'state', 'since'],
        keys.map(({ domain: name, selector, algorithm, state, stateAt }) => [
          name,
          selector,
          algorithm,
          state,
          new Date(stateAt).toISOString().slice(0, 10),
        ]),
        'no key yet: posthorn dkim add example.org',
      ),
    )
  })

  command(dkim, 'show <domain>', 'shows the records to be published, as lines of a zone').action(
    async (domain: string, options: Shared) => {
      const keys = await withServices(options, ({ dkim }) => dkim.list(domain))
      outputOf(options).result(keys, () => keys.map(formatRecord).join('\n\n') || `${domain} has no keys`)
    },
  )

  command(dkim, 'check [domain]', 'asks the DNS for the records; keys that are published begin to sign').action(
    async (domain: string | undefined, options: Shared) => {
      const checked = await withServices(options, async ({ dkim }, config) => {
        const resolver = createConfiguredResolver(config, realClock)
        const results: Checked[] = []
        for (const key of await dkim.list(domain)) {
          const published = await lookForDkimRecord(resolver, key)
          const begins = key.state === 'waiting' && published === 'published'
          results.push({
            ...(begins ? await dkim.setState(key.domain, key.selector, 'active') : key),
            published,
            begins,
          })
        }
        resolver.close()
        return results
      })
      outputOf(options).result(checked, () =>
        formatTable(
          ['domain', 'selector', 'state', 'record'],
          checked.map((key) => [key.domain, key.selector, key.begins ? 'active now' : key.state, wordsOf(key)]),
          'no key yet: posthorn dkim add example.org',
        ),
      )
      if (checked.some(({ state, published }) => state === 'active' && published !== 'published'))
        process.exitCode = exitCodes.refused
    },
  )

  for (const [verb, state, explain] of [
    ['activate', 'active', 'signs with a key from now on, whether its record is published or not'],
    ['retire', 'retired', 'signs with a key no more; leave its record for a week'],
  ] as const)
    command(dkim, `${verb} <domain> <selector>`, explain).action(
      async (domain: string, selector: string, options: Shared) => {
        const key = await withServices(options, ({ dkim }) => dkim.setState(domain, selector, state))
        outputOf(options).result(key, () => `${key.selector} of ${key.domain} is ${key.state}`)
      },
    )

  command(dkim, 'remove <domain> <selector>', 'throws a key away; its record can go then').action(
    async (domain: string, selector: string, options: Shared) => {
      await withServices(options, ({ dkim }) => dkim.remove(domain, selector))
      outputOf(options).result({ removed: selector }, () => `${selector} of ${domain} removed`)
    },
  )
}

interface Checked extends DkimKey {
  readonly published: Published
  readonly begins: boolean
}

function wordsOf({ published, name, state }: Checked): string {
  const words = {
    published: 'published',
    missing: `nothing at ${name}`,
    other: `another record stands at ${name}`,
    unknown: `nobody could say what stands at ${name}`,
  }[published]
  return state === 'active' && published !== 'published' ? `${words}: what is signed cannot be verified` : words
}

/** A line of a zone. */
const formatRecord = ({ name, record }: DkimKey): string => `${name}. 3600 IN TXT ${formatTxt(record)}`
