// RSET, and what every command does that throws an open transaction away.

import { replies } from '../replies.ts'
import type { State } from '../types.ts'
import { command } from './command.ts'

/** Lets go of what an open transaction holds. */
export async function withdraw(state: State, why: string): Promise<void> {
  if (state.name === 'bdat') await state.intake.abort(why)
  else if (state.name === 'mail' || state.name === 'rcpt') state.mail.history.withdraw(why)
}

/** The state after a transaction ended or was withdrawn. */
export function withoutMail(state: State): State {
  return state.name === 'new' ? state : { name: 'greeted', helo: state.helo, extended: state.extended }
}

export const rset = command({
  verb: 'RSET',
  rfc: 'RFC 5321 §4.1.1.5',
  syntax: 'RSET',
  states: ['new', 'greeted', 'mail', 'rcpt', 'bdat'],
  parse: (line) => line.end(),
  async proceed(session, _, state) {
    await withdraw(state, 'RSET')
    session.origin = undefined
    session.reply(replies.ok)
    return withoutMail(state)
  },
})
