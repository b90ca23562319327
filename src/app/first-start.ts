// The first domain and user of an empty server that nobody configured.

import { generatePassword } from './password.ts'
import type { AdminServices } from './services.ts'

export interface FirstUser {
  readonly email: string
  readonly password: string
}

const firstDomain = 'posthorn.test'

/** Makes posthorn.test and its admin when there is no domain yet. The password is told this once. */
export async function makeFirstUser({
  queries,
  accounts,
}: Omit<AdminServices, 'queue'>): Promise<FirstUser | undefined> {
  if ((await queries.domains()).length > 0) return undefined
  const user = { email: `admin@${firstDomain}`, password: generatePassword() }
  await accounts.addDomain(firstDomain)
  await accounts.addAccount({ ...user, name: 'Administrator', admin: true })
  return user
}
