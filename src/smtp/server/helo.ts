// Whether the name that a stranger gives himself can be true. Only a name that is ours is refused: everything else is said by some
// server that means well, and earns it no trust.

import { isIP } from 'node:net'
import { canonicalIp } from '../../base/index.ts'

export type HeloSense = 'ours' | 'doubtful' | 'fair'

export interface HeloFacts {
  readonly hostname: string
  /** This side's address and the client's. */
  readonly ownIp: string
  readonly clientIp: string
}

export function judgeHelo(helo: string, { hostname, ownIp, clientIp }: HeloFacts): HeloSense {
  const name = helo.toLowerCase()
  if (name === hostname.toLowerCase()) return 'ours'
  const literal = literalOf(name)
  if (literal === undefined) return name.includes('.') ? 'fair' : 'doubtful'
  // RFC 5321 §4.1.3: a server behind a translated address names the one that it knows.
  if (literal === ownIp && literal !== clientIp) return 'ours'
  return literal === clientIp ? 'fair' : 'doubtful'
}

/** The address in `[192.0.2.1]`, `[IPv6:2001:db8::1]` or without brackets, which is what it is not to be written as. */
function literalOf(name: string): string | undefined {
  const inside = name.startsWith('[') && name.endsWith(']') ? name.slice(1, -1) : name
  const address = inside.startsWith('ipv6:') ? inside.slice(5) : inside
  return isIP(address) === 0 ? undefined : canonicalIp(address)
}
