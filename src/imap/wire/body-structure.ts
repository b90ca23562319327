// BODY and BODYSTRUCTURE of a message: computed once at append, stored, and sent as it stands.

import type { Envelope, Part } from '../../mime/index.ts'
import { formatEnvelope } from './envelope.ts'
import { formatParams, formatText } from './text.ts'

/** The structure as FETCH sends it (RFC 9051 §7.5.2), 7-bit; `extended` for BODYSTRUCTURE, without for BODY. */
export function formatBodyStructure(part: Part, extended: boolean): string {
  return part.type === 'multipart' ? formatMultipart(part, extended) : formatSingle(part, extended)
}

/** The grammar wants at least one child: a multipart without parts gets an empty text. */
function formatMultipart(part: Part, extended: boolean): string {
  const parts = part.parts ?? []
  const children =
    parts.length > 0 ? parts.map((child) => formatBodyStructure(child, extended)).join('') : emptyText(extended)
  const head = `(${children} ${formatText(part.subtype)}`
  return extended ? `${head} ${formatParams(part.params)} ${formatExtension(part)})` : `${head})`
}

const emptyText = (extended: boolean) =>
  `("text" "plain" ("charset" "us-ascii") NIL NIL "7bit" 0 0${extended ? ' NIL NIL NIL NIL' : ''})`
const emptyEnvelope: Envelope = { from: [], sender: [], replyTo: [], to: [], cc: [], bcc: [] }

function formatSingle(part: Part, extended: boolean): string {
  const fields = [
    formatText(part.type),
    formatText(part.subtype),
    formatParams(part.params),
    formatText(part.id),
    formatText(part.description),
    formatText(part.encoding),
    part.end - part.body,
  ]
  if (isMessage(part)) fields.push(formatContained(part, extended), part.lines)
  else if (part.type === 'text') fields.push(part.lines)
  if (extended) fields.push(formatText(part.md5), formatExtension(part))
  return `(${fields.join(' ')})`
}

function isMessage({ type, subtype }: Part): boolean {
  return type === 'message' && (subtype === 'rfc822' || subtype === 'global')
}

/** A contained message that could not be looked into (encoded, too deep) still needs an envelope and a structure. */
function formatContained({ message }: Part, extended: boolean): string {
  if (!message) return `${formatEnvelope(emptyEnvelope)} ${emptyText(extended)}`
  return `${formatEnvelope(message.envelope)} ${formatBodyStructure(message.root, extended)}`
}

/** Disposition, language, location: what single parts and multiparts share. */
function formatExtension({ disposition, language, location }: Part): string {
  const dsp = disposition ? `(${formatText(disposition.type)} ${formatParams(disposition.params)})` : 'NIL'
  const lang = language?.length ? `(${language.map((tag) => formatText(tag)).join(' ')})` : 'NIL'
  return `${dsp} ${lang} ${formatText(location)}`
}
