// A connection to a mail host as TLS is demanded there, and what is reported of it. Decides nothing.

import { type Clock, Fault, type Log } from '../base/index.ts'
import type { Dane, TlsOutcome, TlsResult } from '../mailauth/index.ts'
import { type ClientOptions, ConnectionFault, type SmtpConnection } from '../smtp/client/index.ts'
import type { TriedBatch as Batch } from './batch.ts'
import type { DomainDemands, HostDemand } from './demands.ts'
import type { Pooled } from './pool.ts'
import type { Target } from './targets.ts'
import { keepsDemand, type TlsDemand, type TlsWish } from './tls-policy.ts'
import { type Failure, isAt } from './transmit.ts'

export interface SecuredOptions {
  readonly connect: (options: ClientOptions) => Promise<SmtpConnection>
  readonly clock: Clock
  readonly log: Log
  /** Hears of every session and of what kept one from being. Must not wait. */
  readonly onTlsResult?: (result: TlsResult) => void
}

export const wishOf = ({ params }: Batch['mail']): TlsWish =>
  params.requireTls ? 'required' : params.tlsOptional ? 'optional' : 'none'

/** What of a connection is kept with it. */
export type Proof = Pick<Pooled, 'records' | 'proof' | 'renamed'>

export interface Secured extends Proof {
  readonly connection: SmtpConnection
}

/** Opens one; `asked` is absent where mail goes by a route, which says itself what it wants. ConnectionFault. */
export async function openSecured(
  options: SecuredOptions,
  batch: Batch,
  target: Target,
  common: ClientOptions,
  asked: HostDemand | undefined,
): Promise<Secured> {
  const { connect, log } = options
  const plaintextToo = mayGoPlain(batch, target, asked)
  let fault: unknown
  try {
    const wanted = asked ? { ...common, ...(await tlsOf(options, batch, target, asked)) } : common
    const connection = await connect(wanted)
    report(options, batch, target, asked, outcomeOf(asked, connection))
    return { connection, ...(asked && proofOf(asked, target)) }
  } catch (error) {
    if (isAt(error, 'tls')) report(options, batch, target, asked, toTrouble(error))
    if (!plaintextToo || !isAt(error, 'tls')) throw error
    fault = error
  }
  // RFC 7435: opportunistic means that a broken TLS is no worse than none.
  log.debug({ host: target.host, ip: target.ip, err: fault }, 'TLS failed, going on without')
  return { connection: await connect({ ...common, tls: 'none' }) }
}

/** Except where the sender wants none of it. */
function mayGoPlain({ mail }: Batch, target: Target, asked: HostDemand | undefined): boolean {
  if (mail.params.requireTls) return false
  return asked ? 'level' in asked.demand && asked.demand.level === 'may' : target.tls === 'opportunistic'
}

async function tlsOf(
  { clock }: SecuredOptions,
  { domain }: Batch,
  { host }: Target,
  { demand, dane }: HostDemand,
): Promise<Pick<ClientOptions, 'tls' | 'verify' | 'judge' | 'servername'>> {
  if ('refused' in demand) throw new Fault('conflict', 'a refused host is not connected to')
  if (demand.level === 'none' || demand.level === 'may')
    return { tls: demand.level === 'none' ? 'none' : 'opportunistic', verify: false }
  if (demand.level !== 'dane') return { tls: 'required', verify: demand.level === 'pkix' }
  if (dane.state !== 'usable') throw new Fault('conflict', 'DANE without records')
  const { findDaneFlaw } = await import('../mailauth/index.ts')
  const { base, records } = dane
  // RFC 7672 §3.2.2: the name under which the records stand, the host's own, and the domain whose signed MX record led here.
  const names = [...new Set([base, host, domain])]
  const judge: ClientOptions['judge'] = ({ chain }) => findDaneFlaw(chain, { records, names, now: clock.now() })
  // RFC 7672 §8.1: it is asked for that name.
  return { tls: 'required', verify: false, judge, servername: base }
}

function proofOf({ demand, dane, records }: HostDemand, { host }: Target): Proof {
  const proof = 'level' in demand ? wordOf(demand) : undefined
  const judged = 'level' in demand && demand.level === 'dane' && dane.state === 'usable'
  return {
    ...(proof !== undefined && { proof }),
    ...(judged && records !== undefined && { records }),
    ...(judged && dane.base !== host && { renamed: true }),
  }
}

