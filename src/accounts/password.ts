// Passwords as the store keeps them: argon2id in the PHC string form. Hashing runs in Node's thread pool, never on the loop.

import { argon2, randomBytes, timingSafeEqual } from 'node:crypto'
import { Fault } from '../base/index.ts'
import { saslPrep } from '../sasl/index.ts'

export interface Argon2Costs {
  /** KiB. */
  readonly memory: number
  readonly passes: number
  readonly parallelism: number
}

/** 19 MiB, two passes: the least memory at which argon2id resists graphics cards as OWASP asks; about 35 ms a password. */
export const argon2Costs: Argon2Costs = { memory: 19_456, passes: 2, parallelism: 1 }

const saltBytes = 16
const tagBytes = 32

/** Bytes of UTF-8 that a password may have: hashing is not paid by length, but the argument is kept. */
export const maxPasswordBytes = 1024

export interface PasswordHash extends Argon2Costs {
  readonly salt: Buffer
  readonly tag: Buffer
}

/** The prepared password (as SCRAM prepares it, RFC 4013 §2, so that both ways of login agree). Fault `invalid`: empty, too long, or with NUL. */
export function preparePassword(password: string): string {
  const prepared = saslPrep(password)
  if (prepared === '') throw new Fault('invalid', 'the password is empty')
  if (prepared.includes('\0')) throw new Fault('invalid', 'the password contains a NUL')
  if (Buffer.byteLength(prepared) > maxPasswordBytes)
    throw new Fault('invalid', `the password is longer than ${maxPasswordBytes} bytes`)
  return prepared
}

/** A new salted hash of a prepared password, as text for the store. */
export async function hashPassword(prepared: string, costs = argon2Costs): Promise<string> {
  const salt = randomBytes(saltBytes)
  return formatHash({ ...costs, salt, tag: await derive(prepared, salt, tagBytes, costs) })
}

/** Whether the prepared password made this hash. */
export async function verifyPassword(prepared: string, hash: PasswordHash): Promise<boolean> {
  return timingSafeEqual(await derive(prepared, hash.salt, hash.tag.length, hash), hash.tag)
}

/** A hash that no password makes, as dear to verify as a real one: what unknown names are compared with. */
export const nobodysHash: PasswordHash = { ...argon2Costs, salt: randomBytes(saltBytes), tag: randomBytes(tagBytes) }

function derive(prepared: string, nonce: Buffer, tagLength: number, costs: Argon2Costs): Promise<Buffer> {
  const { memory, passes, parallelism } = costs
  const parameters = { message: Buffer.from(prepared), nonce, parallelism, tagLength, memory, passes }
  return new Promise((resolve, reject) =>
    argon2('argon2id', parameters, (error, tag) => (error ? reject(error) : resolve(tag))),
  )
}

const base64 = (bytes: Buffer) => bytes.toString('base64').replaceAll('=', '')

/** `$argon2id$v=19$m=19456,t=2,p=1$<salt>$<tag>`: what other programs read and write too. */
export function formatHash({ memory, passes, parallelism, salt, tag }: PasswordHash): string {
  return `$argon2id$v=19$m=${memory},t=${passes},p=${parallelism}$${base64(salt)}$${base64(tag)}`
}

/** Reads what formatHash wrote; undefined for anything else, and for costs that would exhaust the machine. */
export function parseHash(text: string): PasswordHash | undefined {
  const [empty, name, version, costs, salt, tag, more] = text.split('$')
  if (empty !== '' || name !== 'argon2id' || version !== 'v=19' || !costs || !salt || !tag || more !== undefined) return
  const numbers = costs.split(',').map((cost) => cost.split('='))
  if (numbers.map(([key]) => key).join() !== 'm,t,p') return
  const [memory = 0, passes = 0, parallelism = 0] = numbers.map(([, value]) => Number(value))
  const sane = memory >= 8 * parallelism && memory <= 262_144 && passes >= 1 && passes <= 16 && parallelism >= 1
  const hash = { memory, passes, parallelism, salt: Buffer.from(salt, 'base64'), tag: Buffer.from(tag, 'base64') }
  const whole = [memory, passes, parallelism].every(Number.isSafeInteger) && parallelism <= 16
  return sane && whole && hash.salt.length >= 8 && hash.tag.length >= 16 ? hash : undefined
}
