// Every limit of the SMTP and LMTP door, each with its reason. Knows nothing that enforces them.

export interface SmtpLimits {
  /** Octets of a command line. RFC 5321 §4.5.3.1.4 wants 512 plus the extensions' (RFC 6531: 10 more, AUTH: 500 …); senders with long ORCPT need about 1,500. */
  readonly commandLine: number
  /** Octets of an AUTH line or answer: RFC 4954 §4 says 12,288. */
  readonly authLine: number
  /** Received and not yet parsed bytes of one session; above it the socket is not read. */
  readonly inputBuffer: number
  /** Octets of one line of a message. RFC 5321 §4.5.3.1.6 wants 1,000; real senders put whole HTML pages on one line. */
  readonly messageLine: number
  /** Octets of a message (SIZE). */
  readonly maxMessageSize: number
  /** RFC 5321 §4.5.3.1.8 wants at least 100. */
  readonly maxRecipients: number
  /** Transactions of one session: who sends for days comes back now and then, to meet new certificates, settings and threads. */
  readonly transactions: number
  /** Milliseconds that a message may wait for its time (FUTURERELEASE): who plans further ahead changes his mind first. */
  readonly holdMs: number
  /** Commands that were no commands, stood in the wrong place or had bad arguments, before we hang up. */
  readonly badCommands: number
  /** Refused recipients in one session of a stranger: a list has old addresses, and who guesses names has more. */
  readonly refusedRecipients: number
  /** Failed AUTH attempts of one connection: people mistype twice, guessers do not stop. */
  readonly authFailures: number
  /** Milliseconds for the next command, to its end: RFC 5321 §4.5.3.2.7 says 5 minutes. */
  readonly idleMs: number
  /** Milliseconds between two pieces of message data; RFC 5321 §4.5.3.2.5 gives a sender 3 minutes per block. */
  readonly dataMs: number
  /** Milliseconds for one whole message: a client that trickles may not hold a spool for ever. */
  readonly messageMs: number
  /** Milliseconds of a TLS handshake. */
  readonly handshakeMs: number
  /** Milliseconds for the header of a proxy: it comes with the connection. */
  readonly proxyWaitMs: number
  /** Sessions of one door thread. */
  readonly connections: number
  /** Sessions from one address. */
  readonly connectionsPerIp: number
  /** Sessions from one address of a trusted network, of who may say XCLIENT or XFORWARD, or of this machine: relays and proxies open many. */
  readonly connectionsPerTrustedIp: number
}

export const defaultLimits: SmtpLimits = {
  commandLine: 4096,
  authLine: 12_288,
  inputBuffer: 131_072,
  messageLine: 1_048_576,
  maxMessageSize: 52_428_800,
  maxRecipients: 100,
  transactions: 100_000,
  holdMs: 31 * 86_400_000,
  badCommands: 20,
  refusedRecipients: 100,
  authFailures: 3,
  idleMs: 300_000,
  dataMs: 180_000,
  messageMs: 3_600_000,
  handshakeMs: 30_000,
  proxyWaitMs: 5000,
  connections: 2000,
  connectionsPerIp: 100,
  connectionsPerTrustedIp: 1000,
}
