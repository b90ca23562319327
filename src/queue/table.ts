// The lanes in memory, which recipients are in memory at all, and how many may be. Knows no store and no network.

import type { Batch } from './batch.ts'
import { Lane, laneRoom } from './lane.ts'

/** Recipients that wait in memory, in all lanes. */
const room = 10_000
/** Lanes with mail in memory; what waits in others stays in the index until there is room. */
const maxLanes = 2_500
/** Each lane may have so many whatever the others have. */
const least = 4
/** Lanes without mail that are kept for the next: what was learned of their destination stays known. */
const maxIdle = 1_000

export interface LaneTable {
  /** Recipients that are in memory: waiting, tried, or tried and not yet written down. */
  readonly taken: Set<number>
  readonly lanes: ReadonlyMap<string, Lane>
  /** Lanes with mail. */
  readonly busy: number
  readonly waiting: number
  /** The store may hold ready mail of lanes that are not here. */
  incomplete: boolean
  /** Whether one more lane may be opened for what the store has; whether many may. */
  readonly open: boolean
  readonly roomy: boolean
  /** Not even for new mail. */
  readonly crowded: boolean
  find(name: string): Lane | undefined
  /** Finds or makes it. */
  enter(name: string): Lane
  /** Recipients that a lane may still take. */
  roomIn(lane: Lane): number
  insert(lane: Lane, batch: Batch): void
  /** Takes the last out again. */
  evict(lane: Lane): Batch | undefined
  takeAll(lane: Lane, which: (batch: Batch) => boolean): Batch[]
  /** A batch has gone from the lane to its attempt. */
  gone(batch: Batch): void
  /** The lane may have become idle. */
  rest(lane: Lane): void
}

export function createLaneTable(): LaneTable {
  const lanes = new Map<string, Lane>()
  const idle = new Set<Lane>()
  const taken = new Set<number>()
  let waiting = 0

  const left = (batches: readonly Batch[]) => {
    for (const { recipients } of batches) {
      waiting -= recipients.length
      for (const { id } of recipients) taken.delete(id)
    }
  }
  return {
    taken,
    lanes,
    get busy() {
      return lanes.size - idle.size
    },
    get waiting() {
      return waiting
    },
    incomplete: true,
    get open() {
      return lanes.size - idle.size < maxLanes
    },
    get roomy() {
      return lanes.size - idle.size < maxLanes * 0.8
    },
    get crowded() {
      return lanes.size - idle.size >= maxLanes * 2
    },
    find: (name) => lanes.get(name),
    enter(name) {
      let lane = lanes.get(name)
      if (!lane) lanes.set(name, (lane = new Lane(name)))
      idle.delete(lane)
      return lane
    },
    roomIn(lane) {
      const fair = Math.max(least, Math.min(laneRoom, Math.floor(room / (lanes.size - idle.size + 1))))
      return Math.max(Math.min(fair, room - waiting), least) - lane.waiting
    },
    insert(lane, batch) {
      lane.insert(batch)
      waiting += batch.recipients.length
      for (const { id } of batch.recipients) taken.add(id)
    },
    evict(lane) {
      const batch = lane.evictLast()
      if (batch) left([batch])
      return batch
    },
    takeAll(lane, which) {
      const batches = lane.takeAll(which)
      left(batches)
      return batches
    },
    gone({ recipients }) {
      waiting -= recipients.length
    },
    rest(lane) {
      if (!lane.idle) return
      idle.add(lane)
      if (idle.size <= maxIdle) return
      const [oldest] = idle
      idle.delete(oldest!)
      lanes.delete(oldest!.name)
    },
  }
}
