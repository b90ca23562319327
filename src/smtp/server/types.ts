// What the SMTP door is given, what a session is to its commands, and which states it has.

import type { Gate, Visit } from '../../abuse/index.ts'
import type { AccountReads, Login } from '../../accounts/index.ts'
import type { Path } from '../../address/index.ts'
import type { Client, Clock, Log } from '../../base/index.ts'
import type { Arrival, Delivery, DeliveryChecks, EnvelopeRecipient, Origin } from '../../delivery/index.ts'
import type { NewContent } from '../../mail/index.ts'
import type { SaslChannel } from '../../sasl/index.ts'
import type { ServerTls } from '../../tls/index.ts'
import type { Refusals, TraceEvent } from '../../trace/index.ts'
import type { MailParams, Reply } from '../wire/index.ts'
import type { History } from './history.ts'
import type { Intake } from './intake.ts'
import type { SmtpLimits } from './limits.ts'
import type { SmtpStats } from './stats.ts'

/** `mx` takes mail from anybody for our users, `submission` and `submissions` from our users for anybody, `lmtp` from a local MTA. */
export type Kind = 'mx' | 'submission' | 'submissions' | 'lmtp'

export const isSubmission = (kind: Kind): boolean => kind === 'submission' || kind === 'submissions'

/** Where a message's bytes go while they arrive. */
export interface MessageSpool {
  /** Resolves when the next chunk may come. The chunk may be kept. */
  write(chunk: Buffer): Promise<void> | void
  /** What was written, on stable storage when it stands in a file. */
  finish(): Promise<NewContent>
  abort(): Promise<void> | void
}

export interface SmtpServerOptions {
  readonly hostname: string
  readonly accounts: AccountReads
  readonly checks: DeliveryChecks
  readonly delivery: Delivery
  /** Opens a spool; `onHeader` is asked once with the header as received, and its answer is stored in its place. When it throws, so does the spool. */
  readonly spool: (options: {
    readonly maxSize: number
    readonly onHeader: (header: Buffer) => Promise<Buffer>
  }) => MessageSpool
  /** Certificate and key of the moment; undefined: no TLS. The same object until they change. */
  readonly tls: () => ServerTls | undefined
  /** Where a password may cross the wire without TLS. */
  readonly plaintextAuth: 'never' | 'loopback' | 'always'
  /** Offer AUTH on the MX port too. */
  readonly authOnMx?: boolean
  /** CIDR ranges or addresses that may open more connections, and relay. */
  readonly trustedNetworks: readonly string[]
  /** CIDR ranges or addresses of proxies in front, which begin each connection with a header of the PROXY protocol. */
  readonly proxies: readonly string[]
  /** Who may take the part of another client (XCLIENT), and who may say where a message came from (XFORWARD): CIDR ranges or addresses. */
  readonly xclient?: readonly string[]
  readonly xforward?: readonly string[]
  /** Answer VRFY and EXPN to who signed in and to trusted networks. */
  readonly verify?: boolean
  readonly limits?: Partial<SmtpLimits>
  /** Counts what strangers do. Absent: nobody is counted beyond `limits`. */
  readonly gate?: Gate
  /** How long an unknown client of the MX port waits for its greeting, milliseconds: who speaks before it is none of ours. */
  readonly greetingDelayMs?: number
  /** Takes the timelines of messages that were not accepted. Absent: they have none. */
  readonly refusals?: Pick<Refusals, 'offer'>
  readonly log: Log
  readonly clock: Clock
}

/** What may change while the server runs. */
export type SmtpSettings = Pick<
  SmtpServerOptions,
  'plaintextAuth' | 'trustedNetworks' | 'proxies' | 'xclient' | 'xforward' | 'verify' | 'limits' | 'greetingDelayMs'
>

