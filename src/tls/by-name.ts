// Which of several certificates is for which name: the exact name, the wildcard, the first one. Knows no file and no store.

import { X509Certificate } from 'node:crypto'
import { namesOf } from './request.ts'
import type { CertificatePair } from './self-signed.ts'
import type { ServerTls } from './server-side.ts'

/** Certificates of all sources, those that the operator prefers first. */
export interface CertificateSet {
  /** For clients that name no host, or one that is nobody's; absent: the one for `hostname`, else `fallback`. */
  readonly first?: CertificatePair | undefined
  readonly others: readonly CertificatePair[]
  readonly fallback: CertificatePair
  readonly hostname: string
}

/**
 * What a door offers. Made anew it begins with new keys for resumed sessions: a client that comes with a session from before makes a whole
 * handshake, so no session outlives the certificate that it was made with.
 */
export function createServerTls({ first, others, fallback, hostname }: CertificateSet, now: number): ServerTls {
  const byName = new Map<string, ServerTls>()
  const all = [...(first ? [first] : []), ...others].map((pair) => ({ pair, parsed: new X509Certificate(pair.cert) }))
  const valid = (parsed: X509Certificate) => Date.parse(parsed.validFrom) <= now && now < Date.parse(parsed.validTo)
  // What has ended serves only where nothing else does.
  const ranked = [...all.filter(({ parsed }) => valid(parsed)), ...all.filter(({ parsed }) => !valid(parsed))]
  for (const { pair, parsed } of ranked) {
    const options = tlsOptions(pair)
    for (const name of namesOf(parsed)) if (!byName.has(name)) byName.set(name, options)
  }
  const find = (servername: string) => {
    const name = servername.toLowerCase()
    return byName.get(name) ?? byName.get(`*${name.slice(name.indexOf('.'))}`)
  }
  const chosen = first ? tlsOptions(first) : (find(hostname) ?? tlsOptions(fallback))
  return { ...chosen, byName: find }
}

/** What every TLS server of the house is opened with: RFC 8996 leaves 1.2 and newer. */
export function tlsOptions({ cert, key }: CertificatePair): ServerTls {
  return { cert, key, minVersion: 'TLSv1.2' }
}
