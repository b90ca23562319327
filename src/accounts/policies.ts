// What the way of each message asks about domains: which are ours, and their settings.

import type { Clock, DomainId } from '../base/index.ts'
import { type Bell, domainRows, type Reader } from '../store/index.ts'
import { createMemory } from './memory.ts'
import type { DomainSettings } from './types.ts'

export interface DomainPolicy {
  readonly id: DomainId
  /** Of an alias: the domain that it stands for. */
  readonly name: string
  readonly settings: DomainSettings
}

export interface DomainPolicies {
  /** Undefined when the domain is not ours. Reads with `tx` what is not known yet. */
  of(tx: Reader, domain: string): Promise<DomainPolicy | undefined>
}

export function createDomainPolicies(bell: Bell, clock: Clock): DomainPolicies {
  const memory = createMemory<string, DomainPolicy | 'not ours'>(bell, clock, ['accounts'])
  return {
    async of(tx, domain) {
      const known = memory()
      const policy = known.get(domain) ?? known.keep(domain, (await read(tx, domain)) ?? 'not ours')
      return policy === 'not ours' ? undefined : policy
    },
  }
}

async function read(tx: Reader, domain: string): Promise<DomainPolicy | undefined> {
  const row = await domainRows.findTarget(tx, domain)
  return row && { id: row.id, name: row.name, settings: JSON.parse(row.settings) as DomainSettings }
}
