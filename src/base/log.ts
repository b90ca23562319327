// Structured logging. Never a secret, never a message's body. pino behind four words, so that a test can listen.

import { type DestinationStream, type Logger, pino } from 'pino'

export type Level = 'trace' | 'debug' | 'info' | 'warn' | 'error' | 'silent'

export interface Log {
  debug(fields: object, text: string): void
  info(fields: object, text: string): void
  warn(fields: object, text: string): void
  error(fields: object, text: string): void
  child(fields: object): Log
}

/** A log whose level may change while it is used; its children follow. */
export interface LevelledLog extends Log {
  setLevel(level: Level): void
}

const ranks: Readonly<Record<Level, number>> = { trace: 10, debug: 20, info: 30, warn: 40, error: 50, silent: 60 }

/** Bytes gathered before they are written, and how long a line waits for company. */
const gatheredBytes = 4_096
const flushMs = 200

/** A log of JSON lines, UTC, to `stream` (absent: standard output, each line written at once). */
export function createLog(level: Level, stream?: DestinationStream): LevelledLog {
  const options = {
    level: 'trace',
    timestamp: pino.stdTimeFunctions.isoTime,
    base: null,
    formatters: { log: withoutPasswords },
  }
  return new PinoLog(pino(options, stream ?? pino.destination({ dest: 1, sync: true })), { rank: ranks[level] })
}

/** Nobody logs a password; if somebody does all the same, it does not stand in the log. pino's own `redact` costs a tenth of the line. */
function withoutPasswords(fields: Record<string, unknown>): Record<string, unknown> {
  let clean = fields
  for (const name in fields) {
    const value = fields[name]
    if (name === 'password') clean = { ...clean, password: redacted }
    else if (typeof value === 'object' && value !== null && 'password' in value)
      clean = { ...clean, [name]: { ...value, password: redacted } }
  }
  return clean
}
const redacted = '[Redacted]'

/** pino gives each child a level of its own when it is made: so pino says everything, and what is shared decides. */
class PinoLog implements LevelledLog {
  readonly #pino: Logger
  readonly #least: { rank: number }
  constructor(inner: Logger, least: { rank: number }) {
    this.#pino = inner
    this.#least = least
  }
  debug(fields: object, text: string): void {
    if (this.#least.rank <= ranks.debug) this.#pino.debug(fields, text)
  }
  info(fields: object, text: string): void {
    if (this.#least.rank <= ranks.info) this.#pino.info(fields, text)
  }
  warn(fields: object, text: string): void {
    if (this.#least.rank <= ranks.warn) this.#pino.warn(fields, text)
  }
  error(fields: object, text: string): void {
    if (this.#least.rank <= ranks.error) this.#pino.error(fields, text)
  }
  child(fields: object): Log {
    return new PinoLog(this.#pino.child(fields), this.#least)
  }
  setLevel(level: Level): void {
    this.#least.rank = ranks[level]
  }
}

/**
 * Standard output for the thread that logs a line per message: lines are gathered and written within 200 ms, and at the end of the
 * process. A process that is killed may lose that much of its log.
 */
export function gatheredOutput(): DestinationStream {
  const output = pino.destination({ dest: 1, sync: true, minLength: gatheredBytes })
  let waits = false
  setInterval(() => {
    // Not flushSync, which also waits for the disk.
    if (waits) output.flush()
    waits = false
  }, flushMs).unref()
  process.once('exit', () => output.flushSync())
  return {
    write(line) {
      waits = true
      output.write(line)
    },
  }
}

/** A log that says nothing. */
export const silentLog: Log = {
  debug() {},
  info() {},
  warn() {},
  error() {},
  child: () => silentLog,
}
