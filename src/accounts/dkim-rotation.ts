// The life of DKIM keys, told by what is published: a new key waits for its record, then signs and retires the one before it; a retired one
// goes when no mail that it signed is under way any more. A domain may want new keys after so many days.

import type { Clock, Log } from '../base/index.ts'
import type { Resolver } from '../dns/index.ts'
import { ensureJob, type JobHandlers } from '../jobs/index.ts'
import { domainRows, type Store } from '../store/index.ts'
import type { DkimAdmin, DkimKey } from './dkim.ts'
import type { DomainSettings } from './types.ts'

const hourMs = 3_600_000
const dayMs = 24 * hourMs
/** Mail waits for at most some days in the queues of others, and is verified again by mail programs. */
const retiredMs = 30 * dayMs

export interface RotationParts {
  readonly store: Store
  readonly admin: DkimAdmin
  readonly dns: Pick<Resolver, 'txt'>
  readonly clock: Clock
  readonly log: Log
}

/** The handler of the job that looks after the keys, each hour. */
export function dkimHandlers(parts: RotationParts): Pick<JobHandlers, 'tend-dkim-keys'> {
  return {
    async 'tend-dkim-keys'(_payload, job) {
      await tendDkimKeys(parts)
      await parts.store.write([], (tx) => job.again(tx, tx.now + hourMs))
    },
  }
}

/** Makes sure that somebody looks after the keys; call once at start. */
export async function scheduleDkimKeys(store: Store): Promise<void> {
  await store.write('server', (tx) => ensureJob(tx, 'tend-dkim-keys', {}, { runAt: tx.now + hourMs }))
}

export async function tendDkimKeys(parts: RotationParts): Promise<void> {
  const { store, admin } = parts
  for (const [domain, keys] of Map.groupBy(await admin.list(), (key) => key.domain)) {
    const row = await store.read((tx) => domainRows.find(tx, domain))
    if (row) await tend(parts, keys, (JSON.parse(row.settings) as DomainSettings).dkimRotation)
  }
}

async function tend(parts: RotationParts, listed: readonly DkimKey[], days: number | undefined): Promise<void> {
  const { admin, clock, log } = parts
  const keys: DkimKey[] = []
  for (const key of listed) keys.push(key.state === 'waiting' ? await begin(parts, key) : key)
  for (const key of keys) {
    const { domain, selector, state, stateAt } = key
    if (state === 'active' && keys.some((other) => follows(other, key))) {
      await admin.setState(domain, selector, 'retired')
      log.info({ domain, selector }, 'a DKIM key was retired: another signs in its place')
    }
    if (state === 'retired' && clock.now() - stateAt > retiredMs) {
      await admin.remove(domain, selector)
      log.info({ domain, selector }, 'a DKIM key was thrown away: its record can go')
    }
  }
  if (days !== undefined) await renew(parts, keys, days * dayMs)
}

/** Signs with a key whose record is there. */
async function begin({ admin, dns, log }: RotationParts, key: DkimKey): Promise<DkimKey> {
  const { lookForDkimRecord } = await import('../mailauth/index.ts')
  if ((await lookForDkimRecord(dns, key)) !== 'published') return key
  const { domain, selector } = key
  log.info({ domain, selector }, 'a DKIM key is published: it signs from now on')
  return admin.setState(domain, selector, 'active')
}

const follows = (other: DkimKey, key: DkimKey): boolean =>
  other.state === 'active' &&
  isRsa(other) === isRsa(key) &&
  (other.createdAt > key.createdAt || (other.createdAt === key.createdAt && other.selector > key.selector))
const isRsa = ({ algorithm }: DkimKey): boolean => algorithm.startsWith('rsa')

/** A new key for each that signs and is old, unless its successor waits already. */
async function renew({ admin, clock, log }: RotationParts, keys: readonly DkimKey[], afterMs: number): Promise<void> {
  for (const kind of [true, false]) {
    const own = keys.filter((key) => isRsa(key) === kind && key.state !== 'retired')
    const youngest = own.at(-1)
    if (!youngest || youngest.state === 'waiting' || clock.now() - youngest.createdAt < afterMs) continue
    const { domain, selector, name } = await admin.add(youngest.domain, youngest.algorithm)
    log.warn({ domain, selector, record: name }, `publish a new DKIM key: posthorn dkim show ${domain}`)
  }
}
