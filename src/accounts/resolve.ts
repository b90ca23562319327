// Where an address leads: users, details, aliases, forwards, catch-alls, and the two names that must always reach somebody.
// Knows no message and no quota. One snapshot per question; a plain user costs two statements.

import { type Address, addressKey, formatAddress, normaliseLocal, parseAddress } from '../address/index.ts'
import { type AccountId, type DomainId, toId } from '../base/index.ts'
import { accountRows, domainRows, type Reader } from '../store/index.ts'
import type { DomainSettings, LocalDestination, Resolution } from './types.ts'

const maxDepth = 10
const dayMs = 86_400_000
const maxDestinations = 1000
/** Addresses looked at for one question: ten levels of long lists would otherwise multiply. */
const maxLookups = 5000

export const defaultDetail = '+'

/** Names that reach somebody in every domain: RFC 5321 §4.5.1, RFC 2142 §4 (abuse). */
const officeNames: ReadonlySet<string> = new Set(['postmaster', 'abuse'])

export interface ResolveOptions {
  /** The server's own name: postmaster and abuse are known there too. */
  readonly hostname: string
  /** Follow what users forward. Without it the answer says whose address it is. */
  readonly forwards: boolean
}

/** Resolves one address; `tx` is one snapshot. */
export async function resolveAddress(tx: Reader, address: Address, options: ResolveOptions): Promise<Resolution> {
  const search = new Search(tx, options)
  const found = await search.expand(address, 0)
  if (search.local.size + search.remote.size > 0)
    return { kind: 'local', local: [...search.local.values()], remote: [...search.remote.values()] }
  if (found === 'backup')
    return search.lifetime === undefined ? { kind: found } : { kind: found, lifetime: search.lifetime }
  return { kind: found === 'reached' ? 'unknown' : found }
}

/** What one address came to. `reached`: somebody gets the message; `loop`: it leads back to where we came from. */
type Outcome = 'reached' | 'remote' | 'backup' | 'unknown' | 'disabled' | 'loop'

type Owner = accountRows.OwnerRow

class Search {
  readonly local = new Map<AccountId, LocalDestination>()
  readonly remote = new Map<string, Address>()
  /** Of a backup MX: how long mail waits. */
  lifetime: number | undefined
  readonly #tx: Reader
  readonly #options: ResolveOptions
  /** Outcome of each address seen; `loop` while it is being followed. */
  readonly #seen = new Map<string, Outcome>()

  constructor(tx: Reader, options: ResolveOptions) {
    this.#tx = tx
    this.#options = options
  }

  /** Follows an address at `depth`; at depth 0 a foreign address is `remote`, further down a destination. */
  async expand(address: Address, depth: number): Promise<Exclude<Outcome, 'loop'>> {
    const outcome = await this.#follow(address, depth)
    return outcome === 'loop' ? 'unknown' : outcome
  }

  async #follow(address: Address, depth: number): Promise<Outcome> {
    const key = addressKey(address)
    const known = this.#seen.get(key)
    if (known) return known
    if (depth > maxDepth || this.#seen.size >= maxLookups) return 'unknown'
    this.#seen.set(key, 'loop')
    const outcome = await this.#look(address, depth)
    this.#seen.set(key, outcome)
    return outcome
  }

  async #look(address: Address, depth: number): Promise<Outcome> {
    const domain = await domainRows.findTarget(this.#tx, address.domain)
    if (!domain) return this.#foreign(address, depth)
    const local = normaliseLocal(address.local)
    const settings = JSON.parse(domain.settings) as DomainSettings
    if (settings.backupMx) return this.#backup(settings, address, local, depth)
    const mark = settings.detail ?? defaultDetail
    const at = mark === '' ? -1 : local.indexOf(mark, 1)
    const base = at < 0 ? local : local.slice(0, at)
    const rows = await accountRows.findOwners(this.#tx, domain.id, local, base)
    // An address that contains the mark itself comes before a detail.
    const exact = rows.find((row) => row.local === local)
    const owner = exact ?? rows.find((row) => row.local === base)
    const detail = exact || at < 0 ? undefined : address.local.slice(address.local.indexOf(mark, 1) + mark.length)
    const outcome = owner ? await this.#lead(owner, address, depth, detail) : 'unknown'
    if (outcome === 'reached') return outcome
    if (officeNames.has(base)) return this.#office(domain.id, address, depth)
    const catchAll = owner ? undefined : rows.find((row) => row.local === '')
    return catchAll ? this.#lead(catchAll, address, depth) : outcome
  }

  /** An address whose mailbox stands elsewhere: at depth 0 it waits here, further down it is a destination like any other. */
  #backup({ backupFor = [], backupDays }: DomainSettings, address: Address, local: string, depth: number): Outcome {
    if (backupFor.length > 0 && !backupFor.includes(local) && local !== 'postmaster') return 'unknown'
    if (depth > 0) return this.#send(address)
    this.lifetime = backupDays === undefined ? undefined : backupDays * dayMs
    return 'backup'
  }

