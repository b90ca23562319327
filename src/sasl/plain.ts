// SASL PLAIN (RFC 4616): one message of authorisation identity, name and password.

import { Fault, SyntaxFault } from '../base/index.ts'
import { parseSaslText } from './text.ts'
import type { SaslMechanism } from './types.ts'

export const plain: SaslMechanism = {
  name: 'PLAIN',
  plaintext: true,
  binds: false,
  begin: (verifier) => ({
    async respond(message) {
      if (message === undefined) return { ask: Buffer.alloc(0) }
      const { as, user, password } = parsePlain(message)
      // Acting as somebody else is not offered: RFC 4616 §2 lets the server refuse it.
      if (as !== '' && as !== user) throw new Fault('unauthenticated', 'signing in as another user is not allowed')
      return { done: await verifier.login(user, password) }
    },
  }),
}

/** `[authzid] NUL authcid NUL passwd`. */
export function parsePlain(message: Uint8Array): { as: string; user: string; password: string } {
  const first = message.indexOf(0)
  const second = first < 0 ? -1 : message.indexOf(0, first + 1)
  if (second < 0) throw new SyntaxFault('PLAIN needs two NUL characters')
  const user = parseSaslText(message.subarray(first + 1, second))
  const password = parseSaslText(message.subarray(second + 1))
  if (user === '' || password === '') throw new SyntaxFault('PLAIN needs a name and a password')
  return { as: parseSaslText(message.subarray(0, first)), user, password }
}

/** The message a client sends. */
export function formatPlain(user: string, password: string): Buffer {
  return Buffer.from(`\0${user}\0${password}`)
}
