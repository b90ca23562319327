// RCPT: one recipient, checked while the client waits, with what the sender wants to hear of him.

import type { Address } from '../../../address/index.ts'
import type { RefusalCode } from '../../../delivery/index.ts'
import { type Params, parseNotify, parseOrcpt, type RecipientParams, type Reply, reply } from '../../wire/index.ts'
import { refusalReply, replies } from '../replies.ts'
import { count } from '../stats.ts'
import type { Session } from '../types.ts'
import { command } from './command.ts'

export const rcpt = command({
  verb: 'RCPT',
  rfc: 'RFC 5321 §4.1.1.3',
  syntax: 'RCPT TO:<address> [NOTIFY=NEVER|SUCCESS,FAILURE,DELAY] [ORCPT=type;address]',
  states: ['mail', 'rcpt'],
  parse(line) {
    const to = line.sp().word('TO:').path() ?? line.fail('a recipient cannot be empty')
    return { to, ...parseParams(line.params()), needsUtf8: !line.isAscii }
  },
  async check(session, { to, unknown, needsUtf8 }, { mail }): Promise<Reply | undefined> {
    // RFC 5321 §4.1.1.11
    if (unknown !== undefined) return reply(555, '5.5.4', `RCPT does not know ${unknown}`)
    if (needsUtf8 && !mail.utf8) return mail.history.refuseRecipient(to, replies.needsUtf8)
    if (mail.recipients.length >= session.limits.maxRecipients) {
      count(session.stats.recipients, 'too-many-recipients')
      return mail.history.refuseRecipient(to, replies.tooManyRecipients)
    }
    const address = whole(session, to)
    const limited = session.visit && (await session.visit.recipient(address, session.login?.account))
    if (limited !== undefined) {
      count(session.stats.recipients, 'limited')
      return mail.history.refuseRecipient(address, refusalReply({ code: 'limited', text: limited }))
    }
    const verdict = await session.options.checks.recipient(mail.arrival, mail.from, address, mail.size)
    count(session.stats.recipients, verdict.ok ? 'ok' : verdict.refusal.code)
    if (verdict.ok) return undefined
    if (blamed.has(verdict.refusal.code)) session.blame()
    const refusal = mail.history.refuseRecipient(address, refusalReply(verdict.refusal))
    // Directory harvest: who tries one name after the other is not served for ever.
    return ++session.refusedRecipients > session.limits.refusedRecipients && isStranger(session)
      ? replies.tooManyErrors
      : refusal
  },
  proceed(session, { to, params }, { helo, extended, mail }) {
    mail.recipients.push({ address: whole(session, to), ...(params && { params }) })
    session.reply(replies.recipientOk)
    return { name: 'rcpt', helo, extended, mail }
  },
})

/** What names that nobody has, and mail that nobody wants, are refused with. */
const blamed: ReadonlySet<RefusalCode> = new Set(['unknown-user', 'relay-denied', 'blocked'])

const isStranger = ({ login, trusted, kind }: Session) => !login && !trusted && kind !== 'lmtp'

/** NOTIFY and ORCPT (RFC 3461 §4.1, §4.2). */
function parseParams(given: Params): { readonly unknown?: string; readonly params?: RecipientParams } {
  if (given.size === 0) return {}
  const [notify, orcpt] = [given.get('NOTIFY'), given.get('ORCPT')]
  const unknown = given.keys().find((keyword) => keyword !== 'NOTIFY' && keyword !== 'ORCPT')
  const params: RecipientParams = {
    ...(notify !== undefined && { notify: parseNotify(notify) }),
    ...(orcpt !== undefined && { orcpt: parseOrcpt(orcpt) }),
  }
  return unknown === undefined ? { params } : { unknown }
}

/** RFC 5321 §4.5.1: <postmaster> without a domain is this server's own. */
function whole({ options }: Session, to: Address): Address {
  return to.domain === '' ? { local: to.local, domain: options.hostname } : to
}
