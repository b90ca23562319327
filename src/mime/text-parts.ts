// Which parts of a message hold text, and under which name a part goes. Also how readers of text ask for bytes.

import { decodeWords } from './encoded-words.ts'
import { fieldValue, parseFields } from './header.ts'
import { findParam } from './parameters.ts'
import type { Part } from './types.ts'

/** Bytes `start` to `end` (exclusive) of the message are wanted. */
export type Want = readonly [start: number, end: number]
/** Asks for bytes by `yield`, so that the same steps serve bytes in memory and bytes on disk. */
export type Reading<T> = Generator<Want, T, Buffer>

/** A multipart in which no part was found is shown as text by every mail program. */
export function isText(part: Part): boolean {
  return part.type === 'text' || part.type === 'multipart' || part.subtype === 'delivery-status'
}

export function isHtml(part: Part): boolean {
  return part.subtype === 'html' || part.subtype === 'xhtml'
}

/** Name of the file that a part carries, decoded; '' when it has none. Never a path (RFC 2183 §2.3 leaves that to the reader). */
export function fileName(part: Part): string {
  const name = findParam(part.disposition?.params ?? [], 'filename') ?? findParam(part.params, 'name')
  return name === undefined ? '' : decodeWords(name)
}

/** All fields of a header as lines `name: value`, unfolded and decoded. */
export function headerText(header: Buffer): string {
  return parseFields(header)
    .map((field) => `${field.name}: ${decodeWords(fieldValue(header, field))}`)
    .join('\n')
}
