// Everything that changes domains, users and aliases, as one service of the core.

import type { AccountWrites } from './types.ts'
import { type AccountWritesParts, createUserWrites } from './write-accounts.ts'
import { createAliasWrites } from './write-aliases.ts'
import { createDomainWrites } from './write-domains.ts'

export function createAccountWrites(parts: AccountWritesParts): AccountWrites {
  return { ...createDomainWrites(parts.store), ...createAliasWrites(parts.store), ...createUserWrites(parts) }
}
