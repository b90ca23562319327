// One attempt over the network: a batch goes to the first of its targets that takes a connection; each recipient gets its
// outcome. Writes nothing down.

import { isIP } from 'node:net'
import type { Path } from '../address/index.ts'
import type { Clock, Log } from '../base/index.ts'
import type { Resolver } from '../dns/index.ts'
import type { TlsResult } from '../mailauth/index.ts'
import type { ClientOptions, SmtpConnection } from '../smtp/client/index.ts'
import type { TriedBatch as Batch, Outcome } from './batch.ts'
import type { Opened } from './content.ts'
import type { Demands, HostDemand } from './demands.ts'
import { type Fit, fit, noTlsExplained, toMisfitOutcome } from './fit.ts'
import { readHopLimits } from './hop-limits.ts'
import { createPipelining } from './pipelining.ts'
import { createPool, type Pooled } from './pool.ts'
import { openSecured, reportRefused, reuse, type Secured, toTlsFailure, wishOf } from './secured.ts'
import { findTargets, type Target } from './targets.ts'
import type { TlsRefusal } from './tls-policy.ts'
import { type Failure, oneLine, type Transmitted, toFailure, toFault, transmit } from './transmit.ts'

export type Connect = (options: ClientOptions) => Promise<SmtpConnection>

export interface AttemptOptions {
  readonly dns: Resolver
  readonly connect: Connect
  readonly hostname: string
  /** Lower-case names and addresses of this server. */
  readonly own: ReadonlySet<string>
  /** Port of servers found by MX. */
  readonly port: number
  readonly clock: Clock
  readonly log: Log
  /** The bytes of a batch's message; undefined when its content is gone. */
  readonly open: (batch: Batch) => Promise<Opened | undefined>
  /** The reverse-path of a batch's transaction; absent: the sender as he is. */
  readonly returnPath?: (batch: Batch) => Path
  readonly timeouts?: ClientOptions['timeouts']
  /** What is demanded of TLS where mail goes by MX. */
  readonly demands: Demands
  /** Hears of every session and of what kept one from being. Must not wait. */
  readonly onTlsResult?: (result: TlsResult) => void
}

export interface Attempts {
  /** Never rejects. */
  attempt(batch: Batch): Promise<readonly Outcome[]>
  /** Ends idle connections, and the busy ones when `hard`. */
  close(hard: boolean): void
}

/** RFC 5321 §4.5.3.2 leaves connecting to the system, which waits two minutes and more. */
const connectTimeout = 30_000

/** A connection with what may go over it, or why there is none and what to say. */
type Connected = Reached | { readonly failed: Failure }
interface Reached {
  readonly pooled: Pooled
  readonly fitted: Fit
  /** Another host could not be asked, which may have offered more. */
  readonly unsure: boolean
}

