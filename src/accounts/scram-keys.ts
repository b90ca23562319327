// Keys for SCRAM as the store keeps them, and the made-up ones that names without keys get.

import { createHash, createHmac, pbkdf2, randomBytes } from 'node:crypto'
import { promisify } from 'node:util'
import type { ScramHash } from '../sasl/index.ts'
import type { ScramKeys } from './types.ts'

const pbkdf2Async = promisify(pbkdf2)

/**
 * RFC 7677 §4 asks for at least 4096 and names 15,000 as what a modern machine should spend. More is paid by the client at each login
 * (a telephone needs half a second for this) and would still be far weaker than argon2id against a stolen database.
 */
export const scramIterations = 15_000
const saltBytes = 16

const hashes = {
  'SHA-256': { name: 'sha256', bytes: 32 },
  'SHA-1': { name: 'sha1', bytes: 20 },
} as const satisfies Record<ScramHash, { name: string; bytes: number }>
/** Every hash that a password has keys for. */
export const scramHashes = Object.keys(hashes) as ScramHash[]

const hmac = (hash: ScramHash, key: Uint8Array, text: string) =>
  createHmac(hashes[hash].name, key).update(text).digest()

/** RFC 5802 §3, of a prepared password. Runs in the thread pool. */
export async function makeScramKeys(
  hash: ScramHash,
  prepared: string,
  salt: Buffer = randomBytes(saltBytes),
  iterations = scramIterations,
): Promise<ScramKeys> {
  const { name, bytes } = hashes[hash]
  const salted = await pbkdf2Async(prepared, salt, iterations, bytes, name)
  const storedKey = createHash(name)
    .update(hmac(hash, salted, 'Client Key'))
    .digest()
  return { salt, iterations, storedKey, serverKey: hmac(hash, salted, 'Server Key') }
}

/** Keys of a prepared password for every hash, as text for the store. */
export async function makeStoredKeys(prepared: string): Promise<string> {
  const keys: string[] = []
  for (const hash of scramHashes) keys.push(formatScramKeys(hash, await makeScramKeys(hash, prepared)))
  return keys.join(' ')
}

/** `SCRAM-SHA-256$<iterations>:<salt>$<stored key>:<server key>`, base64 within. */
export function formatScramKeys(hash: ScramHash, { salt, iterations, storedKey, serverKey }: ScramKeys): string {
  const [s, stored, server] = [salt, storedKey, serverKey].map((bytes) => bytes.toString('base64'))
  return `SCRAM-${hash}$${iterations}:${s}$${stored}:${server}`
}

/** The keys for `hash` among those of makeStoredKeys; undefined when there are none, or when they are damaged. */
export function parseScramKeys(hash: ScramHash, stored: string): ScramKeys | undefined {
  const text = stored.split(' ').find((one) => one.startsWith(`SCRAM-${hash}$`))
  const [, first = '', second = ''] = text?.split('$') ?? []
  const [count, salt = ''] = first.split(':')
  const [storedText = '', serverText = ''] = second.split(':')
  const iterations = Number(count)
  const [saltBuffer, storedKey, serverKey] = [salt, storedText, serverText].map((part) => Buffer.from(part, 'base64'))
  if (!Number.isSafeInteger(iterations) || iterations < 4096) return undefined
  const { bytes } = hashes[hash]
  if (saltBuffer!.length === 0 || storedKey!.length !== bytes || serverKey!.length !== bytes) return undefined
  return { salt: saltBuffer!, iterations, storedKey: storedKey!, serverKey: serverKey! }
}

/** Keys that no password has; the same for the same name, so that asking twice tells nothing. */
export function makeUpScramKeys(hash: ScramHash, secret: string, user: string): ScramKeys {
  const part = (label: string) => hmac(hash, Buffer.from(secret), `${label}\0${user}`)
  // Each hash has its own, as real keys do.
  const salt = hmac(hash, Buffer.from(secret), `salt ${hash}\0${user}`).subarray(0, saltBytes)
  return { salt, iterations: scramIterations, storedKey: part('stored'), serverKey: part('server') }
}
