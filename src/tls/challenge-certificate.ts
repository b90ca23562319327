// The certificate that proves a name in a handshake (RFC 8737 §3): self-signed, with the key authorization in an extension.

import { createHash } from 'node:crypto'
import { boolean, octets, oid, sequence } from './der.ts'
import { type CertificatePair, createSelfSigned } from './self-signed.ts'

const acmeIdentifier = '1.3.6.1.5.5.7.1.31'

export function createChallengeCertificate(name: string, keyAuthorization: string, now: number): CertificatePair {
  const digest = createHash('sha256').update(keyAuthorization).digest()
  return createSelfSigned([name], now, [sequence(oid(acmeIdentifier), boolean(true), octets(octets(digest)))])
}
