// The timeline of a message: what happened to it, when and by whom, from the first word of a client to the last of a server far away.
// Never a password, a subject or a body.

import type { Address } from '../address/index.ts'
import type { AccountId, QueueId } from '../base/index.ts'
import type { Writer } from '../store/index.ts'

/** Where in the dialogue of SMTP something was refused, or the client left. */
export type Stage = 'mail' | 'rcpt' | 'header' | 'data'

/** A copy in a mailbox. */
export interface StoredCopy {
  readonly to: string
  readonly mailbox: string
}

/** What one attempt came to for one recipient. */
export interface AttemptResult {
  readonly to: string
  readonly result: 'delivered' | 'retry' | 'fail'
  /** Enhanced status code. */
  readonly status?: string
  /** One line: the other server's words, or what happened. */
  readonly reply: string
  /** It failed only because it had waited long enough. */
  readonly expired?: boolean
  /** When it is tried again. */
  readonly next?: number | undefined
}

/** What happened, without its time. */
export type TraceFact =
  | {
      readonly kind: 'connected'
      readonly ip: string
      readonly helo: string
      /** What a server in front calls the client. */
      readonly name?: string | undefined
      /** As in Received: ESMTP, ESMTPSA, LMTP … */
      readonly protocol: string
      readonly tls?: string | undefined
    }
  | { readonly kind: 'signed in'; readonly user: string; readonly mechanism?: string }
  | { readonly kind: 'refused'; readonly stage: Stage; readonly to?: string; readonly reply: string }
  /** Somebody here changed or judged the message: a check with its reason. */
  | { readonly kind: 'checked'; readonly by: string; readonly result: string }
  /** The client left, or thought better of it. */
  | { readonly kind: 'withdrawn'; readonly stage: Stage; readonly bytes: number; readonly why: string }
  /** An address here led elsewhere. */
  | { readonly kind: 'expanded'; readonly from: string; readonly to: readonly string[]; readonly count: number }
  | { readonly kind: 'stored'; readonly copies: readonly StoredCopy[]; readonly count: number }
  /** The sender's own copy. */
  | { readonly kind: 'filed'; readonly mailbox: string }
  /** This server wrote it itself: a report about another message. */
  | { readonly kind: 'written'; readonly about?: string }
  | {
      readonly kind: 'queued'
      readonly queue: number
      readonly to: readonly string[]
      readonly count: number
      /** The rewritten sender under which it leaves. */
      readonly as?: string
      /** Why a copy for a mailbox here waits. */
      readonly why?: string
    }
  | {
      readonly kind: 'attempt'
      readonly queue: number
      readonly results: readonly AttemptResult[]
      /** How long it took, milliseconds. */
      readonly ms?: number | undefined
      /** `host[ip]:port`, or `mailbox`. */
      readonly relay?: string | undefined
      /** The address of ours that it went out from. */
      readonly source?: string | undefined
      readonly tls?: string | undefined
    }
  /** A report or a complaint about it came back after it had been delivered. */
  | {
      readonly kind: 'returned'
      readonly to: string
      /** `failed`, `delayed` …, `complaint`. */
      readonly action: string
      readonly status?: string | undefined
      /** The other server's words. */
      readonly reply: string
      /** The recipient stands on the suppression list from now on. */
      readonly suppressed: boolean
      /** The timeline of the report. */
      readonly by?: string | undefined
    }
  /** Somebody was told: of a failure, a delay, a delivery. */
  | { readonly kind: 'report'; readonly about: string; readonly to: string }
  /** By somebody; `reported`: given up as if its time had run out, so that its sender is told. */
  | { readonly kind: 'removed'; readonly to: readonly string[]; readonly by: string; readonly reported?: true }
  | { readonly kind: 'held' | 'released' | 'requeued'; readonly by: string }
  /** Somebody named another next hop; absent: the usual way again. */
  | { readonly kind: 'rerouted'; readonly by: string; readonly target?: string }
  /** Kept apart for these recipients, until somebody lets it go or its time is up. */
  | {
      readonly kind: 'quarantined'
      readonly to: readonly string[]
      readonly count: number
      readonly reasons: readonly string[]
      readonly until: number
    }
  /** What became of that. Absent `by`: its time was up. */
  | {
      readonly kind: 'let out'
      readonly how: 'released' | 'deleted' | 'expired'
      readonly to: string
      readonly by?: string
      /** Where it stands now. */
      readonly mailbox?: string
    }
  /** Refusals of the same client that have no timeline of their own, because there were too many. */
  | { readonly kind: 'not kept'; readonly count: number; readonly since: number }

