// Structured logging. Never a secret, never a message's body. pino behind four words, so that a test can listen.

import { type DestinationStream, pino } from 'pino'

export type Level = 'trace' | 'debug' | 'info' | 'warn' | 'error' | 'silent'

export interface Log {
  debug(fields: object, text: string): void
  info(fields: object, text: string): void
  warn(fields: object, text: string): void
  error(fields: object, text: string): void
  child(fields: object): Log
}

/** A log of JSON lines, UTC, to `stream` (absent: standard output, written synchronously). */
export function createLog(level: Level, stream?: DestinationStream): Log {
  const options = { level, timestamp: pino.stdTimeFunctions.isoTime, base: null, redact: ['password', '*.password'] }
  return pino(options, stream ?? pino.destination({ dest: 1, sync: true }))
}

/** A log that says nothing. */
export const silentLog: Log = {
  debug() {},
  info() {},
  warn() {},
  error() {},
  child: () => silentLog,
}
