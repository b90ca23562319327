// STARTTLS: everything said before is forgotten, and nothing may be said in between (STARTTLS injection).

import { replies } from '../replies.ts'
import { command } from './command.ts'
import { withdraw } from './reset.ts'

export const starttls = command({
  verb: 'STARTTLS',
  rfc: 'RFC 3207 §4',
  syntax: 'STARTTLS',
  states: ['new', 'greeted', 'mail', 'rcpt', 'bdat'],
  capabilities: ({ tls, options }) => (!tls && options.tls() ? ['STARTTLS'] : []),
  parse: (line) => line.end(),
  check({ tls, options }) {
    if (tls) return replies.notOffered
    return options.tls() ? undefined : replies.notOffered
  },
  async proceed(session, _, state) {
    await withdraw(state, 'STARTTLS')
    if (session.pending > 0) {
      // Somebody put plaintext behind the command, to be read as if it came through TLS.
      session.log.warn({ ip: session.clientIp }, 'plaintext after STARTTLS')
      session.destroy()
      return { name: 'new' }
    }
    session.reply(replies.readyForTls)
    if (!(await session.startTls())) session.log.debug({ ip: session.clientIp }, 'TLS handshake failed')
    // RFC 3207 §4.2: the dialogue begins anew, without a greeting.
    return { name: 'new' }
  },
})
