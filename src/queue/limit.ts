// Limits that people set: connections at once, and messages a minute and an hour, for a provider, a domain or an address of
// ours. Only arithmetic and a clock.

import type { Clock } from '../base/index.ts'

export interface LimitRule {
  /** Whose: exactly one of the three. A provider is named by the end of its mail hosts' names. */
  readonly provider?: string
  /** `a.test`, `.a.test` for all below it, `*` for every domain by itself. */
  readonly domain?: string
  readonly source?: string
  readonly connections?: number
  readonly perMinute?: number
  readonly perHour?: number
  /** Messages over one connection. */
  readonly perConnection?: number
}

/** Never more than `count` in any `period`: a small burst at once, the rest spread over it. */
class Bucket {
  readonly #burst: number
  readonly #perMs: number
  readonly #clock: Clock
  #level: number
  #at: number

  constructor(count: number, period: number, clock: Clock) {
    this.#burst = Math.max(1, Math.floor(count / 10))
    this.#perMs = (count - this.#burst + 1) / period
    this.#clock = clock
    this.#level = this.#burst
    this.#at = clock.monotonic()
  }

  /** Milliseconds until one may go. */
  get wait(): number {
    const now = this.#clock.monotonic()
    this.#level = Math.min(this.#burst, this.#level + (now - this.#at) * this.#perMs)
    this.#at = now
    // A rounding error must not cost a turn of the timer.
    return this.#level >= 1 - 1e-9 ? 0 : Math.ceil((1 - this.#level) / this.#perMs)
  }

  take(): void {
    this.#level -= 1
  }
}

export class Limit {
  readonly rule: LimitRule
  active = 0
  readonly #buckets: readonly Bucket[]

  constructor(rule: LimitRule, clock: Clock) {
    this.rule = rule
    const { perMinute, perHour } = rule
    this.#buckets = [
      ...(perMinute === undefined ? [] : [new Bucket(perMinute, 60_000, clock)]),
      ...(perHour === undefined ? [] : [new Bucket(perHour, 3_600_000, clock)]),
    ]
  }

  /** Connections that may be added now. */
  get free(): number {
    return (this.rule.connections ?? Number.POSITIVE_INFINITY) - this.active
  }

  /** Milliseconds until another message may go, whatever the connections. */
  get wait(): number {
    return Math.max(0, ...this.#buckets.map(({ wait }) => wait))
  }

  begin(): void {
    this.active++
    for (const bucket of this.#buckets) bucket.take()
  }

  end(): void {
    this.active--
  }
}

/** The limits of the configuration, each one object for all that it is about. */
export interface Limits {
  ofHosts(domain: string | undefined, hosts: readonly string[]): readonly Limit[]
  ofSource(address: string): readonly Limit[]
}

/** Domains with a limit of their own by `*` that are remembered. */
const maxEach = 10_000

export function createLimits(rules: readonly LimitRule[], clock: Clock): Limits {
  const shared = rules.map((rule) => new Limit(rule, clock))
  const each = new Map<string, Limit>()
  const own = (rule: LimitRule, domain: string, at: number): Limit => {
    const key = `${at} ${domain}`
    let limit = each.get(key)
    if (limit) return limit
    each.set(key, (limit = new Limit(rule, clock)))
    if (each.size > maxEach)
      for (const [key, { active }] of each)
        if (active === 0) {
          each.delete(key)
          break
        }
    return limit
  }
  return {
    ofHosts: (domain, hosts) =>
      shared.flatMap((limit, i) => {
        const { rule } = limit
        if (rule.provider !== undefined) return hosts.some((host) => isBelow(host, rule.provider!)) ? [limit] : []
        if (rule.domain === undefined || domain === undefined) return []
        if (rule.domain === '*') return [own(rule, domain, i)]
        return matchesDomain(rule.domain, domain) ? [limit] : []
      }),
    ofSource: (address) => shared.filter(({ rule }) => rule.source === address),
  }
}

/** `google.com` is the end of `aspmx.l.google.com`. */
export function isBelow(host: string, suffix: string): boolean {
  return host === suffix || host.endsWith(`.${suffix}`)
}

/** `a.test` is itself; `.a.test` is all below it. */
export function matchesDomain(pattern: string, domain: string): boolean {
  return pattern.startsWith('.') ? domain.endsWith(pattern) : domain === pattern
}
