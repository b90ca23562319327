import { login } from './login.ts'
import { plain } from './plain.ts'
import { scramSha256 } from './scram-sha-256.ts'
import type { SaslMechanism } from './types.ts'

export * from './login.ts'
export * from './plain.ts'
export * from './scram-sha-256.ts'
export * from './text.ts'
export * from './types.ts'

/** Every mechanism of the house, strongest first: doors offer those that their policy allows, in this order. */
export const saslMechanisms: readonly SaslMechanism[] = [scramSha256, plain, login]
