// Every limit of the POP3 door, each with its reason.

export interface Pop3Limits {
  /** All connections of one door thread. */
  readonly connections: number
  /** Connections of one address: a household polls a few mailboxes, an office behind one address some dozens. */
  readonly perAddress: number
  /** Octets of a command line. RFC 2449 §4 says 255; some send a long password or a SASL message with its command. */
  readonly commandLine: number
  /** Octets of an answer within AUTH: RFC 5034 §4 sets none, RFC 4954 §4 says 12,288 for the same mechanisms. */
  readonly authLine: number
  /** Received and not yet read bytes of one session; above it the socket is not read. */
  readonly inputBuffer: number
  /** A wait for input before signing in, and the longest that may take in all. */
  readonly greetedWaitMs: number
  readonly greetedTotalMs: number
  /** RFC 1939 §3 wants at least ten minutes. */
  readonly idleMs: number
  /** A client that does not read our answer. */
  readonly writeWaitMs: number
  readonly tlsHandshakeMs: number
  /** The header of a proxy comes with the connection. */
  readonly proxyWaitMs: number
  /** Failed sign-ins of one connection, and how long each answer waits: guessing should not be quick. */
  readonly failedLogins: number
  readonly failedLoginDelayMs: number
  /** Lines that were no commands, or stood in the wrong place, before we hang up. */
  readonly badCommands: number
}

const KIB = 1024
const MINUTE = 60_000

export const pop3Limits: Pop3Limits = {
  connections: 2000,
  perAddress: 50,
  commandLine: 4096,
  authLine: 12_288,
  inputBuffer: 32 * KIB,
  greetedWaitMs: MINUTE,
  greetedTotalMs: 3 * MINUTE,
  idleMs: 10 * MINUTE,
  writeWaitMs: 5 * MINUTE,
  tlsHandshakeMs: 30_000,
  proxyWaitMs: 5000,
  failedLogins: 3,
  failedLoginDelayMs: 1000,
  badCommands: 20,
}
