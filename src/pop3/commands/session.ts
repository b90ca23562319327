// Commands of either state: what the session can do, and good-bye.

import { type Command, command } from '../command.ts'
import { noArguments } from '../line.ts'

const capa = command({
  name: 'CAPA',
  rfc: 'RFC 2449 §5',
  states: ['authorization', 'transaction'],
  parse: noArguments,
  run: ({ session }) => ({
    ok: true,
    text: 'what this server can do',
    body: [Buffer.from(`${session.capabilities().join('\r\n')}\r\n.\r\n`)],
  }),
})

const quit = command({
  name: 'QUIT',
  rfc: 'RFC 1939 §6',
  states: ['authorization', 'transaction'],
  parse: noArguments,
  async run(context) {
    context.session.end()
    // Before sign-in there is no maildrop, whatever the type says for the other state.
    const maildrop = 'maildrop' in context ? context.maildrop : undefined
    if (!maildrop || maildrop.markedCount === 0) return { ok: true, text: 'bye' }
    // RFC 1939 §6: what is marked goes now, and only now; the answer comes when it is on disk.
    await maildrop.removeMarked()
    context.stats.removed += maildrop.markedCount
    return { ok: true, text: `${maildrop.markedCount} removed, bye` }
  },
})

export const sessionCommands: readonly Command[] = [capa, quit]
