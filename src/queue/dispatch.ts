// Who is tried next: batches wait in lanes, one per destination; all lanes share a number of places, each has its own limit,
// and lanes take turns. Knows nothing of mail but its lane and its number.

import type { Clock } from '../base/index.ts'
import type { Batch } from './batch.ts'

/** Batches tried at once, in all and per lane. */
export interface Places {
  readonly total: number
  readonly perLane: number
}

export interface DispatchOptions {
  /** Tries a batch and records what came of it; never rejects. */
  readonly run: (batch: Batch) => Promise<void>
  readonly places: Places
  readonly clock: Clock
  /** Called when a place became free. */
  readonly onDone: () => void
}

interface Lane {
  readonly waiting: Batch[]
  active: number
  /** Smoothed time that a batch takes; undefined until one has ended. */
  pace?: number
  /** When one ended last, or when the lane was opened. */
  moved: number
}

/** The newest batch counts an eighth. */
const smoothing = 8

export interface Dispatch {
  add(batch: Batch): void
  /** Batches waiting in all, and in one lane. */
  readonly waiting: number
  waitingIn(lane: string): number
  /** Milliseconds in which what waits in the lane should be gone, by how fast it moved so far. */
  backlogMs(lane: string): number
  /** Takes back waiting batches: of one message, or all. */
  withdraw(message?: number): Batch[]
  /** More or fewer places from now on; what is under way goes on. */
  setPlaces(places: Places): void
  /** No new batch starts from now on. */
  close(): void
  /** Resolves when nothing is tried any more. */
  drained(): Promise<void>
}

export function createDispatch({ run, places, clock, onDone }: DispatchOptions): Dispatch {
  let { total, perLane } = places
  const lanes = new Map<string, Lane>()
  const idle: (() => void)[] = []
  let waiting = 0
  let active = 0
  let closed = false

  const start = (name: string, lane: Lane) => {
    const batch = lane.waiting.shift()!
    waiting--
    active++
    lane.active++
    const started = clock.monotonic()
    void run(batch).finally(() => {
      lane.moved = clock.monotonic()
      const took = lane.moved - started
      lane.pace = lane.pace === undefined ? took : lane.pace + (took - lane.pace) / smoothing
      active--
      lane.active--
      if (lane.active === 0 && lane.waiting.length === 0) lanes.delete(name)
      if (active === 0) for (const resolve of idle.splice(0)) resolve()
      pump()
      onDone()
    })
  }
  const pump = () => {
    if (closed) return
    for (const [name, lane] of lanes) {
      if (active >= total || waiting === 0) return
      if (lane.waiting.length === 0 || lane.active >= perLane) continue
      // Behind the others: each lane has its turn. The iteration meets it again at its new place.
      lanes.delete(name)
      lanes.set(name, lane)
      start(name, lane)
    }
  }

  return {
    add(batch) {
      let lane = lanes.get(batch.lane)
      if (!lane) lanes.set(batch.lane, (lane = { waiting: [], active: 0, moved: clock.monotonic() }))
      lane.waiting.push(batch)
      waiting++
      pump()
    },
    get waiting() {
      return waiting
    },
    waitingIn: (name) => lanes.get(name)?.waiting.length ?? 0,
    backlogMs(name) {
      const lane = lanes.get(name)
      if (!lane) return 0
      // Nothing has ended for longer than usual: it has become slower than it was.
      const pace = Math.max(lane.pace ?? 0, clock.monotonic() - lane.moved)
      return (lane.waiting.length * pace) / perLane
    },
    withdraw(message) {
      const taken: Batch[] = []
      for (const [name, lane] of lanes) {
        const kept = lane.waiting.filter((batch) => message !== undefined && batch.mail.id !== message)
        if (kept.length === lane.waiting.length) continue
        taken.push(...lane.waiting.filter((batch) => !kept.includes(batch)))
        lane.waiting.splice(0, lane.waiting.length, ...kept)
        if (lane.active === 0 && kept.length === 0) lanes.delete(name)
      }
      waiting -= taken.length
      return taken
    },
    setPlaces(next) {
      ;({ total, perLane } = next)
      pump()
    },
    close() {
      closed = true
    },
    drained: () => (active === 0 ? Promise.resolve() : new Promise((resolve) => idle.push(resolve))),
  }
}
