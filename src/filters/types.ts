// What a filter is: it sees a message and says what it proposes; what is done is decided elsewhere. Knows no filter.

import type { Verification } from '../mailauth/index.ts'

/** A message as filters see it: what came, from whom, and what mailauth says of it. Bytes are read as often as a filter needs. */
export interface FilterRequest {
  /** Id of the message's timeline. */
  readonly trace: string
  readonly ip: string
  readonly ptr?: string
  readonly helo: string
  /** Empty for the null sender. */
  readonly from: string
  /** Recipients, as given. */
  readonly to: readonly string[]
  /** Who is signed in (submission), if anybody. */
  readonly account?: string
  /** Whole header, with its final CRLF CRLF. */
  readonly header: Uint8Array
  /** Header and body, bytes. */
  readonly size: number
  /** Header and body. */
  bytes(): AsyncIterable<Uint8Array>
  /** Of mailauth; absent for mail from inside. */
  readonly verification?: Verification
}

/** Mild to severe. */
export type FilterAction = 'accept' | 'tag' | 'junk' | 'quarantine' | 'reject' | 'defer'

export interface FilterAnswer {
  /** What the filter proposes; the domain's and user's settings decide. */
  readonly action: FilterAction
  /** Of the filter's own scale, with its threshold. */
  readonly score?: number
  readonly threshold?: number
  /** Such as SYMBOLS of spamd. */
  readonly symbols?: readonly string[]
  /** In words, for the timeline: 'ClamAV found Eicar-Signature'. */
  readonly reasons: readonly string[]
  /** Name, when it is malware. */
  readonly virus?: string
  /** 'junk' by another list says "never reject by this alone": false. */
  readonly sure?: boolean
  /** To put before the message (X-Spam-Status …). */
  readonly headers?: readonly { name: string; value: string }[]
}

export interface Filter {
  /** 'clamav', 'spamassassin', 'rspamd', 'milter:NAME', 'dnsbl', 'greylist', 'classifier'. */
  readonly name: string
  /** Asked with a deadline by `signal`; throws when it cannot answer: then its configured `onFailure` (accept | tempfail) holds. */
  check(request: FilterRequest, signal: AbortSignal): Promise<FilterAnswer>
}
