// DANE for SMTP (RFC 7672): whether the certificates that a server showed are those that its TLSA records name. Asks nobody; the
// records come from answers that DNSSEC vouches for.

import { createHash, createPublicKey, X509Certificate } from 'node:crypto'
import type { TlsaRecord } from '../dns/index.ts'
import { readCertificate } from './certificate.ts'

/** Why a certificate will not do: in words, and as TLS reports name it (RFC 8460 §4.3). */
export interface CertificateFlaw {
  readonly kind: 'certificate-host-mismatch' | 'certificate-not-trusted' | 'certificate-expired' | 'validation-failure'
  readonly words: string
}

export interface DaneQuestion {
  readonly records: readonly TlsaRecord[]
  /** The names that a certificate below a trust anchor may be for (RFC 7672 §3.2.2): the host as its TLSA was found, and the domain. */
  readonly names: readonly string[]
  /** Milliseconds since 1970. */
  readonly now: number
}

/** Digests by their number (RFC 7218 §2.3), with their length in bytes. */
const digests: { readonly [matching: number]: readonly [name: string, bytes: number] } = {
  1: ['sha256', 32],
  2: ['sha512', 64],
}
const trustAnchor = 2
const endEntity = 3
/** More certificates than any chain needs. */
const maxChain = 10
/** Each costs digests, perhaps a signature: nobody needs more. */
const maxUsed = 20

/**
 * The records that a mail server can be authenticated by: DANE-TA and DANE-EE, well formed (RFC 7672 §3.1.3: PKIX-TA and PKIX-EE are
 * unusable); of each usage and selector the strongest digest (RFC 7671 §9) and the full forms.
 */
export function usableTlsa(records: readonly TlsaRecord[]): readonly TlsaRecord[] {
  const right = records.filter(isUsable)
  const strongest = right.filter(
    ({ usage, selector, matching }) =>
      matching !== 1 ||
      !right.some((other) => other.usage === usage && other.selector === selector && other.matching === 2),
  )
  return strongest.slice(0, maxUsed)
}

function isUsable({ usage, selector, matching, data }: TlsaRecord): boolean {
  if (usage !== trustAnchor && usage !== endEntity) return false
  if (selector !== 0 && selector !== 1) return false
  if (matching !== 0) return data.length === (digests[matching]?.[1] ?? -1) * 2
  const bytes = Buffer.from(data, 'hex')
  return (selector === 0 ? toCertificate(bytes) : toKey(bytes)) !== undefined
}

/** Undefined when the chain, the server's own certificate first, is one that the usable records name; else why not. */
export function findDaneFlaw(
  chain: readonly X509Certificate[],
  { records, names, now }: DaneQuestion,
): CertificateFlaw | undefined {
  const [leaf] = chain
  if (!leaf) return { kind: 'validation-failure', words: 'it showed no certificate' }
  // RFC 7672 §3.1.1: what the record names is right, whatever names and dates stand in it.
  if (records.some((record) => record.usage === endEntity && matches(record, leaf))) return undefined
  const anchors = records.filter(({ usage }) => usage === trustAnchor)
  let flaw: CertificateFlaw | undefined
  for (const record of anchors) {
    const path = pathTo(record, chain.slice(0, maxChain))
    if (!path) continue
    flaw = flawOfPath(path, names, now)
    if (!flaw) return undefined
  }
  return flaw ?? { kind: 'certificate-not-trusted', words: 'its certificate is none that its TLSA records name' }
}

/** Whether the record names this certificate, or its key. */
function matches({ selector, matching, data }: TlsaRecord, certificate: X509Certificate): boolean {
  const bytes = selector === 0 ? certificate.raw : readCertificate(certificate.raw)?.key
  if (!bytes) return false
  const digest = digests[matching]
  return (digest ? createHash(digest[0]).update(bytes).digest('hex') : bytes.toString('hex')) === data.toLowerCase()
}

/**
 * The certificates from the leaf up to the record's anchor, every signature checked; the anchor is the last of them, unless only its key is
 * known. Undefined when it did not sign this leaf. Servers show more than is needed, and not always in order (RFC 8446 §4.4.2).
 */
