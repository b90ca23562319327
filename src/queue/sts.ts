// MTA-STS policies of other domains: announced by DNS, fetched over HTTPS, kept for as long as they say (RFC 8461 §3.3, §5.1). A policy
// that cannot be fetched anew stays in force until it ends: who can only break things gains nothing.

import type { Clock, Log } from '../base/index.ts'
import type { Answer, Resolver } from '../dns/index.ts'
import type { Egress } from '../egress/index.ts'
import { ensureJob, type JobHandlers } from '../jobs/index.ts'
import type { StsPolicy, TlsResult } from '../mailauth/index.ts'
import { type Store, stsRows } from '../store/index.ts'
import { type FetchedPolicy, fetchStsPolicy, type PolicyProblem } from './sts-fetch.ts'

/** `none`: the domain has no policy. `failed`: it announces one, or may, and it cannot be had: mail goes on as if it had none. */
export type Sts =
  | { readonly state: 'none' }
  | { readonly state: 'failed'; readonly words: string }
  | { readonly state: 'policy'; readonly policy: StsPolicy; readonly lines: readonly string[] }

export interface StsOptions {
  readonly store: Store
  readonly dns: Pick<Resolver, 'txt'>
  readonly egress: Pick<Egress, 'fetch'>
  readonly clock: Clock
  readonly log: Log
  /** Where policies are served; 443 but for tests. */
  readonly port?: number
  readonly onTlsResult?: (result: TlsResult) => void
}

export interface StsPolicies {
  /** What holds for a domain, in lower-case A-labels. Rejects when the store does: then nobody knows whether a policy is held. */
  of(domain: string): Promise<Sts>
  /** The job that keeps what is used from ending. */
  readonly handlers: Pick<JobHandlers, 'refresh-sts-policies'>
}

const second = 1_000
const minute = 60 * second
const hour = 60 * minute
const day = 24 * hour
/** A domain is looked at again after so long: its record has a TTL of its own in the resolver. */
const freshMs = minute
/** RFC 8461 §3.3: a policy that could not be had is not asked for again at once. */
const failedMs = 5 * minute
/** RFC 8461 §10.2: once a day, and twice before a shorter one ends. */
const refreshMs = day
const retryMs = 6 * hour
const lookEveryMs = hour
/** Nobody fetches anew what nobody needs: it ends by itself. */
const unusedMs = 60 * day
const maxKnown = 5_000
const atOnce = 5

interface Known {
  readonly sts: Sts
  readonly until: number
}
/** Loaded with the first domain: a start does not need it. */
const mailauth = () => import('../mailauth/index.ts')

