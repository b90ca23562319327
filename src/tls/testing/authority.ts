// Certificates for tests: an authority, what it signs, and what it should not have signed.

import { generateKeyPairSync, type KeyObject, randomBytes, sign, X509Certificate } from 'node:crypto'
import { bits, boolean, integer, octets, oid, sequence, set, tagged, time, utf8 } from '../der.ts'

export interface Issued {
  readonly certificate: X509Certificate
  readonly cert: string
  readonly key: string
  /** With what its issuer's issuers are, itself first: as a server shows them. */
  readonly chain: string
  readonly subject: string
  readonly privateKey: KeyObject
}

export interface Wish {
  /** Absent: the first name. */
  readonly subject?: string
  readonly names?: readonly string[]
  readonly ca?: boolean
  readonly pathLength?: number
  /** Who signs; absent: itself. */
  readonly by?: Issued
  /** Milliseconds since 1970. */
  readonly from?: number
  readonly to?: number
  /** Extended key usage. */
  readonly purpose?: string
  /** Name constraints, critical: only names below. */
  readonly below?: string
}

const ecdsaWithSha256 = sequence(oid('1.2.840.10045.4.3.2'))
const nameOf = (subject: string) => sequence(set(sequence(oid('2.5.4.3'), utf8(subject))))

export function issue(wish: Wish): Issued {
  const subject = wish.subject ?? wish.names?.[0] ?? 'nobody'
  const { privateKey, publicKey } = generateKeyPairSync('ec', { namedCurve: 'P-256' })
  const { by, from = Date.parse('2020-01-01'), to = Date.parse('2090-01-01') } = wish
  const body = sequence(
    tagged(0, true, integer(Buffer.from([2]))),
    integer(Buffer.concat([Buffer.from([0x40]), randomBytes(15)])),
    ecdsaWithSha256,
    nameOf(by?.subject ?? subject),
    sequence(time(from), time(to)),
    nameOf(subject),
    publicKey.export({ type: 'spki', format: 'der' }),
    tagged(3, true, sequence(...extensions(wish))),
  )
  const signature = sign('sha256', body, by?.privateKey ?? privateKey)
  const der = sequence(body, ecdsaWithSha256, bits(signature))
  const certificate = new X509Certificate(der)
  const cert = certificate.toString()
  const key = privateKey.export({ type: 'pkcs8', format: 'pem' }).toString()
  return { certificate, cert, key, chain: cert + (by?.chain ?? ''), subject, privateKey }
}

function extensions({ ca, pathLength, names, purpose, below }: Wish): Buffer[] {
  const critical = boolean(true)
  const found: Buffer[] = []
  if (ca) {
    const length = pathLength === undefined ? [] : [integer(Buffer.from([pathLength]))]
    found.push(sequence(oid('2.5.29.19'), critical, octets(sequence(boolean(true), ...length))))
    found.push(sequence(oid('2.5.29.15'), critical, octets(bits(Buffer.from([0b0000_0100]), 2))))
  }
  if (names)
    found.push(sequence(oid('2.5.29.17'), octets(sequence(...names.map((n) => tagged(2, false, Buffer.from(n)))))))
  if (purpose !== undefined) found.push(sequence(oid('2.5.29.37'), octets(sequence(oid(purpose)))))
  if (below !== undefined) {
    const tree = sequence(tagged(2, false, Buffer.from(below)))
    found.push(sequence(oid('2.5.29.30'), critical, octets(sequence(tagged(0, true, tree)))))
  }
  return found
}
