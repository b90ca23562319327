// Why a connection gave no answer. Refusals of recipients are results, not faults.

import type { Reply } from '../wire/index.ts'
import type { CertificateFlaw, SendResult } from './types.ts'

/** `bind`: our own address could not be used. `tls`: STARTTLS was refused, not offered though required, or the handshake failed. `end`: after the final dot, the outcome is unknown. */
export type Stage = 'bind' | 'connect' | 'greeting' | 'hello' | 'tls' | 'auth' | 'mail' | 'rcpt' | 'data' | 'end'

/** What else is known of a fault. */
export interface FaultDetail {
  readonly results?: readonly (SendResult | undefined)[]
  readonly ahead?: boolean
  readonly tls?: TlsTrouble
}
/** Of stage `tls`: what it was, as TLS reports name it (RFC 8460 §4.3). */
export type TlsTrouble = 'starttls-not-supported' | CertificateFlaw['kind']

export class ConnectionFault extends Error {
  readonly stage: Stage
  /** The server's words, when it refused. */
  readonly reply: Reply | undefined
  /** What was known of each recipient when the connection broke, in order; undefined: nothing. */
  readonly results: readonly (SendResult | undefined)[] | undefined
  /** Commands had been sent ahead of their answers, and some of these never came. */
  readonly ahead: boolean
  readonly tls: TlsTrouble | undefined

  constructor(stage: Stage, message: string, reply?: Reply, { results, ahead = false, tls }: FaultDetail = {}) {
    super(reply ? `${message}: ${reply.code} ${reply.lines.join(' ')}` : message)
    this.name = 'ConnectionFault'
    this.stage = stage
    this.reply = reply
    this.results = results
    this.ahead = ahead
    this.tls = tls
  }
}
