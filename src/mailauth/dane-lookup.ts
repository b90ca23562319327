// Which TLSA records speak for a mail host: only such as DNSSEC vouches for, on a way that it vouches for (RFC 7672 §2.2).

import type { Resolver, TlsaRecord } from '../dns/index.ts'
import { usableTlsa } from './dane.ts'

/**
 * `none`: DANE says nothing of this host. `failed`: nobody could say, or somebody lies: the host may not be used now. `unusable`: there are
 * records, and none that we can go by: TLS it must be, of whom we cannot tell. `usable`: the server must be one that they name.
 */
export type Dane =
  | { readonly state: 'none' }
  | { readonly state: 'failed'; readonly words: string }
  | {
      readonly state: 'unusable' | 'usable'
      /** Where the records stand, without `_25._tcp`: the name that the server is asked for. */
      readonly base: string
      readonly records: readonly TlsaRecord[]
      /** All that were published, as in a zone. */
      readonly published: readonly string[]
    }

const none: Dane = { state: 'none' }

/** Of a host whose name is vouched for. Asks for its addresses, and for TLSA records only when these are vouched for too. */
export async function lookUpDane(
  dns: Pick<Resolver, 'a' | 'aaaa' | 'tlsa'>,
  host: string,
  port: number,
): Promise<Dane> {
  const addresses = await Promise.all([dns.a(host), dns.aaaa(host)])
  const found = addresses.filter((answer) => answer.status === 'ok')
  // Without an address nobody connects. RFC 7672 §2.2.2: an address that nobody vouches for is no reason to look for records.
  // Not yet: RFC 7672 §2.2.2: a name that is vouched for and is an alias of one that is not.
  if (found.length === 0 || found.some(({ authentic }) => !authentic)) return none
  const canonical = found.find((answer) => answer.canonical !== undefined)?.canonical
  // RFC 7672 §2.2.3: of an alias first where it leads, then its own name.
  for (const base of canonical === undefined ? [host] : [canonical, host]) {
    const answer = await dns.tlsa(`_${port}._tcp.${base}`)
    if (answer.status === 'failed')
      return { state: 'failed', words: `no answer about TLSA of ${base}: ${answer.reason}` }
    if (answer.status !== 'ok' || !answer.authentic) continue
    const records = usableTlsa(answer.records)
    const published = answer.records.map(
      ({ usage, selector, matching, data }) => `${usage} ${selector} ${matching} ${data}`,
    )
    return { state: records.length > 0 ? 'usable' : 'unusable', base, records, published }
  }
  return none
}
