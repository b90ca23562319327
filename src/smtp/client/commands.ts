// MAIL and RCPT as lines, with what the server offers to take of what the message asks for. Sends nothing.

import { formatPath } from '../../address/index.ts'
import { formatOrcpt, formatXtext, type MailParams, type RecipientParams, type Reply, reply } from '../wire/index.ts'
import type { ConnectionTls, OutgoingMail } from './types.ts'

/** What the server said in its last EHLO, and how it was heard. */
export interface Offer {
  /** Keywords in upper case with their arguments. */
  readonly extensions: ReadonlyMap<string, string>
  readonly tls?: ConnectionTls
}

/** The whole MAIL command without its line end. */
export function formatMail({ extensions }: Offer, mail: OutgoingMail): string {
  const { params = {} } = mail
  let line = `MAIL FROM:${formatPath(mail.from)}`
  if (extensions.has('SIZE')) line += ` SIZE=${mail.size}`
  if (mail.binary) line += ' BODY=BINARYMIME'
  else if (mail.body8) line += ' BODY=8BITMIME'
  if (mail.utf8) line += ' SMTPUTF8'
  if (params.requireTls) line += ' REQUIRETLS'
  if (extensions.has('DSN')) line += formatMailDsn(params)
  if (extensions.has('DELIVERBY')) line += formatBy(mail.by)
  // RFC 6710 §4.1; what the server does not offer is a wish that nobody hears: it changes nothing of who gets the message.
  if (extensions.has('MT-PRIORITY') && params.priority !== undefined) line += ` MT-PRIORITY=${params.priority}`
  return line
}

/** One RCPT command without its line end. */
export function formatRecipient(
  { extensions }: Offer,
  { address, params }: OutgoingMail['recipients'][number],
): string {
  return `RCPT TO:${formatPath(address)}${extensions.has('DSN') ? formatRecipientDsn(params) : ''}`
}

/** RET and ENVID (RFC 3461 §4.3, §4.4). */
function formatMailDsn({ ret, envid }: MailParams): string {
  return `${ret ? ` RET=${ret.toUpperCase()}` : ''}${envid === undefined ? '' : ` ENVID=${formatXtext(envid)}`}`
}

/** NOTIFY and ORCPT (RFC 3461 §4.1, §4.2). */
function formatRecipientDsn({ notify, orcpt }: RecipientParams = {}): string {
  const when = notify?.length === 0 ? 'NEVER' : notify?.join(',').toUpperCase()
  return `${when ? ` NOTIFY=${when}` : ''}${orcpt ? ` ORCPT=${formatOrcpt(orcpt)}` : ''}`
}

/** RFC 2852 §3: seconds that are left, up to nine digits; a message that is to come back must have some. */
function formatBy(by: OutgoingMail['by']): string {
  if (!by) return ''
  const least = by.mode === 'return' ? 1 : -999_999_999
  const seconds = Math.max(least, Math.min(999_999_999, Math.floor(by.seconds)))
  return ` BY=${seconds};${by.mode === 'return' ? 'R' : 'N'}${by.trace ? 'T' : ''}`
}

/** What the server cannot take, answered as it would have answered itself; undefined when it can. */
export function refuseUnsent({ extensions, tls }: Offer, mail: OutgoingMail): Reply | undefined {
  // RFC 6531 §3.2: such a message may only go where SMTPUTF8 is offered.
  if (mail.utf8 && !extensions.has('SMTPUTF8')) return reply(550, '5.6.7', 'The next server does not offer SMTPUTF8')
  // RFC 8689 §4.2.1
  if (mail.params?.requireTls && !(tls?.authorized && extensions.has('REQUIRETLS')))
    return reply(550, '5.7.30', 'The next server does not offer REQUIRETLS over TLS with a certificate that we trust')
  // RFC 3030 §3: only by BDAT, and only to who offers both.
  if (mail.binary && !(extensions.has('BINARYMIME') && extensions.has('CHUNKING')))
    return reply(554, '5.6.3', 'The next server does not offer BINARYMIME')
  // RFC 6152 §3: eight bits are never sent to a server that does not offer to take them, as SMTPUTF8 does too (RFC 6531 §3.1).
  if (mail.body8 && !mail.binary && !mail.utf8 && !extensions.has('8BITMIME'))
    return reply(554, '5.6.3', 'The next server does not offer 8BITMIME')
  const limit = Number(extensions.get('SIZE') ?? 0)
  // RFC 1870 §6.1; 0 means no fixed limit.
  if (limit > 0 && mail.size > limit) return reply(552, '5.3.4', `The next server takes at most ${limit} octets`)
  return undefined
}
