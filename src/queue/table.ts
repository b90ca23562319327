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
  /**
   * Of the sender who has mail in most lanes one that gives way to a lane of `sender`, who has mail in few: nobody's many
   * destinations keep another's mail out of memory. `now` is monotonic.
   */
  giveWay(sender: string, now: number): Lane | undefined
  /** Forgets a lane from which everything was taken; what it has in the index is found again when there is room. */
  remove(lane: Lane): void
}

/** Who has how many lanes is counted again after so long, milliseconds. */
const sharesMs = 1_000

interface Shares {
  readonly at: number
  /** Lanes in which a sender has mail. */
  readonly counts: Map<string, number>
  readonly greatest: string
  /** Lanes of the greatest alone in which nothing was under way. */
  readonly spare: Lane[]
}

const isSpare = (lane: Lane, sender: string): boolean =>
  lane.active === 0 && !lane.loading && !lane.closing && lane.senders.size === 1 && lane.senders.has(sender)

function countShares(lanes: Iterable<Lane>, at: number): Shares {
  const all = [...lanes]
  const counts = new Map<string, number>()
  for (const { senders } of all) for (const key of senders.keys()) counts.set(key, (counts.get(key) ?? 0) + 1)
  let greatest = ''
  for (const [key, count] of counts) if (count > (counts.get(greatest) ?? 0)) greatest = key
  return { at, counts, greatest, spare: all.filter((lane) => isSpare(lane, greatest)) }
}

export function createLaneTable(): LaneTable {
  const lanes = new Map<string, Lane>()
  const idle = new Set<Lane>()
  const taken = new Set<number>()
  let waiting = 0
  let shares: Shares | undefined

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
    giveWay(sender, now) {
      if (!shares || now - shares.at >= sharesMs) shares = countShares(lanes.values(), now)
      const { counts, greatest, spare } = shares
      const mine = counts.get(sender) ?? 0
      const most = counts.get(greatest) ?? 0
      if (2 * mine >= most) return undefined
      let lane = spare.pop()
      while (lane && !(lanes.get(lane.name) === lane && isSpare(lane, greatest))) lane = spare.pop()
      if (!lane) return undefined
      counts.set(greatest, most - 1)
      counts.set(sender, mine + 1)
      return lane
    },
    remove(lane) {
      lanes.delete(lane.name)
      idle.delete(lane)
    },
  }
}
