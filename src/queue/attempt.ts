// One attempt over the network: a batch goes to the first of its targets that takes a connection; each recipient gets its
// outcome. Writes nothing down.

import { isIP } from 'node:net'
import type { Path } from '../address/index.ts'
import type { Clock, Log } from '../base/index.ts'
import type { Resolver } from '../dns/index.ts'
import {
  type ClientOptions,
  ConnectionFault,
  type OutgoingMail,
  type Reply,
  type SendResult,
  type SmtpConnection,
} from '../smtp/client/index.ts'
import type { TriedBatch as Batch, Outcome, Recipient } from './batch.ts'
import { createPool, type Pooled } from './pool.ts'
import { findTargets, type Target } from './targets.ts'

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
  readonly open: (batch: Batch) => Promise<OutgoingMail['data'] | undefined>
  /** The reverse-path of a batch's transaction; absent: the sender as he is. */
  readonly returnPath?: (batch: Batch) => Path
  readonly timeouts?: ClientOptions['timeouts']
}

export interface Attempts {
  /** Never rejects. */
  attempt(batch: Batch): Promise<readonly Outcome[]>
  /** Ends idle connections, and the busy ones when `hard`. */
  close(hard: boolean): void
}

/** RFC 5321 §4.5.3.2 leaves connecting to the system, which waits two minutes and more. */
const connectTimeout = 30_000

/** A connection, or why there is none and what to say. */
type Connected = { readonly pooled: Pooled } | { readonly failed: Failure }
interface Failure {
  readonly result: 'retry' | 'fail'
  readonly status: string
  readonly reason: string
  readonly relay?: string
  readonly broken?: boolean
}

