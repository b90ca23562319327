// Rules of people: what is paused, held or sent elsewhere. Kept in the store, read into memory by each process.

import { formatAddress, type Path, parseAddress } from '../address/index.ts'
import { Fault } from '../base/index.ts'
import type { queueRuleRows } from '../store/index.ts'
import { isBelow, matchesDomain } from './limit.ts'
import { parseRoute } from './route.ts'

export type RuleKind = 'pause' | 'hold' | 'route'
export type RuleSubject = 'domain' | 'provider' | 'sender' | 'recipient'

export interface NewQueueRule {
  /** `pause`: all that matches stands still until the rule is gone. `hold`: what comes from now on is held until it is released. `route`: it goes to `target`. */
  readonly kind: RuleKind
  readonly about: RuleSubject
  /**
   * A domain (`a.test`, `.a.test` for all below it); the end of the names of a provider's mail hosts; an address, `@a.test`
   * for all of a domain, `<>` for the null sender.
   */
  readonly pattern: string
  /** Of a route: as in `queue.routes`; empty: by MX. */
  readonly target?: string
  readonly reason?: string
  /** Who made it. */
  readonly by?: string
}
export interface QueueRule extends NewQueueRule {
  readonly id: number
  /** Milliseconds since 1970. */
  readonly madeAt: number
}

/** One mail as rules see it. */
export interface Ruled {
  readonly sender: Path
  readonly recipient: Path
}

export interface Rules {
  readonly list: readonly QueueRule[]
  set(rows: readonly QueueRule[]): void
  /** What holds new mail. */
  holding(mail: Ruled): QueueRule | undefined
  /** What holds mail that was there before. */
  pausing(mail: Ruled): QueueRule | undefined
  /** What holds all mail that goes to these hosts. */
  pausingHosts(hosts: readonly string[]): QueueRule | undefined
  /** The next hop that somebody named for a domain. */
  routeOf(domain: string): string | undefined
}

export function createRules(): Rules {
  let list: readonly QueueRule[] = []
  const find = (kinds: readonly RuleKind[], mail: Ruled) =>
    list.find((rule) => kinds.includes(rule.kind) && matches(rule, mail))
  return {
    get list() {
      return list
    },
    set(rows) {
      list = rows
    },
    holding: (mail) => (list.length === 0 ? undefined : find(['pause', 'hold'], mail)),
    pausing: (mail) => (list.length === 0 ? undefined : find(['pause'], mail)),
    pausingHosts: (hosts) =>
      list.find(
        ({ kind, about, pattern }) =>
          kind === 'pause' && about === 'provider' && hosts.some((host) => isBelow(host, pattern)),
      ),
    routeOf: (domain) =>
      list.length === 0
        ? undefined
        : list.find(({ kind, pattern }) => kind === 'route' && matchesDomain(pattern, domain))?.target,
  }
}

export function matches({ about, pattern }: QueueRule, { sender, recipient }: Ruled): boolean {
  if (about === 'provider') return false
  if (about === 'domain') return recipient !== null && matchesDomain(pattern, recipient.domain)
  const path = about === 'sender' ? sender : recipient
  if (path === null) return pattern === '<>'
  return pattern.startsWith('@') ? path.domain === pattern.slice(1) : formatAddress(path).toLowerCase() === pattern
}

/** Checks what somebody asks for and brings it into its form. Throws Fault `invalid`. */
export function checkRule(rule: NewQueueRule): Required<NewQueueRule> {
  const { kind, about, target = '', reason = '', by = '' } = rule
  const pattern = rule.pattern.trim().toLowerCase()
  const fail = (why: string): never => {
    throw new Fault('invalid', why)
  }
  if (!['pause', 'hold', 'route'].includes(kind)) fail(`a rule pauses, holds or routes; it does not "${kind}"`)
  if (!['domain', 'provider', 'sender', 'recipient'].includes(about))
    fail(`a rule is about a domain, a provider, a sender or a recipient, not about a "${about}"`)
  if (about === 'provider' && kind !== 'pause') fail('of a provider only the sending can be paused')
  if (kind === 'route' && about !== 'domain') fail('another next hop is for a domain')
  const named = about === 'sender' || about === 'recipient' ? isPerson(pattern) : isName(pattern)
  if (!named)
    fail(
      `"${rule.pattern}" names no ${about}: ${about === 'sender' || about === 'recipient' ? 'ann@a.example, @a.example' : 'a.example'}`,
    )
  // Empty: by MX, whatever is configured.
  if (kind === 'route' && target !== '') checkTarget(target)
  return { kind, about, pattern, target: kind === 'route' ? target : '', reason: reason.slice(0, 500), by }
}

/** A next hop given by hand. */
export function checkTarget(target: string): void {
  // It stands in the store as it is: a password has its place in the configuration.
  if (parseRoute(target).auth) throw new Fault('invalid', 'a next hop with a password belongs into queue.routes')
}

const isName = (text: string): boolean => text !== '' && text !== '.' && !text.includes(' ') && !text.includes('@')
const isPerson = (text: string): boolean =>
  text === '<>' || (text.startsWith('@') ? isName(text.slice(1)) : parseAddress(text) !== undefined)

export function toRule(row: queueRuleRows.RuleRow): QueueRule {
  const { id, kind, about, pattern, target, reason, made_by, made_at } = row
  return {
    id,
    kind: kind as RuleKind,
    about: about as RuleSubject,
    pattern,
    target,
    reason,
    by: made_by,
    madeAt: made_at,
  }
}
