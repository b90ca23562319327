// The PROXY protocol of HAProxy, versions 1 and 2: the header that a proxy puts before the first byte to say whose connection it is.
// Pure: bytes in, a value out.

import { isIP } from 'node:net'
import { canonicalIp } from './networks.ts'

/** `more`: no header can be told yet. `bad`: none will come. Otherwise it takes `length` bytes; without `address` the proxy does not say. */
export type ProxyHeader = 'more' | 'bad' | { readonly length: number; readonly address?: string }

/** Version 1 §2.1: the longest line, with its end. */
const maxLine = 107
/** What version 2 may take with its fields of TLS and names; the format allows 64 KiB, which nobody needs before a greeting. */
const maxBinary = 4096
const signature = Buffer.from('\r\n\r\n\0\r\nQUIT\n', 'latin1')
const word = Buffer.from('PROXY ', 'latin1')

/** What the bytes received so far begin with. */
export function parseProxyHeader(bytes: Buffer): ProxyHeader {
  if (startsAlike(bytes, signature)) return bytes.length < 16 ? 'more' : parseBinary(bytes)
  return startsAlike(bytes, word) ? parseText(bytes) : 'bad'
}

function startsAlike(bytes: Buffer, with_: Buffer): boolean {
  const length = Math.min(bytes.length, with_.length)
  return bytes.compare(with_, 0, length, 0, length) === 0
}

/** `PROXY TCP4 source destination port port`, or `PROXY UNKNOWN` and whatever follows. */
function parseText(bytes: Buffer): ProxyHeader {
  const end = bytes.subarray(0, maxLine).indexOf('\r\n')
  if (end < 0) return bytes.length < maxLine ? 'more' : 'bad'
  const length = end + 2
  const [, family, ...rest] = bytes.toString('latin1', 0, end).split(' ')
  if (family === 'UNKNOWN') return { length }
  const version = family === 'TCP4' ? 4 : family === 'TCP6' ? 6 : 0
  const [source, destination, ...ports] = rest
  const isAddress = (text: string | undefined) => text !== undefined && !text.includes('%') && isIP(text) === version
  if (version === 0 || !isAddress(source) || !isAddress(destination)) return 'bad'
  if (ports.length !== 2 || !ports.every(isPort)) return 'bad'
  return { length, address: canonicalIp(source!) }
}

function isPort(text: string): boolean {
  const port = Number(text)
  return text !== '' && `${port}` === text && Number.isInteger(port) && port >= 0 && port <= 65_535
}

/** Sixteen bytes, then addresses of a length that the family decides, then fields that are skipped. */
function parseBinary(bytes: Buffer): ProxyHeader {
  const [version, command] = [bytes[12]! >> 4, bytes[12]! & 15]
  const [family, protocol] = [bytes[13]! >> 4, bytes[13]! & 15]
  const size = bytes.readUInt16BE(14)
  const length = 16 + size
  if (version !== 2 || command > 1 || family > 3 || protocol > 2 || length > maxBinary) return 'bad'
  if (bytes.length < length) return 'more'
  // LOCAL: the proxy's own connection, a check of its health. Neither UNIX nor an unnamed family is an address of ours.
  if (command === 0 || family === 0 || family === 3) return { length }
  if (size < (family === 1 ? 12 : 36)) return 'bad'
  return { length, address: family === 1 ? [...bytes.subarray(16, 20)].join('.') : formatIpv6(bytes.subarray(16, 32)) }
}

function formatIpv6(bytes: Buffer): string {
  const groups = Array.from({ length: 8 }, (_, i) => bytes.readUInt16BE(2 * i).toString(16))
  return canonicalIp(groups.join(':'))
}
