// What the way of each message asks about domains: which are ours, and their settings. Kept in memory, read again as soon as anything
// about accounts changes; on PostgreSQL another node's bell may come late, so nothing is believed for more than a moment.

import type { Clock, DomainId } from '../base/index.ts'
import { type Bell, domainRows, type Reader } from '../store/index.ts'
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

/** Senders' domains are strangers' text: more than these are looked up each time. */
const maxKnown = 10_000
const maxAgeMs = 5_000

export function createDomainPolicies(bell: Bell, clock: Clock): DomainPolicies {
  let known = new Map<string, DomainPolicy | undefined>()
  let since = clock.monotonic()
  const forget = () => {
    known = new Map()
    since = clock.monotonic()
  }
  bell.on((ring) => {
    if ('topic' in ring && ring.topic === 'accounts') forget()
  })
  return {
    async of(tx, domain) {
      if (clock.monotonic() - since > maxAgeMs) forget()
      if (known.has(domain)) return known.get(domain)
      // What was read before a change must not be kept after it.
      const kept = known
      const row = await domainRows.findTarget(tx, domain)
      const found = row && { id: row.id, name: row.name, settings: JSON.parse(row.settings) as DomainSettings }
      if (kept.size < maxKnown) kept.set(domain, found)
      return found
    },
  }
}
