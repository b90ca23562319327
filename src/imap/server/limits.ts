// Every limit of the IMAP door, each with its reason.

import type { ReaderLimits } from '../wire/index.ts'

export interface ImapLimits {
  /** All connections of one server; one costs about 30 KiB. */
  readonly connections: number
  /** Connections of one address that are not signed in: a phone needs 5 at once, an office behind one address some dozens. */
  readonly unauthenticatedPerAddress: number
  /** Connections of one account: clients keep 5 to 10 each. */
  readonly perAccount: number
  /** The same for a connection from this machine: a webmail opens many for one account. */
  readonly perAccountNear: number
  /** A wait for input before signing in, and the longest that may take in all. */
  readonly greetedWaitMs: number
  readonly greetedTotalMs: number
  /** RFC 9051 §5.4 wants at least 30 minutes. */
  readonly idleMs: number
  /** A client that stops within a command or a literal. */
  readonly commandWaitMs: number
  /** A client that does not read our answer. */
  readonly writeWaitMs: number
  readonly tlsHandshakeMs: number
  /** The header of a proxy comes with the connection. */
  readonly proxyWaitMs: number
  /** Failed logins on one connection, and how long each answer waits: guessing should not be quick. */
  readonly failedLogins: number
  readonly failedLoginDelayMs: number
  /** Bytes that wait unread before the socket is paused. */
  readonly inputBytes: number
  /** Text gathered before it is handed to the socket. */
  readonly outputChunk: number
  /** APPENDs of one connection that wait for the disk at the same time, so that an import does not pay a sync each. */
  readonly overlappingAppends: number
  /** Messages of one APPEND (RFC 3502): they stand in one transaction. */
  readonly appendMessages: number
  /** Mailboxes of one ESEARCH: the view of each is opened. */
  readonly searchMailboxes: number
  /** Results of one session that are kept up to date: each is looked at on every change. */
  readonly updatedResults: number
  /** UIDs of all of them together, eight bytes each; the first may have more (RFC 5267 §4.3.1: one at least). */
  readonly updatedUids: number
  /**
   * Messages of one command (RFC 9738 §3): it holds their numbers and UIDs, and what it found of each. A client that does not know of
   * the limit loses sight of older ones, so it is beyond any mailbox that is not read in pieces anyway.
   */
  readonly commandMessages: number
  /** A search or a fetch gives way to others after this long. */
  readonly turnMs: number
  /** Messages of one COPY, which is one transaction. What is announced is the lower limit of APPEND (RFC 9738 §4.2). */
  readonly copyMessages: number
  /** RFC 9585 §4: how far a long command is, is told this often. */
  readonly progressMs: number
  /** Mailboxes that a session may see and yet use NOTIFY: it remembers the state of each, some hundred bytes. */
  readonly notifyMailboxes: number
  /** NOTIFY looks at what changed so often at most. */
  readonly notifyMs: number
  /** Memory for mailbox views that nobody has open. */
  readonly viewBytes: number
  /** Watched views are compared with the store this often, for a ring that was lost. */
  readonly pollMs: number
  readonly beforeLogin: ReaderLimits
  readonly afterLogin: ReaderLimits
}

const KIB = 1024
const MINUTE = 60_000

export const imapLimits: ImapLimits = {
  connections: 10_000,
  unauthenticatedPerAddress: 50,
  perAccount: 100,
  perAccountNear: 2000,
  greetedWaitMs: MINUTE,
  greetedTotalMs: 3 * MINUTE,
  idleMs: 31 * MINUTE,
  commandWaitMs: 5 * MINUTE,
  writeWaitMs: 5 * MINUTE,
  tlsHandshakeMs: 30_000,
  proxyWaitMs: 5000,
  failedLogins: 3,
  failedLoginDelayMs: 1000,
  inputBytes: 256 * KIB,
  outputChunk: 64 * KIB,
  overlappingAppends: 32,
  appendMessages: 1000,
  searchMailboxes: 1000,
  updatedResults: 10,
  updatedUids: 200_000,
  commandMessages: 1_000_000,
  turnMs: 8,
  copyMessages: 100_000,
  progressMs: 12_000,
  notifyMs: 50,
  notifyMailboxes: 2000,
  viewBytes: 64 * KIB * KIB,
  pollMs: 10_000,
  // Nobody signs in with more than a name and a password.
  beforeLogin: { line: 8 * KIB, literal: 4 * KIB, command: 16 * KIB, discard: 64 * KIB },
  // Thunderbird writes UID sets of more than 64 KiB; a search needle or a mailbox name is short; 128 MiB passes a message twice too large.
  afterLogin: { line: 128 * KIB, literal: 64 * KIB, command: 256 * KIB, discard: 128 * KIB * KIB },
}

/** The limits with some changed. What holds for every command holds for APPEND and COPY too. */
export function limitsWith(changed: Partial<ImapLimits> | undefined): ImapLimits {
  const limits = { ...imapLimits, ...changed }
  const most = (count: number) => Math.min(count, limits.commandMessages)
  return { ...limits, appendMessages: most(limits.appendMessages), copyMessages: most(limits.copyMessages) }
}
