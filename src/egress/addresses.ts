// Which addresses may be asked on somebody's behalf: those of the public net, and networks that the operator names.

import { isIP } from 'node:net'
import { canonicalIp, createNetworkTest } from '../base/index.ts'

/** RFC 6890 and the registries that it began: this machine, private and shared networks, link-local, documentation, benchmarks, multicast, reserved. */
const special4 = [
  '0.0.0.0/8',
  '10.0.0.0/8',
  '100.64.0.0/10',
  '127.0.0.0/8',
  '169.254.0.0/16',
  '172.16.0.0/12',
  '192.0.0.0/24',
  '192.0.2.0/24',
  '192.88.99.0/24',
  '192.168.0.0/16',
  '198.18.0.0/15',
  '198.51.100.0/24',
  '203.0.113.0/24',
  '224.0.0.0/4',
  '240.0.0.0/4',
]
/** The public net of IPv6 is this; what is outside it (loopback, mapped and translated IPv4, local, multicast) is special. */
const public6 = ['2000::/3']
/** Of it these: Teredo and other protocols, documentation, 6to4, which lead to IPv4 addresses of any kind. */
const special6 = ['2001::/23', '2001:db8::/32', '2002::/16', '3fff::/20']

/** `allow`: networks that may be asked whatever they are. TypeError when one is none. */
export function createAddressTest(allow: readonly string[]): (ip: string) => boolean {
  const allowed = createNetworkTest(allow)
  const isSpecial4 = createNetworkTest(special4)
  const isPublic6 = createNetworkTest(public6)
  const isSpecial6 = createNetworkTest(special6)
  return (text) => {
    // A zone (`fe80::1%eth0`) names a link of this machine.
    if (isIP(text) === 0 || text.includes('%')) return false
    const ip = canonicalIp(text)
    if (allowed(ip)) return true
    return isIP(ip) === 4 ? !isSpecial4(ip) : isPublic6(ip) && !isSpecial6(ip)
  }
}