export function createStsPolicies(options: StsOptions): StsPolicies {
  const { store, dns, clock, log } = options
  const known = new Map<string, Known>()
  /** Policies that could not be had, by domain and id. */
  const failed = new Map<string, { readonly failure: PolicyProblem; readonly until: number }>()
  const waiting = new Map<string, Promise<Sts>>()

  const lookUp = async (domain: string): Promise<Sts> => {
    const [announced, row] = await Promise.all([
      dns.txt(`_mta-sts.${domain}`),
      store.read((tx) => stsRows.find(tx, domain)),
    ])
    const { parseStsRecord } = await mailauth()
    const now = clock.now()
    const held = row && row.expires_at > now ? row : undefined
    const id = announced.status === 'ok' ? parseStsRecord(announced.records) : undefined
    if (held) await noteUse(held)
    // RFC 8461 §3.1, §5.1: without a record that is right no policy is looked for, and one that is held goes on.
    if (id === undefined) return held ? toSts(held) : ofSilence(announced)
    if (held?.policy_id === id) return toSts(held)
    const fetched = await fetchOnce(domain, id)
    if ('problem' in fetched) return held ? toSts(held) : { state: 'failed', words: fetched.problem }
    await keep(domain, id, fetched)
    return toView(fetched)
  }
  /** Failures are remembered for a while. */
  const fetchOnce = async (domain: string, id: string): Promise<FetchedPolicy | PolicyProblem> => {
    const key = `${domain} ${id}`
    const before = failed.get(key)
    if (before && before.until > clock.monotonic()) return before.failure
    const fetched = await fetchStsPolicy(options, domain)
    if ('problem' in fetched) {
      trim(failed)
      failed.set(key, { failure: fetched, until: clock.monotonic() + failedMs })
      complain(domain, fetched)
    } else failed.delete(key)
    return fetched
  }
  const complain = (domain: string, { problem: words, outcome }: PolicyProblem) => {
    log.info({ domain, reason: words }, 'an MTA-STS policy could not be had')
    const none = { policyStrings: [], mxPatterns: [] }
    options.onTlsResult?.({ domain, policyType: 'sts', ...none, outcome, reasonCode: words, at: clock.now() })
  }
  // What is lost in a crash is fetched again.
  const keep = (domain: string, id: string, { policy, text }: FetchedPolicy) => {
    const now = clock.now()
    const lifeMs = policy.maxAge * second
    const row = {
      domain,
      policy_id: id,
      policy: text,
      fetched_at: now,
      expires_at: now + lifeMs,
      refresh_at: now + Math.max(hour, Math.min(refreshMs, lifeMs / 2)),
      used_at: now,
      failure: '',
    }
    return store.write([], (tx) => stsRows.put(tx, row), { durable: false })
  }
  const noteUse = async ({ domain, used_at }: stsRows.StsRow) => {
    if (clock.now() - used_at > day)
      await store.write([], (tx) => stsRows.noteUse(tx, domain, clock.now()), { durable: false })
  }

  const refresh = async (row: stsRows.StsRow): Promise<void> => {
    const { domain } = row
    const announced = await dns.txt(`_mta-sts.${domain}`)
    const { parseStsRecord } = await mailauth()
    const id = announced.status === 'ok' ? parseStsRecord(announced.records) : undefined
    const fetched = await fetchStsPolicy(options, domain)
    known.delete(domain)
    if (!('problem' in fetched)) {
      await keep(domain, id ?? row.policy_id, fetched)
      return
    }
    const { problem: words } = fetched
    const refreshAt = clock.now() + retryMs
    await store.write([], (tx) => stsRows.noteFailure(tx, domain, { failure: words, refreshAt }), { durable: false })
    // RFC 8461 §3.3: somebody should know, unless the policy asks for nothing.
    const sts = await toSts(row)
    if (sts.state !== 'policy' || sts.policy.mode === 'none') return
    const until = new Date(row.expires_at).toISOString()
    log.warn({ domain, reason: words, until }, 'an MTA-STS policy could not be fetched anew; the old one holds')
    complain(domain, fetched)
  }
  const refreshAll = async () => {
    await store.write([], (tx) => stsRows.removeExpired(tx, clock.now()), { durable: false })
    // What fails is put off, so that each round has others.
    for (;;) {
      const rows = await store.read((tx) => stsRows.due(tx, clock.now(), clock.now() - unusedMs))
      if (rows.length === 0) return
      const left = rows[Symbol.iterator]()
      await Promise.all(
        Array.from({ length: atOnce }, async () => {
          for (const row of left) await refresh(row)
        }),
      )
    }
  }

  return {
    async of(domain) {
      const found = known.get(domain)
      if (found && found.until > clock.monotonic()) return found.sts
      const asked = waiting.get(domain)
      if (asked) return asked
      const asking = lookUp(domain)
        .then((sts) => {
          trim(known)
          known.set(domain, { sts, until: clock.monotonic() + freshMs })
          return sts
        })
        .finally(() => waiting.delete(domain))
      waiting.set(domain, asking)
      return asking
    },
    handlers: {
      async 'refresh-sts-policies'(_payload, job) {
        await refreshAll()
        await store.write([], (tx) => job.again(tx, tx.now + lookEveryMs))
      },
    },
  }
}

/** Makes sure that the job is there; call once at start. */
export async function scheduleStsRefresh(store: Store): Promise<void> {
  await store.write('server', (tx) => ensureJob(tx, 'refresh-sts-policies', {}, { runAt: tx.now + lookEveryMs }))
}

/** The oldest goes. */
function trim(map: Map<string, unknown>): void {
  if (map.size < maxKnown) return
  const oldest = map.keys().next()
  if (!oldest.done) map.delete(oldest.value)
}

const ofSilence = (answer: Answer<string>): Sts =>
  answer.status === 'failed'
    ? { state: 'failed', words: `the name servers could not say whether it has a policy (${answer.reason})` }
    : { state: 'none' }

async function toSts({ policy: text }: stsRows.StsRow): Promise<Sts> {
  const { parseStsPolicy } = await mailauth()
  const policy = parseStsPolicy(text)
  return 'problem' in policy ? { state: 'none' } : toView({ policy, text })
}

const toView = ({ policy, text }: FetchedPolicy): Sts => ({
  state: 'policy',
  policy,
  lines: text
    .split('\n')
    .map((line) => line.trim())
    .filter(Boolean),
})
