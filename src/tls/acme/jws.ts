// JSON Web Signatures as ACME wants them (RFC 8555 §6.2): flattened, ES256 for account keys, HS256 for external account binding.

import { createHash, createHmac, createPrivateKey, createPublicKey, generateKeyPairSync, sign } from 'node:crypto'

/** The public key of an account; members in the order in which RFC 7638 §3.2 hashes them. */
export interface Jwk {
  readonly crv: string
  readonly kty: string
  readonly x: string
  readonly y: string
}

/** An account's private key, P-256, PEM. */
export function makeAccountKey(): string {
  const { privateKey } = generateKeyPairSync('ec', { namedCurve: 'P-256' })
  return privateKey.export({ type: 'pkcs8', format: 'pem' }).toString()
}

export function toJwk(key: string): Jwk {
  const { crv, kty, x, y } = createPublicKey(createPrivateKey(key)).export({ format: 'jwk' }) as unknown as Jwk
  return { crv, kty, x, y }
}

/** RFC 7638 §3. */
export const thumbprint = (key: string): string =>
  createHash('sha256')
    .update(JSON.stringify(toJwk(key)))
    .digest('base64url')

/** What proves a name: the token and whose it is (RFC 8555 §8.1). */
export const keyAuthorization = (token: string, key: string): string => `${token}.${thumbprint(key)}`

type Header = Readonly<Record<string, unknown>>

/** Signs with an account key; `payload` absent: POST-as-GET (RFC 8555 §6.3). */
export function signJws(key: string, header: Header, payload: unknown): string {
  return seal({ alg: 'ES256', ...header }, payload, (text) =>
    sign('sha256', Buffer.from(text), { key, dsaEncoding: 'ieee-p1363' }),
  )
}

/** Signs with a secret of the authority, given in base64url. */
export function macJws(secret: string, header: Header, payload: unknown): string {
  return seal({ alg: 'HS256', ...header }, payload, (text) =>
    createHmac('sha256', Buffer.from(secret, 'base64url')).update(text).digest(),
  )
}

function seal(header: Header, payload: unknown, signature: (text: string) => Buffer): string {
  const head = encode(JSON.stringify(header))
  const body = payload === undefined ? '' : encode(JSON.stringify(payload))
  const signed = signature(`${head}.${body}`).toString('base64url')
  return JSON.stringify({ protected: head, payload: body, signature: signed })
}

const encode = (text: string) => Buffer.from(text).toString('base64url')
