// Adding and removing aliases, and keeping what leads to a user right when his address changes. Runs in the core.

import { type Address, addressKey, formatAddress, normaliseLocal, parseAddress } from '../address/index.ts'
import { Fault } from '../base/index.ts'
import { accountRows, aliasRows, domainRows, type Reader, type Store, type Writer } from '../store/index.ts'
import type { AccountSettings, AccountWrites } from './types.ts'
import { toAlias } from './values.ts'
import { change, knownDomain, ownDomain } from './write-domains.ts'

type AliasWrites = Pick<AccountWrites, 'addAlias' | 'removeAlias'>

const maxDestinations = 1000

export function createAliasWrites(store: Store): AliasWrites {
  return {
    addAlias: (text, destinations) =>
      change(store, async (tx) => {
        const { local, domain: name } = parseAliasAddress(text)
        const domain = await ownDomain(tx, name)
        await assertFree(tx, domain, local)
        const list = await canonicalList(tx, destinations, maxDestinations)
        if (list.length === 0) throw new Fault('invalid', 'an alias needs at least one destination')
        if (list.includes(formatAddress({ local, domain: domain.name })))
          throw new Fault('invalid', `${text} cannot lead to itself`)
        await aliasRows.insert(tx, { domain: domain.id, local, destinations: JSON.stringify(list) })
        return toAlias((await aliasRows.find(tx, domain.id, local))!)
      }),
    removeAlias: (text) =>
      change(store, async (tx) => {
        const { local, domain } = parseAliasAddress(text)
        const row = await aliasRows.find(tx, (await knownDomain(tx, domain)).id, local)
        if (!row) throw new Fault('not-found', `there is no alias ${text}`)
        await aliasRows.remove(tx, row.id)
      }),
  }
}

/** `local@domain`, or `@domain` for the catch-all: its local part is empty. */
function parseAliasAddress(text: string): Address {
  if (text.trim().startsWith('@')) return { local: '', domain: text.trim().slice(1) }
  return toNormal(parseAddressOrFault(text))
}

/** Fault `exists` when a user or an alias has this (normalised) local part already. */
export async function assertFree(
  tx: Reader,
  domain: { readonly id: domainRows.DomainRow['id']; readonly name: string },
  local: string,
): Promise<void> {
  const text = local === '' ? `@${domain.name}` : formatAddress({ local, domain: domain.name })
  if (await aliasRows.find(tx, domain.id, local)) throw new Fault('exists', `the alias ${text} exists already`)
  if (await accountRows.findByLocal(tx, domain.id, local)) throw new Fault('exists', `the user ${text} exists already`)
}

export function parseAddressOrFault(text: string): Address {
  const address = parseAddress(text)
  if (!address) throw new Fault('invalid', `${JSON.stringify(text)} is not an e-mail address`)
  return address
}

export function toNormal({ local, domain }: Address): Address {
  return { local: normaliseLocal(local), domain }
}

/** Addresses as they are kept in lists: each once, those of our own domains normalised, others with their case kept. */
export async function canonicalList(tx: Reader, list: readonly string[], max: number): Promise<string[]> {
  if (list.length > max) throw new Fault('limit', `at most ${max} addresses may stand in one list`)
  const found = new Map<string, string>()
  for (const text of list) {
    const address = parseAddressOrFault(text)
    const ours = await domainRows.findTarget(tx, address.domain)
    const key = addressKey(address)
    if (!found.has(key)) found.set(key, formatAddress(ours ? toNormal(address) : address))
  }
  return [...found.values()]
}

/** Aliases that lead nowhere but to `email` (canonical text). */
export async function aliasesOnlyTo(tx: Reader, email: string): Promise<string[]> {
  const rows = await aliasesTo(tx, email)
  return rows.map(toAlias).flatMap(({ address, destinations }) => (destinations.length === 1 ? [address] : []))
}

async function aliasesTo(tx: Reader, email: string): Promise<aliasRows.AliasRow[]> {
  const pages = await everyPage((after) => aliasRows.listLeadingTo(tx, likeQuoted(email), after))
  return pages.filter((row) => (JSON.parse(row.destinations) as string[]).includes(email))
}

/** Aliases and forwards that name `from` name `to` instead: people who write to a renamed user's aliases still reach him. */
export async function redirect(tx: Writer, from: string, to: string): Promise<void> {
  const swap = (list: readonly string[]) => [...new Set(list.map((text) => (text === from ? to : text)))]
  for (const row of await aliasesTo(tx, from)) {
    const destinations = swap(JSON.parse(row.destinations) as string[])
    await aliasRows.setDestinations(tx, row.id, JSON.stringify(destinations))
  }
  for (const row of await everyPage((after) => accountRows.listBySettings(tx, likeQuoted(from), after))) {
    const settings = JSON.parse(row.settings) as AccountSettings
    if (settings.forward)
      await accountRows.setSettings(tx, row.id, JSON.stringify({ ...settings, forward: swap(settings.forward) }))
  }
}

/** A LIKE pattern for JSON that holds `text` as a string; `_` in it may match too much, never too little. */
function likeQuoted(text: string): string {
  return `%${JSON.stringify(text).replaceAll('\\', '_')}%`
}

async function everyPage<R extends { readonly id: number }>(page: (after: number) => Promise<R[]>): Promise<R[]> {
  const rows: R[] = []
  for (;;) {
    const more = await page(rows.at(-1)?.id ?? 0)
    for (const row of more) rows.push(row)
    if (more.length < 1000) return rows
  }
}
