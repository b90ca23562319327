// SASL LOGIN (draft-murchison-sasl-login-00): two prompts. Obsolete, and still what Outlook and many printers speak.

import { SyntaxFault } from '../base/index.ts'
import { parseSaslText } from './text.ts'
import type { SaslMechanism } from './types.ts'

// Some clients compare the prompts literally, colon included.
const askUser = Buffer.from('Username:')
const askPassword = Buffer.from('Password:')

export const login: SaslMechanism = {
  name: 'LOGIN',
  plaintext: true,
  binds: false,
  begin(verifier) {
    let user: string | undefined
    return {
      async respond(message) {
        if (message === undefined) return { ask: askUser }
        const text = parseSaslText(message)
        if (text === '') throw new SyntaxFault('LOGIN needs a name and a password')
        if (user === undefined) {
          user = text
          return { ask: askPassword }
        }
        return { done: await verifier.login(user, text) }
      },
    }
  },
}
