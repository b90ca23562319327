// Whether an address lies in a network.

import { isIPv4, isIPv6 } from 'node:net'
import { expandIp6 } from '../dns/index.ts'

/** Never across the families: an IPv6 client is in no IPv4 network (RFC 7208 §5). `bits` beyond the family's length mean all of it. */
export function isInNetwork(ip: string, network: string, bits: number): boolean {
  if (isIPv4(ip)) return isIPv4(network) && sameBits(toBytes4(ip), toBytes4(network), Math.min(bits, 32))
  return isIPv6(ip) && isIPv6(network) && sameBits(toBytes6(ip), toBytes6(network), Math.min(bits, 128))
}

const toBytes4 = (ip: string): Uint8Array => Uint8Array.from(ip.split('.'), Number)
const toBytes6 = (ip: string): Uint8Array => Buffer.from(expandIp6(ip), 'hex')

function sameBits(a: Uint8Array, b: Uint8Array, bits: number): boolean {
  for (let left = bits, i = 0; left > 0; left -= 8, i++) {
    const mask = left >= 8 ? 0xff : (0xff << (8 - left)) & 0xff
    if (((a[i]! ^ b[i]!) & mask) !== 0) return false
  }
  return true
}
