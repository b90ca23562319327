// What the POP3 door needs from the house, and how it may be set.

import type { AccountReads, MaildropLocks } from '../accounts/index.ts'
import type { Client, Clock, Log } from '../base/index.ts'
import type { MailReads, MailWrites } from '../mail/index.ts'
import type { Bell } from '../store/index.ts'
import type { ServerTls } from '../tls/index.ts'
import type { Pop3Limits } from './limits.ts'

export interface Pop3Services {
  readonly accounts: Pick<AccountReads, 'login' | 'scram' | 'scramEnded' | 'account'>
  readonly reads: Pick<MailReads, 'resolve' | 'changesSince' | 'facts' | 'rows' | 'stream'>
  /** May be on another thread, as `locks`. */
  readonly writes: Pick<MailWrites, 'setFlags' | 'expunge'>
  readonly locks: MaildropLocks
  readonly bell: Bell
}

export interface Pop3ServerOptions {
  readonly services: Pop3Services
  /** Name in the greeting. */
  readonly hostname: string
  readonly clock: Clock
  readonly log: Log
  /** Certificate and key, asked for each connection; undefined: no STLS. */
  tls(): ServerTls | undefined
  /** Whether a password may cross a connection without TLS. */
  readonly plaintext: 'never' | 'loopback' | 'always'
  /** Whether a client may not come in at all. Absent: everybody may. */
  readonly isBanned?: (client: Client) => Promise<boolean>
  /** CIDR ranges or addresses of proxies in front, which begin each connection with a header of the PROXY protocol. */
  readonly proxies: readonly string[]
  readonly limits?: Partial<Pop3Limits>
}

/** What may change while the server runs. */
export type Pop3Settings = Pick<Pop3ServerOptions, 'plaintext' | 'proxies' | 'limits'>
