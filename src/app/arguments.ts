// `run` with its two options read without the command line's library: it would cost a tenth of the time to the first banner.

import type { Shared } from './cli/context.ts'

/** The options of a plain `run`; undefined when the line is anything else. */
export function parseRun(args: readonly string[]): Shared | undefined {
  if (args[0] !== 'run') return undefined
  let config: string | undefined
  let json = false
  for (let i = 1; i < args.length; i++) {
    const arg = args[i]!
    if (arg === '--json') json = true
    else if (arg.startsWith('--config=')) config = arg.slice('--config='.length)
    else if (arg === '--config' && args[i + 1] !== undefined) config = args[++i]
    else return undefined
  }
  return { json, ...(config !== undefined && { config }) }
}
