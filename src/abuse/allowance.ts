// What a user may send: his own setting, else his domain's, else the server's.

import type { Account, Allowance, DomainPolicies } from '../accounts/index.ts'
import type { DomainId } from '../base/index.ts'
import type { Reader } from '../store/index.ts'
import { limits } from './limits.ts'

export interface SendingAllowance {
  readonly user: Allowance
  readonly domain: Allowance
  readonly domainId?: DomainId
}

export async function allowanceOf(
  tx: Reader,
  policies: DomainPolicies,
  { email, settings }: Pick<Account, 'email' | 'settings'>,
): Promise<SendingAllowance> {
  const policy = await policies.of(tx, email.slice(email.lastIndexOf('@') + 1))
  return {
    user: settings.perHour ?? policy?.settings.userPerHour ?? limits.user.count,
    domain: policy?.settings.domainPerHour ?? limits.domain.count,
    ...(policy && { domainId: policy.id }),
  }
}
