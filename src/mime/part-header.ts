// What a header says of its part (RFC 2045), and of its message (the envelope of RFC 9051 §7.5.2).

import { parseAddressList } from './address-list.ts'
import { fieldValue } from './header.ts'
import { MAX_VALUE } from './limits.ts'
import { parseContentType, parseDisposition, parseEncoding, parseLanguage } from './parameters.ts'
import type { ContentType, Envelope, EnvelopeAddress, HeaderField, Part } from './types.ts'

export type PartHead = Pick<
  Part,
  'type' | 'subtype' | 'params' | 'encoding' | 'id' | 'description' | 'md5' | 'disposition' | 'language' | 'location'
>
type Writable<T> = { -readonly [K in keyof T]: T[K] }

/** RFC 2045 §5.2, and RFC 2046 §5.1.5 inside multipart/digest. */
const plainText: ContentType = { type: 'text', subtype: 'plain', params: [['charset', 'us-ascii']] }
const digestMessage: ContentType = { type: 'message', subtype: 'rfc822', params: [] }

/** A header field's effect on the head; the first field of a name counts. */
const readers: { readonly [name: string]: (head: Writable<PartHead>, value: string) => void } = {
  'content-transfer-encoding': (head, value) => {
    head.encoding = parseEncoding(value)
  },
  'content-id': (head, value) => {
    head.id = value.slice(0, MAX_VALUE)
  },
  'content-description': (head, value) => {
    head.description = value.slice(0, MAX_VALUE)
  },
  'content-md5': (head, value) => {
    head.md5 = value.slice(0, MAX_VALUE)
  },
  'content-location': (head, value) => {
    head.location = value.slice(0, MAX_VALUE)
  },
  'content-disposition': (head, value) => {
    head.disposition = parseDisposition(value)
  },
  'content-language': (head, value) => {
    head.language = parseLanguage(value)
  },
}

/** `fields`: those of `header`. `inDigest`: the part stands in a multipart/digest. */
export function readPartHead(header: Buffer, fields: readonly HeaderField[], inDigest: boolean): PartHead {
  const head: Writable<PartHead> = { ...(inDigest ? digestMessage : plainText), encoding: '7bit' }
  const seen = new Set<string>()
  for (const field of fields) {
    // Most fields are passed without a look: the first letter and the hyphen of `content-`.
    if ((field.name.charCodeAt(0) | 32) !== 99 || field.name.charCodeAt(7) !== 45) continue
    const name = field.name.toLowerCase()
    if (!name.startsWith('content-') || seen.has(name)) continue
    seen.add(name)
    if (name !== 'content-type') readers[name]?.(head, fieldValue(header, field))
    else Object.assign(head, parseContentType(fieldValue(header, field)) ?? plainText)
  }
  return head
}

const texts = new Map<string, 'date' | 'subject' | 'inReplyTo' | 'messageId'>([
  ['date', 'date'],
  ['subject', 'subject'],
  ['in-reply-to', 'inReplyTo'],
  ['message-id', 'messageId'],
])
const lists = new Map<string, 'from' | 'sender' | 'replyTo' | 'to' | 'cc' | 'bcc'>([
  ['from', 'from'],
  ['sender', 'sender'],
  ['reply-to', 'replyTo'],
  ['to', 'to'],
  ['cc', 'cc'],
  ['bcc', 'bcc'],
])

/** Lists that stand in several fields are joined; of the other fields the first counts. */
export function readEnvelope(header: Buffer, fields: readonly HeaderField[]): Envelope {
  const envelope: Writable<Envelope> = { from: [], sender: [], replyTo: [], to: [], cc: [], bcc: [] }
  for (const field of fields) {
    if (field.name.length > 11) continue
    const name = field.name.toLowerCase()
    const text = texts.get(name)
    if (text) envelope[text] ??= fieldValue(header, field)
    const list = lists.get(name)
    if (list) {
      const entries: EnvelopeAddress[] = parseAddressList(fieldValue(header, field))
      envelope[list] = envelope[list].length > 0 ? [...envelope[list], ...entries] : entries
    }
  }
  return envelope
}
