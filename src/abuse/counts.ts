// Counting in the core: connections in memory, for each node by itself; everything else in the store, for all nodes together.
// Nothing here is worth a sync but a ban.

import type { AccountReads } from '../accounts/index.ts'
import { addressKey, parseAddress } from '../address/index.ts'
import type { AccountId, Clock, Log } from '../base/index.ts'
import {
  abuseBanRows,
  abuseHistoryRows,
  abuseRateRows,
  acquaintanceRows,
  type Store,
  type Writer,
} from '../store/index.ts'
import { nextBan, spellings } from './bans.ts'
import { createGreylist } from './greylist.ts'
import { toDay, toDeeds, toFactor } from './history.ts'
import { connectionsPerAddress, neighbours } from './limits.ts'
import { toClient, toNeighbourhood } from './networks.ts'
import { countFailure, takeAll } from './rates.ts'
import type { AbuseCounts } from './types.ts'

export interface AbuseCountsParts {
  readonly store: Store
  readonly accounts: Pick<AccountReads, 'resolve'>
  readonly clock: Clock
  readonly log: Log
  /** What the operator lets one address have, if he said so. */
  readonly connectionsPerAddress?: () => number | undefined
}

/** Not worth a sync, and nobody need wait for it. */
const someTime = { durable: false, patient: true } as const
const soon = { durable: false } as const
const maxNameLength = 320
/** Recipients of one message whose answers will be known. */
const maxCorrespondents = 100

export interface CountedConnections {
  of(ip: string): number
}

export function createAbuseCounts(parts: AbuseCountsParts): AbuseCounts & { readonly connections: CountedConnections } {
  const { store, log } = parts
  const open = createConnections(() => parts.connectionsPerAddress?.() ?? connectionsPerAddress)
  const counts: AbuseCounts = {
    async enter(ip) {
      const client = toClient(ip)
      const { row, ban } = await store.read(async (tx) => ({
        row: await abuseHistoryRows.find(tx, client),
        ban: await abuseBanRows.inForceAtAll(tx, spellings(ip), parts.clock.now()),
      }))
      if (ban) return { ok: false, why: 'banned' }
      const factor = toFactor(toDeeds(row, parts.clock.now()))
      return open.enter(ip, factor) ? { ok: true, factor } : { ok: false, why: 'connections' }
    },
    leave: async (ip) => open.leave(ip),
    async remember(ip, { good, bad }) {
      if (good + bad === 0) return
      const client = toClient(ip)
      await store.write([], (tx) => abuseHistoryRows.add(tx, client, { good, bad, day: toDay(tx.now) }), someTime)
    },
    take: (claims) => store.write([], (tx) => takeAll(tx, claims, tx.now), soon),
    async signInFailed(ip, name) {
      // With its sync: it cost a hash before, and a ban must outlive a power cut.
      const banned = await store.write([], (tx) => fail(tx, ip, name.slice(0, maxNameLength)))
      for (const { network, until, times } of banned)
        log.warn({ network, until: new Date(until).toISOString(), times, user: name }, 'banned from signing in')
      const until = banned.reduce((most, ban) => Math.max(most, ban.until), 0)
      return until > 0 ? { banned: until } : {}
    },
    async signedIn(ip, name, account) {
      await store.write([], (tx) => succeed(tx, ip, name.slice(0, maxNameLength), account), someTime)
    },
    greylist: createGreylist(parts),
    async wrote(account, to) {
      const keys = to.slice(0, maxCorrespondents).flatMap((one) => {
        const address = parseAddress(one)
        return address ? [addressKey(address)] : []
      })
      if (keys.length === 0) return
      const note = async (tx: Writer) => {
        for (const key of keys) await acquaintanceRows.noteCorrespondent(tx, account, key)
      }
      await store.write([], note, someTime)
    },
  }
  return { ...counts, connections: open }
}

/** Connections of strangers that are open now, by address and network. */
function createConnections(most: () => number) {
  const counts = new Map<string, number>()
  const of = (key: string) => counts.get(key) ?? 0
  const add = (key: string, by: number) => {
    const left = of(key) + by
    if (left > 0) counts.set(key, left)
    else counts.delete(key)
  }
  const network = (ip: string) => `net ${toNeighbourhood(ip)}`
  return {
    of: (ip: string) => of(toClient(ip)),
    enter(ip: string, factor: number): boolean {
      const [client, around] = [toClient(ip), network(ip)]
      const wide = most() * neighbours * Math.max(1, factor)
      if (of(client) >= most() * factor || of(around) >= wide) return false
      add(client, 1)
      add(around, 1)
      return true
    },
    leave(ip: string) {
      add(toClient(ip), -1)
      add(network(ip), -1)
    },
  }
}

/** Counts a failure for the address, for the name from there, and for the network; bans what had too many. */
async function fail(tx: Writer, ip: string, name: string): Promise<Ban[]> {
  const client = toClient(ip)
  await countFailure(tx, 'sign-in', `${client} ${name}`, tx.now)
  const banned: Ban[] = []
  for (const [kind, network] of [
    ['sign-in', client],
    ['sign-in-network', toNeighbourhood(ip)],
  ] as const) {
    if (!(await countFailure(tx, kind, network, tx.now))) continue
    const next = nextBan(await abuseBanRows.find(tx, network), tx.now)
    if (next) banned.push(await ban(tx, network, next, name))
  }
  return banned
}

interface Ban {
  readonly network: string
  readonly until: number
  readonly times: number
}

async function ban(tx: Writer, network: string, next: Omit<Ban, 'network'>, name: string): Promise<Ban> {
  const reason = `failed to sign in too often, last as ${name.slice(0, 100)}`
  await abuseBanRows.put(tx, { network, scope: 'sign-in', reason, created_by: '', created_at: tx.now, ...next })
  await abuseHistoryRows.add(tx, network, { good: 0, bad: 2, day: toDay(tx.now) })
  tx.ring('abuse')
  return { network, ...next }
}

/**
 * What failed for this name from there is forgotten, and only that: who has an account of his own would else wash off with it what he
 * guessed of others.
 */
async function succeed(tx: Writer, ip: string, name: string, account: AccountId): Promise<void> {
  const client = toClient(ip)
  const now = tx.now * 1000
  const tat = await abuseRateRows.clear(tx, 'sign-in', `${client} ${name}`)
  if (tat !== undefined && tat > now) {
    await abuseRateRows.giveBack(tx, 'sign-in', client, tat - now)
    await abuseRateRows.giveBack(tx, 'sign-in-network', toNeighbourhood(ip), Math.round((tat - now) / 10))
  }
  await acquaintanceRows.noteAddress(tx, account, client)
}
