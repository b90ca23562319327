// What may be asked about domains, users and addresses: on a read-only store, in any thread.

import { type Address, normaliseLocal, parseAddress, toAscii } from '../address/index.ts'
import type { AccountId } from '../base/index.ts'
import { accountRows, aliasRows, domainRows, type Reader } from '../store/index.ts'
import { createKnown } from './known.ts'
import { createLogins, type LoginParts } from './login.ts'
import { readAll } from './pages.ts'
import { findUser, resolveAddress } from './resolve.ts'
import type { AccountReads, Alias, DomainSettings } from './types.ts'
import { toAccount, toAlias, toDomain } from './values.ts'

export interface AccountReadsParts extends LoginParts {
  /** The server's own name: postmaster and abuse are known there. Lower-case A-labels. */
  readonly hostname: string
}

export function createAccountReads(parts: AccountReadsParts): AccountReads {
  const { store, hostname } = parts
  const known = createKnown(store.bell, parts.clock)
  return {
    ...createLogins(parts),
    resolve: (address) =>
      known.resolution(address, () => store.read((tx) => resolveAddress(tx, address, { hostname, forwards: true }))),
    members: (address) => store.read((tx) => resolveAddress(tx, address, { hostname, forwards: false })),
    async owns(account, address) {
      const found = await store.read((tx) => resolveAddress(tx, address, { hostname, forwards: false }))
      return found.kind === 'local' && found.local.some((destination) => destination.account === account)
    },
    async account(id) {
      const row = await store.read((tx) => accountRows.find(tx, id))
      return row && toAccount(row)
    },
    async findUser(text) {
      const address = parseAddress(text)
      return address && store.read((tx) => findUser(tx, address))
    },
    async findAccount(email) {
      const address = parseAddress(email)
      const row = address && (await store.read((tx) => findAccountRow(tx, address)))
      return row && toAccount(row)
    },
    hasRoom: (account, bytes) => known.room(account, () => readRoom(account, bytes)),
    async isLocalDomain(domain) {
      const found = await store.read((tx) => domainRows.findTarget(tx, domain))
      return found !== undefined && (JSON.parse(found.settings) as DomainSettings).backupMx !== true
    },
    domains: async () =>
      (await readAll<domainRows.DomainRow>(store, (tx, last) => domainRows.list(tx, last?.name ?? ''))).map(toDomain),
    async aliases(domain) {
      if (domain === undefined)
        return sorted(await readAll<aliasRows.AliasRow>(store, (tx, last) => aliasRows.list(tx, last?.id ?? 0)))
      const row = await store.read((tx) => domainRows.find(tx, toAscii(domain) ?? domain))
      if (!row) return []
      return sorted(
        await readAll<aliasRows.AliasRow>(store, (tx, last) => aliasRows.listOfDomain(tx, row.id, last?.id ?? 0)),
      )
    },
    async accounts({ domain, after } = {}) {
      const last = (after === undefined ? undefined : parseAddress(after)) ?? { local: '', domain: '' }
      const rows = await store.read(async (tx) => {
        if (domain === undefined) return accountRows.list(tx, last)
        const row = await domainRows.find(tx, toAscii(domain) ?? domain)
        return row ? accountRows.listOfDomain(tx, row.id, last.local) : []
      })
      return rows.map(toAccount)
    },
  }

  async function readRoom(account: AccountId, bytes: number): Promise<{ fits: boolean; unlimited: boolean }> {
    const row = await store.read((tx) => accountRows.findRoom(tx, account))
    if (!row) return { fits: false, unlimited: false }
    const fits = row.quota_bytes === null || row.used_bytes + bytes <= row.quota_bytes
    return {
      fits: fits && (row.quota_messages === null || row.used_messages < row.quota_messages),
      unlimited: row.quota_bytes === null && row.quota_messages === null,
    }
  }

  /** Every page of a list for people, each its own short read. */
}

/** The user with exactly this address, also in an alias of its domain. */
export async function findAccountRow(tx: Reader, address: Address): Promise<accountRows.AccountRow | undefined> {
  const domain = await domainRows.findTarget(tx, address.domain)
  return domain && accountRows.findByLocal(tx, domain.id, normaliseLocal(address.local))
}

function sorted(rows: readonly aliasRows.AliasRow[]): Alias[] {
  return rows.map(toAlias).sort((a, b) => (a.address < b.address ? -1 : 1))
}
