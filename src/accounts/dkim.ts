// The keys with which mail of our domains is signed: made, shown, switched; and opened for who signs. A private key leaves its row opened
// only in the memory of who signs.

import { type Clock, Fault, type Log, type Sealer } from '../base/index.ts'
import type { DkimAlgorithm, DkimSigningKey } from '../mailauth/index.ts'
import { dkimKeyRows, type Reader, type ReadStore, type Store } from '../store/index.ts'
import { createMemory } from './memory.ts'
import { readAll } from './pages.ts'
import { change, knownDomain } from './write-domains.ts'

export type DkimState = dkimKeyRows.DkimKeyRow['state']

export interface DkimKey {
  readonly domain: string
  readonly selector: string
  readonly algorithm: string
  /** Where its record stands, and what it says. */
  readonly name: string
  readonly record: string
  /** `waiting` for its record, `active` (it signs), `retired`: it signs no more, its record may still be asked for. */
  readonly state: DkimState
  readonly createdAt: number
  readonly stateAt: number
}

export interface DkimAdmin {
  /** Of one domain, or of all. Fault `not-found`. */
  list(domain?: string): Promise<DkimKey[]>
  /** A new key, waiting. Absent selector: one of the month. Faults `not-found`, `exists`, `invalid`, `limit`. */
  add(domain: string, algorithm: string, selector?: string): Promise<DkimKey>
  /** Fault `not-found`. */
  setState(domain: string, selector: string, state: DkimState): Promise<DkimKey>
  /** Fault `in-use` while it signs. */
  remove(domain: string, selector: string): Promise<void>
}

/** Loaded when the first key is made or opened. */
const mailauth = () => import('../mailauth/index.ts')

type NamedRow = Awaited<ReturnType<typeof dkimKeyRows.list>>[number]

const maxKeys = 20
const purpose = (domain: string, selector: string) => `the DKIM key ${selector} of ${domain}`

export function createDkimAdmin({ store, sealer }: { readonly store: Store; readonly sealer: Sealer }): DkimAdmin {
  return {
    async list(domain) {
      if (domain === undefined) {
        const rows = await readAll<NamedRow>(store, (tx, last) => dkimKeyRows.list(tx, last?.id ?? 0))
        const keys = rows.map((row) => toKey(row.name, row))
        // Those of one domain stay in the order in which they were made.
        return keys.sort((a, b) => (a.domain < b.domain ? -1 : a.domain > b.domain ? 1 : 0))
      }
      return store.read(async (tx) => {
        const { id, name } = await knownDomain(tx, domain)
        return (await dkimKeyRows.ofDomain(tx, id)).map((row) => toKey(name, row))
      })
    },
    async add(text, algorithm, selector) {
      const { dkimAlgorithms, makeDkimKey, toDkimRecord } = await mailauth()
      if (!isOneOf(dkimAlgorithms, algorithm))
        throw new Fault('invalid', `${algorithm} is no algorithm: there are ${dkimAlgorithms.join(', ')}`)
      if (selector !== undefined && !isSelector(selector))
        throw new Fault('invalid', `${selector} is no selector: letters, digits and hyphens, at most 63`)
      const pem = await makeDkimKey(algorithm)
      return change(store, async (tx) => {
        const { id, name } = await knownDomain(tx, text)
        const known = await dkimKeyRows.ofDomain(tx, id)
        if (known.length >= maxKeys)
          throw new Fault('limit', `${name} has ${maxKeys} keys: remove those that are retired`)
        const taken = new Set(known.map((row) => row.selector))
        const chosen = selector?.toLowerCase() ?? freeSelector(algorithm, tx.now, taken)
        if (taken.has(chosen)) throw new Fault('exists', `${name} has a key ${chosen} already`)
        const row = {
          domain: id,
          selector: chosen,
          algorithm,
          private_key: sealer.seal(Buffer.from(pem), purpose(name, chosen)),
          record: toDkimRecord(pem),
          state: 'waiting' as const,
          created_at: tx.now,
          state_at: tx.now,
        }
        await dkimKeyRows.insert(tx, row)
        return toKey(name, row)
      })
    },
    setState: (text, selector, state) =>
      change(store, async (tx) => {
        const { name, row } = await knownKey(tx, text, selector)
        await dkimKeyRows.setState(tx, row.id, state)
        return toKey(name, { ...row, state, state_at: tx.now })
      }),
    remove: (text, selector) =>
      change(store, async (tx) => {
        const { name, row } = await knownKey(tx, text, selector)
        if (row.state === 'active')
          throw new Fault(
            'in-use',
            `mail of ${name} is signed with ${selector}: retire it first, and leave its record for a week`,
          )
        await dkimKeyRows.remove(tx, row.id)
      }),
  }
}

