// What the door saw of one message, for its timeline: it goes with the message to delivery, or, when nobody took the message, to
// where refusals are gathered. Judges nothing.

import { type Address, formatAddress } from '../../address/index.ts'
import type { Stage, TraceEvent, TraceFact } from '../../trace/index.ts'
import { formatReply, type Reply } from '../wire/index.ts'
import type { Session, Transaction } from './types.ts'

/** Refused recipients that are named; a client may try thousands. */
const maxRefused = 100
const maxReply = 300

/** Of the whole message, as far as it came. */
interface Content {
  readonly size: number
  readonly messageId?: string
}

/** Plain, for it crosses threads. */
export interface Seen {
  readonly events: TraceEvent[]
  readonly refused: Address[]
}

/** What there is to tell before the sender was heard. */
export function beginHistory(session: Session, helo: string, protocol: string): Seen {
  const { tls: secured, signedIn, clientIp: ip, clientName: name, origin, connectedAt } = session
  const tls = secured && `${secured.version} ${secured.cipher}`
  const events: TraceEvent[] = [{ at: connectedAt, kind: 'connected', ip, helo, name, protocol, tls }]
  if (signedIn) events.push(signedIn)
  if (origin) {
    const { name: host = 'unknown', ip: from = 'unknown' } = origin
    events.push({ at: session.options.clock.now(), kind: 'checked', by: 'XFORWARD', result: `from ${host} (${from})` })
  }
  return { events, refused: [] }
}

export class History {
  readonly #session: Session
  readonly #mail: Pick<Transaction, 'arrival' | 'from' | 'recipients'>
  readonly #seen: Seen
  #unnamed = 0
  #ended = false

  constructor(session: Session, mail: Pick<Transaction, 'arrival' | 'from' | 'recipients'>, seen: Seen) {
    this.#session = session
    this.#mail = mail
    this.#seen = seen
  }

  /** MAIL was refused: there will be no message. Returns the reply. */
  refuseSender(reply: Reply): Reply {
    this.#refuse('mail', reply)
    this.#offer()
    return reply
  }

  /** Returns the reply. */
  refuseRecipient(to: Address, reply: Reply): Reply {
    if (this.#seen.refused.length < maxRefused) {
      this.#seen.refused.push(to)
      this.#refuse('rcpt', reply, to)
    } else this.#unnamed++
    return reply
  }

  /** Why the message will be refused. */
  tell(event: TraceEvent): void {
    this.#seen.events.push(event)
  }

  /** The message itself was refused, for all of its recipients. */
  refuseMessage(stage: Stage, reply: Reply, content: Content): void {
    this.#refuse(stage, reply)
    this.#offer(content)
  }

  /** Delivery has taken the message, and with it this history. */
  handOver(): void {
    this.#ended = true
  }

  /** There will be no message. `content`: it had begun. Somebody who only asked whether a recipient is there leaves no timeline. */
  withdraw(why: string, content?: Content): void {
    if (this.#ended || (!content && this.#seen.refused.length === 0)) return
    if (content || this.#mail.recipients.length > 0)
      this.#note({ kind: 'withdrawn', stage: content ? 'data' : 'rcpt', bytes: content?.size ?? 0, why })
    this.#offer(content)
  }

  #refuse(stage: Stage, reply: Reply, to?: Address): void {
    const named = to ? { to: formatAddress(to) } : {}
    this.#note({ kind: 'refused', stage, ...named, reply: oneLine(reply) })
  }

  #note(fact: TraceFact): void {
    this.#seen.events.push({ at: this.#session.options.clock.now(), ...fact })
  }

  #offer(content?: Content): void {
    if (this.#ended) return
    this.#ended = true
    const { arrival, from, recipients } = this.#mail
    const { events, refused } = this.#seen
    if (this.#unnamed > 0) this.#note({ kind: 'not kept', count: this.#unnamed, since: arrival.receivedAt })
    const to = [...recipients.map(({ address }) => address), ...refused]
    const { traceId: id, kind: origin, clientIp } = arrival
    this.#session.options.refusals?.offer(clientIp, { id, origin, from, to, events, ...content })
  }
}

/** `550 5.1.1 There is no user`, as it was said. */
function oneLine(reply: Reply): string {
  const lines = formatReply(reply).split('\r\n').filter(Boolean)
  return lines
    .map((line, i) => (i === 0 ? line : line.slice(4)))
    .join(' ')
    .slice(0, maxReply)
}
