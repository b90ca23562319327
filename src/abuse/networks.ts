// Addresses and networks in their one spelling, and the networks around an address. Reads what people write; knows no list.

import { isIP } from 'node:net'
import { canonicalIp, Fault } from '../base/index.ts'

/** A network of fewer bits is no network of anybody. */
const leastBits = { 4: 8, 6: 16 } as const

/** The numbers of an address: 4 bytes, or 16. */
function toBytes(ip: string): number[] {
  if (isIP(ip) === 4) return ip.split('.').map(Number)
  const [head = '', tail] = ip.split('::')
  const groups = (text: string) => (text === '' ? [] : text.split(':'))
  const [front, back] = [groups(head), groups(tail ?? '')]
  const middle = tail === undefined ? [] : Array<string>(8 - front.length - back.length).fill('0')
  return [...front, ...middle, ...back].flatMap((group) => {
    const value = Number.parseInt(group, 16)
    return [value >> 8, value & 255]
  })
}

function formatBytes(bytes: readonly number[]): string {
  if (bytes.length === 4) return bytes.join('.')
  const groups: string[] = []
  for (let i = 0; i < 16; i += 2) groups.push(((bytes[i]! << 8) | bytes[i + 1]!).toString(16))
  return canonicalIp(groups.join(':'))
}

function cut(bytes: readonly number[], bits: number): number[] {
  return bytes.map((byte, i) => {
    const kept = Math.max(0, Math.min(8, bits - i * 8))
    return byte & (0xff00 >> kept) & 0xff
  })
}

const formatNetwork = (bytes: readonly number[], bits: number): string => {
  const text = formatBytes(cut(bytes, bits))
  return bits === bytes.length * 8 ? text : `${text}/${bits}`
}

/** `192.0.2.0/24`, `2001:db8::/32` or an address in its one spelling; undefined when it is neither. */
export function toNetwork(text: string): string | undefined {
  const [address = '', size, more] = text.trim().split('/')
  const family = isIP(address)
  if (family === 0 || more !== undefined) return undefined
  const bytes = toBytes(canonicalIp(address))
  const most = bytes.length * 8
  const bits = size === undefined ? most : /^\d{1,3}$/.test(size) ? Number(size) : Number.NaN
  const least = bytes.length === 4 ? leastBits[4] : leastBits[6]
  return bits >= least && bits <= most ? formatNetwork(bytes, bits) : undefined
}

/** As toNetwork; Fault `invalid` when the text is no network. */
export function toNetworkOrFault(text: string): string {
  const network = toNetwork(text)
  if (network === undefined)
    throw new Fault(
      'invalid',
      `${text} is no address or network, as 192.0.2.7, 192.0.2.0/24 (/8 at least) or 2001:db8::/32`,
    )
  return network
}

/** The address and every network around it, as toNetwork spells them: what a list may have of it. */
export function networksAround(ip: string): string[] {
  if (isIP(ip) === 0) return []
  const bytes = toBytes(canonicalIp(ip))
  const found: string[] = []
  for (let bits = bytes.length * 8; bits >= (bytes.length === 4 ? leastBits[4] : leastBits[6]); bits--)
    found.push(formatNetwork(bytes, bits))
  return found
}

/** Whom limits count as one client: an IPv4 address, or the /64 of which an IPv6 client has all. */
export function toClient(ip: string): string {
  if (isIP(ip) === 0) return ip
  const bytes = toBytes(canonicalIp(ip))
  return bytes.length === 4 ? formatBytes(bytes) : formatNetwork(bytes, 64)
}

/** The network of an address in which its neighbours are of one house: /24, or /48. */
export function toNeighbourhood(ip: string): string {
  if (isIP(ip) === 0) return ip
  const bytes = toBytes(canonicalIp(ip))
  return formatNetwork(bytes, bytes.length === 4 ? 24 : 48)
}

/** Where greylisting takes the servers of one sender for one: /24, or /64. */
export function toServers(ip: string): string {
  return isIP(ip) === 6 ? toClient(ip) : toNeighbourhood(ip)
}
