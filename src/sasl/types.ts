// What a SASL mechanism (RFC 4422) is to a door: steps of bytes, and questions about who somebody is. Knows no protocol's framing.

/** The hash functions of SCRAM that have keys here. */
export type ScramHash = 'SHA-1' | 'SHA-256'

/** Keys of one user for SCRAM (RFC 5802 §3), as accounts keeps them. */
export interface SaslKeys {
  readonly salt: Uint8Array
  readonly iterations: number
  readonly storedKey: Uint8Array
  readonly serverKey: Uint8Array
}

/** How a mechanism asks who somebody is; `L` is whatever the house knows of a signed-in user. */
export interface SaslVerifier<L> {
  /** Resolves when the password is right; Fault `unauthenticated` or `disabled` otherwise. */
  login(user: string, password: string): Promise<L>
  /** Keys for SCRAM; for a user who has none made-up ones without `login`. */
  scram(user: string, hash: ScramHash): Promise<{ readonly keys: SaslKeys; readonly login?: L }>
  /** Only the exchange sees whether the proof was right: who counts guesses is told here. */
  scramEnded(user: string, right: boolean): Promise<void>
}

/** What a secure channel can be known by at both ends (RFC 5056): the data of a type of binding; undefined: not offered. */
export type ChannelBindings = (type: string) => Buffer | undefined

/** `ask`: send `data` as a challenge and bring the answer to `respond`. `done`: signed in. A failure is a Fault or a SyntaxFault. */
export type SaslStep<L> = { readonly ask: Buffer } | { readonly done: L }

/** One authentication under way. */
export interface SaslExchange<L> {
  /** The client's next message; undefined only first, when there was no initial response. */
  respond(message: Buffer | undefined): Promise<SaslStep<L>>
}

export interface SaslMechanism {
  readonly name: string
  /** The password crosses the wire readable: offer it under TLS, or where the operator allows it. */
  readonly plaintext: boolean
  /** Binds to the channel: offered where the channel has bindings. */
  readonly binds: boolean
  /** `bindings`: those of the connection; undefined where no -PLUS mechanism is offered. */
  begin<L>(verifier: SaslVerifier<L>, bindings: ChannelBindings | undefined): SaslExchange<L>
}
