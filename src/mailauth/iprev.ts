// Whether a client's address has a name that leads back to it (RFC 8601 §3).

import { isIPv4 } from 'node:net'
import type { Resolver } from '../dns/index.ts'
import { isInNetwork } from './network.ts'
import type { IprevAnswer } from './types.ts'

/** Names of one address that are looked at. */
const maxNames = 10

export async function checkIprev(resolver: Resolver, ip: string): Promise<IprevAnswer> {
  const pointers = await resolver.ptr(ip)
  if (pointers.status === 'failed') return { result: 'temperror' }
  if (pointers.status !== 'ok') return { result: 'permerror' }
  let unsure = false
  for (const name of pointers.records.slice(0, maxNames)) {
    const found = isIPv4(ip) ? await resolver.a(name) : await resolver.aaaa(name)
    if (found.status === 'failed') unsure = true
    // An answer writes an IPv6 address as it likes.
    if (found.status === 'ok' && found.records.some((address) => isInNetwork(ip, address, 128)))
      return { result: 'pass', name }
  }
  return { result: unsure ? 'temperror' : 'fail' }
}
