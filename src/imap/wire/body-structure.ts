// BODY and BODYSTRUCTURE of a message: computed once at append, stored 7-bit, and sent as it stands.

import type { Envelope, Part } from '../../mime/index.ts'
import { formatEnvelope } from './envelope.ts'
import { formatParams, formatText } from './text.ts'

/** The structure as FETCH sends it (RFC 9051 §7.5.2), 7-bit unless `utf8`; `extended` for BODYSTRUCTURE, without for BODY. */
export function formatBodyStructure(part: Part, extended: boolean, utf8 = false): string {
  return part.type === 'multipart' ? formatMultipart(part, extended, utf8) : formatSingle(part, extended, utf8)
}

/** The grammar wants at least one child: a multipart without parts gets an empty text. */
function formatMultipart(part: Part, extended: boolean, utf8: boolean): string {
  const parts = part.parts ?? []
  const children =
    parts.length > 0 ? parts.map((child) => formatBodyStructure(child, extended, utf8)).join('') : emptyText(extended)
  const head = `(${children} ${formatText(part.subtype, utf8)}`
  return extended ? `${head} ${formatParams(part.params, utf8)} ${formatExtension(part, utf8)})` : `${head})`
}

const emptyText = (extended: boolean) =>
  `("text" "plain" ("charset" "us-ascii") NIL NIL "7bit" 0 0${extended ? ' NIL NIL NIL NIL' : ''})`
const emptyEnvelope: Envelope = { from: [], sender: [], replyTo: [], to: [], cc: [], bcc: [] }

function formatSingle(part: Part, extended: boolean, utf8: boolean): string {
  const fields = [
    formatText(part.type, utf8),
    formatText(part.subtype, utf8),
    formatParams(part.params, utf8),
    formatText(part.id, utf8),
    formatText(part.description, utf8),
    formatText(part.encoding, utf8),
    part.end - part.body,
  ]
  if (isMessage(part)) fields.push(formatContained(part, extended, utf8), part.lines)
  else if (part.type === 'text') fields.push(part.lines)
  if (extended) fields.push(formatText(part.md5, utf8), formatExtension(part, utf8))
  return `(${fields.join(' ')})`
}

function isMessage({ type, subtype }: Part): boolean {
  return type === 'message' && (subtype === 'rfc822' || subtype === 'global')
}

/** A contained message that could not be looked into (encoded, too deep) still needs an envelope and a structure. */
function formatContained({ message }: Part, extended: boolean, utf8: boolean): string {
  if (!message) return `${formatEnvelope(emptyEnvelope)} ${emptyText(extended)}`
  return `${formatEnvelope(message.envelope, utf8)} ${formatBodyStructure(message.root, extended, utf8)}`
}

/** Disposition, language, location: what single parts and multiparts share. */
function formatExtension({ disposition, language, location }: Part, utf8: boolean): string {
  const dsp = disposition ? `(${formatText(disposition.type, utf8)} ${formatParams(disposition.params, utf8)})` : 'NIL'
  const lang = language?.length ? `(${language.map((tag) => formatText(tag, utf8)).join(' ')})` : 'NIL'
  return `${dsp} ${lang} ${formatText(location, utf8)}`
}
