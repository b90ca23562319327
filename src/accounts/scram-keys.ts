// Keys for SCRAM-SHA-256 as the store keeps them, and the made-up ones that unknown names get.

import { createHash, createHmac, pbkdf2, randomBytes } from 'node:crypto'
import { promisify } from 'node:util'
import type { ScramKeys } from './types.ts'

const pbkdf2Async = promisify(pbkdf2)

/**
 * RFC 7677 §4 asks for at least 4096 and names 15,000 as what a modern machine should spend. More is paid by the client at each login
 * (a telephone needs half a second for this) and would still be far weaker than argon2id against a stolen database.
 */
export const scramIterations = 15_000
const saltBytes = 16

const hmac = (key: Uint8Array, text: string) => createHmac('sha256', key).update(text).digest()

/** RFC 5802 §3, of a prepared password. Runs in the thread pool. */
export async function makeScramKeys(
  prepared: string,
  salt: Buffer = randomBytes(saltBytes),
  iterations = scramIterations,
): Promise<ScramKeys> {
  const salted = await pbkdf2Async(prepared, salt, iterations, 32, 'sha256')
  const storedKey = createHash('sha256').update(hmac(salted, 'Client Key')).digest()
  return { salt, iterations, storedKey, serverKey: hmac(salted, 'Server Key') }
}

/** `SCRAM-SHA-256$<iterations>:<salt>$<stored key>:<server key>`, base64 within. */
export function formatScramKeys({ salt, iterations, storedKey, serverKey }: ScramKeys): string {
  const [s, stored, server] = [salt, storedKey, serverKey].map((bytes) => bytes.toString('base64'))
  return `SCRAM-SHA-256$${iterations}:${s}$${stored}:${server}`
}

/** Reads what formatScramKeys wrote; undefined for anything else. */
export function parseScramKeys(text: string): ScramKeys | undefined {
  const [name, first = '', second = ''] = text.split('$')
  const [count, salt = ''] = first.split(':')
  const [stored = '', server = ''] = second.split(':')
  const iterations = Number(count)
  const [saltBuffer, storedKey, serverKey] = [salt, stored, server].map((part) => Buffer.from(part, 'base64'))
  if (name !== 'SCRAM-SHA-256' || !Number.isSafeInteger(iterations) || iterations < 4096) return undefined
  if (saltBuffer!.length === 0 || storedKey!.length !== 32 || serverKey!.length !== 32) return undefined
  return { salt: saltBuffer!, iterations, storedKey: storedKey!, serverKey: serverKey! }
}

/** Keys that no password has; the same for the same name, so that asking twice tells nothing. */
export function makeUpScramKeys(secret: string, user: string): ScramKeys {
  const part = (label: string) => hmac(Buffer.from(secret), `${label}\0${user}`)
  const salt = part('salt').subarray(0, saltBytes)
  return { salt, iterations: scramIterations, storedKey: part('stored'), serverKey: part('server') }
}
