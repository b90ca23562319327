// What filters are: asked about a message they answer with what they propose. Delivery and the settings of its recipients decide.

import type { Verification } from '../mailauth/index.ts'

/** A message as something to read, as often as need be. */
export interface Readable {
  /** Header and body, bytes. */
  readonly size: number
  /** Header and body. */
  bytes(): AsyncIterable<Uint8Array>
}

/** A message as filters see it: what came, from whom, and what mailauth says of it. */
export interface FilterRequest extends Readable {
  /** Id of the message's timeline. */
  readonly trace: string
  readonly ip: string
  readonly ptr?: string
  readonly helo: string
  readonly tls?: { readonly version: string; readonly cipher: string }
  /** '' for the null sender. */
  readonly from: string
  /** Recipients, as given. */
  readonly to: readonly string[]
  /** Who is signed in, if anybody. */
  readonly account?: string
  /** Handed in by a user or a machine of the operator: only filters that want such mail are asked. */
  readonly inside?: boolean
  /** Whole header, with the empty line. */
  readonly header: Uint8Array
  /** Absent for mail from inside. */
  readonly verification?: Verification
}

/** Mild to severe. `tag` delivers with the filter's headers; `defer` is for the client to try again later. */
export const filterActions = ['accept', 'tag', 'junk', 'quarantine', 'reject', 'defer'] as const
export type FilterAction = (typeof filterActions)[number]

/** A field for the top of the message. Printable ASCII; in `value` each line after the first begins with a blank, after CRLF. */
export interface FilterHeader {
  readonly name: string
  readonly value: string
}

/** What a milter wants done to the message beyond headers at its top. Bytes stay as they were signed: delivery does what it may of the envelope. */
export type Modification =
  /** `index` counts the fields of that name from 1; without a value the field is to go. */
  | { readonly kind: 'change-header'; readonly name: string; readonly index: number; readonly value?: string }
  | { readonly kind: 'change-sender' | 'add-recipient' | 'remove-recipient'; readonly address: string }
  /** The filter refuses this recipient and not the message. */
  | { readonly kind: 'refuse-recipient'; readonly address: string; readonly reason: string }
  | { readonly kind: 'replace-body'; readonly size: number }

export interface FilterAnswer {
  /** What the filter proposes. */
  readonly action: FilterAction
  /** On the filter's own scale, with the threshold of what it proposes. */
  readonly score?: number
  readonly threshold?: number
  readonly symbols?: readonly string[]
  /** In words, for the timeline: `ClamAV found Eicar-Signature`. */
  readonly reasons: readonly string[]
  /** Its name, when it is malware. */
  readonly virus?: string
  /** False: junk by a list of others, nothing to refuse a message for by itself. */
  readonly sure?: boolean
  readonly headers?: readonly FilterHeader[]
  readonly modifications?: readonly Modification[]
}

export type Lesson = 'ham' | 'spam'

export interface Filter {
  /** 'clamav', 'spamassassin', 'rspamd', 'milter:NAME', 'dnsbl', … */
  readonly name: string
  /** Asked until `signal` says that it is enough; rejects when it cannot answer: then what is configured for that holds. */
  check(request: FilterRequest, signal: AbortSignal): Promise<FilterAnswer>
  /** Learns that the message is wanted or not. `known`: it had learned so before. Fault `invalid`: this message will never be learned. */
  learn?(lesson: Lesson, message: Readable, signal: AbortSignal): Promise<'learned' | 'known'>
}

/** What one filter said, or what holds because it could not. */
export interface FilterResult {
  readonly filter: string
  readonly answer: FilterAnswer
  readonly ms: number
  /** Why it could not be asked: then the answer is the configured one. */
  readonly failure?: string
}
