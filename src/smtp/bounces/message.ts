// A message as the readers of bounces want it: header fields, the outer parts, their text decoded. All of it capped.

import type { Buffer } from 'node:buffer'
import {
  createScanner,
  decodeBody,
  decodeText,
  decodeWords,
  findParam,
  firstField,
  messageId,
  type Part,
} from '../../mime/index.ts'
import { bounceLimits } from './limits.ts'

export interface ReturnedMail {
  /** First value of a header field, decoded; '' when there is none. */
  field(name: string): string
  /** Leaves of the message itself, not of messages in it. */
  readonly parts: readonly Part[]
  /** Decoded bytes of a part. */
  bytes(part: Part, max: number): Buffer
  /** Decoded text of a part with LF line ends. */
  text(part: Part): string
}

export function openMail(message: Buffer): ReturnedMail {
  const all = message.subarray(0, bounceLimits.bytes)
  const scanner = createScanner(bounceLimits.scan)
  scanner.write(all)
  const { root, header } = scanner.end()
  const bytes = (part: Part, max: number) =>
    decodeBody(part.encoding, all.subarray(part.body, Math.min(part.end, part.body + 2 * max))).subarray(0, max)
  return {
    field: (name) => decodeWords(firstField(header, name) ?? '').trim(),
    parts: leaves(root),
    bytes,
    text(part) {
      const charset = findParam(part.params, 'charset') ?? 'utf-8'
      return decodeText(bytes(part, bounceLimits.text), charset).replaceAll('\r', '')
    },
  }
}

function leaves(part: Part): readonly Part[] {
  return part.parts && part.parts.length > 0 ? part.parts.flatMap(leaves) : [part]
}

export const isType = (part: Part, ...types: readonly string[]): boolean =>
  types.includes(`${part.type}/${part.subtype}`)

/** The part that holds the message that came back, or its header. */
export function returnedPart(mail: ReturnedMail): Part | undefined {
  return (
    mail.parts.find((part) => isType(part, 'message/rfc822', 'message/global')) ??
    mail.parts.find((part) =>
      isType(part, 'text/rfc822-headers', 'text/rfc822-header', 'message/global-headers', 'message/rfc822-headers'),
    )
  )
}

/** Header of the message that came back; some programs attach it as plain text. */
export function returnedHeader(mail: ReturnedMail): Buffer | undefined {
  const part = returnedPart(mail)
  if (part) return trimStart(mail.bytes(part, bounceLimits.text))
  const texts = mail.parts.filter((each) => isType(each, 'text/plain')).slice(1, 10)
  return texts
    .map((text) => trimStart(mail.bytes(text, bounceLimits.text)))
    .find((header) => firstField(header, 'message-id') !== undefined)
}

/** Empty lines before a header, which some programs write. */
export function trimStart(header: Buffer): Buffer {
  let at = 0
  while (header[at] === 10 || header[at] === 13) at++
  return header.subarray(at)
}

/** The Message-ID in a header, capped. */
export function idIn(header: Buffer | undefined): string | undefined {
  const value = header && firstField(header, 'message-id')
  return value === undefined ? undefined : messageId(value)
}

const stops = ' \t\r\n<>()[]"\',;:@|'

/** The first address in a text from `from` on: what stands around an `@`. */
export function findAddress(text: string, from = 0): { readonly address: string; readonly end: number } | undefined {
  for (let at = text.indexOf('@', from); at >= 0; at = text.indexOf('@', at + 1)) {
    let start = at
    while (start > from && !stops.includes(text[start - 1]!)) start--
    let end = at + 1
    while (end < text.length && isDomainChar(text.charCodeAt(end))) end++
    while (end > at && text[end - 1] === '.') end--
    if (start < at && end > at + 1 && end - start <= bounceLimits.value) return { address: text.slice(start, end), end }
  }
  return undefined
}

function isDomainChar(c: number): boolean {
  return (
    (c >= 0x30 && c <= 0x39) ||
    (c >= 0x41 && c <= 0x5a) ||
    (c >= 0x61 && c <= 0x7a) ||
    c === 0x2d ||
    c === 0x2e ||
    c > 0x7f
  )
}
