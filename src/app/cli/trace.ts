// posthorn trace <id | queue id | Message-ID | address>

import type { Command } from 'commander'
import type { Timeline } from '../../trace/index.ts'
import { parseDuration } from '../config/units.ts'
import { command, outputOf, type Shared, withServices } from './context.ts'
import { CommandError, exitCodes } from './output.ts'
import { formatTimeline, formatTimelines } from './timeline.ts'

interface Options extends Shared {
  readonly since?: string
  readonly limit: string
  readonly after?: string
  readonly full?: boolean
}

export function traceCommands(program: Command): void {
  command(program, 'trace <what>', 'tells what happened to a message')
    .option('--since <time>', 'nothing older: a time as 2026-11-28 or 2026-11-28T15:00, or how long ago as 2h or 3d')
    .option('--limit <n>', 'at most so many messages', '20')
    .option('--after <mark>', 'continue where the page before ended')
    .option('--full', 'the whole timeline of each')
    .addHelpText(
      'after',
      `
<what> is the id of a message (from the answer to the client, a Received header, or the log), the number of a queued message, a
Message-ID with or without <>, or the address of a sender or recipient: then the newest come first.`,
    )
    .action(async (what: string, options: Options) => {
      const query = {
        limit: toLimit(options.limit),
        ...(options.since === undefined ? {} : { since: toTime(options.since, Date.now()) }),
        ...(options.after === undefined ? {} : { after: options.after.trim().toLowerCase() }),
      }
      const found = await withServices(options, ({ trace }) => trace.find(what, query))
      if (found.timelines.length === 0 && !options.json)
        throw new CommandError(`nothing is known of ${what}${sinceWords(options)}`, exitCodes.refused)
      outputOf(options).result(found, ({ timelines, next }) => show(timelines, options, next))
    })
}

function show(timelines: readonly Timeline[], { full, limit }: Options, next: string | undefined): string {
  const [only, ...others] = timelines
  const all =
    only && (others.length === 0 || full)
      ? timelines.map((timeline) => formatTimeline(timeline)).join('\n\n')
      : `${formatTimelines(timelines)}\n\nposthorn trace <id> tells more of one, --full of all`
  return next === undefined ? all : `${all}\nonly ${limit} are shown; what is older: --after ${next}`
}

const sinceWords = ({ since }: Options) => (since === undefined ? ', or it is no longer kept' : ` since ${since}`)

function toLimit(text: string): number {
  const limit = Number(text)
  if (!Number.isInteger(limit) || limit < 1 || limit > 200)
    throw new CommandError(`--limit: expected a number from 1 to 200, found ${text}`)
  return limit
}

/** A time of the local clock, or so long ago. */
function toTime(text: string, now: number): number {
  const ago = /[a-z]$/.test(text) ? parseDuration(text) : undefined
  if (ago !== undefined) return now - ago
  // A day alone begins at local midnight; the language would take it for UTC.
  const time = /^\d{4}-\d\d-\d\d/.test(text) ? Date.parse(text.length === 10 ? `${text}T00:00` : text) : Number.NaN
  if (Number.isNaN(time))
    throw new CommandError(`--since: expected 2026-11-28, 2026-11-28T15:00, 2h or 3d, found ${text}`)
  return time
}
