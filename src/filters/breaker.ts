// Keeps a daemon that does not answer from costing every message its timeout: after some failures in a row nobody asks for a while, then
// one does. Knows nothing of who is asked.

import type { Clock, Log } from '../base/index.ts'

/** Failures in a row until nobody asks. */
const patience = 3
/** The first rest, and the longest: each failed trial doubles it. */
const restMs = 10_000
const longestRestMs = 300_000

export interface Breaker {
  /** Why nobody should ask now. */
  refuses(): string | undefined
  /** Somebody asks: says how it went with exactly one of the other two. */
  begin(): void
  /** Undefined: it answered. */
  done(failure?: string): void
  /** The question ended, and it was not to blame. */
  leave(): void
}

/** `name` is for the log, where only changes are told. */
export function createBreaker(name: string, { clock, log }: { readonly clock: Clock; readonly log: Log }): Breaker {
  let failures = 0
  let restsUntil: number | undefined
  let rest = restMs
  /** One asks whether it is back. */
  let trying = false
  let why = ''
  return {
    refuses: () =>
      restsUntil !== undefined && (trying || clock.monotonic() < restsUntil)
        ? `${why} (left out for a while)`
        : undefined,
    begin() {
      trying = restsUntil !== undefined
    },
    done(failure) {
      trying = false
      if (failure === undefined) {
        if (restsUntil !== undefined) log.info({ filter: name }, 'the filter answers again')
        failures = 0
        restsUntil = undefined
        rest = restMs
        return
      }
      why = failure
      failures++
      if (restsUntil !== undefined) {
        // Those who asked before it was left out tell nothing new.
        if (clock.monotonic() < restsUntil) return
        rest = Math.min(rest * 2, longestRestMs)
      } else if (failures < patience) return
      else log.warn({ filter: name, reason: failure }, 'the filter does not answer: left out for a while')
      restsUntil = clock.monotonic() + rest
    },
    leave() {
      trying = false
    },
  }
}
