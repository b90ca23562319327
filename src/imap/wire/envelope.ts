// ENVELOPE of a message: computed once at append, stored, and sent as it stands. Refuses to know bytes and sockets.

import type { Envelope, EnvelopeAddress } from '../../mime/index.ts'
import { formatText } from './text.ts'

/**
 * The envelope as FETCH sends it (RFC 9051 §7.5.2), 7-bit. Sender and Reply-To default to From; without From they hold one
 * address of empty strings, because clients fail on NIL there.
 */
export function formatEnvelope(envelope: Envelope): string {
  const from = envelope.from.length > 0 ? envelope.from : [nobody]
  const fields = [
    formatText(envelope.date),
    formatText(envelope.subject),
    formatAddresses(from),
    formatAddresses(envelope.sender.length > 0 ? envelope.sender : from),
    formatAddresses(envelope.replyTo.length > 0 ? envelope.replyTo : from),
    formatAddresses(envelope.to),
    formatAddresses(envelope.cc),
    formatAddresses(envelope.bcc),
    formatText(envelope.inReplyTo),
    formatText(envelope.messageId),
  ]
  return `(${fields.join(' ')})`
}

const nobody: EnvelopeAddress = { local: '', domain: '' }

function formatAddresses(list: readonly EnvelopeAddress[]): string {
  return list.length === 0 ? 'NIL' : `(${list.map(formatAddress).join('')})`
}

/** A NIL host marks the begin and the end of a group (RFC 9051 §7.5.2). */
function formatAddress({ name, route, local, domain, group }: EnvelopeAddress): string {
  if (group !== undefined) return `(NIL NIL ${formatText(group)} NIL)`
  if (name === undefined && local === undefined && domain === undefined) return '(NIL NIL NIL NIL)'
  return `(${formatText(name)} ${formatText(route)} ${formatText(local ?? '')} ${formatText(domain ?? '')})`
}
