// One SMTP or LMTP connection outward: what the queue asks of it, and exact answers per recipient.

import type { X509Certificate } from 'node:crypto'
import type { Address, Path } from '../../address/index.ts'
import type { MailParams, RecipientParams, Reply } from '../wire/index.ts'

export type { Reply } from '../wire/index.ts'

export interface ClientOptions {
  /** Address to connect to. */
  readonly ip: string
  /** A local socket to connect to in place of the address. */
  readonly path?: string
  /** Name of the host: SNI, certificate check, log. */
  readonly host: string
  readonly port: number
  /** Address of ours that the connection comes from; absent: the system's choice. */
  readonly localAddress?: string
  /** Our EHLO argument. */
  readonly helo: string
  /** `opportunistic`: STARTTLS when offered, without checking the certificate. `required`: STARTTLS or fail. `implicit`: TLS from the first byte. */
  readonly tls: 'none' | 'opportunistic' | 'required' | 'implicit'
  /** Check the certificate against `host`. */
  readonly verify: boolean
  /** Judges the certificate in place of that check; what it says is why it will not do. */
  readonly judge?: (peer: PeerCertificates) => CertificateFlaw | undefined
  /** The name that the server is asked for (SNI), where it is not `host`. */
  readonly servername?: string
  /** Certificate authorities in place of the system's (PEM). */
  readonly ca?: string
  readonly auth?: { readonly user: string; readonly password: string }
  readonly lmtp?: boolean
  /** False: nothing is sent ahead of its answer, whatever the server says of PIPELINING. */
  readonly pipelining?: boolean
  /** Milliseconds; absent: RFC 5321 §4.5.3.2. */
  readonly timeouts?: {
    readonly connect?: number
    readonly greeting?: number
    readonly command?: number
    readonly data?: number
    readonly end?: number
  }
}

/** What a server showed. */
export interface PeerCertificates {
  /** Its own first, each with the one that issued it behind it, as far as they were shown or are known here. */
  readonly chain: readonly X509Certificate[]
}

/** Why a certificate will not do: in words, and as TLS reports name it (RFC 8460 §4.3). */
export interface CertificateFlaw {
  readonly kind: 'certificate-host-mismatch' | 'certificate-not-trusted' | 'certificate-expired' | 'validation-failure'
  readonly words: string
}

export interface ConnectionTls {
  readonly version: string
  readonly cipher: string
  /** The certificate is trusted for the host: by the authorities, or as `judge` said. */
  readonly authorized: boolean
  /** Why the authorities do not vouch for it; absent: they do. */
  readonly flaw?: CertificateFlaw
}

export interface OutgoingMail {
  readonly from: Path
  readonly recipients: readonly { readonly address: Address; readonly params?: RecipientParams }[]
  readonly size: number
  /** Needs SMTPUTF8. */
  readonly utf8: boolean
  /** Has octets above 127. */
  readonly body8: boolean
  /** Is sent as it is stored, with lines of any length and any octets; only to who takes BINARYMIME. */
  readonly binary?: boolean
  /** Of these the client passes on what the server offers. */
  readonly params?: MailParams
  /** Seconds left to deliver it (RFC 2852 §3). */
  readonly by?: { readonly seconds: number; readonly mode: 'return' | 'notify'; readonly trace: boolean }
  /** The message; asked for only when a recipient was accepted. Bare CR and LF become line ends unless it is `binary`. */
  readonly data: () => AsyncIterable<Buffer>
  /** The same in one piece, when it is small: saves a round trip. */
  readonly whole?: Buffer
}

/** One per recipient, in order. `stage` is where the decisive reply came. */
export interface SendResult {
  readonly reply: Reply
  readonly accepted: boolean
  readonly stage: 'mail' | 'rcpt' | 'data'
}

export interface SmtpConnection {
  readonly tls?: ConnectionTls
  /** Keywords of the last EHLO, upper case, with their arguments. */
  readonly extensions: ReadonlyMap<string, string>
  /** May be called again on the same connection, after the one before has ended. Throws ConnectionFault when the connection breaks: then nothing is known of recipients unless `results` says so. */
  send(mail: OutgoingMail): Promise<readonly SendResult[]>
  quit(): Promise<void>
  close(): void
}
