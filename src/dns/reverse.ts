// The name under which an IP address is looked up backwards.

import { isIP } from 'node:net'

/** `4.3.2.1.in-addr.arpa` or the nibbles under ip6.arpa (RFC 1035 §3.5, RFC 3596 §2.5); undefined when `ip` is no address. */
export function toReverseName(ip: string): string | undefined {
  const kind = isIP(ip)
  if (kind === 4) return `${ip.split('.').reverse().join('.')}.in-addr.arpa`
  if (kind === 6) return `${[...expandIp6(ip)].reverse().join('.')}.ip6.arpa`
  return undefined
}

/** The 32 hexadecimal digits of a valid IPv6 address; a zone (`%eth0`) is left out. */
export function expandIp6(ip: string): string {
  const plain = (ip.split('%')[0] ?? '').toLowerCase()
  const [front = '', back] = toHexTail(plain).split('::')
  const head = front === '' ? [] : front.split(':')
  const tail = back === undefined || back === '' ? [] : back.split(':')
  const gap = back === undefined ? [] : new Array<string>(8 - head.length - tail.length).fill('0')
  return [...head, ...gap, ...tail].map((group) => group.padStart(4, '0')).join('')
}

/** `::ffff:192.0.2.1` → `::ffff:c000:201`. */
function toHexTail(ip: string): string {
  if (!ip.includes('.')) return ip
  const cut = ip.lastIndexOf(':') + 1
  const [a = 0, b = 0, c = 0, d = 0] = ip.slice(cut).split('.').map(Number)
  return `${ip.slice(0, cut)}${(a * 256 + b).toString(16)}:${(c * 256 + d).toString(16)}`
}
