// Commands that change nothing: NOOP, QUIT, HELP.

import { reply } from '../../wire/index.ts'
import { replies } from '../replies.ts'
import { type Command, command } from './command.ts'
import { withdraw } from './reset.ts'

const anywhere = ['new', 'greeted', 'mail', 'rcpt', 'bdat'] as const

export const noop = command({
  verb: 'NOOP',
  rfc: 'RFC 5321 §4.1.1.9',
  syntax: 'NOOP [text]',
  states: anywhere,
  parse: (line) => line.rest(),
  proceed(session, _, state) {
    session.reply(replies.ok)
    return state
  },
})

export const quit = command({
  verb: 'QUIT',
  rfc: 'RFC 5321 §4.1.1.10',
  syntax: 'QUIT',
  states: anywhere,
  parse: (line) => line.end(),
  async proceed(session, _, state) {
    await withdraw(state, 'QUIT')
    session.reply(replies.bye)
    session.part()
    return { name: 'new' }
  },
})

/** HELP, telling the syntax of `commands`. */
export function createHelp(commands: readonly Command[]): Command {
  return command({
    verb: 'HELP',
    rfc: 'RFC 5321 §4.1.1.8',
    syntax: 'HELP [command]',
    states: anywhere,
    parse: (line) => line.rest().toUpperCase(),
    proceed(session, about, state) {
      const offered = commands.filter(({ kinds }) => kinds === undefined || kinds.includes(session.kind))
      const found = offered.find(({ verb }) => verb === about)
      if (about === '')
        session.reply(reply(214, '2.0.0', ...offered.map(({ verb, rfc }) => `${verb} (${formatRfc(rfc)})`)))
      else if (found) session.reply(reply(214, '2.0.0', `${found.syntax} (${formatRfc(found.rfc)})`))
      else session.reply(reply(504, '5.5.4', 'No help on that'))
      return state
    },
  })
}

/** Replies are ASCII. */
function formatRfc(rfc: string): string {
  return rfc.replace('§', 'section ')
}
