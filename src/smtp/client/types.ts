// One SMTP or LMTP connection outward: what the queue asks of it, and exact answers per recipient.

import type { Address, Path } from '../../address/index.ts'
import type { MailParams, RecipientParams, Reply } from '../wire/index.ts'

export type { Reply } from '../wire/index.ts'

export interface ClientOptions {
  /** Address to connect to. */
  readonly ip: string
  /** Name of the host: SNI, certificate check, log. */
  readonly host: string
  readonly port: number
  /** Our EHLO argument. */
  readonly helo: string
  /** `opportunistic`: STARTTLS when offered, without checking the certificate. `required`: STARTTLS or fail. `implicit`: TLS from the first byte. */
  readonly tls: 'none' | 'opportunistic' | 'required' | 'implicit'
  /** Check the certificate against `host`. */
  readonly verify: boolean
  /** Certificate authorities in place of the system's (PEM). */
  readonly ca?: string
  readonly auth?: { readonly user: string; readonly password: string }
  readonly lmtp?: boolean
  /** Milliseconds; absent: RFC 5321 §4.5.3.2. */
  readonly timeouts?: {
    readonly connect?: number
    readonly greeting?: number
    readonly command?: number
    readonly data?: number
    readonly end?: number
  }
}

export interface OutgoingMail {
  readonly from: Path
  readonly recipients: readonly { readonly address: Address; readonly params?: RecipientParams }[]
  readonly size: number
  readonly utf8: boolean
  readonly body8: boolean
  readonly params?: MailParams
  /** The message with CRLF lines; asked for only when a recipient was accepted. */
  readonly data: () => AsyncIterable<Buffer>
}

/** One per recipient, in order. `stage` is where the decisive reply came. */
export interface SendResult {
  readonly reply: Reply
  readonly accepted: boolean
  readonly stage: 'mail' | 'rcpt' | 'data'
}

export interface SmtpConnection {
  readonly tls?: { readonly version: string; readonly cipher: string; readonly authorized: boolean }
  /** Keywords of the last EHLO, upper case, with their arguments. */
  readonly extensions: ReadonlyMap<string, string>
  /** May be called again on the same connection (RSET between). Throws ConnectionFault when the connection breaks: then nothing is known of recipients unless `results` says so. */
  send(mail: OutgoingMail): Promise<readonly SendResult[]>
  quit(): Promise<void>
  close(): void
}
