// Header fields as they stand (RFC 5322 §2.2): where each one is, and its value unfolded. Knows no field's meaning.

import { isUtf8 } from 'node:buffer'
import type { HeaderField } from './types.ts'

const LF = 10
const CR = 13
const COLON = 58

/**
 * The fields up to the empty line or the end, in order; `end` is behind the field's last line end. Lines that are no field
 * (an mbox `From ` line, garbage) are left out with their continuations.
 */
export function parseFields(header: Buffer): HeaderField[] {
  const fields: { name: string; start: number; end: number }[] = []
  let open = false
  for (let at = 0; at < header.length; ) {
    const lf = header.indexOf(LF, at)
    const end = lf < 0 ? header.length : lf + 1
    const c = header[at]!
    if (c === LF || (c === CR && header[at + 1] === LF)) break
    if (c === 32 || c === 9) {
      if (open) fields[fields.length - 1]!.end = end
    } else {
      const name = fieldName(header, at, end)
      open = name !== ''
      if (open) fields.push({ name, start: at, end })
    }
    at = end
  }
  return fields
}

/** Printable ASCII up to the colon (RFC 5322 §2.2), blanks before the colon allowed (§4.5); '' when the line is no field. */
function fieldName(header: Buffer, start: number, end: number): string {
  let at = start
  while (at < end && header[at]! > 32 && header[at]! < 127 && header[at] !== COLON) at++
  const stop = at
  while (at < end && (header[at] === 32 || header[at] === 9)) at++
  return header[at] === COLON && at < end ? header.toString('latin1', start, stop) : ''
}

/** The field's value without folds (RFC 5322 §2.2.3) and outer white space; UTF-8 when it is valid, Latin-1 otherwise. */
export function fieldValue(header: Buffer, field: HeaderField): string {
  const colon = header.indexOf(COLON, field.start + field.name.length)
  const bytes = header.subarray(colon + 1, field.end)
  const text = isUtf8(bytes) ? bytes.toString('utf8') : bytes.toString('latin1')
  return trimBlank(unfold(text))
}

function unfold(text: string): string {
  const lf = text.indexOf('\n')
  if (lf < 0 || lf === text.length - 1) return text
  let out = ''
  for (let at = 0; at < text.length; ) {
    const next = text.indexOf('\n', at)
    const end = next < 0 ? text.length : next
    out += text.slice(at, next >= 0 && text[end - 1] === '\r' ? end - 1 : end)
    at = end + 1
  }
  return out
}

function trimBlank(text: string): string {
  let start = 0
  let end = text.length
  while (start < end && isBlank(text.charCodeAt(start))) start++
  while (end > start && isBlank(text.charCodeAt(end - 1))) end--
  return text.slice(start, end)
}

function isBlank(c: number): boolean {
  return c === 32 || c === 9 || c === CR || c === LF
}

/** Value of the first field called `name` (any case). */
export function firstField(header: Buffer, name: string): string | undefined {
  const wanted = name.toLowerCase()
  for (const field of parseFields(header))
    if (field.name.length === wanted.length && field.name.toLowerCase() === wanted) return fieldValue(header, field)
  return undefined
}
