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

/** Bytes gathered before they are written, and how long a line waits for company. */
const gatheredBytes = 4_096
const flushMs = 200

/** A log of JSON lines, UTC, to `stream` (absent: standard output, each line written at once). */
export function createLog(level: Level, stream?: DestinationStream): Log {
  const options = { level, timestamp: pino.stdTimeFunctions.isoTime, base: null, redact: ['password', '*.password'] }
  return pino(options, stream ?? pino.destination({ dest: 1, sync: true }))
}

/**
 * Standard output for the thread that logs a line per message: lines are gathered and written within 200 ms, and at the end of the
 * process. A process that is killed may lose that much of its log.
 */
export function gatheredOutput(): DestinationStream {
  const output = pino.destination({ dest: 1, sync: true, minLength: gatheredBytes })
  setInterval(() => output.flushSync(), flushMs).unref()
  process.once('exit', () => output.flushSync())
  return output
}

/** A log that says nothing. */
export const silentLog: Log = {
  debug() {},
  info() {},
  warn() {},
  error() {},
  child: () => silentLog,
}
