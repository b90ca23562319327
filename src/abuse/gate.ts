// The gate of the SMTP door: one visit for each connection that is neither this machine's nor trusted. It asks the core once when the
// client comes and once for each recipient, and tells it at the end what the client did. Knows no SMTP.

import { type AccountReads, type Allowance, createMemory, type DomainPolicies } from '../accounts/index.ts'
import type { Address } from '../address/index.ts'
import type { AccountId, Clock, DomainId, Log } from '../base/index.ts'
import type { ReadStore } from '../store/index.ts'
import { allowanceOf, type SendingAllowance } from './allowance.ts'
import { limits } from './limits.ts'
import { toClient, toNeighbourhood } from './networks.ts'
import type { AbuseCounts, Claim, Entered } from './types.ts'
import { StrangersVisit, type Visit } from './visit.ts'

export interface GateParts {
  readonly counts: Pick<AbuseCounts, 'enter' | 'leave' | 'remember' | 'take'>
  readonly accounts: Pick<AccountReads, 'account'>
  readonly policies: DomainPolicies
  readonly store: ReadStore
  readonly clock: Clock
  readonly log: Log
}

export interface Gate {
  /** A stranger comes; who is not let in has nothing to leave. */
  enter(ip: string): Promise<Visit | Extract<Entered, { ok: false }>>
}

export function createGate(parts: GateParts): Gate {
  const { counts, clock, log } = parts
  const claimsOf = createClaims(parts)
  const waiting = { count: 0 }
  const tell = (told: Promise<void>) =>
    void told.catch((error: unknown) => log.warn({ err: error }, 'what a client did could not be counted'))
  return {
    async enter(ip) {
      const entered = await counts.enter(ip)
      if (!entered.ok) return entered
      const { factor } = entered
      return new StrangersVisit(factor <= 1, {
        clock,
        waiting,
        take: counts.take,
        claims: (to, account) => (account === undefined ? claimsOf.stranger(ip, factor, to) : claimsOf.user(account)),
        unseat: () => tell(counts.leave(ip)),
        remember: (deeds) => tell(counts.remember(ip, deeds)),
      })
    },
  }
}

/** What a domain says of its recipients, if anything. */
interface Receiving {
  readonly id?: DomainId
  readonly perMinute?: Allowance
}

/** Which limits one recipient is taken from. Settings are remembered: they are asked for with each. */
function createClaims({ store, clock, policies, accounts }: GateParts) {
  const receiving = createMemory<string, Receiving>(store.bell, clock, ['accounts'])
  const sending = createMemory<AccountId, SendingAllowance | 'nobody'>(store.bell, clock, ['accounts'])

  const receivingOf = async (domain: string): Promise<Receiving> => {
    const known = receiving()
    const found = known.get(domain)
    if (found) return found
    const policy = await store.read((tx) => policies.of(tx, domain))
    const perMinute = policy?.settings.strangerPerMinute
    return known.keep(domain, policy && perMinute !== undefined ? { id: policy.id, perMinute } : {})
  }
  const sendingOf = async (account: AccountId): Promise<SendingAllowance | 'nobody'> => {
    const known = sending()
    const found = known.get(account)
    if (found) return found
    const who = await accounts.account(account)
    return known.keep(account, who ? await store.read((tx) => allowanceOf(tx, policies, who)) : 'nobody')
  }
  return {
    async stranger(ip: string, factor: number, to: Address): Promise<readonly Claim[]> {
      const { id, perMinute = limits.address.count } = await receivingOf(to.domain)
      if (perMinute === 'unlimited') return []
      const client = toClient(ip)
      const subject = id === undefined ? client : `${client} ${id}`
      return [
        { kind: 'address', subject, count: perMinute * factor },
        { kind: 'network', subject: toNeighbourhood(ip), count: limits.network.count * Math.max(1, factor) },
      ]
    },
    async user(account: AccountId): Promise<readonly Claim[]> {
      const allowance = await sendingOf(account)
      if (allowance === 'nobody') return []
      const { user, domain, domainId } = allowance
      const claims: Claim[] = []
      if (user !== 'unlimited') claims.push({ kind: 'user', subject: `${account}`, count: user })
      if (domain !== 'unlimited' && domainId !== undefined)
        claims.push({ kind: 'domain', subject: `${domainId}`, count: domain })
      return claims
    },
  }
}
