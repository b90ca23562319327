// Addresses from text and to text, and when two of them are the same mailbox.

import { AddressCursor, quoteLocal } from './grammar.ts'
import type { Address, Path } from './types.ts'

/**
 * A mailbox as people type it, spaces around it ignored: `local@domain` (RFC 5321 §4.1.2, RFC 6531 §3.3); no display name, no angle
 * brackets. Undefined when it is none, when the local part has more than 64 octets or the domain more than 255.
 */
export function parseAddress(text: string): Address | undefined {
  const cursor = new AddressCursor(text.trim(), 0, false)
  const address = readMailbox(cursor)
  return address && cursor.done ? address : undefined
}

/**
 * A reverse or forward path (RFC 5321 §4.1.2) that starts at offset `at`; `end` is the offset behind its `>`. Source routes are
 * ignored; `<postmaster>` has the domain ''. Bytes must be UTF-8.
 */
export function parsePath(input: Uint8Array | string, at = 0): { path: Path; end: number } | undefined {
  const bytes = typeof input !== 'string'
  const cursor = bytes
    ? new AddressCursor(Buffer.from(input.buffer, input.byteOffset, input.byteLength).toString('latin1'), at, true)
    : new AddressCursor(input, at, false)
  if (!cursor.take('<')) return undefined
  if (cursor.take('>')) return { path: null, end: cursor.at }
  if (!cursor.sourceRoute()) return undefined
  const address = readMailbox(cursor, 'postmaster')
  return address && cursor.take('>') ? { path: address, end: cursor.at } : undefined
}

/** `bare`: the one local part that may stand without a domain. */
function readMailbox(cursor: AddressCursor, bare?: string): Address | undefined {
  const local = cursor.localPart()
  if (local === undefined) return undefined
  if (!cursor.take('@')) return local.toLowerCase() === bare ? { local, domain: '' } : undefined
  const domain = cursor.domain()
  return domain === undefined ? undefined : { local, domain }
}

/** `local@domain`, the local part quoted when needed; only the local part when the domain is ''. */
export function formatAddress({ local, domain }: Address): string {
  return domain === '' ? quoteLocal(local) : `${quoteLocal(local)}@${domain}`
}

/** `<local@domain>` or `<>`. */
export function formatPath(path: Path): string {
  return path === null ? '<>' : `<${formatAddress(path)}>`
}

/** The form in which local parts are compared: NFC, lower case. */
export function normaliseLocal(local: string): string {
  const lower = local.toLowerCase()
  return Buffer.byteLength(lower) === lower.length ? lower : local.normalize('NFC').toLowerCase().normalize('NFC')
}

/** The address as a string that is equal for the same mailbox and different for others. */
export function addressKey({ local, domain }: Address): string {
  return formatAddress({ local: normaliseLocal(local), domain })
}

/** Whether both name the same mailbox as far as we know: local parts compared without case. */
export function sameAddress(a: Address, b: Address): boolean {
  return a.domain === b.domain && normaliseLocal(a.local) === normaliseLocal(b.local)
}

/** Whether the address can be sent only with SMTPUTF8 (RFC 6531 §3.1). The domain stands in A-labels and never needs it. */
export function needsUtf8({ local }: Address): boolean {
  return Buffer.byteLength(local) !== local.length
}
