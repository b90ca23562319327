// Counters of the SMTP door, plain numbers that may cross threads. Knows no metrics library.

export interface SmtpStats {
  /** Sessions open now. */
  open: number
  /** Sessions since the start, and those turned away by a limit. */
  connections: number
  refusedConnections: number
  /** Handshakes done and failed. */
  tls: number
  tlsFailures: number
  /** Attempts to sign in. */
  authOk: number
  authFailed: number
  /** Commands by verb, unknown ones as `unknown`. */
  readonly commands: { [verb: string]: number }
  /** Recipients by answer: `ok` or a refusal code. */
  readonly recipients: { [verdict: string]: number }
  /** Messages by answer: `ok` or a refusal code. */
  readonly messages: { [verdict: string]: number }
  /** Bytes of accepted messages. */
  bytes: number
}

export function createStats(): SmtpStats {
  return {
    open: 0,
    connections: 0,
    refusedConnections: 0,
    tls: 0,
    tlsFailures: 0,
    authOk: 0,
    authFailed: 0,
    commands: {},
    recipients: {},
    messages: {},
    bytes: 0,
  }
}

/** Adds one to a named counter. */
export function count(counters: { [name: string]: number }, name: string): void {
  counters[name] = (counters[name] ?? 0) + 1
}
