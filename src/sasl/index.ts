import { login } from './login.ts'
import { plain } from './plain.ts'
import { createScram } from './scram.ts'
import type { ChannelBindings, SaslMechanism } from './types.ts'

export * from './login.ts'
export * from './plain.ts'
export * from './scram.ts'
export * from './text.ts'
export * from './types.ts'

/** Every mechanism of the house, strongest first: channel binding counts more than the hash (RFC 5802 §6). */
const saslMechanisms: readonly SaslMechanism[] = [
  createScram('SHA-256', true),
  createScram('SHA-1', true),
  createScram('SHA-256', false),
  createScram('SHA-1', false),
  plain,
  login,
]

/** A connection as far as it decides how one may sign in. */
export interface SaslChannel {
  readonly bindings: ChannelBindings | undefined
  /** Whether a password may cross it readable. */
  readonly plaintext: boolean
}

const fits = ({ binds, plaintext }: SaslMechanism, channel: SaslChannel) =>
  (!binds || channel.bindings !== undefined) && (!plaintext || channel.plaintext)

/** The names that a door announces on this connection, strongest first. */
export function offeredMechanisms(channel: SaslChannel): string[] {
  return saslMechanisms.filter((one) => fits(one, channel)).map(({ name }) => name)
}

/** The mechanism of that name (capitals); undefined: there is none. What may not be used on this connection is `withheld`. */
export function findMechanism(name: string, channel: SaslChannel): SaslMechanism | 'withheld' | undefined {
  const found = saslMechanisms.find((one) => one.name === name)
  if (!found || (found.binds && !channel.bindings)) return undefined
  return fits(found, channel) ? found : 'withheld'
}
