// The values of abuse control that cross rooms and threads.

import type { AccountId } from '../base/index.ts'
import type { LimitKind } from './limits.ts'

/** What is asked of one limit. */
export interface Claim {
  readonly kind: LimitKind
  /** Whose: an address, a network, the id of an account or domain, a digest of a token. */
  readonly subject: string
  /** Absent: 1. */
  readonly amount?: number
  /** In place of the limit's own count. */
  readonly count?: number
}

/** Either all claims were taken, or none: then `kind` is the limit that had not enough, and when it will have. */
export type Taken = { readonly ok: true } | { readonly ok: false; readonly kind: LimitKind; readonly retryMs: number }

/** Whether a stranger may stay, and how much he may do. */
export type Entered =
  | { readonly ok: true; readonly factor: number }
  | { readonly ok: false; readonly why: 'banned' | 'connections' }

/** What a connection did, for its history: recipients that got their mail, and what no good client does. */
export interface Deeds {
  readonly good: number
  readonly bad: number
}

export interface GreylistQuestion {
  readonly ip: string
  /** Address, or empty for the null sender. */
  readonly from: string
  readonly to: readonly string[]
  /** In place of the usual. */
  readonly delayMs?: number
}
export type GreylistAnswer =
  | { readonly pass: true; readonly why: string }
  | { readonly pass: false; readonly waitMs: number }

/** Counting, in the core: the one place of a node, and for what the store counts of all nodes. */
export interface AbuseCounts {
  /** A stranger's connection begins; when it is let in, `leave` ends it. */
  enter(ip: string): Promise<Entered>
  /** It ended, or its client signed in. */
  leave(ip: string): Promise<void>
  /** What a client did goes into the history of its address. */
  remember(ip: string, deeds: Deeds): Promise<void>
  /** Takes all claims, in one step, or none. */
  take(claims: readonly Claim[]): Promise<Taken>
  /** Somebody failed to sign in; `banned`: until when he may not try again, milliseconds since 1970. */
  signInFailed(ip: string, name: string): Promise<{ readonly banned?: number }>
  /** `account` signed in: his failures from there are forgotten, and the address is his own from now on. */
  signedIn(ip: string, name: string, account: AccountId): Promise<void>
  greylist(question: GreylistQuestion): Promise<GreylistAnswer>
  /** `account` wrote to these addresses: their answers are no strangers' mail. */
  wrote(account: AccountId, to: readonly string[]): Promise<void>
}

export type BanScope = 'sign-in' | 'all'

export interface Ban {
  /** An address or a network. */
  readonly network: string
  /** Of `sign-in` mail still comes in; `all` closes every door. */
  readonly scope: BanScope
  readonly reason: string
  readonly by: string
  readonly since: number
  /** Absent: until it is lifted. */
  readonly until?: number
  /** How many in a row. */
  readonly times: number
}
export interface NewBan {
  readonly network: string
  readonly scope: BanScope
  readonly reason: string
  readonly until?: number
}

export type ListAction = 'allow' | 'block'

/** Whose list: everybody's, a domain's, or a user's. */
export interface ListOwner {
  readonly domain?: string
  readonly user?: string
}
export interface ListEntry {
  readonly id: number
  readonly action: ListAction
  /** `ann@example.org`, `example.org`, `.example.org` for all below it, `192.0.2.0/24`. */
  readonly value: string
  readonly reason: string
  readonly by: string
  readonly since: number
}
export interface NewListEntry {
  readonly action: ListAction
  readonly value: string
  readonly reason?: string
}

/** How much of a limit is used. */
export interface Usage {
  readonly kind: LimitKind
  readonly what: string
  readonly subject: string
  readonly count: number
  readonly windowMs: number
  readonly used: number
  /** When the limit is whole again, milliseconds since 1970; absent: it is. */
  readonly wholeAt?: number
}

/** What is known of an address or a user. */
export interface Standing {
  readonly subject: string
  readonly usage: readonly Usage[]
  /** Of an address. */
  readonly history?: Deeds & { readonly factor: number }
  readonly ban?: Ban
  readonly connections?: number
  /** Of a user: from where he has signed in, and when last. */
  readonly addresses?: readonly { readonly network: string; readonly at: number }[]
}

/** For `posthorn ban | list | limits`, later the API and the web. */
export interface AbuseAdmin {
  /** In force, in the order of their spelling, after `after`; at most 1,000. */
  bans(page?: { readonly after?: string }): Promise<Ban[]>
  ban(ban: NewBan, by: string): Promise<Ban>
  /** Fault `not-found` when there is none. */
  liftBan(network: string): Promise<void>
  /** By id after `after`; at most 1,000. */
  entries(owner: ListOwner, page?: { readonly after?: number }): Promise<ListEntry[]>
  /** At most 1,000 at once; each answers by itself. */
  addEntries(
    owner: ListOwner,
    entries: readonly NewListEntry[],
    by: string,
  ): Promise<{ readonly value: string; readonly error?: string }[]>
  removeEntries(owner: ListOwner, values: readonly string[]): Promise<number>
  /** Of an address, or of a user by his e-mail address. */
  standing(subject: string): Promise<Standing>
}
