// Login by password or by SCRAM keys: one answer for a wrong name and a wrong password, at one price. Knows no protocol.

import { randomBytes } from 'node:crypto'
import { formatAddress, normaliseLocal, parseAddress } from '../address/index.ts'
import { type Clock, Fault, type Log } from '../base/index.ts'
import { saslPrep } from '../sasl/index.ts'
import { accountRows, domainRows, metaRows, type Reader, type ReadStore } from '../store/index.ts'
import { createGuessing } from './guessing.ts'
import { createHashGate } from './hash-gate.ts'
import { maxPasswordBytes, nobodysHash, parseHash, verifyPassword } from './password.ts'
import { makeStoredKeys, makeUpScramKeys, parseScramKeys, scramHashes } from './scram-keys.ts'
import type { AccountReads, AccountWrites, Login, SignInGuard } from './types.ts'
import { createVerified } from './verified.ts'

/** Under this key in `meta` stands what SCRAM keys of unknown names are made of: the same for all threads and after a restart. */
export const scramSecretKey = 'scram-secret'

/** Two hashes of 19 MiB at once per door thread, and about three seconds of them waiting. */
const gateLimits = { atOnce: 2, waiting: 100 } as const
const maxNameLength = 512

export interface LoginParts {
  readonly store: ReadStore
  readonly clock: Clock
  readonly log: Log
  /** Keeps the SCRAM keys that a password lacks, when it is seen; may be on another thread. Absent: they are not made. */
  readonly keep?: AccountWrites['addScramKeys']
  /** Absent: nobody is banned. */
  readonly guard?: SignInGuard
}

type Logins = Pick<AccountReads, 'login' | 'scram' | 'scramEnded'>

export function createLogins({ store, clock, log, keep, guard }: LoginParts): Logins {
  const gate = createHashGate(gateLimits)
  const verified = createVerified(clock)
  const guessing = createGuessing(clock)
  // Only until the store has one, which is before its first account.
  const ownSecret = randomBytes(32).toString('base64')

  const refuse = async (name: string, from: string, reason: string): Promise<never> => {
    guessing.failed(from, name)
    await guard?.failed(from, name)
    log.warn({ user: name, from, reason }, 'login failed')
    throw new Fault('unauthenticated', 'the name or password is wrong')
  }
  const accept = (row: accountRows.LoginRow, name: string, from: string): Login => {
    if (row.disabled !== 0) {
      log.warn({ user: name, from, reason: 'disabled' }, 'login failed')
      throw new Fault('disabled', 'this account is disabled')
    }
    guard?.succeeded(from, name, row.id)
    return { account: row.id, email: formatAddress(row), name: row.name }
  }
  /** Accounts that are older than a hash get its keys when their password is seen. */
  const complete = async ({ id, scram, password }: accountRows.LoginRow, prepared: string) => {
    if (!keep || scramHashes.every((hash) => parseScramKeys(hash, scram ?? ''))) return
    try {
      await keep(id, password!, await gate.run(() => makeStoredKeys(prepared)))
    } catch (error) {
      log.warn({ err: error, account: id }, 'SCRAM keys could not be made')
    }
  }
  return {
    async login(user, password, from) {
      const name = toName(user)
      const prepared = saslPrep(password)
      const row = await store.read((tx) => findLogin(tx, name))
      const stored = row?.password ?? undefined
      if (guard) await guard.admit(from, row?.id)
      if (row && stored !== undefined && verified.has(row.id, stored, prepared)) return accept(row, name, from)
      await guessing.admit(from, name)
      const fits = Buffer.byteLength(prepared) <= maxPasswordBytes
      const hash = (stored !== undefined && parseHash(stored)) || nobodysHash
      // A name that nobody has costs a hash too, so that time tells nothing.
      const right = await gate.run(() => verifyPassword(fits ? prepared : '', hash))
      if (!row || !right || !fits || hash === nobodysHash)
        return refuse(name, from, row ? 'wrong password' : 'unknown user')
      // Many guesses at once were all let in before the first of them had failed.
      if (guard) await guard.admit(from, row.id)
      guessing.succeeded(from, name)
      verified.add(row.id, stored!, prepared)
      void complete(row, prepared)
      return accept(row, name, from)
    },
    async scram(user, hash, from) {
      const name = toName(user)
      await guessing.admit(from, name)
      const { row, secret } = await store.read(async (tx) => ({
        row: await findLogin(tx, name),
        secret: await metaRows.getMeta(tx, scramSecretKey),
      }))
      if (guard) await guard.admit(from, row?.id)
      // Made for everybody, so that time does not tell who needs them.
      const madeUp = makeUpScramKeys(hash, secret ?? ownSecret, name)
      const keys = parseScramKeys(hash, row?.scram ?? '')
      if (!row || !keys || row.disabled !== 0) return { keys: madeUp }
      return { keys, login: { account: row.id, email: formatAddress(row), name: row.name } }
    },
    async scramEnded(user, from, right) {
      const name = toName(user)
      if (right) {
        const row = guard && (await store.read((tx) => findLogin(tx, name)))
        if (guard) await guard.admit(from, row?.id)
        guessing.succeeded(from, name)
        if (row) guard?.succeeded(from, name, row.id)
        return
      }
      guessing.failed(from, name)
      await guard?.failed(from, name)
      log.warn({ user: name, from, reason: 'wrong proof' }, 'login failed')
    },
  }
}

/** The name as typed, in the form in which it is compared. */
function toName(user: string): string {
  return saslPrep(user.slice(0, maxNameLength)).trim().toLowerCase()
}

/** The account of a login name: the address, also in an alias of its domain; without a domain where the server has exactly one. */
async function findLogin(tx: Reader, name: string): Promise<accountRows.LoginRow | undefined> {
  const only = name.includes('@') ? undefined : await domainRows.onlyName(tx)
  const address = parseAddress(only === undefined ? name : `${name}@${only}`)
  const domain = address && (await domainRows.findTarget(tx, address.domain))
  return domain && accountRows.findLogin(tx, domain.id, normaliseLocal(address.local))
}