function pathTo(record: TlsaRecord, chain: readonly X509Certificate[]): readonly X509Certificate[] | undefined {
  const path = [chain[0]!]
  for (let left = chain.slice(1); left.length > 0; ) {
    const issuers = left.filter((certificate) => isSignedBy(path.at(-1)!, certificate))
    // RFC 7672 §3.1.2: the anchor stands in the chain …
    const anchor = issuers.find((certificate) => matches(record, certificate))
    if (anchor) return [...path, anchor]
    const next = issuers[0]
    if (!next) break
    path.push(next)
    left = left.filter((certificate) => certificate !== next)
  }
  if (record.matching !== 0) return undefined
  // … unless the record itself holds it.
  const bytes = Buffer.from(record.data, 'hex')
  if (record.selector === 1) {
    const key = toKey(bytes)
    const top = key && path.findIndex((certificate) => hasSignature(certificate, key))
    return top === undefined || top < 0 ? undefined : path.slice(0, top + 1)
  }
  const anchor = toCertificate(bytes)
  const top = anchor ? path.findIndex((certificate) => isSignedBy(certificate, anchor)) : -1
  return anchor && top >= 0 ? [...path.slice(0, top + 1), anchor] : undefined
}

function isSignedBy(certificate: X509Certificate, issuer: X509Certificate): boolean {
  return issuer.ca && certificate.checkIssued(issuer) && hasSignature(certificate, issuer.publicKey)
}

function hasSignature(certificate: X509Certificate, key: Parameters<X509Certificate['verify']>[0]): boolean {
  try {
    return certificate.verify(key)
  } catch {
    return false
  }
}

/** What a path that begins at a trust anchor must keep (RFC 7672 §3.1.2, §3.2.2; RFC 5280 §6.1). */
function flawOfPath(
  certificates: readonly X509Certificate[],
  names: readonly string[],
  now: number,
): CertificateFlaw | undefined {
  const leaf = certificates[0]!
  for (const [i, certificate] of certificates.entries()) {
    const which = i === 0 ? 'its certificate' : `the certificate of its authority (${oneLine(certificate.subject)})`
    const [from, to] = [Date.parse(certificate.validFrom), Date.parse(certificate.validTo)]
    if (now > to) return { kind: 'certificate-expired', words: `${which} has expired` }
    if (!(now >= from)) return { kind: 'validation-failure', words: `${which} is not valid yet` }
    const facts = readCertificate(certificate.raw)
    if (!facts || facts.unknown)
      return { kind: 'validation-failure', words: `${which} makes conditions that cannot be checked` }
    // Between it and the leaf stand i - 1 authorities.
    if (i > 0 && facts.pathLength !== undefined && i - 1 > facts.pathLength)
      return { kind: 'validation-failure', words: `${which} may not sign for other authorities` }
  }
  // Absent: for everything.
  const purposes: readonly string[] | undefined = leaf.keyUsage
  if (purposes && purposes.length > 0 && !purposes.includes(serverPurpose) && !purposes.includes(anyPurpose))
    return { kind: 'validation-failure', words: 'its certificate is for no server' }
  const named = names.some((name) => leaf.checkHost(name, { partialWildcards: false }) !== undefined)
  return named
    ? undefined
    : { kind: 'certificate-host-mismatch', words: `its certificate is not for ${names.join(' or ')}` }
}

const serverPurpose = '1.3.6.1.5.5.7.3.1'
const anyPurpose = '2.5.29.37.0'

function toCertificate(bytes: Buffer): X509Certificate | undefined {
  try {
    return new X509Certificate(bytes)
  } catch {
    return undefined
  }
}

function toKey(bytes: Buffer): ReturnType<typeof createPublicKey> | undefined {
  try {
    return createPublicKey({ key: bytes, format: 'der', type: 'spki' })
  } catch {
    return undefined
  }
}

const oneLine = (text: string | undefined): string => (text ?? '').split('\n').join(', ').slice(0, 100)
