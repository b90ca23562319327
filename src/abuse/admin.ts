// Bans, lists and what is known of somebody, for people: `posthorn ban | list | limits`, later the API and the web.

import { isIP } from 'node:net'
import { type AccountReads, createDomainPolicies } from '../accounts/index.ts'
import { normaliseLocal, parseAddress, toAscii } from '../address/index.ts'
import { type Clock, Fault, isFault } from '../base/index.ts'
import {
  abuseBanRows,
  abuseHistoryRows,
  abuseListRows,
  accountRows,
  acquaintanceRows,
  domainRows,
  type Reader,
  type Store,
} from '../store/index.ts'
import { allowanceOf } from './allowance.ts'
import { spellings, toBan } from './bans.ts'
import type { CountedConnections } from './counts.ts'
import { toDeeds, toFactor } from './history.ts'
import { limits, maxListEntries } from './limits.ts'
import { toListValue } from './lists.ts'
import { toClient, toNeighbourhood, toNetworkOrFault } from './networks.ts'
import { usageOf } from './rates.ts'
import type { AbuseAdmin, Ban, ListAction, ListEntry, ListOwner, Standing } from './types.ts'

const page = 1_000
const maxReason = 500

export interface AbuseAdminParts {
  readonly store: Store
  readonly accounts: AccountReads
  readonly connections: CountedConnections
  readonly clock: Clock
}

export function createAbuseAdmin(parts: AbuseAdminParts): AbuseAdmin {
  const { store, accounts, connections, clock } = parts
  const policies = createDomainPolicies(store.bell, clock)
  return {
    async bans({ after = '' } = {}) {
      const found: Ban[] = []
      for (let from = after; ; ) {
        const rows = await store.read((tx) => abuseBanRows.list(tx, from, page))
        const now = clock.now()
        found.push(...rows.filter(({ until }) => until === 0 || until > now).map(toBan))
        if (rows.length < page || found.length >= page) return found.slice(0, page)
        from = rows.at(-1)!.network
      }
    },
    async ban({ network: text, scope, reason, until = 0 }, by) {
      const network = toNetworkOrFault(text)
      if (until !== 0 && until <= clock.now()) throw new Fault('invalid', 'this ban would be over already')
      const row = { network, scope, reason: reason.slice(0, maxReason), created_by: by, until, times: 1 }
      await store.write('server', async (tx) => {
        await abuseBanRows.put(tx, { ...row, created_at: tx.now })
        tx.ring('abuse')
      })
      return toBan({ ...row, created_at: clock.now() })
    },
    async liftBan(text) {
      const network = toNetworkOrFault(text)
      await store.write('server', async (tx) => {
        // A client of IPv6 is banned with its whole /64.
        const names = [...new Set([network, isIP(network) === 0 ? network : toClient(network)])]
        let lifted = false
        for (const name of names) lifted = (await abuseBanRows.remove(tx, name)) || lifted
        if (!lifted) throw new Fault('not-found', `${network} is not banned`)
        tx.ring('abuse')
      })
    },
    async entries(owner, { after = 0 } = {}) {
      const rows = await store.read(async (tx) => abuseListRows.list(tx, await ownerOf(tx, owner), after, page))
      return rows.map(toEntry)
    },
    async addEntries(owner, entries, by) {
      if (entries.length > page) throw new Fault('limit', `at most ${page} entries at once`)
      return store.write('server', async (tx) => {
        const whose = await ownerOf(tx, owner)
        if ((await abuseListRows.count(tx, whose)) + entries.length > maxListEntries)
          throw new Fault('limit', `a list has at most ${maxListEntries} entries`)
        const answers = []
        for (const { action, value: text, reason = '' } of entries) {
          const value = valueOr(text)
          if (typeof value === 'string') {
            const row = {
              ...whose,
              value,
              action,
              reason: reason.slice(0, maxReason),
              created_by: by,
              created_at: tx.now,
            }
            await abuseListRows.put(tx, row)
            answers.push({ value })
          } else answers.push({ value: text, ...value })
        }
        tx.ring('abuse')
        return answers
      })
    },
    async removeEntries(owner, texts) {
      const values = texts.slice(0, page).map(toListValue)
      return store.write('server', async (tx) => {
        tx.ring('abuse')
        return abuseListRows.remove(tx, await ownerOf(tx, owner), values)
      })
    },
    async standing(subject) {
      return isIP(subject) === 0 ? ofUser(subject) : ofAddress(subject)
    },
  }

  async function ofAddress(ip: string): Promise<Standing> {
    const now = clock.now()
    const client = toClient(ip)
    const around = toNeighbourhood(ip)
    return store.read(async (tx) => {
      const deeds = toDeeds(await abuseHistoryRows.find(tx, client), now)
      const factor = toFactor(deeds)
      const ban = await abuseBanRows.inForce(tx, spellings(ip), now)
      const usage = [
        await usageOf(tx, 'address', client, now, limits.address.count * factor),
        await usageOf(tx, 'network', around, now, limits.network.count * Math.max(1, factor)),
        await usageOf(tx, 'sign-in', client, now),
        await usageOf(tx, 'sign-in-network', around, now),
        await usageOf(tx, 'api-guest', client, now),
      ]
      const history = { ...deeds, factor }
      return { subject: client, usage, history, ...(ban && { ban: toBan(ban) }), connections: connections.of(ip) }
    })
  }

  async function ofUser(email: string): Promise<Standing> {
    const account = await accounts.findAccount(email)
    if (!account) throw new Fault('not-found', `there is no user ${email}, and it is no address of a client`)
    const now = clock.now()
    return store.read(async (tx) => {
      const allowance = await allowanceOf(tx, policies, account)
      const usage = [await usageOf(tx, 'user', `${account.id}`, now, toCount(allowance.user))]
      if (allowance.domainId !== undefined)
        usage.push(await usageOf(tx, 'domain', `${allowance.domainId}`, now, toCount(allowance.domain)))
      const addresses = await acquaintanceRows.addressesOf(tx, account.id)
      return {
        subject: account.email,
        usage,
        addresses: addresses.map(({ network, last_at: at }) => ({ network, at })),
      }
    })
  }
}

/** JSON knows no infinity. */
const toCount = (allowance: number | 'unlimited') => (allowance === 'unlimited' ? Number.MAX_SAFE_INTEGER : allowance)

async function ownerOf(
  tx: Reader,
  { domain, user }: ListOwner,
): Promise<{ readonly domain: number; readonly account: number }> {
  if (domain !== undefined && user !== undefined) throw new Fault('invalid', 'a list is of a domain or of a user')
  if (user !== undefined) {
    const address = parseAddress(user)
    const home = address && (await domainRows.findTarget(tx, address.domain))
    const account = home && (await accountRows.findByLocal(tx, home.id, normaliseLocal(address.local)))
    if (!account) throw new Fault('not-found', `there is no user ${user}`)
    return { domain: 0, account: account.id }
  }
  if (domain === undefined) return { domain: 0, account: 0 }
  const row = await domainRows.findTarget(tx, toAscii(domain) ?? domain)
  if (!row) throw new Fault('not-found', `there is no domain ${domain} here`)
  return { domain: row.id, account: 0 }
}

function valueOr(text: string): string | { readonly error: string } {
  try {
    return toListValue(text)
  } catch (error) {
    if (!isFault(error)) throw error
    return { error: error.message }
  }
}

function toEntry({ id, action, value, reason, created_by: by, created_at: since }: abuseListRows.ListRow): ListEntry {
  return { id, action: action as ListAction, value, reason, by, since }
}
