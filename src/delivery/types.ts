// What happens to a message between the door and the mailbox or the queue.

import type { Address, Path } from '../address/index.ts'
import type { AccountId } from '../base/index.ts'
import type { NewContent } from '../mail/index.ts'
import type { Verification } from '../mailauth/index.ts'
import type { MailParams, RecipientParams } from '../smtp/wire/index.ts'
import type { TraceEvent, TraceHistory } from '../trace/index.ts'
import type { NamedAnswer } from './verdicts/findings.ts'

/** How the message came; kept for Received, the log and policy. */
export interface Arrival {
  readonly kind: 'mx' | 'submission' | 'lmtp' | 'internal'
  readonly clientIp: string
  /** Its host name, when a proxy in front said it. */
  readonly clientName?: string
  /** Where the message was before the server that sent it here, as that one says: for Received and the log only. */
  readonly origin?: Origin
  /** HELO/EHLO/LHLO argument. */
  readonly helo: string
  /** Name of the RFC 3848 transmission type: ESMTP, ESMTPS, ESMTPSA, LMTP, UTF8SMTPS … */
  readonly with: string
  readonly tls?: { readonly version: string; readonly cipher: string }
  readonly account?: AccountId
  /** The client's address is in one of the operator's `trustedNetworks`: it may relay, and without a login send as anybody. */
  readonly trusted?: boolean
  /** The login, for the log. */
  readonly user?: string
  /** Shown in replies, Received and the log; unique. */
  readonly traceId: string
  readonly receivedAt: number
  /** What happened before the message was there; for its timeline. */
  readonly history?: TraceHistory
  /** Of mail from outside: who sent it. */
  readonly verification?: Verification
  /** What the filters say of it. */
  readonly answers?: readonly NamedAnswer[]
  /** Of mail that starts here: fields that filters put at its top, each line with its end. */
  readonly fields?: string
  /** Users for whom the built-in filter holds it for spam, each with why. */
  readonly spam?: ReadonlyMap<AccountId, string>
  /** A list of a recipient lets its sender in: no greylisting, no lists of others, no classifier. Malware and DMARC are no matter of lists. */
  readonly allowed?: true
  /** Of mail that starts here: its DKIM-Signature fields, each line with its end. */
  readonly signature?: string
}

/** What XFORWARD said; each piece printable ASCII. */
export interface Origin {
  readonly name?: string | undefined
  readonly ip?: string | undefined
  readonly helo?: string | undefined
  readonly proto?: string | undefined
  /** The name of the message there. */
  readonly id?: string | undefined
}

export interface Envelope {
  readonly from: Path
  readonly to: readonly EnvelopeRecipient[]
  readonly utf8: boolean
  readonly body: '7bit' | '8bitmime' | 'binarymime'
  readonly params?: MailParams
}
/** A message that goes on to others because `via`, an address here, leads to them. */
export interface Forwarded {
  readonly arrival: Arrival
  readonly envelope: Envelope
  readonly content: NewContent
  readonly via: Address
  /** The reverse-path under which it leaves. */
  readonly sender: Path
}
export interface EnvelopeRecipient {
  readonly address: Address
  readonly params?: RecipientParams
}

/** An answer in the house's words; the SMTP door turns `code` into reply codes with one total table (delivery/verdict.ts). */
export type RefusalCode =
  | 'unknown-user' // 550 5.1.1
  | 'disabled-user' // 550 5.2.1
  | 'over-quota' // 452 4.2.2 in LMTP and RCPT
  | 'relay-denied' // 550 5.7.1
  | 'sender-denied' // 550 5.7.1
  | 'sender-invalid' // 550 5.1.8 / 5.1.7
  | 'bad-message' // 550 5.6.0
  | 'too-large' // 552 5.3.4
  | 'loop' // 554 5.4.6
  | 'too-many-recipients' // 452 4.5.3
  | 'suppressed' // 550 5.7.1
  | 'reports-only' // 550 5.7.1
  | 'disowned' // 550 5.7.26
  | 'spam' // 550 5.7.1
  | 'malware' // 550 5.7.1
  | 'blocked' // 550 5.7.1
  | 'limited' // 450 4.7.1
  | 'greylisted' // 451 4.7.1
  | 'disk-full' // 452 4.3.1
  | 'try-later' // 451 4.3.0
export interface Refusal {
  readonly code: RefusalCode
  readonly text: string
}
export type RecipientVerdict = { readonly ok: true } | { readonly ok: false; readonly refusal: Refusal }

/** What stays between a verdict and the words of a protocol; the table stands in verdict.ts. */
export interface SmtpRefusal {
  readonly code: number
  /** RFC 3463. */
  readonly enhanced: string
}

/** The header to go on with, and what it asks for beside the envelope. */
export interface CheckedHeader {
  readonly header: Buffer
  readonly params?: Pick<MailParams, 'tlsOptional'>
}

/** What is known of a message when all of it is there, or why it is refused. */
export type CheckedContent = { readonly arrival: Arrival } | { readonly refusal: Refusal }

/** Asked in the door's thread, on a read-only store. */
export interface DeliveryChecks {
  sender(arrival: Arrival, from: Path, declaredSize: number): Promise<RecipientVerdict>
  recipient(arrival: Arrival, from: Path, to: Address, declaredSize: number): Promise<RecipientVerdict>
  /** After the header was read, before the body: From/Sender ownership (submission), loop count. May rewrite the header (Bcc, Date, Message-ID). */
  header(arrival: Arrival, envelope: Envelope, header: Buffer): Promise<CheckedHeader | { readonly refusal: Refusal }>
  /** When the whole message is there: who sent it. Refused content is left to the sweep. */
  content(arrival: Arrival, envelope: Envelope, content: NewContent): Promise<CheckedContent>
}

/** In the core: one transaction for all recipients; resolves when everything accepted is on stable storage. */
export interface Delivery {
  /**
   * MX, submission and internal mail: the whole message is accepted or refused; a local recipient without room gets a queued copy.
   * LMTP: one verdict per recipient, in order.
   */
  receive(
    arrival: Arrival,
    envelope: Envelope,
    content: NewContent,
  ): Promise<{
    readonly verdicts: readonly RecipientVerdict[]
    readonly queueId?: number
    /** All copies went to Junk or into the quarantine. */
    readonly unwanted?: true
    /** Of a message that was refused: what its timeline tells of the reasons. */
    readonly checked?: readonly TraceEvent[]
  }>
}

/** Payload of the job by which rooms below post mail: their own DSNs and reports. */
export interface PostJob {
  readonly from: string | null
  readonly to: readonly string[]
  /** Id of the content, put in the same transaction. */
  readonly content: number
  readonly utf8: boolean
  /** The id of the timeline of the message that it is about. */
  readonly about?: string
  readonly requireTls?: boolean
}