export function createAttempts(options: AttemptOptions): Attempts {
  const { clock, log } = options
  const pool = createPool(clock)
  const busy = new Set<SmtpConnection>()

  const connectTo = async (target: Target, { source }: Batch): Promise<SmtpConnection> => {
    const common = {
      ...target,
      helo: source.helo ?? options.hostname,
      ...(source.address !== '' && { localAddress: source.address }),
      timeouts: { connect: connectTimeout, ...options.timeouts },
    }
    try {
      return await options.connect(common)
    } catch (error) {
      // RFC 7435: opportunistic means that a broken TLS is no worse than none.
      if (target.tls !== 'opportunistic' || !isAt(error, 'tls')) throw error
      log.debug({ host: target.host, ip: target.ip, err: error }, 'TLS failed, going on without')
      return await options.connect({ ...common, tls: 'none' })
    }
  }

  const connectAny = async (batch: Batch): Promise<Connected> => {
    const { domain, route, source } = batch
    const found = await findTargets(options, domain, route)
    if ('problem' in found) {
      const { permanent, status, text } = found.problem
      return { failed: { result: permanent ? 'fail' : 'retry', status, reason: text } }
    }
    let failed: Failure = { result: 'retry', status: '4.4.1', reason: 'no host to try' }
    const family = isIP(source.address)
    for (const target of found.targets) {
      // An address of ours reaches its own kind.
      if (family !== 0 && isIP(target.ip) !== family) continue
      try {
        return { pooled: { connection: await connectTo(target, batch), target, sent: 0 } }
      } catch (error) {
        failed = toFailure(toFault(error), target)
      }
    }
    return { failed }
  }

  const send = async (batch: Batch, pooled: Pooled, data: OutgoingMail['data']): Promise<readonly Outcome[]> => {
    const { connection } = pooled
    busy.add(connection)
    try {
      const results = await connection.send(toOutgoing(batch, data, options.returnPath))
      // RFC 5321 §3.8: after a 421 the server closes.
      if (results.some(({ reply }) => reply.code === 421)) connection.close()
      else pool.put(wayOf(batch), { ...pooled, sent: pooled.sent + 1 }, batch.perConnection)
      return batch.recipients.map((recipient, i) => toOutcome(recipient, results[i]!, pooled))
    } catch (error) {
      connection.close()
      throw error
    } finally {
      busy.delete(connection)
    }
  }
  const sendAnyhow = async (batch: Batch, pooled: Pooled, data: OutgoingMail['data']) => {
    try {
      return await send(batch, pooled, data)
    } catch (error) {
      return breakOff(batch, pooled, toFault(error))
    }
  }

  const attempt = async (batch: Batch): Promise<readonly Outcome[]> => {
    const data = await options.open(batch)
    if (!data) return failAll(batch, { result: 'retry', status: '4.3.0', reason: 'the message cannot be read' })
    const reused = pool.take(wayOf(batch))
    if (reused) {
      try {
        return await send(batch, reused, data)
      } catch (error) {
        // A connection that stood idle may have been closed by the other side. Once the message's end was sent nobody knows
        // whether it arrived: then it is not sent again at once.
        if (isAt(error, 'end')) return breakOff(batch, reused, toFault(error))
      }
    }
    const connected = await connectAny(batch)
    return 'failed' in connected ? failAll(batch, connected.failed) : sendAnyhow(batch, connected.pooled, data)
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

function toOutgoing(batch: Batch, data: OutgoingMail['data'], returnPath: AttemptOptions['returnPath']): OutgoingMail {
  const { mail, recipients } = batch
  return {
    from: returnPath ? returnPath(batch) : mail.sender,
    recipients: recipients.map(({ address, params }) => ({ address, params })),
    size: mail.size,
    utf8: mail.utf8,
    body8: mail.body8,
    params: mail.params,
    data,
  }
}

/** The words of the other server as an outcome. */
function toOutcome(recipient: Recipient, answer: SendResult, { connection, target }: Pooled): Outcome {
  const { reply, accepted, stage } = answer
  const result = accepted ? 'delivered' : isPermanent(answer) ? 'fail' : 'retry'
  const digit = { delivered: '2', retry: '4', fail: '5' }[result]
  const status = reply.enhanced?.startsWith(digit) ? reply.enhanced : `${digit}.0.0`
  const tls = connection.tls && { tls: `${connection.tls.version} ${connection.tls.cipher}` }
  const where =
    accepted || stage === 'rcpt' ? '' : stage === 'mail' ? ' (in reply to MAIL)' : ' (in reply to the message)'
  return {
    recipient,
    result,
    status,
    reason: `${showReply(reply)}${where}`,
    mta: target.host,
    relay: showTarget(target),
    ...(accepted && { dsn: connection.extensions.has('DSN') ? ('passed' as const) : ('relayed' as const) }),
    ...tls,
  }
}

/** RFC 5321 §4.5.3.1.10: a 552 to RCPT from old servers means too many recipients; with an enhanced code it means what it says. */
function isPermanent({ reply, stage }: SendResult): boolean {
  if (reply.code === 552 && stage === 'rcpt' && reply.enhanced === undefined) return false
  return reply.code >= 500
}

function failAll({ recipients }: Batch, failure: Failure): readonly Outcome[] {
  return recipients.map((recipient) => ({ recipient, ...failure }))
}

/** The connection broke: what the server had said of single recipients before holds. */
function breakOff({ recipients }: Batch, pooled: Pooled, fault: ConnectionFault): readonly Outcome[] {
  const failure = toFailure(fault, pooled.target)
  return recipients.map((recipient, i) => {
    const known = fault.results?.[i]
    return known ? toOutcome(recipient, known, pooled) : { recipient, ...failure }
  })
}

/** Never permanent: a refusal of the whole session, say a greeting with 554, says nothing of this message. */
function toFailure({ stage, reply, message }: ConnectionFault, target: Target): Failure {
  const words = oneLine(reply ? `${target.host} said: ${showReply(reply)}` : message)
  return {
    result: 'retry',
    status: stageStatus[stage] ?? '4.4.2',
    reason: words,
    relay: showTarget(target),
    broken: true,
  }
}
const stageStatus: { readonly [stage: string]: string } = { connect: '4.4.1', tls: '4.7.5', auth: '4.7.8' }

const isAt = (error: unknown, stage: ConnectionFault['stage']): boolean =>
  error instanceof ConnectionFault && error.stage === stage

/** Anything else is a mistake of ours and goes on as it is. */
function toFault(error: unknown): ConnectionFault {
  if (error instanceof ConnectionFault) return error
  throw error
}

const maxReason = 500

/** `550 5.1.1 No such user`, on one line without control characters. */
export function showReply({ code, enhanced, lines }: Reply): string {
  const text = [`${code}`, ...(enhanced === undefined ? [] : [enhanced]), ...lines].join(' ')
  return oneLine(text)
}

export function oneLine(text: string): string {
  let out = ''
  for (const c of text.slice(0, maxReason)) out += c < ' ' || c === '\x7f' ? ' ' : c
  return out.trim()
}

const showTarget = ({ host, ip, port }: Target): string => `${host}[${ip}]:${port}`
