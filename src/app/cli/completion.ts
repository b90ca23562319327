// posthorn completion bash | zsh | fish | powershell. The printed script asks `posthorn complete -- …` at each tab.

import tab from '@bomb.sh/tab/commander'
import type { Command } from 'commander'

/** Comes last: it completes the commands that `program` has by then. */
export function completionCommands(program: Command): void {
  tab(program, { completionCommandName: 'completion' })
}
