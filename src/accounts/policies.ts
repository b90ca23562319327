// What the way of each message asks about domains: which are ours, and their settings.

import type { AccountId, Clock, DomainId } from '../base/index.ts'
import { accountRows, type Bell, domainRows, type Reader } from '../store/index.ts'
import { createMemory } from './memory.ts'
import type { AccountSettings, DomainSettings } from './types.ts'

export interface DomainPolicy {
  readonly id: DomainId
  /** Of an alias: the domain that it stands for. */
  readonly name: string
  readonly settings: DomainSettings
}

/** A user's domain, with its settings where his own have been put in their place. */
export interface AccountPolicy extends DomainPolicy {
  /** `local@domain`. */
  readonly email: string
  readonly disabled: boolean
}

export interface DomainPolicies {
  /** Undefined when the domain is not ours. Reads with `tx` what is not known yet. */
  of(tx: Reader, domain: string): Promise<DomainPolicy | undefined>
  /** What holds for a user. Undefined when there is none. */
  ofAccount(tx: Reader, account: AccountId): Promise<AccountPolicy | undefined>
}

export function createDomainPolicies(bell: Bell, clock: Clock): DomainPolicies {
  const memory = createMemory<string, DomainPolicy | 'not ours'>(bell, clock, ['accounts'])
  const users = createMemory<AccountId, AccountPolicy>(bell, clock, ['accounts'])
  const of = async (tx: Reader, domain: string) => {
    const known = memory()
    const policy = known.get(domain) ?? known.keep(domain, (await read(tx, domain)) ?? 'not ours')
    return policy === 'not ours' ? undefined : policy
  }
  return {
    of,
    async ofAccount(tx, account) {
      const known = users()
      const policy = known.get(account)
      if (policy) return policy
      const row = await accountRows.find(tx, account)
      const domain = row && (await of(tx, row.domain))
      if (!domain) return undefined
      const own = JSON.parse(row.settings ?? '{}') as AccountSettings
      const email = `${row.local}@${row.domain}`
      const settings = withOwn(domain.settings, own)
      return known.keep(account, { ...domain, email, disabled: row.disabled !== 0, settings })
    },
  }
}

/** Settings of these domains, each once, in the order in which they come first; of one that is not ours they are empty. */
export async function settingsOfAll(
  policies: DomainPolicies,
  tx: Reader,
  domains: Iterable<string>,
): Promise<DomainSettings[]> {
  const found: DomainSettings[] = []
  for (const domain of new Set(domains)) found.push((await policies.of(tx, domain))?.settings ?? {})
  return found
}

const aboutSpam = ['spam', 'spamScore', 'spamRejectScore'] as const

/** The domain's settings, and in their place those of the user that it lets count. */
export function withOwn(settings: DomainSettings, own: AccountSettings): DomainSettings {
  const { userVerdicts = 'spam' } = settings
  const counting: readonly (keyof AccountSettings & keyof DomainSettings)[] = [
    'quarantineDigest',
    'classifier',
    'spamThreshold',
    ...(userVerdicts === 'none' ? [] : aboutSpam),
    ...(userVerdicts === 'all' ? (['virus'] as const) : []),
  ]
  const changed = counting.flatMap((key) => (own[key] === undefined ? [] : [[key, own[key]] as const]))
  return changed.length === 0 ? settings : { ...settings, ...Object.fromEntries(changed) }
}

async function read(tx: Reader, domain: string): Promise<DomainPolicy | undefined> {
  const row = await domainRows.findTarget(tx, domain)
  return row && { id: row.id, name: row.name, settings: JSON.parse(row.settings) as DomainSettings }
}
