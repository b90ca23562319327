// Adding, changing and removing users. Passwords are hashed before the transaction, off the loop. Runs in the core.

import { randomBytes } from 'node:crypto'
import { availableParallelism } from 'node:os'
import { formatAddress } from '../address/index.ts'
import { type AccountId, Fault, isFault, type Log } from '../base/index.ts'
import { enqueueJob } from '../jobs/index.ts'
import { accountRows, metaRows, type Reader, type Store, type Writer } from '../store/index.ts'
import { createHashGate } from './hash-gate.ts'
import { scramSecretKey } from './login.ts'
import { hashPassword, preparePassword } from './password.ts'
import { findAccountRow } from './reads.ts'
import { makeStoredKeys } from './scram-keys.ts'
import type { Account, AccountSettings, AccountWrites, DomainSettings, NewAccount } from './types.ts'
import { toAccount } from './values.ts'
import { aliasesOnlyTo, assertFree, canonicalList, parseAddressOrFault, redirect, toNormal } from './write-aliases.ts'
import { change, ownDomain } from './write-domains.ts'

export interface AccountWritesParts {
  readonly store: Store
  /** Makes a new account's mailboxes in the transaction that adds it. */
  readonly ensureMailboxes: (tx: Writer, account: AccountId) => Promise<void>
  readonly log: Log
}

type UserWrites = Omit<AccountWrites, 'addDomain' | 'removeDomain' | 'setDomain' | 'addAlias' | 'removeAlias'>

/** One call of addAccounts; also what may wait for its hash. */
const maxBatch = 1000
const maxForwards = 50
const maxNameLength = 200

export function createUserWrites({ store, ensureMailboxes, log }: AccountWritesParts): UserWrites {
  // One thread of Node's pool of four stays free for files.
  const gate = createHashGate({ atOnce: Math.min(3, availableParallelism()), waiting: 2 * maxBatch })
  const makeKeys = (password: string): Promise<Keys> => {
    const prepared = preparePassword(password)
    return gate.run(async () => ({
      password: await hashPassword(prepared),
      scram: await makeStoredKeys(prepared),
    }))
  }
  const addAccount = async (account: NewAccount): Promise<Account> => {
    checkName(account.name)
    checkQuota('quotaBytes', account.quotaBytes)
    checkQuota('quotaMessages', account.quotaMessages)
    parseAddressOrFault(account.email)
    const keys = await makeKeys(account.password)
    const added = await change(store, async (tx) => {
      const id = await insertAccount(tx, account, keys)
      await ensureMailboxes(tx, id)
      return toAccount((await accountRows.find(tx, id))!)
    })
    log.info({ account: added.id, email: added.email }, 'account added')
    return added
  }
  return {
    addAccount,
    async addAccounts(accounts) {
      if (accounts.length > maxBatch) throw new Fault('limit', `at most ${maxBatch} accounts are added in one call`)
      return Promise.all(
        accounts.map(async (account) => {
          try {
            return { email: (await addAccount(account)).email }
          } catch (error) {
            if (isFault(error)) return { email: account.email, error: error.message }
            throw error
          }
        }),
      )
    },
    async setPassword(email, password) {
      const keys = await makeKeys(password)
      await change(store, async (tx) => accountRows.setKeys(tx, (await knownAccount(tx, email)).id, keys))
      log.info({ email }, 'password set')
    },
    async addScramKeys(account, password, scram) {
      await store.write('server', (tx) => accountRows.setScram(tx, account, password, scram))
    },
    renameAccount: (email, to) =>
      change(store, async (tx) => {
        const row = await knownAccount(tx, email)
        const address = toNormal(parseAddressOrFault(to))
        const domain = await ownDomain(tx, address.domain)
        const text = formatAddress(address)
        if (text !== formatAddress(row)) {
          await assertFree(tx, domain, address.local)
          await accountRows.setAddress(tx, row.id, domain.id, address.local)
          await redirect(tx, formatAddress(row), text)
          tx.afterCommit(() => log.info({ account: row.id, email: formatAddress(row), to: text }, 'account renamed'))
        }
        return toAccount((await accountRows.find(tx, row.id))!)
      }),
    async setDisabled(email, disabled) {
      await change(store, async (tx) => accountRows.setDisabled(tx, (await knownAccount(tx, email)).id, disabled))
    },
    async updateAccount(email, to) {
      checkName(to.name)
      checkQuota('quotaBytes', to.quotaBytes)
      checkQuota('quotaMessages', to.quotaMessages)
      return change(store, (tx) => update(tx, email, to))
    },
    describeRemoval: (email) =>
      store.read(async (tx) => {
        const row = await knownAccount(tx, email)
        const address = formatAddress(row)
        return {
          email: address,
          mailboxes: await accountRows.countMailboxes(tx, row.id),
          messages: row.used_messages,
          bytes: row.used_bytes,
          aliases: await aliasesOnlyTo(tx, address),
        }
      }),
    async removeAccount(email) {
      await change(store, async (tx) => {
        const row = await knownAccount(tx, email)
        await accountRows.markRemoved(tx, row.id)
        await enqueueJob(tx, 'remove-account', { account: row.id })
        tx.afterCommit(() => log.info({ account: row.id, email: formatAddress(row) }, 'account removed'))
      })
    },
  }
}

