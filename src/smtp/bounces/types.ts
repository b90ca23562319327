// What a message that came back says.

import type { ReplyClass } from './classes.ts'

export type BounceAction = 'failed' | 'delayed' | 'delivered' | 'relayed' | 'expanded'

export interface BouncedRecipient {
  /** As the report has it; may be no valid address. */
  readonly address: string
  /** The address that the sender wrote, when the report names another one. */
  readonly original?: string
  readonly action: BounceAction
  /** Enhanced code: the more precise of the report's and the diagnostic's. */
  readonly status?: string
  /** The refusing server's words on one line. */
  readonly diagnostic?: string
  /** The server that refused. */
  readonly mta?: string
  readonly class: ReplyClass
  /** Writing to this address again is useless. */
  readonly hard: boolean
}

export interface Bounce {
  readonly kind: 'bounce'
  /** `report`: RFC 3464 fields; `text`: read from what was meant for people; `json`: a notification of Amazon SES. */
  readonly form: 'report' | 'text' | 'json'
  readonly recipients: readonly BouncedRecipient[]
  /** Of the message that came back, without angle brackets. */
  readonly messageId?: string
  /** ENVID that the sender gave it (RFC 3461 §4.4). */
  readonly envelopeId?: string
}

/** Someone pressed the spam button, or a receiver reports failed authentication (RFC 5965). */
export interface Complaint {
  readonly kind: 'complaint'
  /** `abuse`, `fraud`, `opt-out`, `auth-failure` …, lower case. */
  readonly type: string
  readonly recipients: readonly string[]
  readonly messageId?: string
  readonly envelopeId?: string
  readonly mailFrom?: string
  readonly sourceIp?: string
  readonly arrival?: string
  readonly agent?: string
  readonly domain?: string
}

export type Finding = Bounce | Complaint | { readonly kind: 'auto-reply' } | { readonly kind: 'none' }
