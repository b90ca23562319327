// Adding, changing and removing domains. Runs in the core; every change is one transaction in the server's scope.

import { toAscii } from '../address/index.ts'
import { Fault } from '../base/index.ts'
import {
  abuseListRows,
  dkimKeyRows,
  domainRows,
  type Reader,
  type Store,
  suppressionRows,
  type Writer,
} from '../store/index.ts'
import { checkDomainSettings } from './settings.ts'
import type { AccountWrites, DomainSettings } from './types.ts'
import { toDomain } from './values.ts'

type DomainWrites = Pick<AccountWrites, 'addDomain' | 'removeDomain' | 'setDomain'>

export function createDomainWrites(store: Store): DomainWrites {
  return {
    addDomain: (text, { aliasOf } = {}) =>
      change(store, async (tx) => {
        const name = parseDomain(text)
        if (await domainRows.find(tx, name)) throw new Fault('exists', `the domain ${name} exists already`)
        const target = aliasOf === undefined ? undefined : await knownDomain(tx, aliasOf)
        if (target && target.alias_of !== null)
          throw new Fault('invalid', `${target.name} is itself an alias of ${target.alias_of}: name that one`)
        await domainRows.insert(tx, { name, aliasOf: target?.id ?? null })
        return toDomain((await domainRows.find(tx, name))!)
      }),
    removeDomain: (text) =>
      change(store, async (tx) => {
        const { id, name } = await knownDomain(tx, text)
        const { account, alias, domain } = await domainRows.users(tx, id)
        if (account?.disabled === 2)
          throw new Fault('in-use', `mail of removed users of ${name} is still being deleted; try again in a moment`)
        if (account) throw new Fault('in-use', `${name} still has users, such as ${account.local}@${name}`)
        if (alias) throw new Fault('in-use', `${name} still has aliases, such as ${alias.local}@${name}`)
        if (domain) throw new Fault('in-use', `the domain ${domain.name} is an alias of ${name}`)
        // Its list and its keys mean nothing without it.
        await dkimKeyRows.removeOfDomain(tx, id)
        while ((await suppressionRows.removeOfDomain(tx, id, 1000)) === 1000);
        while ((await abuseListRows.removeOfDomain(tx, id, 1000)) === 1000);
        await domainRows.remove(tx, id)
      }),
    setDomain: (text, settings) =>
      change(store, async (tx) => {
        const row = await knownDomain(tx, text)
        if (row.alias_of !== null)
          throw new Fault('invalid', `${row.name} is an alias of ${row.alias_of} and has its settings: set them there`)
        const before = JSON.parse(row.settings) as DomainSettings
        const after = { ...before, ...checkDomainSettings(settings) }
        if (after.backupMx && !before.backupMx) await checkEmpty(tx, row)
        await domainRows.setSettings(tx, row.id, JSON.stringify(after))
        return toDomain((await domainRows.find(tx, row.name))!)
      }),
  }
}

/** What is here would not be reached any more. */
async function checkEmpty(tx: Reader, { id, name }: domainRows.DomainRow): Promise<void> {
  const { account, alias, domain } = await domainRows.users(tx, id)
  const left = account
    ? `the user ${account.local}`
    : alias
      ? `the alias ${alias.local || '@'}`
      : domain && `the domain ${domain.name}`
  if (left) throw new Fault('in-use', `${name} has ${left}: mail for a backup MX is never delivered here`)
}

/** One change of domains, users or aliases: a transaction that rings 'accounts' after its commit. */
export function change<T>(store: Store, work: (tx: Writer) => Promise<T>): Promise<T> {
  return store.write('server', async (tx) => {
    const result = await work(tx)
    tx.ring('accounts')
    return result
  })
}

/** A domain's row by the name as typed; Faults `invalid`, `not-found`. */
export async function knownDomain(tx: Reader, text: string): Promise<domainRows.DomainRow> {
  const name = parseDomain(text)
  const row = await domainRows.find(tx, name)
  if (!row) throw new Fault('not-found', `there is no domain ${name} here`)
  return row
}

/** As knownDomain, for a new user or alias: an alias of another domain has none of its own. */
export async function ownDomain(tx: Reader, text: string): Promise<domainRows.DomainRow> {
  const row = await knownDomain(tx, text)
  if (row.alias_of !== null) throw new Fault('invalid', `${row.name} is an alias of ${row.alias_of}: use that domain`)
  if ((JSON.parse(row.settings) as DomainSettings).backupMx)
    throw new Fault('invalid', `the mailboxes of ${row.name} are elsewhere: this server is a backup MX of it`)
  return row
}

function parseDomain(text: string): string {
  const name = toAscii(text.trim())
  if (name === undefined) throw new Fault('invalid', `${JSON.stringify(text)} is not a domain name`)
  return name
}
