// RCPT: one recipient, checked while the client waits.

import { type Reply, reply } from '../../wire/index.ts'
import { refusalReply, replies } from '../replies.ts'
import { count } from '../stats.ts'
import { command } from './command.ts'

export const rcpt = command({
  verb: 'RCPT',
  rfc: 'RFC 5321 §4.1.1.3',
  syntax: 'RCPT TO:<address>',
  states: ['mail', 'rcpt'],
  parse(line) {
    const to = line.sp().word('TO:').path() ?? line.fail('a recipient cannot be empty')
    const [unknown] = line.params().keys()
    return { to, unknown, needsUtf8: !line.isAscii }
  },
  async check(session, { to, unknown, needsUtf8 }, { mail }): Promise<Reply | undefined> {
    // RFC 5321 §4.1.1.11. NOTIFY and ORCPT belong to DSN, which is not announced.
    if (unknown !== undefined) return reply(555, '5.5.4', `RCPT does not know ${unknown}`)
    if (needsUtf8 && !mail.utf8) return replies.needsUtf8
    if (mail.recipients.length >= session.limits.maxRecipients) {
      count(session.stats.recipients, 'too-many-recipients')
      return replies.tooManyRecipients
    }
    const address = to.domain === '' ? { local: to.local, domain: session.options.hostname } : to
    const verdict = await session.options.checks.recipient(mail.arrival, mail.from, address, mail.size)
    count(session.stats.recipients, verdict.ok ? 'ok' : verdict.refusal.code)
    return verdict.ok ? undefined : refusalReply(verdict.refusal)
  },
  proceed(session, { to }, { helo, extended, mail }) {
    // RFC 5321 §4.5.1: <postmaster> without a domain is this server's own.
    mail.recipients.push({ address: to.domain === '' ? { local: to.local, domain: session.options.hostname } : to })
    session.reply(replies.recipientOk)
    return { name: 'rcpt', helo, extended, mail }
  },
})
