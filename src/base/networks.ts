// Client addresses: their plain form, this machine's own, and whether one stands in a list of networks.

import { BlockList, isIP, SocketAddress } from 'node:net'

const mapped = '::ffff:'
/** Answers that one list of networks remembers. */
const maxKnown = 1_000

/** An address as people write it: an IPv4 client of an IPv6 socket is an IPv4 client. */
export function toClientIp(address: string | undefined): string {
  if (!address) return '0.0.0.0'
  return address.startsWith(mapped) && isIP(address.slice(mapped.length)) === 4 ? address.slice(mapped.length) : address
}

/** One spelling for each address, so that limits count it once. */
export function canonicalIp(address: string): string {
  if (isIP(address) === 4) return address
  return toClientIp(new SocketAddress({ address, family: 'ipv6' }).address)
}

export function isLoopback(ip: string): boolean {
  return ip === '::1' || ip.startsWith('127.')
}

/** A test for membership in CIDR ranges (`10.0.0.0/8`, `2001:db8::/32`) or single addresses; TypeError when one is neither. */
export function createNetworkTest(networks: readonly string[]): (ip: string) => boolean {
  const list = new BlockList()
  for (const network of networks) {
    const [address = '', bits, more] = network.split('/')
    const family = isIP(address)
    const most = family === 4 ? 32 : 128
    const prefix = bits === undefined ? most : Number(bits)
    if (family === 0 || more !== undefined || !Number.isInteger(prefix) || prefix < 0 || prefix > most || bits === '')
      throw new TypeError(`${network} is no network`)
    list.addSubnet(address, prefix, family === 4 ? 'ipv4' : 'ipv6')
  }
  if (networks.length === 0) return () => false
  // Asked several times for each connection, and often for the same few clients.
  const known = new Map<string, boolean>()
  return (ip) => {
    let found = known.get(ip)
    if (found === undefined) {
      const family = isIP(ip)
      found = family !== 0 && list.check(ip, family === 4 ? 'ipv4' : 'ipv6')
      if (known.size >= maxKnown) known.clear()
      known.set(ip, found)
    }
    return found
  }
}

/** Who one client is: an IPv4 address, or the /64 of an IPv6 address, of which one client has all. */
export function networkOf(ip: string): string {
  if (!ip.includes(':') || ip.startsWith('::ffff:')) return ip
  const [head = '', tail] = ip.split('::')
  const groups = head === '' ? [] : head.split(':')
  const rest = tail ? tail.split(':') : []
  if (tail !== undefined) while (groups.length + rest.length < 8) groups.push('0')
  return [...groups, ...rest].slice(0, 4).join(':')
}
