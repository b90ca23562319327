// How many passwords are hashed at once and how many may wait: each hash holds 19 MiB, so that a flood of logins must not hold more.

import { Fault } from '../base/index.ts'

export interface HashGate {
  /** Runs `work` when its turn comes; Fault `unavailable` when too many wait already. */
  run<T>(work: () => Promise<T>): Promise<T>
}

export function createHashGate({ atOnce, waiting }: { readonly atOnce: number; readonly waiting: number }): HashGate {
  let running = 0
  const queue: (() => void)[] = []
  return {
    async run(work) {
      if (running < atOnce) running++
      else {
        if (queue.length >= waiting) throw new Fault('unavailable', 'too many logins at once; try again in a moment')
        // The slot is handed over by whoever leaves it: `running` does not change.
        await new Promise<void>((resolve) => queue.push(resolve))
      }
      try {
        return await work()
      } finally {
        const next = queue.shift()
        if (next) next()
        else running--
      }
    },
  }
}
