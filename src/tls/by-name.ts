// Which of several certificates is for which name: the exact name, the wildcard, the first one. Knows no file and no store.

import { constants, X509Certificate } from 'node:crypto'
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
 * What a door offers. With several certificates no session is taken up again: when it is, OpenSSL asks nobody for a certificate, and what
 * binds SASL to the connection (`tls-server-end-point`) would be that of another one. Made anew it begins with new keys for sessions, so
 * none outlives its certificate.
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
  if (all.every(({ pair }) => pair.cert === chosen.cert)) return { ...chosen }
  return { ...chosen, byName: find, secureOptions: constants.SSL_OP_NO_TICKET }
}

/** What every TLS server of the house is opened with: RFC 8996 leaves 1.2 and newer. */
export function tlsOptions({ cert, key }: CertificatePair): ServerTls {
  return { cert, key, minVersion: 'TLSv1.2' }
}
