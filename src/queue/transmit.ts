// One message over an open connection, in as many transactions as the host's limits ask for, and what came of each recipient.
// Opens no connection.

import { ConnectionFault, type OutgoingMail, type Reply, type SendResult } from '../smtp/client/index.ts'
import type { Outcome, Recipient } from './batch.ts'
import { type HopLimits, takeGroup } from './hop-limits.ts'
import type { Pooled } from './pool.ts'
import type { Target } from './targets.ts'

/** Why a connection or a message came to nothing, for all whom it was for. */
export interface Failure {
  readonly result: 'retry' | 'fail'
  readonly status: string
  readonly reason: string
  readonly relay?: string
  readonly broken?: Outcome['broken']
  readonly explained?: Outcome['explained']
}

export interface Transmitted {
  readonly outcomes: readonly Outcome[]
  /** Recipients for whom the session had no transaction left. */
  readonly rest: readonly Recipient[]
  /** Transactions made. */
  readonly transactions: number
  /** Another message may follow on this connection. */
  readonly usable: boolean
  /** The connection broke. */
  readonly fault?: ConnectionFault
}

/** Never rejects for what the other side does: a connection that breaks is an outcome. `recipients` are those of `mail`, in its order. */
export async function transmit(
  pooled: Pooled,
  mail: OutgoingMail,
  recipients: readonly Recipient[],
  limits: HopLimits,
): Promise<Transmitted> {
  const outcomes: Outcome[] = []
  let left = recipients
  let transactions = 0
  while (left.length > 0 && pooled.sent + transactions < limits.messages) {
    const group = takeGroup(left, limits)
    left = left.slice(group.length)
    const part = group.length === recipients.length ? mail : { ...mail, recipients: group.map(toOutgoingRecipient) }
    transactions++
    try {
      const results = await pooled.connection.send(part)
      const again = results.some(({ accepted }) => accepted) ? group.filter((_, i) => isTooMany(results[i]!)) : []
      // RFC 5321 §4.5.3.1.10: those above the host's limit go in a transaction of their own, at once.
      left = [...again, ...left]
      for (const [i, recipient] of group.entries())
        if (!again.includes(recipient)) outcomes.push(toOutcome(recipient, results[i]!, pooled))
      const goodbye = results.find(({ reply }) => reply.code === 421)
      if (goodbye) return close(pooled, outcomes, left, transactions, goodbye)
    } catch (error) {
      pooled.connection.close()
      const fault = toFault(error)
      outcomes.push(...breakOff(group, pooled, fault), ...breakOff(left, pooled, fault, false))
      return { outcomes, rest: [], transactions, usable: false, fault }
    }
  }
  return { outcomes, rest: left, transactions, usable: pooled.sent + transactions < limits.messages }
}

/** RFC 5321 §3.8: after a 421 the server closes. In answer to MAIL it may have been said before the command was heard. */
function close(
  pooled: Pooled,
  known: readonly Outcome[],
  left: readonly Recipient[],
  transactions: number,
  { reply, stage }: SendResult,
): Transmitted {
  pooled.connection.close()
  const answer = { reply, accepted: false, stage: 'mail' as const }
  const outcomes = [...known, ...left.map((recipient) => toOutcome(recipient, answer, pooled))]
  const fault = stage === 'mail' ? { fault: new ConnectionFault('mail', 'the server closes', reply) } : {}
  return { outcomes, rest: [], transactions, usable: false, ...fault }
}

const toOutgoingRecipient = ({ address, params }: Recipient) => ({ address, params })

function isTooMany({ reply, stage, accepted }: SendResult): boolean {
  if (accepted || stage !== 'rcpt') return false
  if (reply.code === 452) return reply.enhanced === undefined || reply.enhanced === '4.5.3'
  return reply.code === 552 && reply.enhanced === undefined
}

