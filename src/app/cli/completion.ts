// posthorn completion bash | zsh | fish | powershell. The printed script asks `posthorn complete -- …` at each tab.

import tab from '@bomb.sh/tab/commander'
import type { Command } from 'commander'

/** Comes last: it completes the commands that `program` has by then. */
export function completionCommands(program: Command): void {
  tab(program, { completionCommandName: 'completion' })
  const printing = program.commands.find((one) => one.name() === 'completion')
  printing?.hook('preAction', (_, { args }) => {
    if (args[0] === 'bash') process.stdout.write(bashPrelude)
  })
}

/** The script uses a function of Debian's package bash-completion, which not everybody has. */
const bashPrelude = `if ! declare -F _get_comp_words_by_ref >/dev/null; then
    _get_comp_words_by_ref() {
        words=("\${COMP_WORDS[@]}") cword=$COMP_CWORD
        cur=\${COMP_WORDS[COMP_CWORD]} prev=\${COMP_WORDS[COMP_CWORD - 1]}
    }
fi
`
