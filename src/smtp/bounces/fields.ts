// Reports made of fields: delivery status (RFC 3464) and feedback (RFC 5965).

import { Buffer } from 'node:buffer'
import { oneLine } from '../../base/index.ts'
import { fieldValue, parseFields } from '../../mime/index.ts'
import { bounceLimits } from './limits.ts'
import { findAddress } from './message.ts'
import type { BounceAction } from './types.ts'

export type Fields = readonly (readonly [name: string, value: string])[]

export interface RecipientFields {
  readonly address: string
  readonly original?: string
  readonly action: BounceAction
  readonly status?: string
  readonly diagnostic?: string
  readonly mta?: string
}

export interface StatusReport {
  readonly envelopeId?: string
  readonly recipients: readonly RecipientFields[]
}

/** Groups of fields, which empty lines part (RFC 3464 §2.1); names in lower case. */
export function fieldGroups(bytes: Buffer): Fields[] {
  const groups: Fields[] = []
  const text = bytes.toString('latin1').replaceAll('\r', '')
  for (const block of text.split('\n\n')) {
    const header = Buffer.from(block.startsWith('\n') ? block.slice(1) : block, 'latin1')
    const fields = parseFields(header).map(
      (field) => [field.name.toLowerCase(), oneLine(fieldValue(header, field), 4 * bounceLimits.diagnostic)] as const,
    )
    if (fields.length > 0) groups.push(fields)
    if (groups.length > bounceLimits.recipients) break
  }
  return groups
}

export const firstValue = (fields: Fields, name: string): string | undefined =>
  fields.find(([found]) => found === name)?.[1]

/** A delivery status report, whatever order its fields have; programs that write all in one group are understood. */
export function readStatusReport(bytes: Buffer): StatusReport {
  const groups = fieldGroups(bytes)
  const envelopeId = groups.map((fields) => firstValue(fields, 'original-envelope-id')).find((id) => id)
  const recipients = groups.flatMap((fields) => toRecipient(fields) ?? []).slice(0, bounceLimits.recipients)
  return { recipients, ...(envelopeId && { envelopeId: oneLine(envelopeId, bounceLimits.value) }) }
}

const actions: readonly BounceAction[] = ['failed', 'delayed', 'delivered', 'relayed', 'expanded']

function toRecipient(fields: Fields): RecipientFields | undefined {
  const final = firstValue(fields, 'final-recipient')
  const original = firstValue(fields, 'original-recipient')
  const address = toAddress(final) ?? toAddress(original)
  if (address === undefined) return undefined
  const action = firstValue(fields, 'action')?.toLowerCase().split(' ')[0]
  const status = firstValue(fields, 'status')
  const diagnostic = afterType(firstValue(fields, 'diagnostic-code'))
  const mta = afterType(firstValue(fields, 'remote-mta'))
  const other = toAddress(original)
  return {
    address,
    ...(other !== undefined && other !== address && { original: other }),
    action: actions.find((name) => name === action) ?? (status?.startsWith('2') ? 'delivered' : 'failed'),
    ...(status && { status }),
    ...(diagnostic && { diagnostic: oneLine(diagnostic, bounceLimits.diagnostic) }),
    ...(mta && { mta: oneLine(mta.split(' ')[0]!, bounceLimits.value) }),
  }
}

/** `rfc822;user@example.com`, also without type or in angle brackets; of a pipe that an alias names, the address in it. */
function toAddress(value: string | undefined): string | undefined {
  const bareText = afterType(value)
  if (!bareText) return undefined
  const text = value?.toLowerCase().startsWith('utf-8') ? decodeEscapes(bareText) : bareText
  const bare = text.startsWith('<') && text.endsWith('>') ? text.slice(1, -1) : text
  if (!bare.includes(' ') && !bare.includes('<')) return oneLine(bare, bounceLimits.value) || undefined
  return findAddress(bare)?.address ?? (oneLine(bare, bounceLimits.value) || undefined)
}

/** What follows `type;`. A semicolon later in the text is no type's. */
function afterType(value: string | undefined): string | undefined {
  if (value === undefined) return undefined
  const semicolon = value.indexOf(';')
  return semicolon < 0 || value.lastIndexOf(' ', semicolon - 2) > 0 || semicolon > 30
    ? value
    : value.slice(semicolon + 1).trim()
}

/** RFC 6533 §3: `\x{F6}` stands for a character where only ASCII may stand. */
function decodeEscapes(text: string): string {
  let out = ''
  let from = 0
  for (let at = text.indexOf('\\x{'); at >= 0; at = text.indexOf('\\x{', from)) {
    const end = text.indexOf('}', at)
    const code = end < 0 || end - at > 9 ? Number.NaN : Number.parseInt(text.slice(at + 3, end), 16)
    const known = code > 0x20 && code <= 0x10ffff && code !== 0x7f
    const next = known ? end + 1 : at + 3
    out += text.slice(from, at) + (known ? String.fromCodePoint(code) : text.slice(at, next))
    from = next
  }
  return out + text.slice(from)
}
