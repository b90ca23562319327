// What the IMAP door needs from the house, and how it may be set.

import type { AccountReads } from '../../accounts/index.ts'
import type { Client, Clock, Log } from '../../base/index.ts'
import type { MailReads, MailWrites, NewContent } from '../../mail/index.ts'
import type { Bell } from '../../store/index.ts'
import type { ServerTls } from '../../tls/index.ts'
import type { ImapLimits } from './limits.ts'

/** Takes a message as it comes: scanned, hashed and, when large, on disk. */
export interface MessageSpool {
  write(chunk: Buffer): Promise<void> | undefined
  finish(): Promise<NewContent>
  abort(): Promise<void>
}

export interface ImapServices {
  readonly accounts: Pick<AccountReads, 'login' | 'scram' | 'scramEnded' | 'account' | 'findUser' | 'hasRoom'>
  /** A name leads to a mailbox only through `resolve`, which looks at the rights. */
  readonly reads: Omit<MailReads, 'mailbox' | 'mailboxById'>
  /** May be on another thread. */
  readonly writes: MailWrites
  readonly bell: Bell
  spool(): MessageSpool
}

export interface ImapServerOptions {
  readonly services: ImapServices
  /** Name in the greeting. */
  readonly hostname: string
  /** Version in ID. */
  readonly version?: string
  readonly clock: Clock
  readonly log: Log
  /** Certificate and key, asked for each connection; undefined: no STARTTLS. */
  tls(): ServerTls | undefined
  /** Whether a password may cross a connection without TLS. */
  readonly plaintext: 'never' | 'loopback' | 'always'
  /** Whether a client may not come in at all. Absent: everybody may. */
  readonly isBanned?: (client: Client) => Promise<boolean>
  /** CIDR ranges or addresses of proxies in front, which begin each connection with a header of the PROXY protocol. */
  readonly proxies: readonly string[]
  readonly maxMessageSize: number
  readonly limits?: Partial<ImapLimits>
}

/** What may change while the server runs. */
export type ImapSettings = Pick<ImapServerOptions, 'plaintext' | 'proxies' | 'maxMessageSize' | 'limits'>