/** The words of the other server as an outcome. */
function toOutcome(recipient: Recipient, answer: SendResult, { connection, target, proof }: Pooled): Outcome {
  const { reply, accepted, stage } = answer
  const result = accepted ? 'delivered' : isPermanent(answer) ? 'fail' : 'retry'
  const digit = { delivered: '2', retry: '4', fail: '5' }[result]
  const status = reply.enhanced?.startsWith(digit) ? reply.enhanced : `${digit}.0.0`
  const checked = proof === undefined ? '' : `, ${proof}`
  const tls = connection.tls && { tls: `${connection.tls.version} ${connection.tls.cipher}${checked}` }
  const where =
    accepted || stage === 'rcpt' ? '' : stage === 'mail' ? ' (in reply to MAIL)' : ' (in reply to the message)'
  return {
    recipient,
    result,
    status,
    reason: `${showReply(reply)}${where}`,
    mta: target.host,
    relay: showTarget(target),
    ...tls,
    ...(accepted && takenOver(connection.extensions, target)),
  }
}

/** What the next hop took over of the sender's wishes. To hand a message to LMTP is to deliver it: there is no hop after that. */
function takenOver(extensions: ReadonlyMap<string, string>, { lmtp }: Target): Pick<Outcome, 'dsn' | 'deadline'> {
  const passed = (keyword: string) => (extensions.has(keyword) ? 'passed' : lmtp ? 'delivered' : 'relayed')
  return { dsn: passed('DSN'), deadline: passed('DELIVERBY') }
}

/** RFC 5321 §4.5.3.1.10: a 552 to RCPT from old servers means too many recipients; with an enhanced code it means what it says. */
function isPermanent({ reply, stage }: SendResult): boolean {
  if (reply.code === 552 && stage === 'rcpt' && reply.enhanced === undefined) return false
  return reply.code >= 500
}

/** The connection broke: what the server had said of single recipients before holds. */
function breakOff(
  recipients: readonly Recipient[],
  pooled: Pooled,
  fault: ConnectionFault,
  begun = true,
): readonly Outcome[] {
  const failure = toFailure(fault, pooled.target)
  return recipients.map((recipient, i) => {
    const known = begun ? fault.results?.[i] : undefined
    return known ? toOutcome(recipient, known, pooled) : { recipient, ...failure }
  })
}

/** Never permanent: a refusal of the whole session, say a greeting with 554, says nothing of this message. */
export function toFailure({ stage, reply, message }: ConnectionFault, target: Target): Failure {
  const words = oneLine(reply ? `${target.host} said: ${showReply(reply)}` : message)
  return {
    result: 'retry',
    status: stageStatus[stage] ?? '4.4.2',
    reason: words,
    relay: showTarget(target),
    broken: beforeMail.has(stage) ? 'before' : 'during',
    ...(isTurnedAway(stage, reply) && { unusable: true }),
  }
}

/** Who refuses before he knows more than our address and name means these (RFC 5321 §3.1). */
function isTurnedAway(stage: ConnectionFault['stage'], reply: Reply | undefined): boolean {
  return stage === 'bind' || ((stage === 'greeting' || stage === 'hello') && reply !== undefined && reply.code >= 500)
}

/** Stages in which nothing of a message was said. */
const beforeMail: ReadonlySet<string> = new Set(['bind', 'connect', 'greeting', 'hello', 'tls', 'auth'])
const stageStatus: { readonly [stage: string]: string } = {
  bind: '4.3.5',
  connect: '4.4.1',
  tls: '4.7.5',
  auth: '4.7.8',
}

export const isAt = (error: unknown, stage: ConnectionFault['stage']): boolean =>
  error instanceof ConnectionFault && error.stage === stage

/** Anything else is a mistake of ours and goes on as it is. */
export function toFault(error: unknown): ConnectionFault {
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

export const showTarget = ({ host, ip, port, path }: Target): string =>
  path === undefined ? `${host}[${ip}]:${port}` : `${host}[${path}]`
