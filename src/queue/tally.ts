// Counts attempts by what came of them: for the metrics.

import type { Outcome } from './batch.ts'

/** One figure: how often attempts ended so, and with which class of refusal (empty when delivered). */
export interface Tallied {
  readonly result: Outcome['result']
  readonly class: string
  readonly count: number
}

export interface Tally {
  note(outcome: Outcome): void
  /** Since the start of the process. */
  read(): readonly Tallied[]
}

export function createTally(): Tally {
  const counts = new Map<string, Tallied>()
  return {
    note({ result, class: kind = '' }) {
      const key = `${result} ${kind}`
      const count = (counts.get(key)?.count ?? 0) + 1
      counts.set(key, { result, class: kind, count })
    },
    read: () => [...counts.values()],
  }
}
