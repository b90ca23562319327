// What a client may ask of a message (MAIL) and of one recipient (RCPT) beyond their addresses: values that travel with it
// from the door through delivery and the queue to the next hop. JSON can hold them.

export interface MailParams {
  /** How much comes back with a failure (RFC 3461 §4.3). */
  readonly ret?: 'full' | 'hdrs'
  /** The sender's own name for this message, decoded (RFC 3461 §4.4). */
  readonly envid?: string
  /** Content with lines of any length and any bytes (RFC 3030 §3). */
  readonly binary?: boolean
  /** Only over TLS with a checked name, at every hop (RFC 8689 §3). */
  readonly requireTls?: boolean
  /** The message says `TLS-Required: No`: rather in plaintext than not at all (RFC 8689 §5). */
  readonly tlsOptional?: boolean
  readonly by?: DeliverBy
  /** Not tried before, milliseconds since 1970 (RFC 4865 §4). */
  readonly holdUntil?: number
  /** -9 … 9, absent: 0 (RFC 6710 §4). */
  readonly priority?: number
}

/** A deadline (RFC 2852 §4). */
export interface DeliverBy {
  /** Milliseconds since 1970; earlier than now: the time is up. */
  readonly at: number
  /** What happens when it has passed: the message comes back, or the sender is told and it goes on. */
  readonly mode: 'return' | 'notify'
  /** Each hop that relays it tells the sender. */
  readonly trace: boolean
}

export type NotifyOn = 'success' | 'failure' | 'delay'

export interface RecipientParams {
  /** When the sender wants to hear; empty: never (RFC 3461 §4.1). */
  readonly notify?: readonly NotifyOn[]
  /** The recipient as the sender named him first, decoded (RFC 3461 §4.2). */
  readonly orcpt?: { readonly type: string; readonly address: string }
}
