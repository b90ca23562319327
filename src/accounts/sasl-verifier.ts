// Accounts as a SASL mechanism asks them, for one client. One place for all doors, so that none forgets to count a guess.

import type { SaslVerifier } from '../sasl/index.ts'
import type { AccountReads, Login } from './types.ts'

/** `from`: the client's IP. */
export function saslVerifier(
  accounts: Pick<AccountReads, 'login' | 'scram' | 'scramEnded'>,
  from: string,
): SaslVerifier<Login> {
  return {
    login: (user, password) => accounts.login(user, password, from),
    scram: (user, hash) => accounts.scram(user, hash, from),
    scramEnded: (user, right) => accounts.scramEnded(user, from, right),
  }
}