/** The last step of the job `remove-account`, when the account's mail is gone. */
export function eraseAccount(tx: Writer, account: AccountId): Promise<void> {
  return accountRows.erase(tx, account)
}

interface Keys {
  readonly password: string
  readonly scram: string
}

async function insertAccount(tx: Writer, account: NewAccount, keys: Keys): Promise<AccountId> {
  const { local, domain: name } = toNormal(parseAddressOrFault(account.email))
  const domain = await ownDomain(tx, name)
  await assertFree(tx, domain, local)
  const settings = JSON.parse(domain.settings) as DomainSettings
  if ((await metaRows.getMeta(tx, scramSecretKey)) === undefined)
    await metaRows.putMeta(tx, scramSecretKey, randomBytes(32).toString('base64'))
  return accountRows.insert(tx, {
    domain: domain.id,
    local,
    name: account.name ?? '',
    admin: account.admin ?? false,
    quotaBytes: account.quotaBytes ?? settings.quotaBytes ?? null,
    quotaMessages: account.quotaMessages ?? settings.quotaMessages ?? null,
    ...keys,
  })
}

async function update(tx: Writer, email: string, to: Parameters<AccountWrites['updateAccount']>[1]): Promise<Account> {
  const row = await knownAccount(tx, email)
  await accountRows.setProperties(tx, row.id, {
    name: to.name ?? row.name,
    admin: to.admin ?? row.admin !== 0,
    quotaBytes: to.quotaBytes === undefined ? row.quota_bytes : to.quotaBytes,
    quotaMessages: to.quotaMessages === undefined ? row.quota_messages : to.quotaMessages,
  })
  if (to.settings) {
    const merged = withoutNothing({ ...(JSON.parse(row.settings ?? '{}') as AccountSettings), ...to.settings })
    const forward = merged.forward && (await canonicalList(tx, merged.forward, maxForwards))
    if (forward?.includes(formatAddress(row)))
      throw new Fault('invalid', 'an account cannot forward to itself: keepCopy keeps a copy')
    await accountRows.setSettings(tx, row.id, JSON.stringify({ ...merged, forward }))
  }
  return toAccount((await accountRows.find(tx, row.id))!)
}

/** What is taken away comes as undefined, and from a command's process as null. */
function withoutNothing(settings: AccountSettings): AccountSettings {
  return Object.fromEntries(Object.entries(settings).filter(([, value]) => value !== undefined && value !== null))
}

async function knownAccount(tx: Reader, email: string): Promise<accountRows.AccountRow> {
  const row = await findAccountRow(tx, parseAddressOrFault(email))
  if (!row) throw new Fault('not-found', `there is no user ${email}`)
  return row
}

function checkQuota(what: string, value: number | null | undefined): void {
  if (value !== undefined && value !== null && !(Number.isSafeInteger(value) && value >= 0))
    throw new Fault('invalid', `${what} is a whole number from 0 on, or absent for no limit`)
}

function checkName(name: string | undefined): void {
  if (name === undefined) return
  const control = [...name].some((char) => char < ' ' || char === '\x7f')
  if (control || name.length > maxNameLength)
    throw new Fault('invalid', `a name has at most ${maxNameLength} characters and no line breaks`)
}