export function createAttempts(options: AttemptOptions): Attempts {
  const { clock, log, demands } = options
  const pool = createPool(clock)
  const pipelining = createPipelining(clock)
  const busy = new Set<SmtpConnection>()

  const connectTo = (target: Target, batch: Batch, asked: HostDemand | undefined): Promise<Secured> => {
    const { source } = batch
    const common = {
      ...target,
      helo: source.helo ?? options.hostname,
      pipelining: pipelining.may(target),
      ...(source.address !== '' && { localAddress: source.address }),
      timeouts: { connect: connectTimeout, ...options.timeouts },
    }
    return openSecured(options, batch, target, common, asked)
  }

  /** The first host that can have the message for all; when there is none, the one that can have it for most. */
  const connectAny = async (batch: Batch, opened: Opened): Promise<Connected> => {
    const [found, security] = await Promise.all([
      findTargets(options, batch.domain, batch.route),
      // What the domain says of TLS is about its own hosts, not about a way that the operator has chosen.
      batch.route ? undefined : demands.of(batch.domain),
    ])
    if ('problem' in found) {
      const { permanent, status, text } = found.problem
      return { failed: { result: permanent ? 'fail' : 'retry', status, reason: text } }
    }
    await makeRoom(batch)
    let failed: Failure | undefined
    let best: { readonly pooled: Pooled; readonly fitted: Fit } | undefined
    const silent: string[] = []
    const heard: string[] = []
    const refused = new Set<string>()
    const family = isIP(batch.source.address)
    for (const target of found.targets) {
      // An address of ours reaches its own kind.
      if (family !== 0 && target.path === undefined && isIP(target.ip) !== family) continue
      const asked = await security?.at(target.host, wishOf(batch.mail))
      if (asked && 'refused' in asked.demand) {
        // A host with several addresses is refused once.
        if (!refused.has(target.host)) reportRefused(options, batch, target, asked)
        refused.add(target.host)
        failed = gentler(failed, toRefused(asked.demand))
        if (!asked.demand.permanent) silent.push(target.host)
        continue
      }
      let secured: Secured
      try {
        secured = await connectTo(target, batch, asked)
      } catch (error) {
        const fault = toFault(error)
        failed = gentler(failed, toTlsFailure(toFailure(fault, target), fault, asked))
        silent.push(target.host)
        continue
      }
      heard.push(target.host)
      const reached = {
        pooled: { ...secured, target, sent: 0 },
        fitted: await fitOn(batch, opened, secured.connection, target),
      }
      const better = !best || reached.fitted.recipients.length > best.fitted.recipients.length
      const worse = better ? best : reached
      if (worse) pool.end(worse.pooled, batch)
      if (better) best = reached
      if (reached.fitted.misfits.length === 0) break
    }
    // Another address of the same host would have said the same.
    if (best) return { ...best, unsure: silent.some((host) => !heard.includes(host)) }
    return { failed: failed ?? { result: 'retry', status: '4.4.1', reason: 'no host to try' } }
  }
  const makeRoom = ({ atOnce }: Batch) => (atOnce ? pool.makeRoom(atOnce) : undefined)
  const fitOn = async (batch: Batch, opened: Opened, connection: SmtpConnection, target: Target): Promise<Fit> => {
    try {
      return await fit(batch, opened, connection, target, clock.now())
    } catch (error) {
      connection.close()
      throw error
    }
  }

  const send = async (batch: Batch, pooled: Pooled, { mail, recipients }: Fit): Promise<Transmitted> => {
    const { connection } = pooled
    if (!mail) {
      pool.put(wayOf(batch), pooled, batch)
      return { outcomes: [], rest: [], transactions: 0, usable: true }
    }
    busy.add(connection)
    try {
      const from = options.returnPath ? options.returnPath(batch) : mail.from
      const sent = await transmit(pooled, { ...mail, from }, recipients, readHopLimits(connection.extensions))
      learn(pooled, sent)
      if (sent.usable) pool.put(wayOf(batch), { ...pooled, sent: pooled.sent + sent.transactions }, batch)
      else if (!sent.fault) pool.end(pooled, batch)
      return sent
    } catch (error) {
      connection.close()
      throw error
    } finally {
      busy.delete(connection)
    }
  }

  /** Whether the host bears it that commands are sent ahead. */
  const learn = ({ connection, target, sent }: Pooled, { fault, transactions }: Transmitted) => {
    // One that stood idle may have been closed meanwhile.
    const idle = sent > 0 && transactions === 1 && fault?.stage === 'mail'
    if (fault?.ahead && !idle) {
      pipelining.suspect(target)
      log.info({ host: target.host, ip: target.ip, stage: fault.stage }, 'commands go to a host one by one for a while')
    } else if (!fault && connection.extensions.has('PIPELINING')) pipelining.trust(target)
  }

  /** Over a connection that waits for the next message; undefined when there is none, or it is none any more, or it does not do. */
  const sendOnReused = async (batch: Batch, opened: Opened): Promise<Transmitted | undefined> => {
    const idle = pool.take(wayOf(batch))
    if (!idle) return undefined
    const reused = await reuse(batch, idle, () => demands.of(batch.domain)).catch((error: unknown) => {
      idle.connection.close()
      throw error
    })
    if (!reused) {
      pool.put(wayOf(batch), idle, batch)
      return undefined
    }
    await makeRoom(batch)
    const fitted = await fitOn(batch, opened, reused.connection, reused.target)
    if (fitted.misfits.length > 0) {
      pool.put(wayOf(batch), reused, batch)
      return undefined
    }
    const sent = await send(batch, reused, fitted)
    // A connection that stood idle may have been closed by the other side. Once the message's end was sent nobody knows
    // whether it arrived: then it is not sent again at once.
    const stale = sent.fault !== undefined && sent.fault.stage !== 'end' && sent.transactions === 1
    return stale ? undefined : sent
  }

  const attempt = async (batch: Batch): Promise<readonly Outcome[]> => {
    const opened = await options.open(batch)
    if (!opened) return failAll(batch, { result: 'retry', status: '4.3.0', reason: 'the message cannot be read' })
    const first = await sendOnReused(batch, opened)
    const outcomes = [...(first?.outcomes ?? [])]
    for (let rest = first?.rest ?? batch.recipients; rest.length > 0; ) {
      const part = { ...batch, recipients: rest }
      const connected = await connectAny(part, opened)
      if ('failed' in connected) return [...outcomes, ...failAll(part, connected.failed)]
      const { pooled, fitted, unsure } = connected
      for (const misfit of fitted.misfits) outcomes.push(toMisfitOutcome(misfit, unsure))
      const sent = await send(part, pooled, fitted)
      outcomes.push(...sent.outcomes)
      rest = sent.rest
    }
    return outcomes
  }

  return {
    async attempt(batch) {
      try {
        return await attempt(batch)
      } catch (error) {
        log.error({ err: error, queueId: batch.mail.id }, 'a delivery attempt failed in this server')
        return failAll(batch, {
          result: 'retry',
          status: '4.3.0',
          reason: 'internal error, see the log of this server',
        })
      }
    },
    close(hard) {
      pool.close()
      if (hard) for (const connection of busy) connection.close()
    },
  }
}

/** Who goes the same way from the same address may share a connection. */
const wayOf = ({ next, source }: Batch): string => `${next}\n${source.address}`

/** Of several hosts: what may pass counts more than what will not. */
const gentler = (before: Failure | undefined, next: Failure): Failure =>
  before?.result === 'retry' && next.result === 'fail' ? before : next

const toRefused = ({ refused, status, permanent }: TlsRefusal): Failure => ({
  result: permanent ? 'fail' : 'retry',
  status,
  reason: oneLine(refused),
  ...(permanent && { explained: noTlsExplained }),
})

function failAll({ recipients }: Batch, failure: Failure): readonly Outcome[] {
  return recipients.map((recipient) => ({ recipient, ...failure }))
}
