// ENVELOPE of a message: computed once at append, stored 7-bit, and sent as it stands. Refuses to know bytes and sockets.

import type { Envelope, EnvelopeAddress } from '../../mime/index.ts'
import { formatText } from './text.ts'

/**
 * The envelope as FETCH sends it (RFC 9051 §7.5.2), 7-bit unless `utf8`. Sender and Reply-To default to From; without From they hold one
 * address of empty strings, because clients fail on NIL there.
 */
export function formatEnvelope(envelope: Envelope, utf8 = false): string {
  const from = envelope.from.length > 0 ? envelope.from : [nobody]
  const fields = [
    formatText(envelope.date, utf8),
    formatText(envelope.subject, utf8),
    formatAddresses(from, utf8),
    formatAddresses(envelope.sender.length > 0 ? envelope.sender : from, utf8),
    formatAddresses(envelope.replyTo.length > 0 ? envelope.replyTo : from, utf8),
    formatAddresses(envelope.to, utf8),
    formatAddresses(envelope.cc, utf8),
    formatAddresses(envelope.bcc, utf8),
    formatText(envelope.inReplyTo, utf8),
    formatText(envelope.messageId, utf8),
  ]
  return `(${fields.join(' ')})`
}

const nobody: EnvelopeAddress = { local: '', domain: '' }

function formatAddresses(list: readonly EnvelopeAddress[], utf8: boolean): string {
  return list.length === 0 ? 'NIL' : `(${list.map((address) => formatAddress(address, utf8)).join('')})`
}

/** A NIL host marks the begin and the end of a group (RFC 9051 §7.5.2). */
function formatAddress({ name, route, local, domain, group }: EnvelopeAddress, utf8: boolean): string {
  if (group !== undefined) return `(NIL NIL ${formatText(group, utf8)} NIL)`
  if (name === undefined && local === undefined && domain === undefined) return '(NIL NIL NIL NIL)'
  const fields = [name, route, local ?? '', domain ?? '']
  return `(${fields.map((field) => formatText(field, utf8)).join(' ')})`
}
