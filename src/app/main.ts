// The entry: `run` goes straight to the server, everything else through the command line.

import { parseRun } from './arguments.ts'
import { run } from './run.ts'

process.title = 'posthorn'
const args = process.argv.slice(2)
const direct = parseRun(args)
if (direct) await run(direct)
else await (await import('./cli/program.ts')).runProgram(args)
