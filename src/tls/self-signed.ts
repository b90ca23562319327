// A certificate that we sign ourselves, for a server that was given none. Knows no files and no sockets.

import { createHash, generateKeyPairSync, randomBytes, sign, X509Certificate } from 'node:crypto'
import { isIP } from 'node:net'
import { bits, boolean, integer, octets, oid, sequence, set, tagged, time, utf8 } from './der.ts'

/** A certificate with its key, both PEM. */
export interface CertificatePair {
  readonly cert: string
  readonly key: string
}

const day = 86_400_000
export const ecdsaWithSha256 = sequence(oid('1.2.840.10045.4.3.2'))

/**
 * An ECDSA P-256 certificate for the names (host names or IP addresses; the first is its subject), valid from a day ago for ten years.
 * `more`: further extensions, encoded.
 */
export function createSelfSigned(names: readonly string[], now: number, more: readonly Buffer[] = []): CertificatePair {
  const { privateKey, publicKey } = generateKeyPairSync('ec', { namedCurve: 'P-256' })
  const spki = publicKey.export({ type: 'spki', format: 'der' })
  // X.520 bounds a common name to 64 characters; clients read the alternative names anyway.
  const name = sequence(set(sequence(oid('2.5.4.3'), utf8(names[0]!.slice(0, 64)))))
  const body = sequence(
    tagged(0, true, integer(Buffer.from([2]))),
    integer(Buffer.concat([Buffer.from([0x40]), randomBytes(15)])),
    ecdsaWithSha256,
    name,
    sequence(time(now - day), time(now + 3650 * day)),
    name,
    spki,
    tagged(3, true, sequence(...extensions(names, spki), ...more)),
  )
  const signature = sign('sha256', body, privateKey)
  const cert = sequence(body, ecdsaWithSha256, bits(signature))
  return {
    cert: toPem('CERTIFICATE', cert),
    key: privateKey.export({ type: 'pkcs8', format: 'pem' }).toString(),
  }
}

function extensions(names: readonly string[], spki: Buffer): Buffer[] {
  const critical = boolean(true)
  const keyId = createHash('sha1').update(spki).digest()
  return [
    // Its own issuer, and so an authority: some clients import nothing else as trusted.
    sequence(oid('2.5.29.19'), critical, octets(sequence(boolean(true)))),
    sequence(oid('2.5.29.15'), critical, octets(bits(Buffer.from([0b1000_0100]), 2))),
    sequence(oid('2.5.29.37'), octets(sequence(oid('1.3.6.1.5.5.7.3.1')))),
    subjectAltName(names),
    sequence(oid('2.5.29.14'), octets(octets(keyId))),
  ]
}

/** The extension that names hosts (RFC 5280 §4.2.1.6). */
export const subjectAltName = (names: readonly string[]): Buffer =>
  sequence(oid('2.5.29.17'), octets(sequence(...names.map(alternativeName))))

/** dNSName or iPAddress. */
function alternativeName(name: string): Buffer {
  const family = isIP(name)
  if (family === 0) return tagged(2, false, Buffer.from(name, 'latin1'))
  if (family === 4) return tagged(7, false, Buffer.from(name.split('.').map(Number)))
  return tagged(7, false, ipv6Bytes(name))
}

function ipv6Bytes(text: string): Buffer {
  const [head = '', tail] = text.split('::')
  const groups = (part: string | undefined) => (part ? part.split(':').map((group) => Number.parseInt(group, 16)) : [])
  const before = groups(head)
  const after = groups(tail)
  const all = [...before, ...Array<number>(8 - before.length - after.length).fill(0), ...after]
  return Buffer.from(all.flatMap((group) => [group >> 8, group & 0xff]))
}

/** PEM of DER (RFC 7468). */
export function toPem(label: string, bytes: Buffer): string {
  const lines = bytes.toString('base64').match(/.{1,64}/g)!
  return `-----BEGIN ${label}-----\n${lines.join('\n')}\n-----END ${label}-----\n`
}

/** Whether the certificate still serves: it names all of `names` and has a month to go. */
export function stillServes(pem: string, names: readonly string[], now: number): boolean {
  const found = new X509Certificate(pem)
  const fits = (name: string) => (isIP(name) ? found.checkIP(name) : found.checkHost(name)) !== undefined
  return names.every(fits) && Date.parse(found.validTo) > now + 30 * day
}