/** One message under way. */
export interface Transaction {
  readonly arrival: Arrival
  readonly from: Path
  readonly utf8: boolean
  readonly body: '7bit' | '8bitmime' | 'binarymime'
  /** SIZE= as declared, or 0. */
  readonly size: number
  readonly params?: MailParams
  readonly recipients: EnvelopeRecipient[]
  readonly history: History
}

export type State =
  | { readonly name: 'new' }
  | { readonly name: 'greeted'; readonly helo: string; readonly extended: boolean }
  | { readonly name: 'mail' | 'rcpt'; readonly helo: string; readonly extended: boolean; readonly mail: Transaction }
  /** Between two BDAT chunks. */
  | {
      readonly name: 'bdat'
      readonly helo: string
      readonly extended: boolean
      readonly mail: Transaction
      readonly intake: Intake
    }
export type StateName = State['name']
export type StateOf<N extends StateName> = State extends infer S
  ? S extends { readonly name: infer M }
    ? [Extract<M, N>] extends [never]
      ? never
      : S
    : never
  : never

/** What a proxy says of the client besides its address (XCLIENT). */
export interface Named {
  readonly name?: string | undefined
  readonly login?: Login | undefined
  readonly helo?: string | undefined
  readonly extended?: boolean | undefined
}

/** A session as its commands see it. */
export interface Session {
  readonly options: SmtpServerOptions
  readonly limits: SmtpLimits
  readonly stats: SmtpStats
  readonly kind: Kind
  /** Whom the session serves: who connected, or whom XCLIENT named. */
  readonly client: Client
  readonly clientIp: string
  /** Its host name, when a proxy said it. */
  readonly clientName: string | undefined
  /** The address that connected. */
  readonly peerIp: string
  /** What the address that connected may say. */
  readonly may: { readonly xclient: boolean; readonly xforward: boolean }
  /** The address stands in one of the operator's trusted networks. */
  readonly trusted: boolean
  /** What is counted of a client that is neither of this machine nor trusted. */
  readonly visit: Visit | undefined
  /** The address of this side of the connection. */
  readonly ownIp: string
  readonly state: State
  readonly log: Log
  tls: { readonly version: string; readonly cipher: string } | undefined
  login: Login | undefined
  authFailures: number
  /** Opened in this session. */
  transactions: number
  refusedRecipients: number
  /** Of the next message, as XFORWARD said. */
  origin: Origin | undefined
  /** When the client came, and how it signed in. */
  readonly connectedAt: number
  signedIn: TraceEvent | undefined
  /** Whether a password may be asked for now. */
  readonly mayAuthenticate: boolean
  /** How one may sign in, where one may. */
  readonly channel: SaslChannel
  /** Why the session cannot be `client`'s. What is counted of him from now on waits for `become`. */
  refuse(client: Client): Promise<Reply | undefined>
  /** The client is somebody: it is counted among the strangers no more. */
  welcome(): void
  /** The client did what no good one does. */
  blame(): void
  /** Goes on as another client's session from the greeting on; what a proxy said before and does not say now stays. Who it is now. */
  become(client: Client, said: Named): Named
  /** Queues a reply; it leaves when the session waits for input. */
  reply(reply: Reply): void
  /** Sends what is queued; resolves when the client keeps up. */
  flush(): Promise<void>
  /** The next line with its end; undefined when the connection is gone. */
  readLine(limit: number, tooLong?: Reply): Promise<Buffer | undefined>
  /** Up to `max` bytes as they came; undefined when the connection is gone. */
  readChunk(max: number): Promise<Buffer | undefined>
  /** Gives back bytes that were read and are not part of what was asked for. */
  unread(chunk: Buffer): void
  /** Bytes received and not yet read. */
  readonly pending: number
  /** Switches to TLS; false when the handshake failed. */
  startTls(): Promise<boolean>
  /** No command is read after this one. */
  end(): void
  /** As `end`, when the client asked for it and sends nothing more. */
  part(): void
  /** Drops the connection without a word. */
  destroy(): void
  /** Whether the connection is gone. */
  readonly gone: boolean
}