/** For the timeline. */
const wordOf = ({ level, policy }: TlsDemand): string | undefined =>
  level === 'dane' ? 'DANE' : level === 'pkix' ? (policy === 'sts' ? 'MTA-STS' : 'verified') : undefined

/** A pooled connection as this message may use it; undefined when it demands more than the connection has shown (downgrade by reuse). */
export async function reuse(
  batch: Batch,
  pooled: Pooled,
  domain: () => Promise<DomainDemands>,
): Promise<Pooled | undefined> {
  if (batch.route) return pooled
  const asked = await (await domain()).at(pooled.target.host, wishOf(batch.mail))
  if ('refused' in asked.demand) return undefined
  const { tls } = pooled.connection
  // Its certificate was looked at for another name.
  const shown = tls && pooled.renamed ? { ...tls, flaw: tls.flaw ?? {} } : tls
  const has = { ...(shown && { tls: shown }), ...(pooled.records !== undefined && { records: pooled.records }) }
  if (!keepsDemand(asked.demand, has, asked.records)) return undefined
  const { proof: _, ...rest } = pooled
  const proof = wordOf(asked.demand)
  return { ...rest, ...(proof !== undefined && { proof }) }
}

/** Why a host may not be used, or its TLS was not as demanded, for all of the batch. What the domain demands says nothing of the site. */
export function toTlsFailure(failure: Failure, fault: ConnectionFault, asked: HostDemand | undefined): Failure {
  if (fault.stage !== 'tls' || !asked || 'refused' in asked.demand || asked.demand.level === 'may') return failure
  const { broken: _, ...rest } = failure
  return { ...rest, reason: `${failure.reason}; ${asked.demand.by} demands it` }
}

/** Reports that a host was passed by. */
export function reportRefused(options: SecuredOptions, batch: Batch, target: Target, asked: HostDemand): void {
  if (!('refused' in asked.demand) || !asked.demand.outcome) return
  report(options, batch, target, asked, { outcome: asked.demand.outcome, reasonCode: asked.demand.refused })
}

type Came = Pick<TlsResult, 'outcome' | 'reasonCode'>

function report(
  { onTlsResult, clock }: SecuredOptions,
  { domain, source, mail }: Batch,
  { host, ip }: Target,
  asked: HostDemand | undefined,
  came: Came | undefined,
): void {
  // Who says that failing TLS does not matter reports none of it: the reports themselves travel so.
  if (!onTlsResult || !asked || !came || mail.params.tlsOptional) return
  const { dane, sts, demand } = asked
  const policyStrings =
    demand.policy === 'tlsa' ? publishedOf(dane) : demand.policy === 'sts' && sts.state === 'policy' ? sts.lines : []
  onTlsResult({
    domain,
    policyType: demand.policy,
    policyStrings,
    mxPatterns: demand.policy === 'sts' && sts.state === 'policy' ? sts.policy.mx : [],
    ...came,
    ...(source.address !== '' && { sendingIp: source.address }),
    receivingMx: host,
    receivingIp: ip,
    at: clock.now(),
  })
}

const publishedOf = (dane: Dane): readonly string[] => ('published' in dane ? dane.published : [])

/** What a session is for the reports; undefined: nothing. */
function outcomeOf(asked: HostDemand | undefined, { tls }: SmtpConnection): Came | undefined {
  if (!asked || 'refused' in asked.demand || asked.demand.level === 'none') return undefined
  const { policy } = asked.demand
  const success: Came = { outcome: 'success' }
  if (policy === 'tlsa')
    return asked.dane.state === 'usable'
      ? success
      : { outcome: 'tlsa-invalid', reasonCode: 'no TLSA record can be used' }
  if (!tls) return { outcome: 'starttls-not-supported' }
  if (policy !== 'sts') return success
  if (!asked.listed) return { outcome: 'validation-failure', reasonCode: 'the policy does not name this host' }
  return tls.flaw ? { outcome: tls.flaw.kind, reasonCode: tls.flaw.words } : success
}

function toTrouble(error: unknown): Came {
  if (!(error instanceof ConnectionFault)) return { outcome: 'validation-failure' }
  const outcome: TlsOutcome = error.tls ?? 'validation-failure'
  return { outcome, reasonCode: error.message.slice(0, 200) }
}
