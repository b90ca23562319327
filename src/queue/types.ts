// Outgoing mail: envelopes with state per recipient, a schedule, and attempts.

import type { Address, Path } from '../address/index.ts'
import type { AccountId, ContentId, QueueId, RecipientId } from '../base/index.ts'
import type { ReplyClass } from '../smtp/bounces/index.ts'
import type { MailParams, RecipientParams } from '../smtp/wire/index.ts'
import type { Writer } from '../store/index.ts'
import type { RuleAdmin } from './admin-rules.ts'
import type { LaneState } from './scheduler.ts'
import type { SiteState } from './site.ts'
import type { TlsView } from './tls-view.ts'

/** What stays with a message while it waits. */
export interface QueueMailParams extends MailParams {
  /** Leaves under a signed return path; the sender is kept in `sent`. */
  readonly signed?: boolean
  /** How long it may wait, milliseconds, when that is not as all mail. */
  readonly lifetime?: number
}

export interface NewQueueMessage {
  readonly content: ContentId
  /** The content itself, where it is small and at hand: what is tried at once need not be read again. */
  readonly bytes?: Uint8Array | undefined
  readonly size: number
  /** Header lines put in front on the way out (Received). */
  readonly prefix: Uint8Array
  readonly sender: Path
  readonly account?: AccountId
  /** Needs SMTPUTF8 / 8BITMIME at the next hop. */
  readonly utf8: boolean
  readonly body8: boolean
  readonly params?: MailParams
  /** How long it may wait, milliseconds; absent: as all mail. */
  readonly lifetime?: number | undefined
  /** Id of its timeline. */
  readonly trace?: string
  readonly recipients: readonly NewQueueRecipient[]
}
export interface NewQueueRecipient {
  readonly address: Address
  /** `local`: over quota at commit; delivery tries again through the mailbox, not the network. */
  readonly kind: 'remote' | 'local'
  readonly firstAttemptAt?: number
  readonly reason?: string
  readonly params?: QueueParams
}

/** What stays with a recipient while he waits. */
export interface QueueParams extends RecipientParams {
  /** Of a local copy: whose mailbox it is for, whatever becomes of the address. */
  readonly account?: AccountId
  /** Of a local copy: it is for Junk. */
  readonly junk?: true
  /** The next hop that somebody named for this message; empty: by MX, whatever the configuration says. */
  readonly route?: string
}

export interface QueuedMessage {
  readonly id: QueueId
  readonly sender: string
  readonly size: number
  readonly createdAt: number
  readonly recipients: readonly QueuedRecipient[]
}
export interface QueuedRecipient {
  readonly id: RecipientId
  readonly address: string
  readonly state: 'waiting' | 'ready' | 'claimed' | 'held'
  readonly attempts: number
  readonly nextAt: number
  /** Why it waits: the last reply or what failed. */
  readonly reason: string
  /** The kind of that in two or three words (`greylisted`, `mailbox full`); empty when nothing failed yet. */
  readonly why: string
}

/** For delivery, within its transaction. Rings the queue after the commit. */
export interface QueueTx {
  put(tx: Writer, message: NewQueueMessage): Promise<QueueId>
}

export interface QueueFilter {
  readonly after?: number
  readonly limit?: number
  /** An address, or a domain: who wrote it. */
  readonly sender?: string
  /** Of a recipient. */
  readonly domain?: string
  readonly state?: QueuedRecipient['state']
}

export interface QueueStats {
  readonly messages: number
  readonly recipients: number
  readonly waiting: number
  readonly ready: number
  readonly held: number
  readonly oldestDueMs: number
  /** Recipients that wait in memory, are tried, or were tried and are not written down yet. */
  readonly inMemory: number
  /** Messages that are tried now. */
  readonly active: number
  readonly lanes: number
  readonly sites: number
  readonly sitesDead: number
}

/** For people: `posthorn queue …`. */
export interface QueueAdmin extends RuleAdmin {
  list(options?: QueueFilter): Promise<QueuedMessage[]>
  show(id: number): Promise<QueuedMessage & { readonly header: string }>
  /** Makes it due now. Without id: everything that is not held. Returns how many recipients. */
  retry(id?: number): Promise<number>
  hold(id: number): Promise<number>
  release(id: number): Promise<number>
  /** Takes it out; `bounce` tells the sender. */
  remove(id: number, options?: { readonly bounce?: boolean }): Promise<number>
  /** Gives it up now: the sender gets the report that he would get at its end. */
  expire(id: number): Promise<number>
  /** As if it had come now: its age, its lane and its next hop. */
  requeue(id: number): Promise<number>
  /** Another next hop for this message, as in `queue.routes`; `mx`: by DNS; undefined: as configured. */
  route(id: number, target?: string): Promise<number>
  /** What is asked of TLS to the mail hosts of a domain. Fault `invalid` when it is none. */
  tls(domain: string): Promise<TlsView>
  /** Next hops by source address: the busiest first. */
  sites(): Promise<readonly SiteState[]>
  /** Lanes in memory, the fullest first. */
  lanes(): Promise<readonly LaneState[]>
  stats(): Promise<QueueStats>
}

/** A class of refusals, or why else an address is not written to. */
export type SuppressionClass = ReplyClass | 'complaint' | 'manual'
/** How we know: a server's answer, a message that came back, a complaint, or a person. */
export type SuppressionSource = 'reply' | 'bounce' | 'complaint' | 'hand'

/** An address to which a domain does not write. */
export interface Suppression {
  readonly id: number
  readonly domain: string
  /** Local part in the form in which addresses are compared. */
  readonly address: string
  readonly class: SuppressionClass
  readonly source: SuppressionSource
  /** The other server's words, or a person's. */
  readonly reason: string
  /** Who made it by hand; else empty. */
  readonly createdBy: string
  /** How often it failed. */
  readonly times: number
  readonly firstAt: number
  readonly lastAt: number
  /** Absent: until somebody removes it. */
  readonly expiresAt?: number
}
export interface NewSuppression {
  readonly address: string
  /** Absent: `manual`. */
  readonly class?: SuppressionClass
  readonly reason?: string
  readonly expiresAt?: number
}

/** For people: `posthorn suppression …`. Faults: not-found, invalid, limit. */
export interface SuppressionAdmin {
  /** Entries that hold, by id; `next` is the `after` of the page behind. `counted`: also those that only count failures so far, and expired ones. */
  list(options: {
    readonly domain: string
    readonly class?: SuppressionClass
    readonly source?: SuppressionSource
    /** Part of the address. */
    readonly search?: string
    readonly after?: number
    readonly limit?: number
    readonly counted?: boolean
  }): Promise<{ readonly entries: readonly Suppression[]; readonly next?: number }>
  find(domain: string, address: string): Promise<Suppression | undefined>
  /** At most 1,000 at once; each answers by itself. What was there of the address is replaced. */
  add(
    domain: string,
    entries: readonly NewSuppression[],
    by: string,
  ): Promise<readonly { readonly address: string; readonly error?: string }[]>
  /** At most 1,000 at once. Returns how many were on the list. */
  remove(domain: string, addresses: readonly string[]): Promise<number>
}