async function knownKey(tx: Reader, text: string, selector: string) {
  const { id, name } = await knownDomain(tx, text)
  const row = await dkimKeyRows.find(tx, id, selector.toLowerCase())
  if (!row) throw new Fault('not-found', `${name} has no key ${selector}`)
  return { name, row }
}

function toKey(domain: string, row: Omit<dkimKeyRows.DkimKeyRow, 'id'>): DkimKey {
  const { selector, algorithm, record, state, created_at: createdAt, state_at: stateAt } = row
  return { domain, selector, algorithm, name: `${selector}._domainkey.${domain}`, record, state, createdAt, stateAt }
}

const isOneOf = <T extends string>(all: readonly T[], text: string): text is T => all.some((one) => one === text)

function isSelector(text: string): boolean {
  return text.length <= 63 && /^[a-z0-9](?:[a-z0-9-]*[a-z0-9])?$/i.test(text)
}

/** `r202611`, `e202611`, and with a letter behind it for the next of the same month. */
function freeSelector(algorithm: DkimAlgorithm, now: number, taken: ReadonlySet<string>): string {
  const month = new Date(now).toISOString().slice(0, 7).replace('-', '')
  const base = `${algorithm === 'ed25519' ? 'e' : 'r'}${month}`
  for (const letter of ['', ...'bcdefghijklmnopqrstuvwxyz']) if (!taken.has(base + letter)) return base + letter
  throw new Fault('limit', 'too many keys in one month')
}

export interface DkimKeys {
  /** Whether any domain has a key that signs: if not, nobody need look who wrote a message. */
  any(): Promise<boolean>
  /** Those that sign for mail whose author is in `domain`; none when it is not ours. */
  of(domain: string): Promise<readonly DkimSigningKey[]>
}

/** For the threads that sign. A key that does not open is left out and logged: unsigned mail is better than none. */
export function createDkimKeys(parts: {
  readonly store: ReadStore
  readonly clock: Clock
  readonly log: Log
  readonly sealer: Sealer
}): DkimKeys {
  const { store, clock, log, sealer } = parts
  const memory = createMemory<string, readonly DkimSigningKey[]>(store.bell, clock, ['accounts'])
  const signing = createMemory<'any', boolean>(store.bell, clock, ['accounts'])
  return {
    async any() {
      const known = signing()
      return known.get('any') ?? known.keep('any', await store.read(dkimKeyRows.anyActive))
    },
    async of(domain) {
      const known = memory()
      const found = known.get(domain)
      if (found) return found
      const rows = await store.read((tx) => dkimKeyRows.active(tx, domain))
      if (rows.length === 0) return known.keep(domain, [])
      const { openDkimKey } = await mailauth()
      const keys = rows.flatMap(({ selector, private_key: sealed }) => {
        try {
          return {
            domain,
            selector,
            privateKey: openDkimKey(sealer.open(sealed, purpose(domain, selector)).toString()),
          }
        } catch (error) {
          log.error({ err: error, domain, selector }, 'mail is not signed with this key')
          return []
        }
      })
      return known.keep(domain, keys)
    },
  }
}
