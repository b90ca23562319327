// Opens lanes for ready mail that the store has and memory has not: in circles by their names as far as there is room, and where
// there is none by the mail itself, for senders who have few. Tries nothing.

import type { Clock, Log } from '../base/index.ts'
import { queueLaneRows, type Store } from '../store/index.ts'
import { senderKey, toParties } from './batch.ts'
import { type DestinationParts, toDestination } from './destination.ts'
import type { Lane } from './lane.ts'
import type { LaneTable } from './table.ts'

export interface WalkOptions {
  readonly store: Store
  readonly clock: Clock
  readonly log: Log
  readonly table: LaneTable
  readonly parts: () => DestinationParts
  readonly isOpen: () => boolean
  /** Whether a sender with many lanes gave one up for this one. */
  readonly makeRoom: (sender: string) => boolean
  /** A lane has mail in the index. */
  readonly onShown: (lane: Lane) => void
}

const page = 500
/** Between two pages of looking for mail of senders who have few lanes; 50,000 recipients take 3 s. */
const seekPauseMs = 25
/** Before the next pass, twice as long after each that changed nothing: what is put, or due again, finds room by itself. */
const seekAgainMs = 1_000
const seekAgainMost = 60_000

/** Resolves when one walk is over, begun now or by who asked before. */
export function createWalk({ store, clock, log, table, parts, isOpen, makeRoom, onShown }: WalkOptions) {
  let cursor = ''
  let walking: Promise<void> | undefined
  let seeking = false

  const walk = async () => {
    let whole = cursor === ''
    while (isOpen()) {
      const found = await store.read(async (tx) => {
        const names = await queueLaneRows.lanesAfter(tx, cursor, page)
        const firsts: (readonly [string, number])[] = []
        for (const name of names) firsts.push([name, (await queueLaneRows.firstTurn(tx, name)) ?? 1])
        return firsts
      })
      for (const [name, first] of found) {
        if (!table.find(name) && !table.open) {
          table.incomplete = true
          void seek()
          return
        }
        cursor = name
        show(table.enter(name), first)
      }
      if (found.length === page) continue
      cursor = ''
      if (whole) break
      whole = true
    }
    table.incomplete = !isOpen()
  }
  /** A lane has ready mail in the store, whoever put it there. */
  const show = (lane: Lane, first: number) => {
    lane.known = true
    lane.reach(first - 1)
    if (store.dialect === 'postgres' || lane.idle) lane.leave({ rank: -100, turn: 0, id: 0 })
    onShown(lane)
  }
  /** Goes through the mail a page at a time, until there is room for all lanes. */
  const seek = async () => {
    if (seeking) return
    seeking = true
    try {
      for (let after = 0, again = seekAgainMs; isOpen() && table.incomplete && !table.open; ) {
        const rows = await store.read((tx) => queueLaneRows.rowsAfter(tx, after, page))
        // Whoever has many lanes gets no other: the rest of his mail need not be looked at.
        const refused = new Set<string>()
        for (const row of rows) {
          const who = senderKey(row.account, row.sender)
          if (row.state !== 'ready' || refused.has(who)) continue
          const found = await admit(row, who)
          if (found === 'refused') refused.add(who)
          if (found === 'opened') again = seekAgainMs
        }
        after = rows.length < page ? 0 : rows.at(-1)!.id
        const wait = after === 0 ? again : seekPauseMs
        if (after === 0) again = Math.min(2 * again, seekAgainMost)
        await new Promise<void>((resolve) => clock.after(wait, resolve))
      }
    } catch (error) {
      log.error({ err: error }, 'the queue could not look for mail of others')
    }
    seeking = false
  }
  /** Opens the lane of this row when its sender has few. */
  const admit = async (row: queueLaneRows.DueRow, who: string): Promise<'known' | 'refused' | 'opened'> => {
    const { sender, recipient } = toParties(row)
    const name = toDestination(parts(), sender, recipient).lane
    const known = table.find(name)
    if (known && !known.idle) return 'known'
    if (!makeRoom(who)) return 'refused'
    const first = await store.read((tx) => queueLaneRows.firstTurn(tx, name))
    show(table.enter(name), first ?? 1)
    return 'opened'
  }

  return (): Promise<void> => {
    walking ??= walk()
      .catch((error: unknown) => log.error({ err: error }, 'the queue could not look for lanes'))
      .finally(() => {
        walking = undefined
      })
    return walking
  }
}
