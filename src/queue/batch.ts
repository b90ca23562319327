// Queued mail as it stands in memory while it is tried: values only, read from rows or from what was just put.

import { type Address, formatAddress, type Path, parsePath } from '../address/index.ts'
import type { AccountId, ContentId, QueueId, RecipientId } from '../base/index.ts'
import { classifyText, type ReplyClass } from '../smtp/bounces/index.ts'
import type { queueLaneRows, queueRows } from '../store/index.ts'
import type { Place } from './lane.ts'
import type { Limit } from './limit.ts'
import type { Route } from './route.ts'
import type { Source } from './sources.ts'
import type { QueueMailParams, QueueParams } from './types.ts'

export interface Mail {
  readonly id: QueueId
  readonly content: ContentId
  readonly prefix: Uint8Array
  readonly sender: Path
  readonly account?: AccountId
  readonly utf8: boolean
  readonly body8: boolean
  readonly params: QueueMailParams
  /** Bytes with the prefix. */
  readonly size: number
  /** When it was queued, milliseconds since 1970. */
  readonly arrived: number
  /** Id of its timeline; empty: it has none. */
  readonly trace: string
}

export interface Recipient {
  readonly id: RecipientId
  readonly address: Address
  readonly kind: 'remote' | 'local'
  readonly warned: boolean
  readonly params: QueueParams
}

/** Recipients of one message that go the same way, in one transaction: they stand in their lane as one. */
export interface Batch extends Place {
  readonly mail: Mail
  readonly recipients: readonly Recipient[]
  readonly lane: string
  /** Of the first recipient; all have it unless a route joins them. */
  readonly domain: string
  readonly route?: Route
  /** Who takes turns: an account of ours, else the envelope's sender. */
  readonly sender: string
  /** How often it was turned away before it was said, and tried again at once. */
  readonly repeats?: number
}

/** A batch on its way. */
export interface TriedBatch extends Batch {
  readonly source: Source
  /** Name of the next hop: who goes there from the same source may share a connection. */
  readonly next: string
  /** Messages over one connection, when somebody limited them. */
  readonly perConnection?: number
  /** Limits of connections at once that it counts in. */
  readonly atOnce?: readonly Limit[]
}

/** What came of one recipient. */
export interface Outcome {
  readonly recipient: Recipient
  readonly result: 'delivered' | 'retry' | 'fail'
  /** Enhanced status code (RFC 3463); its class is that of the result, except for an answer that is only put off too long. */
  readonly status: string
  /** One line: the reply as `550 5.1.1 text`, or what happened. */
  readonly reason: string
  /** The other server, when it was it who answered. */
  readonly mta?: string
  /** `host[ip]:port`, for the log. */
  readonly relay?: string
  readonly tls?: string
  /**
   * Of what was delivered: whether the next hop took over what the sender asked of reports (RFC 3461 §5.2.1), or only the message;
   * `delivered`: there is no next hop, it went into a mailbox by LMTP.
   */
  readonly dsn?: 'passed' | 'relayed' | 'delivered'
  /** The same of the time that he set (RFC 2852 §4). */
  readonly deadline?: 'passed' | 'relayed' | 'delivered'
  /** Of what was not: the kind of refusal, and whether writing to the address again is useless. */
  readonly class?: ReplyClass
  readonly hard?: boolean
  /** Our own words for the sender where we refuse ourselves. */
  readonly explained?: Explanation
  /** There was no connection, or it broke off, before or during the mail: this says more of the way than of the recipient. */
  readonly broken?: 'before' | 'during'
  /** It says something of the address of ours alone: it is turned away there, or is none of this machine. */
  readonly unusable?: boolean
  /** The address of ours that it was sent from, where one was chosen. */
  readonly source?: string
  /** Milliseconds that the attempt took. */
  readonly tookMs?: number
  /** Of what was not tried but taken out: who did it. */
  readonly by?: string
  /** Its row is already dealt with. */
  readonly recorded?: boolean
}

/** One sentence on what happened, one on what to do. */
export interface Explanation {
  readonly what: string
  readonly todo: string
}

/** The outcome with its class, as `docs/refusals.md` tells them. */
export function withClass(outcome: Outcome): Outcome {
  if (outcome.result === 'delivered' || outcome.class !== undefined) return outcome
  const { reason, status, result } = outcome
  return { ...outcome, ...classifyText(reason, { status, permanent: result === 'fail' }) }
}

/** SMTP takes at least so many recipients in one transaction (RFC 5321 §4.5.3.1.8). */
export const maxRecipients = 100

/** No domain's name holds a space. */
export const localLane = 'our mailboxes'
/** Of recipients that their sender's domain does not write to: they fail at once, also where nothing can be sent now. */
export const refusedLane = 'suppression list'

/** Who takes turns with others. */
export function senderKey(account: AccountId | null | undefined, sender: string | null): string {
  return account === null || account === undefined ? (sender?.toLowerCase() ?? '<>') : `#${account}`
}

type RecipientRow = Pick<queueRows.RecipientRow, 'id' | 'address' | 'kind' | 'warned' | 'params'>

/** Of most mail; one object for all. */
const noParams = Object.freeze({})

const readParams = (text: string) => (text === '{}' ? noParams : JSON.parse(text))

export function toMail(row: queueRows.MessageRow): Mail {
  const { id, content, prefix, params, size, trace } = row
  const facts = { utf8: row.utf8 !== 0, body8: row.body8 !== 0, arrived: row.created_at }
  const sender = row.sender === null ? null : toAddress(row.sender)
  return {
    id,
    content,
    prefix,
    sender,
    params: readParams(params),
    size,
    trace,
    ...facts,
    account: row.account ?? undefined,
  }
}

export function toRecipient(row: RecipientRow): Recipient {
  const { id, kind } = row
  return { id, kind, address: toAddress(row.address), warned: row.warned !== 0, params: readParams(row.params) }
}

/** From whom to whom, as routes and rules look at it. */
export function toParties(row: queueLaneRows.DueRow): {
  readonly sender: Path
  readonly recipient: Pick<Recipient, 'address' | 'kind' | 'params'>
} {
  return {
    sender: row.sender === null ? null : toAddress(row.sender),
    recipient: { address: toAddress(row.address), kind: row.kind, params: readParams(row.params) },
  }
}

/** Reads what formatAddress wrote, also `postmaster` without a domain. */
export function toAddress(text: string): Address {
  return parsePath(`<${text}>`)?.path ?? { local: text, domain: '' }
}

/** `local@domain`, `<>` for the null path: for people and the log. */
export function showPath(path: Path): string {
  return path === null ? '<>' : formatAddress(path)
}
