// A lane: mail for one destination from one pool of source addresses, in the order in which it is sent. Holds the next of it;
// the rest stands in the store's index. Senders take turns: what a sender adds gets turns behind his own last one, but never
// behind anybody else's. Only values.

import type { Batch } from './batch.ts'
import type { Destination } from './destination.ts'
import type { Limit } from './limit.ts'
import type { Site } from './site.ts'
import type { Source } from './sources.ts'

/** Place in a lane: lower rank first, then lower turn, then lower id. */
export interface Place {
  readonly rank: number
  readonly turn: number
  readonly id: number
}

/** The place alone: what stood there may hold a whole message. */
function placeOf({ rank, turn, id }: Place): Place {
  return { rank, turn, id }
}

export function comparePlaces(a: Place, b: Place): number {
  return a.rank - b.rank || a.turn - b.turn || a.id - b.id
}

/** One of our addresses on the way to a lane's destination. */
export interface Way {
  readonly source: Source
  readonly site: Site
  readonly limits: readonly Limit[]
}

/** What is known of a destination before anything is sent there. */
export interface Survey {
  /** When it was asked, monotonic. */
  readonly at: number
  /** Names of its mail hosts, best first. */
  readonly hosts: readonly string[]
  readonly ways: readonly Way[]
  /** Nothing can be sent there now, and why. */
  readonly problem?: string
}

/** Recipients of a lane in memory at most, but for those that come between. */
export const laneRoom = 100
/** Senders whose last turn is remembered, of each lane. */
const maxSenders = 2_000

export class Lane {
  readonly name: string
  /** Known with the first mail. */
  destination: Destination | undefined
  survey: Survey | undefined
  /** Being asked. */
  surveying = false
  /** The turns that stand in the store are counted in. */
  known = false
  /** Waiting, in order. */
  readonly batches: Batch[] = []
  /** Recipients of `batches`. */
  waiting = 0
  active = 0
  /** The store's index holds some that are not in memory, behind `tail`; without a tail anywhere. */
  more = false
  tail: Place | undefined
  loading = false
  /** Its mail is being put off: nothing begins, and what comes stays in the index. */
  closing = false
  /** Waits until its senders may give it another place. */
  crowded = false
  /** Of the rotation among its ways; absent: it has not begun. */
  rotation: number | undefined
  /** Batches by sender. */
  readonly senders = new Map<string, number>()
  #virtual = 0
  readonly #last = new Map<string, number>()
  /** Something was left in the index while a page of it was read. */
  #missed = false

  constructor(name: string) {
    this.name = name
  }

  get idle(): boolean {
    return this.batches.length === 0 && this.active === 0 && !this.more && !this.loading && !this.closing
  }

  /** The turn of what a sender adds now. */
  nextTurn(sender: string): number {
    const turn = Math.max(this.#virtual, this.#last.get(sender) ?? 0) + 1
    this.#last.delete(sender)
    this.#last.set(sender, turn)
    if (this.#last.size > maxSenders) this.#forget()
    return turn
  }

  /** What has been sent, or stands first in the index: nobody new comes before it. */
  reach(turn: number): void {
    if (turn > this.#virtual) this.#virtual = turn
  }

  /** Puts a batch in its place. */
  insert(batch: Batch): void {
    const { batches } = this
    let low = 0
    let high = batches.length
    while (low < high) {
      const middle = (low + high) >> 1
      if (comparePlaces(batches[middle]!, batch) < 0) low = middle + 1
      else high = middle
    }
    batches.splice(low, 0, batch)
    this.waiting += batch.recipients.length
    this.senders.set(batch.sender, (this.senders.get(batch.sender) ?? 0) + 1)
  }

  /** Takes out the first whose sender may. */
  takeFirst(may: (sender: string) => boolean): Batch | undefined {
    const at = this.batches.findIndex(({ sender }) => may(sender))
    if (at < 0) return undefined
    const [batch] = this.batches.splice(at, 1)
    this.#left(batch!)
    this.reach(batch!.turn)
    return batch
  }

  /** One at this place stays in the index. */
  leave(place: Place): void {
    if (this.loading) this.#missed = true
    if (!this.more) this.tail = this.#end()
    // It would be passed over: the index is read from its beginning again.
    if (this.tail && comparePlaces(place, this.tail) < 0) this.tail = undefined
    this.more = true
  }

  /** A page of the index came into memory, up to `tail`; `more`: it was not the last. */
  loaded(tail: Place | undefined, more: boolean): void {
    this.loading = false
    this.more = more || this.#missed
    this.tail = this.#missed ? undefined : tail ? placeOf(tail) : this.tail
    this.#missed = false
  }

  /** Takes out the last: it stays in the index, which is read again from the one before. */
  evictLast(): Batch | undefined {
    const batch = this.batches.pop()
    if (!batch) return undefined
    this.#left(batch)
    const last = this.#end()
    if (!this.more || (this.tail && (!last || comparePlaces(last, this.tail) < 0))) this.tail = last
    this.more = true
    return batch
  }

  /** Takes out all that `which` names. */
  takeAll(which: (batch: Batch) => boolean): Batch[] {
    const taken = this.batches.filter(which)
    if (taken.length === 0) return taken
    const kept = this.batches.filter((batch) => !which(batch))
    this.batches.splice(0, this.batches.length, ...kept)
    for (const batch of taken) this.#left(batch)
    return taken
  }

  /** Whether a new one at this place belongs into memory: else the index has some that come before it. */
  reaches(place: Place): boolean {
    return !this.more || (this.tail !== undefined && comparePlaces(place, this.tail) < 0)
  }

  /** The place of the last in memory. */
  #end(): Place | undefined {
    const last = this.batches.at(-1)
    return last && placeOf(last)
  }

  #left(batch: Batch): void {
    this.waiting -= batch.recipients.length
    const count = this.senders.get(batch.sender)! - 1
    if (count > 0) this.senders.set(batch.sender, count)
    else this.senders.delete(batch.sender)
  }

  /** Turns that are over say nothing any more; of the others the oldest go. */
  #forget(): void {
    for (const [sender, turn] of this.#last) if (turn <= this.#virtual) this.#last.delete(sender)
    for (const sender of this.#last.keys()) {
      if (this.#last.size <= maxSenders / 2) return
      this.#last.delete(sender)
    }
  }
}