/** Times are milliseconds since 1970. */
export type TraceEvent = { readonly at: number } & TraceFact

/** How a message came in; what it came to later is added as events. */
export interface TraceEntry {
  readonly id: string
  /** `mx`, `submission`, `lmtp`, `internal`. */
  readonly origin: string
  /** Null is the null reverse-path; absent when it was never heard. */
  readonly from?: Address | null
  /** Recipients of the envelope, also refused ones. */
  readonly to: readonly Address[]
  /** Without brackets. */
  readonly messageId?: string | undefined
  readonly size?: number | undefined
  readonly events: readonly TraceEvent[]
  /** By what else it is found: where it went, whose mailbox, under which numbers it is queued. */
  readonly also?: {
    readonly addresses?: readonly Address[]
    readonly accounts?: readonly AccountId[]
    readonly queue?: readonly QueueId[]
  }
}

/** What a door saw of a message before it was there. */
export interface TraceHistory {
  readonly events: readonly TraceEvent[]
  /** Recipients that were refused one by one. */
  readonly refused: readonly Address[]
}

/** Written within other rooms' transactions, so that a timeline says neither more nor less than what is so. */
export interface TraceTx {
  /** Whether timelines are kept at all. */
  readonly on: boolean
  /** Whether the timeline of what came then is still kept. */
  keeps(tx: Writer, at: number): boolean
  begin(tx: Writer, entry: TraceEntry): Promise<void>
  add(tx: Writer, trace: string, event: TraceEvent): Promise<void>
}

/** Of the doors, over a port: messages that never reached the core. */
export interface TraceNotes {
  note(entries: readonly TraceEntry[]): Promise<void>
}

/** How it ended for a recipient, or where it stands. */
export type TraceState = 'delivered' | 'waiting' | 'quarantined' | 'failed' | 'refused' | 'withdrawn' | 'removed'
/** How many recipients are in each state; those that none of the shown events names are not counted. */
export type States = { readonly [state in TraceState]?: number }

/** A recipient who is in the queue at this moment. */
export interface Standing {
  readonly to: string
  /** Number of the queued message. */
  readonly queue: number
  /** `ready`: it is its turn soon, or it is being tried. */
  readonly state: 'waiting' | 'ready' | 'held'
  readonly attempts: number
  /** When it is tried next; not of what is held. */
  readonly next?: number
  /** Why: the last reply, or what was found without an attempt, or by what it is held. */
  readonly reason: string
}

export interface Timeline {
  readonly id: string
  /** When it began. */
  readonly at: number
  readonly origin: string
  /** `local@domain`, or '' for the null reverse-path. */
  readonly from: string
  readonly to: readonly string[]
  /** How many recipients there were: `to` names the first of many. */
  readonly recipients: number
  readonly messageId?: string
  readonly size?: number
  readonly states: States
  /** Oldest first. */
  readonly events: readonly TraceEvent[]
  /** Where it stands in the queue, at most 100 recipients of all that one answer shows. */
  readonly standing: readonly Standing[]
}

export interface TraceQuery {
  /** Milliseconds since 1970: nothing older. */
  readonly since?: number
  readonly limit?: number
  /** `next` of the page before. */
  readonly after?: string
}

/** For people: `posthorn trace …`, and the web app. */
export interface TraceReads {
  /** By its id, a queue id, a Message-ID, or the address of a sender or recipient; the newest first. */
  find(what: string, query?: TraceQuery): Promise<{ readonly timelines: readonly Timeline[]; readonly next?: string }>
}
