// Time as a parameter: wall clock for what is written down, monotonic clock for durations, timers.

export interface Clock {
  /** Wall clock, milliseconds since 1970 UTC. */
  now(): number
  /** Milliseconds that never go back; only differences mean something. */
  monotonic(): number
  /** Calls `run` once after `ms`; the returned function cancels. Timers do not keep the process alive. */
  after(ms: number, run: () => void): () => void
}

export const realClock: Clock = {
  now: () => Date.now(),
  monotonic: () => performance.now(),
  after(ms, run) {
    // setTimeout turns more than 2^31-1 ms into 1 ms.
    const timer = setTimeout(run, Math.min(ms, 2_147_483_647))
    timer.unref()
    return () => clearTimeout(timer)
  },
}

/** A clock for tests that moves only when told. */
export interface FakeClock extends Clock {
  /** Moves time forward by `ms`, firing due timers in order. Await it: every timer's promises settle before the next. */
  advance(ms: number): Promise<void>
  /** Somebody sets the wall clock by `ms`; the monotonic one and the timers go on as they were. */
  jump(ms: number): void
}

export function fakeClock(start = 1_700_000_000_000): FakeClock {
  let now = start
  let set = 0
  let timers: { at: number; run: () => void }[] = []
  return {
    now: () => now + set,
    monotonic: () => now - start,
    after(ms, run) {
      const timer = { at: now + ms, run }
      timers.push(timer)
      return () => {
        timers = timers.filter((t) => t !== timer)
      }
    },
    async advance(ms) {
      const end = now + ms
      for (;;) {
        const due = timers.filter((t) => t.at <= end).sort((a, b) => a.at - b.at)[0]
        if (!due) break
        timers = timers.filter((t) => t !== due)
        now = Math.max(now, due.at)
        due.run()
        for (let i = 0; i < 3; i++) await new Promise((resolve) => setImmediate(resolve))
      }
      now = end
    },
    jump(ms) {
      set += ms
    },
  }
}
