// Certificate requests (PKCS #10), and what we read of the certificates that come back. Knows no authority and no protocol.

import { createPrivateKey, createPublicKey, generateKeyPair, type KeyObject, sign, X509Certificate } from 'node:crypto'
import { promisify } from 'node:util'
import { Fault } from '../base/index.ts'
import { bits, der, derChildren, integer, oid, readDer, sequence, set, tagged } from './der.ts'
import { ecdsaWithSha256, subjectAltName } from './self-signed.ts'

export const keyTypes = ['ec256', 'ec384', 'rsa2048', 'rsa4096'] as const
export type KeyType = (typeof keyTypes)[number]

const make = promisify(generateKeyPair)
const sha256WithRsa = sequence(oid('1.2.840.113549.1.1.11'), der(0x05))
const extensionRequest = '1.2.840.113549.1.9.14'

/** A private key, PEM. */
export async function makeKey(type: KeyType): Promise<string> {
  const { privateKey } = type.startsWith('rsa')
    ? await make('rsa', { modulusLength: Number(type.slice(3)) })
    : await make('ec', { namedCurve: type === 'ec384' ? 'P-384' : 'P-256' })
  return privateKey.export({ type: 'pkcs8', format: 'pem' }).toString()
}

/** A request for the names, signed with the key (RFC 2986 §4.2); DER. The subject is empty: names stand where clients look (RFC 5280 §4.1.2.6). */
export function createRequest(names: readonly string[], keyPem: string): Buffer {
  const key = createPrivateKey(keyPem)
  const spki = createPublicKey(key).export({ type: 'spki', format: 'der' })
  const attribute = sequence(oid(extensionRequest), set(sequence(subjectAltName(names))))
  const body = sequence(integer(Buffer.from([0])), sequence(), spki, tagged(0, true, attribute))
  return sequence(body, algorithmOf(key), bits(sign('sha256', body, key)))
}

const algorithmOf = (key: KeyObject) => (key.asymmetricKeyType === 'rsa' ? sha256WithRsa : ecdsaWithSha256)

/** What is told of a certificate. Times in milliseconds. */
export interface CertificateFacts {
  readonly names: readonly string[]
  readonly issuer: string
  readonly serial: string
  /** SHA-256, as people compare it. */
  readonly fingerprint: string
  readonly notBefore: number
  readonly notAfter: number
}

/** Reads the first certificate of a PEM chain. Fault `invalid`. */
export function readCertificate(pem: string): CertificateFacts {
  const found = parse(pem)
  return {
    names: namesOf(found),
    issuer: /(?:^|\n)(?:O|CN)=(.*)/.exec(found.issuer)?.[1] ?? found.issuer,
    serial: found.serialNumber.toLowerCase(),
    fingerprint: found.fingerprint256,
    notBefore: Date.parse(found.validFrom),
    notAfter: Date.parse(found.validTo),
  }
}

function parse(pem: string): X509Certificate {
  try {
    return new X509Certificate(pem)
  } catch {
    throw new Fault('invalid', 'this is no certificate in PEM')
  }
}

/** The host names that it is for, lower case; the common name only when it names no other. */
export function namesOf(certificate: X509Certificate): string[] {
  const alternative = certificate.subjectAltName ?? ''
  // Node quotes what could be taken for a separator: names of hosts never are.
  const names = alternative
    .split(', ')
    .flatMap((entry) => (entry.startsWith('DNS:') ? [entry.slice(4).toLowerCase()] : []))
  if (names.length > 0 || alternative.includes('IP Address:')) return names
  const common = /(?:^|\n)CN=(.*)/.exec(certificate.subject)?.[1]
  return common ? [common.toLowerCase()] : []
}

/** By what renewal information is asked for (RFC 9773 §4.1): the key of the issuer and the serial; undefined when it does not name that key. */
export function renewalId(pem: string): string | undefined {
  const raw = parse(pem).raw
  const [body] = derChildren(raw, readDer(raw, 0))
  const fields = derChildren(raw, body!)
  const serial = fields.find(({ tag }) => tag === 0x02)!
  const extensions = fields.find(({ tag }) => tag === 0xa3)
  const list = extensions && derChildren(raw, extensions)[0]
  for (const extension of list ? derChildren(raw, list) : []) {
    const parts = derChildren(raw, extension)
    if (!raw.subarray(extension.start, parts[0]!.end).equals(authorityKeyIdentifier)) continue
    const key = derChildren(raw, readDer(raw, parts.at(-1)!.start)).find(({ tag }) => tag === 0x80)
    if (key) return `${base64url(raw, key)}.${base64url(raw, serial)}`
  }
  return undefined
}

const authorityKeyIdentifier = oid('2.5.29.35')
const base64url = (bytes: Buffer, { start, end }: { start: number; end: number }) =>
  bytes.subarray(start, end).toString('base64url')

/** Fault `invalid` unless the key belongs to the first certificate of the chain. */
export function checkPair({ cert, key }: { readonly cert: string; readonly key: string }): void {
  let held: KeyObject
  try {
    held = createPrivateKey(key)
  } catch {
    throw new Fault('invalid', 'this is no private key in PEM, or it needs a passphrase')
  }
  if (!parse(cert).checkPrivateKey(held)) throw new Fault('invalid', 'the key does not belong to the certificate')
}

/** SHA-256 of the public key in hexadecimal digits, as TLSA 3 1 1 has it (RFC 7671 §5.1). Of a certificate or a private key, PEM. */
export function publicKeyOf(pem: string): Buffer {
  const key = pem.includes('PRIVATE KEY') ? createPublicKey(createPrivateKey(pem)) : parse(pem).publicKey
  return key.export({ type: 'spki', format: 'der' })
}