  #send(address: Address): Outcome {
    if (!this.#hasPlace()) return 'unknown'
    this.remote.set(addressKey(address), address)
    return 'reached'
  }

  /** An address whose domain is not ours. */
  #foreign(address: Address, depth: number): Promise<Outcome> | Outcome {
    const { hostname } = this.#options
    if (address.domain === '' || address.domain === hostname) {
      if (!officeNames.has(normaliseLocal(address.local))) return 'unknown'
      return this.#office(toId<DomainId>(0), { local: address.local, domain: hostname }, depth)
    }
    return depth === 0 ? 'remote' : this.#send(address)
  }

  async #office(domain: DomainId, address: Address, depth: number): Promise<Outcome> {
    const owner = await accountRows.findOfficer(this.#tx, domain)
    return owner ? this.#lead(owner, address, depth) : 'unknown'
  }

  async #lead(owner: Owner, address: Address, depth: number, detail?: string): Promise<Outcome> {
    if (owner.destinations !== null) return this.#followAll(parseList(owner.destinations), depth)
    if (owner.disabled !== 0) return 'disabled'
    return this.#user(owner, address, depth, detail)
  }

  async #user(owner: Owner, address: Address, depth: number, detail?: string): Promise<Outcome> {
    const account = toId<AccountId>(owner.id)
    const forwards = this.#options.forwards ? forwardsOf(owner.settings) : undefined
    if (forwards) {
      const outcome = await this.#followAll(forwards.to, depth)
      // A forward that reaches nobody (a circle, users gone) must not swallow mail: then the mailbox keeps it.
      if (!forwards.keep && outcome === 'reached') return 'reached'
    }
    if (this.local.has(account)) return 'reached'
    if (!this.#hasPlace()) return 'unknown'
    this.local.set(account, detail === undefined ? { account, address } : { account, address, detail })
    return 'reached'
  }

  async #followAll(destinations: readonly string[], depth: number): Promise<Outcome> {
    let result: Outcome = 'unknown'
    for (const text of destinations) {
      const address = parseAddress(text)
      const outcome = address ? await this.#follow(address, depth + 1) : 'unknown'
      if (outcome === 'reached' || (outcome === 'disabled' && result === 'unknown')) result = outcome
    }
    return result
  }

  #hasPlace(): boolean {
    return this.local.size + this.remote.size < maxDestinations
  }
}

/**
 * The one user whom an address names: no details, no catch-all, no forwards, and no alias of several. He may be disabled: what he was given
 * can be taken back.
 */
export async function findUser(
  tx: Reader,
  address: Address,
  depth = 0,
): Promise<{ readonly id: AccountId; readonly email: string } | undefined> {
  const domain = await domainRows.findTarget(tx, address.domain)
  const local = normaliseLocal(address.local)
  if (!domain || local === '' || depth > maxDepth) return undefined
  const owner = (await accountRows.findOwners(tx, domain.id, local, local)).find((row) => row.local === local)
  if (!owner) return undefined
  if (owner.destinations === null)
    return { id: toId<AccountId>(owner.id), email: formatAddress({ local, domain: domain.name }) }
  const [only, ...others] = parseList(owner.destinations)
  const next = only === undefined || others.length > 0 ? undefined : parseAddress(only)
  return next && findUser(tx, next, depth + 1)
}

function forwardsOf(settings: string | null): { to: readonly string[]; keep: boolean } | undefined {
  if (settings === null || settings === '{}') return undefined
  const { forward, keepCopy } = JSON.parse(settings) as { forward?: readonly string[]; keepCopy?: boolean }
  return forward && forward.length > 0 ? { to: forward, keep: keepCopy !== false } : undefined
}

function parseList(text: string): readonly string[] {
  return JSON.parse(text) as readonly string[]
}
