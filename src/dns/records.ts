// From decoded record data to the house's values. What is malformed is left out.

import { isIPv4, isIPv6 } from 'node:net'
import type { CaaRecord, MxRecord, SrvRecord, TlsaRecord } from './types.ts'
import { isPlainName, toName } from './wire.ts'

export function toMx(data: unknown): MxRecord | undefined {
  if (typeof data !== 'object' || data === null || !('exchange' in data)) return undefined
  const exchange = toName(String(data.exchange))
  const preference = 'preference' in data ? Number(data.preference) : 0
  return exchange === '' || isPlainName(exchange) ? { preference, exchange } : undefined
}

export function toSrv(data: unknown): SrvRecord | undefined {
  if (typeof data !== 'object' || data === null || !('target' in data) || !('port' in data)) return undefined
  const target = toName(String(data.target))
  if (target !== '' && !isPlainName(target)) return undefined
  const { priority, weight } = data as { readonly priority?: unknown; readonly weight?: unknown }
  return { priority: Number(priority ?? 0), weight: Number(weight ?? 0), port: Number(data.port), target }
}

export function toTlsa(data: unknown): TlsaRecord | undefined {
  if (typeof data !== 'object' || data === null || !('certificate' in data) || !Buffer.isBuffer(data.certificate))
    return undefined
  const { usage, selector, matchingType } = data as { [name: string]: unknown }
  const numbers = { usage: Number(usage), selector: Number(selector), matching: Number(matchingType) }
  return { ...numbers, data: data.certificate.toString('hex') }
}

export function toCaa(data: unknown): CaaRecord | undefined {
  if (typeof data !== 'object' || data === null || !('tag' in data) || !('value' in data)) return undefined
  const critical = 'flags' in data && (Number(data.flags) & 0x80) !== 0
  return { critical, tag: String(data.tag).toLowerCase(), value: String(data.value) }
}

export const toIp4 = (data: unknown): string | undefined =>
  typeof data === 'string' && isIPv4(data) ? data : undefined
export const toIp6 = (data: unknown): string | undefined =>
  typeof data === 'string' && isIPv6(data) ? data : undefined

/** The strings of one TXT record are joined without a space (RFC 7208 §3.3). */
export function toText(data: unknown): string | undefined {
  const pieces = Array.isArray(data) ? data : [data]
  return pieces.map((piece) => (Buffer.isBuffer(piece) ? piece.toString('utf8') : String(piece))).join('')
}

export function toHost(data: unknown): string | undefined {
  const host = typeof data === 'string' ? toName(data) : ''
  return isPlainName(host) ? host : undefined
}
