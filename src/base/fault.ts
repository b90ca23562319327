// The only errors that cross rooms. Doors turn each code into their own words with one total table.

export const faultCodes = [
  'not-found', // the named thing does not exist (for this caller)
  'exists', // the name is taken
  'denied', // the caller may not do this
  'invalid', // an argument has no meaning here
  'unauthenticated', // the credentials are wrong, or none were given
  'disabled', // the account exists and may not be used now
  'limit', // a count or a rate is used up
  'over-quota', // the account has no room left
  'too-large', // one item is larger than allowed
  'conflict', // somebody changed it meanwhile; a precondition failed
  'in-use', // it cannot be done while others use the thing
  'unsupported', // understood, and not offered here
  'disk-full', // free space is below the configured line
  'unavailable', // a part is stopping, starting or unreachable; try later
  'internal', // ours; its words never leave the house
] as const

export type FaultCode = (typeof faultCodes)[number]

/** An expected refusal: `code` for the machine, `message` for the person (what was wrong, where, what to do). */
export class Fault extends Error {
  readonly code: FaultCode
  constructor(code: FaultCode, message: string) {
    super(message)
    this.name = 'Fault'
    this.code = code
  }
}

/** The client sent something outside the grammar. `at` is the byte offset in what was parsed, when known. */
export class SyntaxFault extends Error {
  readonly at: number | undefined
  constructor(message: string, at?: number) {
    super(message)
    this.name = 'SyntaxFault'
    this.at = at
  }
}

/** Whether `error` is a Fault, of `code` when given. */
export function isFault(error: unknown, code?: FaultCode): error is Fault {
  return error instanceof Fault && (code === undefined || error.code === code)
}
