// When a recipient is tried again, when its sender hears of the delay and when we give up. Only arithmetic: no clock, no store.

export interface Schedule {
  /** Attempts after the first, as milliseconds after arrival, ascending. */
  readonly retries: readonly number[]
  /** After the last of `retries`: an attempt each so many milliseconds. */
  readonly every: number
  /** Milliseconds after arrival when the last attempt is made. */
  readonly lifetime: number
  /** Milliseconds after arrival when the sender is told of the delay, once; absent: never. */
  readonly delayNotice?: number
}

const minute = 60_000
const hour = 60 * minute
const day = 24 * hour

/**
 * RFC 5321 §4.5.4.1 asks for retries 30 minutes apart and 4–5 days of patience; the first ones come sooner, because
 * greylisting and restarts are over in minutes.
 */
export const defaultSchedule: Schedule = {
  retries: [5 * minute, 15 * minute, 30 * minute, hour, 2 * hour, 4 * hour, 8 * hour, 16 * hour, day],
  every: day,
  lifetime: 5 * day,
  delayNotice: 4 * hour,
}

/** Two attempts are never closer than this, however long the one before took. */
const leastGap = minute

/** When to try after an attempt that ended at `now`; undefined: give up. Times in milliseconds since 1970. */
export function nextAttempt(schedule: Schedule, arrived: number, now: number): number | undefined {
  const end = arrived + schedule.lifetime
  if (now >= end) return undefined
  const from = now + leastGap
  const planned = schedule.retries.find((offset) => arrived + offset >= from)
  if (planned !== undefined) return Math.min(arrived + planned, end)
  const last = arrived + (schedule.retries.at(-1) ?? 0)
  const steps = Math.max(1, Math.ceil((from - last) / schedule.every))
  return Math.min(last + steps * schedule.every, end)
}
