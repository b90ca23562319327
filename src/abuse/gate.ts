// The gate of the SMTP door: one visit for each connection that is neither this machine's nor trusted. It asks the core once when the
// client comes and once for each recipient, and tells it at the end what the client did. Knows no SMTP.

import { type AccountReads, type Allowance, createMemory, type DomainPolicies } from '../accounts/index.ts'
import type { Address } from '../address/index.ts'
import type { AccountId, Clock, DomainId, Log } from '../base/index.ts'
import type { ReadStore } from '../store/index.ts'
import { allowanceOf, type SendingAllowance } from './allowance.ts'
import { type LimitKind, limits, tarpit } from './limits.ts'
import { toClient, toNeighbourhood } from './networks.ts'
import type { AbuseCounts, Claim, Entered } from './types.ts'

export interface GateParts {
  readonly counts: Pick<AbuseCounts, 'enter' | 'leave' | 'remember' | 'take'>
  readonly accounts: Pick<AccountReads, 'account'>
  readonly policies: DomainPolicies
  readonly store: ReadStore
  readonly clock: Clock
  readonly log: Log
}

export interface Gate {
  /** A stranger comes; what is not let in has nothing to leave. */
  enter(ip: string): Promise<Visit | Extract<Entered, { ok: false }>>
}

export interface Visit {
  readonly ok: true
  /** Whether nothing good is known of the address: such a client is let wait before the greeting. */
  readonly unknown: boolean
  /** Takes one recipient from what the client may have; why not, in words. `account`: who signed in. */
  recipient(to: Address, account: AccountId | undefined): Promise<string | undefined>
  /** So many recipients have their mail. */
  good(recipients: number): void
  /** What it says of itself cannot be true: what it brings earns it nothing. */
  doubt(): void
  /** It did what no good client does; each further answer waits longer. */
  bad(): void
  /** Waits as long as its errors ask for, unless too many wait already; `until` ends the wait. */
  pause(until: (end: () => void) => void): Promise<void>
  /** The client is somebody: its place among the strangers is free. */
  signedIn(): void
  leave(): void
}

/** A setting that a domain may not have. */
interface Receiving {
  readonly id?: DomainId
  readonly perMinute?: Allowance
}

export function createGate(parts: GateParts): Gate {
  const { counts, clock, store, policies, accounts, log } = parts
  const receiving = createMemory<string, Receiving>(store.bell, clock, ['accounts'])
  const sending = createMemory<AccountId, SendingAllowance | 'nobody'>(store.bell, clock, ['accounts'])
  const waiting = { count: 0 }
  const tell = (told: Promise<void>) =>
    void told.catch((error: unknown) => log.warn({ err: error }, 'what a client did could not be counted'))

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
  const ofStranger = async (ip: string, factor: number, to: Address): Promise<Claim[]> => {
    const { id, perMinute = limits.address.count } = await receivingOf(to.domain)
    if (perMinute === 'unlimited') return []
    const client = toClient(ip)
    const subject = id === undefined ? client : `${client} ${id}`
    return [
      { kind: 'address', subject, count: perMinute * factor },
      { kind: 'network', subject: toNeighbourhood(ip), count: limits.network.count * Math.max(1, factor) },
    ]
  }
  const ofUser = async (account: AccountId): Promise<Claim[]> => {
    const allowance = await sendingOf(account)
    if (allowance === 'nobody') return []
    const { user, domain, domainId } = allowance
    const claims: Claim[] = []
    if (user !== 'unlimited') claims.push({ kind: 'user', subject: `${account}`, count: user })
    if (domain !== 'unlimited' && domainId !== undefined)
      claims.push({ kind: 'domain', subject: `${domainId}`, count: domain })
    return claims
  }

  return {
    async enter(ip) {
      const entered = await counts.enter(ip)
      if (!entered.ok) return entered
      const { factor } = entered
      const deeds = { good: 0, bad: 0 }
      let errors = 0
      let seated = true
      let somebody = false
      let doubted = false
      let limitedUntil = Number.NEGATIVE_INFINITY
      const unseat = () => {
        if (seated) tell(counts.leave(ip))
        seated = false
      }
      return {
        ok: true,
        unknown: factor <= 1,
        async recipient(to, account) {
          const wait = limitedUntil - clock.monotonic()
          if (wait > 0) return limitedWords(account === undefined ? 'address' : 'user', wait)
          const claims = account === undefined ? await ofStranger(ip, factor, to) : await ofUser(account)
          if (claims.length === 0) return undefined
          const taken = await counts.take(claims)
          if (taken.ok) return undefined
          // Until then it need not be asked again.
          limitedUntil = clock.monotonic() + taken.retryMs
          return limitedWords(taken.kind, taken.retryMs)
        },
        good: (recipients) => void (deeds.good += somebody || doubted ? 0 : recipients),
        doubt: () => void (doubted = true),
        bad() {
          errors++
          if (!somebody) deeds.bad++
        },
        async pause(until) {
          const over = errors - tarpit.free
          if (over <= 0 || waiting.count >= tarpit.atOnce) return
          waiting.count++
          const ms = Math.min(tarpit.firstMs * 2 ** Math.min(over - 1, 16), tarpit.mostMs)
          await new Promise<void>((resolve) => {
            const cancel = clock.after(ms, resolve)
            until(() => {
              cancel()
              resolve()
            })
          })
          waiting.count--
        },
        signedIn() {
          somebody = true
          limitedUntil = Number.NEGATIVE_INFINITY
          unseat()
        },
        leave() {
          unseat()
          if (deeds.good + deeds.bad > 0) tell(counts.remember(ip, { ...deeds }))
          deeds.good = 0
          deeds.bad = 0
        },
      }
    },
  }
}

const whose: Readonly<Record<LimitKind, string>> = {
  user: 'you have written to too many recipients in this hour',
  domain: 'your domain has written to too many recipients in this hour',
  address: 'too many recipients from your address',
  network: 'too many recipients from your network',
  'sign-in': 'too many failed sign-ins from your address',
  'sign-in-network': 'too many failed sign-ins from your network',
  'api-token': 'too many requests with this token',
  'api-guest': 'too many requests from your address',
}

/** For the person at the other end. */
export function limitedWords(kind: LimitKind, retryMs: number): string {
  const seconds = Math.max(1, Math.ceil(retryMs / 1000))
  return `${whose[kind]}; try again in ${seconds < 120 ? `${seconds} s` : `${Math.ceil(seconds / 60)} min`}`
}
