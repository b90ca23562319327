// posthorn ban list | add | remove

import { userInfo } from 'node:os'
import type { Command } from 'commander'
import type { Ban, BanScope } from '../../abuse/index.ts'
import { parseDuration } from '../config/units.ts'
import { command, outputOf, type Shared, withServices } from './context.ts'
import { CommandError, formatSpan, formatTable } from './output.ts'

const page = 1_000

export function banCommands(program: Command): void {
  const ban = program
    .command('ban')
    .description('addresses and networks that are shut out')
    .addHelpText('after', examples)

  command(ban, 'list', 'shows the bans in force').action(async (options: Shared) => {
    const bans = await withServices(options, async ({ abuse }) => {
      const all: Ban[] = []
      for (let after = ''; ; after = all.at(-1)!.network) {
        const some = await abuse.bans({ after })
        all.push(...some)
        if (some.length < page) return all
      }
    })
    outputOf(options).result(bans, () =>
      formatTable(['network', 'from', 'until', 'times', 'by', 'reason'], bans.map(toRow), 'nobody is banned'),
    )
  })

  command(ban, 'add <network>', 'shuts an address or network (as 192.0.2.0/24) out')
    .option('--for <duration>', 'for so long, as 2h or 7d; else until it is lifted')
    .option('--sign-in', 'only from signing in: mail still comes in')
    .option('--reason <text>', 'why, for whoever asks later', '')
    .action(async (network: string, options: Shared & { for?: string; signIn?: boolean; reason: string }) => {
      const lasts = options.for === undefined ? undefined : parseDuration(options.for)
      if (options.for !== undefined && !lasts) throw new CommandError(`expected a duration as 2h, found ${options.for}`)
      const scope: BanScope = options.signIn ? 'sign-in' : 'all'
      const until = lasts === undefined ? {} : { until: Date.now() + lasts }
      const made = await withServices(options, ({ abuse }) =>
        abuse.ban({ network, scope, reason: options.reason, ...until }, userInfo().username),
      )
      outputOf(options).result(made, () => `${made.network} is banned from ${scopes[made.scope]}, ${untilWords(made)}`)
    })

  command(ban, 'remove <network>', 'lifts a ban').action(async (network: string, options: Shared) => {
    await withServices(options, ({ abuse }) => abuse.liftBan(network))
    outputOf(options).result({ removed: network }, () => `${network} is banned no more`)
  })
}

const examples = `
Bans from signing in are made by themselves, after ten failures in 15 minutes: for an hour, then two, up to a day. From an
address from which a user has signed in before he may try all the same.

Examples:
  posthorn ban list
  posthorn ban add 192.0.2.0/24 --for 7d --reason "guesses names"
  posthorn ban remove 192.0.2.7`

const scopes: Readonly<Record<BanScope, string>> = { 'sign-in': 'signing in', all: 'everything' }

export function untilWords({ until }: Pick<Ban, 'until'>): string {
  return until === undefined ? 'until it is lifted' : `for ${formatSpan(until - Date.now())}`
}

function toRow(ban: Ban): (string | number)[] {
  const { network, scope, until, times, by, reason } = ban
  const end = until === undefined ? 'lifted' : new Date(until).toISOString().slice(0, 16)
  return [network, scopes[scope], end, times, by || 'itself', reason]
}
