// Queued mail as it stands in memory while it is tried: values only, read from rows or from what was just put.

import { type Address, formatAddress, type Path, parsePath } from '../address/index.ts'
import type { AccountId, ContentId, QueueId, RecipientId } from '../base/index.ts'
import { classifyText, type ReplyClass } from '../smtp/bounces/index.ts'
import type { queueRows } from '../store/index.ts'
import type { Route, Routes } from './route.ts'
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
}

export interface Recipient {
  readonly id: RecipientId
  readonly address: Address
  readonly kind: 'remote' | 'local'
  readonly warned: boolean
  readonly params: QueueParams
}

/** Recipients of one message that go the same way, in one transaction. */
export interface Batch {
  readonly mail: Mail
  readonly recipients: readonly Recipient[]
  /** Name of the way: what shares connections and limits. */
  readonly lane: string
  /** Of the first recipient; all have it unless a route joins them. */
  readonly domain: string
  readonly route?: Route
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
  /** Of what was delivered: whether the next hop took over what the sender asked of reports (RFC 3461 §5.2.1), or only the message. */
  readonly dsn?: 'passed' | 'relayed'
  /** Of what was not: the kind of refusal, and whether writing to the address again is useless. */
  readonly class?: ReplyClass
  readonly hard?: boolean
  /** Our own words for the sender where we refuse ourselves. */
  readonly explained?: Explanation
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
const maxRecipients = 100

/** No domain's name holds a space. */
export const localLane = 'our mailboxes'

/** Groups recipients that go the same way. */
export function toBatches(mail: Mail, recipients: readonly Recipient[], routes: Routes): Batch[] {
  const ways = new Map<string, { readonly recipients: Recipient[]; readonly domain: string; readonly route?: Route }>()
  for (const recipient of recipients) {
    const { domain } = recipient.address
    const route = recipient.kind === 'local' ? undefined : routes(domain)
    const lane = recipient.kind === 'local' ? localLane : route ? `route ${route.key}` : domain
    const way = ways.get(lane)
    if (way) way.recipients.push(recipient)
    else ways.set(lane, { recipients: [recipient], domain, ...(route && { route }) })
  }
  const batches: Batch[] = []
  for (const [lane, { recipients, domain, route }] of ways)
    for (let at = 0; at < recipients.length; at += maxRecipients)
      batches.push({ mail, lane, domain, route, recipients: recipients.slice(at, at + maxRecipients) })
  return batches
}

export function toMail(row: queueRows.MessageRow): Mail {
  const { id, content, prefix, params, size } = row
  const facts = { utf8: row.utf8 !== 0, body8: row.body8 !== 0, arrived: row.created_at }
  const sender = row.sender === null ? null : toAddress(row.sender)
  return { id, content, prefix, sender, params: JSON.parse(params), size, ...facts, account: row.account ?? undefined }
}

export function toRecipient(row: queueRows.RecipientRow): Recipient {
  const { id, kind } = row
  return { id, kind, address: toAddress(row.address), warned: row.warned !== 0, params: JSON.parse(row.params) }
}

/** Reads what formatAddress wrote, also `postmaster` without a domain. */
function toAddress(text: string): Address {
  return parsePath(`<${text}>`)?.path ?? { local: text, domain: '' }
}

/** `local@domain`, `<>` for the null path: for people and the log. */
export function showPath(path: Path): string {
  return path === null ? '<>' : formatAddress(path)
}
