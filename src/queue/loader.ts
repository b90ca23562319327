// Brings mail that is ready from the store's index into its lanes, a page at a time. On PostgreSQL that claims it; on SQLite
// there is one process, and what it has in memory it knows itself.

import type { Clock, Log } from '../base/index.ts'
import { queueLaneRows, queueRows, type Store } from '../store/index.ts'
import { type Batch, type Mail, type Recipient, senderKey, toMail, toRecipient } from './batch.ts'
import { type DestinationParts, toDestination } from './destination.ts'
import { createFifo } from './fifo.ts'
import { comparePlaces, type Lane, laneRoom } from './lane.ts'
import type { LaneTable } from './table.ts'

export interface LoaderOptions {
  readonly store: Store
  readonly clock: Clock
  readonly log: Log
  readonly table: LaneTable
  readonly parts: () => DestinationParts
  /** A batch enters its lane. */
  readonly enter: (lane: Lane, batch: Batch) => void
  /** A page has come. */
  readonly onLoaded: (lane: Lane) => void
  /** Rows that belong into another lane by now, or that somebody paused. */
  readonly misplaced: (ids: readonly number[]) => Promise<void>
  readonly fault: (point: string) => void
}

export interface Loader {
  /** The lane has little in memory: more is fetched if the index has more. */
  want(lane: Lane): void
  close(): void
}

type ReadyRow = queueLaneRows.ReadyRow

/** Below this the lane asks for more. */
const low = 25
const retryMs = 1_000
/** Lanes read in one snapshot. */
const lanesAtOnce = 10

interface Page {
  readonly lane: Lane
  readonly limit: number
  readonly rows: readonly ReadyRow[]
}

export function createLoader(options: LoaderOptions): Loader {
  const { store, clock, log, table } = options
  const queue = createFifo<Lane>()
  let running = false
  let closed = false

  /** On SQLite the index also shows what is in memory already; on PostgreSQL what is being tried may have been released. */
  const isNew = ({ id }: ReadyRow) => !table.taken.has(id)

  const readPages = (lanes: readonly Lane[]): Promise<readonly Page[]> => {
    const read = async (lane: Lane, rows: (limit: number) => Promise<ReadyRow[]>): Promise<Page> => {
      const limit = Math.max(1, table.roomIn(lane))
      return { lane, limit, rows: await rows(limit) }
    }
    if (store.dialect === 'postgres')
      return store.write(
        [],
        async (tx) => {
          const pages: Page[] = []
          for (const lane of lanes) {
            const page = await read(lane, (limit) => queueLaneRows.claimReady(tx, lane.name, store.incarnation, limit))
            pages.push({ ...page, rows: [...page.rows].sort(comparePlaces) })
          }
          return pages
        },
        { durable: false },
      )
    return store.read(async (tx) => {
      const pages: Page[] = []
      for (const lane of lanes)
        pages.push(await read(lane, (limit) => queueLaneRows.readyAfter(tx, lane.name, lane.tail, limit)))
      return pages
    })
  }

  const load = async (lanes: readonly Lane[]) => {
    const pages = await readPages(lanes)
    options.fault('queue.claimed')
    const wanted = pages.flatMap(({ rows }) => rows.filter(isNew).map(({ message }) => message))
    const ids = [...new Set(wanted)]
    const mails = new Map<number, Mail>()
    for (let at = 0; at < ids.length; at += 1_000)
      for (const row of await store.read((tx) => queueRows.messages(tx, ids.slice(at, at + 1_000))))
        mails.set(row.id, toMail(row))
    const strays: number[] = []
    for (const page of pages) strays.push(...admit(page, mails))
    if (strays.length > 0) await options.misplaced(strays)
    for (const { lane } of pages) options.onLoaded(lane)
  }

  /** Puts a page into its lane; returns the rows that do not belong there. */
  const admit = ({ lane, limit, rows }: Page, mails: ReadonlyMap<number, Mail>): readonly number[] => {
    const strays: number[] = []
    const full = rows.length >= limit
    let groups = toGroups(rows)
    // A message that the page cuts in two waits for the next page, to go out as one.
    if (full && groups.length > 1 && store.dialect === 'sqlite') groups = groups.slice(0, -1)
    for (const group of groups) {
      const mail = mails.get(group[0]!.message)
      const fresh = group.filter(isNew)
      // Gone meanwhile, or in memory already.
      if (!mail || fresh.length === 0) continue
      const stay: Recipient[] = []
      for (const recipient of fresh.map(toRecipient)) {
        if (belongs(lane, mail, recipient)) stay.push(recipient)
        else strays.push(recipient.id)
      }
      if (stay.length > 0 && lane.destination) options.enter(lane, toBatch(lane, mail, stay, group[0]!))
    }
    lane.loaded(groups.at(-1)?.at(-1), full)
    return strays
  }
  const belongs = (lane: Lane, mail: Mail, recipient: Recipient): boolean => {
    const parts = options.parts()
    const destination = toDestination(parts, mail.sender, recipient)
    if (destination.lane !== lane.name) return false
    lane.destination ??= destination
    return parts.rules.pausing({ sender: mail.sender, recipient: recipient.address }) === undefined
  }

  const run = async () => {
    running = true
    while (!closed && queue.length > 0) {
      const lanes: Lane[] = []
      while (lanes.length < lanesAtOnce && queue.length > 0) lanes.push(queue.shift()!)
      try {
        await load(lanes)
      } catch (error) {
        log.error({ err: error }, 'the queue could not read what is ready')
        for (const lane of lanes) if (lane.loading) lane.loaded(lane.tail, true)
        if (closed) break
        await new Promise<void>((resolve) => clock.after(retryMs, resolve))
        for (const lane of lanes) want(lane)
      }
    }
    running = false
  }
  const want = (lane: Lane) => {
    if (closed || !lane.more || lane.loading || lane.closing || lane.waiting >= low) return
    // Half of what it may have at least: many small pages would cost more than they bring.
    if (table.roomIn(lane) < Math.max(1, lane.waiting)) return
    lane.loading = true
    queue.push(lane)
    if (!running) void run()
  }
  return {
    want,
    close() {
      closed = true
    },
  }
}

/** Rows that stand together and have one message and one turn. */
function toGroups(rows: readonly ReadyRow[]): readonly (readonly ReadyRow[])[] {
  const groups: ReadyRow[][] = []
  for (const row of rows) {
    const last = groups.at(-1)?.[0]
    if (last && last.message === row.message && last.turn === row.turn && groups.at(-1)!.length < laneRoom)
      groups.at(-1)!.push(row)
    else groups.push([row])
  }
  return groups
}

function toBatch(lane: Lane, mail: Mail, recipients: readonly Recipient[], { rank, turn }: ReadyRow): Batch {
  const { domain, route } = lane.destination!
  const { id, address } = recipients[0]!
  const sender = senderKey(mail.account, mail.sender === null ? null : `${mail.sender.local}@${mail.sender.domain}`)
  // A route joins domains: each keeps its own for what is said of it.
  return {
    mail,
    recipients,
    lane: lane.name,
    domain: route ? address.domain : domain,
    ...(route && { route }),
    sender,
    rank,
    turn,
    id,
  }
}
