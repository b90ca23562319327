// posthorn limits list | show

import type { Command } from 'commander'
import { limits, type Standing, type Usage } from '../../abuse/index.ts'
import { untilWords } from './ban.ts'
import { command, outputOf, type Shared, withServices } from './context.ts'
import { formatSpan, formatTable } from './output.ts'

export function limitsCommands(program: Command): void {
  const family = program
    .command('limits')
    .description('what one client, user or domain may do')
    .addHelpText('after', hint)

  command(family, 'list', 'shows the limits of the server, with their reasons').action((options: Shared) => {
    outputOf(options).result(limits, () =>
      formatTable(
        ['limit', 'count', 'in', 'of what', 'why'],
        Object.entries(limits).map(([name, { count, windowMs, what, why }]) => [
          name,
          count,
          formatSpan(windowMs),
          what,
          why,
        ]),
        '',
      ),
    )
  })

  command(family, 'show <address|user>', 'shows what is used, and what is known, of an address or a user').action(
    async (subject: string, options: Shared) => {
      const standing = await withServices(options, ({ abuse }) => abuse.standing(subject))
      outputOf(options).result(standing, formatStanding)
    },
  )
}

const hint = `
Limits are settings: posthorn domain set example.org userPerHour=2000, posthorn user set ann@example.org perHour=unlimited.
This machine and smtp.trustedNetworks have none.

Examples:
  posthorn limits show 192.0.2.7
  posthorn limits show ann@example.org`

function formatStanding({ subject, usage, history, ban, connections, addresses }: Standing): string {
  const lines = [formatTable(['limit', 'used', 'of', 'whole again in', 'of what'], usage.map(toRow), '')]
  if (history)
    lines.push(
      `history:      ${history.good} good, ${history.bad} bad recipients lately: ${history.factor} times the limits`,
    )
  if (connections !== undefined) lines.push(`connections:  ${connections} open and not signed in`)
  if (ban) lines.push(`banned:       ${untilWords(ban)}${ban.reason === '' ? '' : `: ${ban.reason}`}`)
  if (addresses) {
    const known = addresses.map(({ network, at }) => `${network} (${new Date(at).toISOString().slice(0, 10)})`)
    lines.push(`signs in from ${known.join(', ') || 'nowhere yet'}`)
  }
  return [`${subject}`, ...lines].join('\n')
}

function toRow({ kind, what, used, count, wholeAt }: Usage): (string | number)[] {
  const most = count === Number.MAX_SAFE_INTEGER ? 'unlimited' : Math.floor(count)
  return [kind, used, most, wholeAt === undefined ? '' : formatSpan(wholeAt - Date.now()), what]
}
