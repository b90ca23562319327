// EHLO, HELO and LHLO: who the client says it is, and what we offer. Each begins the dialogue anew.

import { reply } from '../../wire/index.ts'
import type { Session, State } from '../types.ts'
import { type Command, command } from './command.ts'
import { withdraw } from './reset.ts'

const anywhere = ['new', 'greeted', 'mail', 'rcpt', 'bdat'] as const

/** The three greetings, announcing what `commands` bring. */
export function createHello(commands: readonly Command[]): readonly Command[] {
  const announce = async (session: Session, helo: string, state: State): Promise<State> => {
    await withdraw(state, 'a new greeting')
    session.origin = undefined
    const offered = commands
      .filter(({ kinds }) => kinds === undefined || kinds.includes(session.kind))
      .flatMap(({ capabilities }) => capabilities(session))
    // RFC 2920: commands are answered in order however many arrive at once. RFC 2034: every reply has its code.
    session.reply(
      reply(
        250,
        undefined,
        `${session.options.hostname} greets ${helo}`,
        'PIPELINING',
        'ENHANCEDSTATUSCODES',
        ...offered,
      ),
    )
    return { name: 'greeted', helo, extended: true }
  }
  const parse: Parameters<typeof command<'new', string>>[0]['parse'] = (line) => {
    const helo = line.sp().helo()
    line.end()
    return helo
  }
  return [
    command({
      verb: 'EHLO',
      rfc: 'RFC 5321 §4.1.1.1',
      syntax: 'EHLO hostname',
      kinds: ['mx', 'submission', 'submissions'],
      states: anywhere,
      parse,
      proceed: announce,
    }),
    command({
      verb: 'HELO',
      rfc: 'RFC 5321 §4.1.1.1',
      syntax: 'HELO hostname',
      kinds: ['mx', 'submission', 'submissions'],
      states: anywhere,
      parse,
      async proceed(session, helo, state) {
        await withdraw(state, 'a new greeting')
        session.origin = undefined
        session.reply(reply(250, undefined, session.options.hostname))
        return { name: 'greeted', helo, extended: false }
      },
    }),
    // RFC 2033 §4.1: LMTP has LHLO and neither HELO nor EHLO.
    command({
      verb: 'LHLO',
      rfc: 'RFC 2033 §4.1',
      syntax: 'LHLO hostname',
      kinds: ['lmtp'],
      states: anywhere,
      parse,
      proceed: announce,
    }),
  ]
}
