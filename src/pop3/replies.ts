// From faults to POP3's words: one total table, so that a new fault code does not compile until this door answers it.

import { type FaultCode, isFault, type Log, SyntaxFault } from '../base/index.ts'

/** How a command ended. A `body` makes the answer one of several lines: it brings the line of one dot itself. */
export interface Outcome {
  readonly ok: boolean
  /** A response code of RFC 2449 §8 or RFC 3206. */
  readonly code?: string
  readonly text: string
  readonly body?: AsyncIterable<Buffer> | Iterable<Buffer>
  /** Counts among the lines that were no commands. */
  readonly bad?: boolean
}

/** RFC 3206 §4: SYS/TEMP passes, SYS/PERM does not, AUTH is for the credentials alone. */
const codes = {
  'not-found': undefined,
  exists: undefined,
  denied: 'SYS/PERM',
  invalid: undefined,
  unauthenticated: 'AUTH',
  disabled: 'SYS/PERM',
  limit: 'SYS/TEMP',
  'over-quota': 'SYS/TEMP',
  'too-large': 'SYS/PERM',
  conflict: 'SYS/TEMP',
  'in-use': 'IN-USE',
  unsupported: undefined,
  'disk-full': 'SYS/TEMP',
  unavailable: 'SYS/TEMP',
  internal: 'SYS/TEMP',
} as const satisfies Record<FaultCode, string | undefined>

/** The answer to a command that failed. What is our fault is logged with its stack, and its words stay here. */
export function failure(error: unknown, log: Log): Outcome {
  if (error instanceof SyntaxFault) return { ok: false, text: printable(error.message), bad: true }
  if (isFault(error) && error.code !== 'internal') {
    log.debug({ code: error.code, reason: error.message }, 'refused')
    const code = codes[error.code]
    return { ok: false, ...(code !== undefined && { code }), text: printable(error.message) }
  }
  log.error({ err: error }, 'command failed')
  return { ok: false, code: codes.internal, text: 'internal error, it was logged' }
}

/** Messages of other rooms may quote what a client sent. */
function printable(text: string): string {
  return Array.from(text.slice(0, 400), (char) => (char >= ' ' && char <= '~' ? char : '?')).join('')
}

export function formatReply({ ok, code, text }: Outcome): string {
  return `${ok ? '+OK' : '-ERR'} ${code === undefined ? '' : `[${code}] `}${text}\r\n`
}
