// The scheduler's parts made one: lanes in memory, the loader that fills them, the dispatcher that empties them, and what is
// known of where they lead. What it is told to try, `run` tries.

import type { Address, Path } from '../address/index.ts'
import type { Clock, Log } from '../base/index.ts'
import { queueLaneRows, type Store, type Writer } from '../store/index.ts'
import { type Batch, type Recipient, senderKey, type TriedBatch, toParties } from './batch.ts'
import { type Destination, type DestinationParts, toDestination } from './destination.ts'
import { createDispatch, type Ended } from './dispatch.ts'
import { comparePlaces, type Lane, laneRoom, type Place } from './lane.ts'
import type { Limits } from './limit.ts'
import { createLoader } from './loader.ts'
import { holdLane, putOffLane } from './put-off.ts'
import type { Recorder } from './record.ts'
import { createSites, createSurveyor } from './survey.ts'
import { createLaneTable } from './table.ts'
import type { TargetOptions } from './targets.ts'
import { createWalk } from './walk.ts'

/** What may change while it runs. */
export interface SchedulerParts extends DestinationParts {
  readonly limits: Limits
  /** Batches tried at once, in all and per site. */
  readonly places: number
  readonly perSite: number
}

export interface SchedulerOptions extends TargetOptions {
  readonly store: Store
  readonly clock: Clock
  readonly log: Log
  readonly recorder: Recorder
  readonly parts: SchedulerParts
  readonly run: (batch: TriedBatch) => Promise<Ended>
  /** Recipients were put off: something may be due at a new time. */
  readonly onPutOff: () => void
  readonly fault: (point: string) => void
}

export interface LaneState {
  readonly lane: string
  /** Recipients in memory, and whether the store has more. */
  readonly waiting: number
  readonly more: boolean
  readonly active: number
  readonly hosts: readonly string[]
}

/** The first that became ready in a lane, and whose it is. */
interface Arrival extends Place {
  readonly sender: string
}

export type Scheduler = ReturnType<typeof createScheduler>

const page = 500

export function createScheduler(options: SchedulerOptions) {
  const { store, clock, log, recorder } = options
  let { parts } = options
  let open = false
  const table = createLaneTable()
  const sites = createSites(clock, () => parts.perSite)

  const dispatch = createDispatch({
    async run(batch) {
      table.gone(batch)
      return options.run(batch)
    },
    places: parts.places,
    clock,
    onMoved(lane) {
      loader.want(lane)
      if (lane.batches.length > 0) surveyor.look(lane)
      rest(lane)
    },
    onRepeat(lane, batch) {
      log.debug({ lane: lane.name, queueId: batch.mail.id }, 'a connection was turned away, the message is tried again')
      table.insert(lane, batch)
    },
    onBlocked({ next, source, failure, deadForMs }) {
      log.warn(
        { hop: next, source: source || 'any', reason: failure, waitMs: Math.round(deadForMs) },
        'a source address is left out for a next hop',
      )
    },
    onDead(lane, site) {
      void close(lane, { reason: site.failure, status: '4.4.1', waitMs: site.deadForMs })
    },
  })
  const surveyor = createSurveyor({
    ...options,
    sources: () => parts.sources,
    limits: () => parts.limits,
    sites,
    onKnown(lane) {
      if (pauseHosts(lane)) return
      if (lane.survey?.problem !== undefined)
        void close(lane, { reason: lane.survey.problem, status: '4.4.3', waitMs: 0 })
      else dispatch.refresh(lane)
    },
  })
  const loader = createLoader({
    ...options,
    table,
    parts: () => parts,
    enter: (lane, batch) => enter(lane, batch),
    onLoaded(lane) {
      dispatch.offer(lane)
      loader.want(lane)
      rest(lane)
    },
    misplaced: (ids) => replace(ids),
  })

  const enter = (lane: Lane, batch: Batch) => {
    lane.destination ??= {
      lane: lane.name,
      domain: batch.domain,
      pool: poolOf(batch),
      ...(batch.route && { route: batch.route }),
    }
    recorder.open(batch.mail)
    table.insert(lane, batch)
    surveyor.look(lane)
    pauseHosts(lane)
  }
  /** Of a provider we know only here that he is paused. */
  const pauseHosts = (lane: Lane): boolean => {
    const rule = lane.survey && parts.rules.pausingHosts(lane.survey.hosts)
    if (rule) void pause(lane, rule.id, heldBy(rule))
    return rule !== undefined
  }
  const poolOf = ({ mail, recipients }: Batch) => parts.sources.poolOf(mail.sender, recipients[0]!.address)

  /** Gives what waits in memory back to the index, untried. */
  const giveBack = async (batches: readonly Batch[]): Promise<void> => {
    const ids = batches.flatMap(({ recipients }) => recipients.map(({ id }) => id))
    if (store.dialect === 'postgres')
      for (let at = 0; at < ids.length; at += page)
        await recorder.persist(() =>
          store.write([], (tx) => queueLaneRows.unclaim(tx, ids.slice(at, at + page)), { durable: false }),
        )
    for (const { mail } of batches) await recorder.drop(mail)
  }
  /** Where there is no room for one more lane: whether a sender with many gave one up. */
  const makeRoom = (sender: string): boolean => {
    const lane = table.giveWay(sender, clock.monotonic())
    if (!lane) return false
    const batches = table.takeAll(lane, () => true)
    table.remove(lane)
    table.incomplete = true
    void giveBack(batches)
    return true
  }
  const walkSoon = createWalk({
    ...options,
    table,
    parts: () => parts,
    isOpen: () => open,
    makeRoom,
    onShown(lane) {
      loader.want(lane)
      rest(lane)
    },
  })
  /** Closes an idle lane; another that waits in the store may take its place. */
  const rest = (lane: Lane) => {
    table.rest(lane)
    if (open && table.incomplete && table.roomy && lane.idle) void walkSoon()
  }
  const drain = async (lane: Lane, work: () => Promise<void>) => {
    if (lane.closing) return
    lane.closing = true
    try {
      await work()
    } catch (error) {
      log.error({ err: error, lane: lane.name }, 'the queue could not put off mail')
    }
    lane.closing = false
    if (lane.batches.length > 0) dispatch.offer(lane)
    loader.want(lane)
    rest(lane)
  }
  const tools = { store, clock, table, recorder }
  const close = (lane: Lane, cause: Parameters<typeof putOffLane>[2]) =>
    drain(lane, async () => {
      log.info({ lane: lane.name, reason: cause.reason, waitMs: cause.waitMs }, 'mail for a destination is put off')
      await putOffLane(tools, lane, cause)
      options.onPutOff()
    })
  const pause = (lane: Lane, rule: number, reason: string) => drain(lane, () => holdLane(tools, lane, rule, reason))

  /** The turn of a sender's next batch in a lane; of a lane that is not in memory the store knows which turn is first. */
  const turnIn = async (tx: Writer, lane: Lane, sender: string): Promise<number> => {
    if (!lane.known) {
      if (table.incomplete || store.dialect === 'postgres')
        lane.reach(((await queueLaneRows.firstTurn(tx, lane.name)) ?? 1) - 1)
      lane.known = true
    }
    return lane.nextTurn(sender)
  }

  /** Puts rows into their lanes, or holds them, as is right by now. */
  const place = async (tx: Writer, rows: readonly queueLaneRows.DueRow[]): Promise<ReadonlyMap<Lane, Arrival>> => {
    const placed: queueLaneRows.Placed[] = []
    const lanes = new Map<Lane, Arrival>()
    const turns = new Map<string, number>()
    for (const row of rows) {
      const { sender, recipient } = toParties(row)
      const rule = parts.rules.pausing({ sender, recipient: recipient.address })
      if (rule) {
        await queueLaneRows.holdFor(tx, [row.id], rule.id, heldBy(rule))
        continue
      }
      const lane = table.enter(toDestination(parts, sender, recipient).lane)
      const key = `${row.message} ${lane.name}`
      // Recipients of one message go together.
      const who = senderKey(row.account, row.sender)
      const turn = turns.get(key) ?? (await turnIn(tx, lane, who))
      turns.set(key, turn)
      placed.push([row.id, lane.name, turn])
      const first = lanes.get(lane)
      const here = { rank: row.rank, turn, id: row.id, sender: who }
      if (!first || here.rank < first.rank) lanes.set(lane, here)
    }
    if (placed.length > 0) await queueLaneRows.setReady(tx, placed)
    return lanes
  }
  const arrive = (lanes: ReadonlyMap<Lane, Arrival>) => {
    for (const [lane, first] of lanes) {
      if (!open || (!table.open && lane.idle && !makeRoom(first.sender))) table.incomplete = true
      else {
        lane.leave(first)
        loader.want(lane)
      }
      rest(lane)
    }
  }
  const replace = async (ids: readonly number[]): Promise<void> => {
    for (let at = 0; at < ids.length; at += page) {
      const some = ids.slice(at, at + page)
      const lanes = await store.write([], async (tx) => place(tx, await queueLaneRows.byIds(tx, some)), {
        durable: false,
      })
      arrive(lanes)
    }
  }

  return {
    table,
    sites,
    dispatch,
    get open() {
      return open
    },
    /** Begins with what the store has ready. */
    async start() {
      open = true
      await walkSoon()
    },
    walk: walkSoon,
    destinationOf: (sender: Path, recipient: Pick<Recipient, 'address' | 'kind' | 'params'>): Destination =>
      toDestination(parts, sender, recipient),
    holding: (sender: Path, recipient: Address) => parts.rules.holding({ sender, recipient }),
    turnIn: (tx: Writer, lane: string, sender: string) => turnIn(tx, table.enter(lane), sender),
    /** Whether a batch at this place would enter memory now: on PostgreSQL it is inserted claimed. */
    wants(name: string, place: Place, sender: string): boolean {
      const lane = table.find(name)
      return open && (lane && !lane.idle ? wantsInto(lane, place) : mayFill(lane, sender))
    },
    /** What was just put: into memory, when it is next there; else the index has it. */
    add(batch: Batch, claimed: boolean): void {
      const roomy = !claimed && open && mayFill(table.find(batch.lane), batch.sender)
      const lane = table.enter(batch.lane)
      if (claimed || (store.dialect === 'sqlite' && roomy && wantsInto(lane, batch))) {
        enter(lane, batch)
        if (store.dialect === 'sqlite') while (lane.waiting > laneRoom && lane.batches.length > 1) evict(lane)
        dispatch.offer(lane)
      } else if (roomy) {
        lane.leave(batch)
        loader.want(lane)
      } else table.incomplete = true
      rest(lane)
    },
    /** Puts what is due into its lanes, a page; returns how many. */
    async promote(now: number): Promise<number> {
      const { count, lanes } = await store.write(
        [],
        async (tx) => {
          const rows = await queueLaneRows.due(tx, now, page)
          return { count: rows.length, lanes: await place(tx, rows) }
        },
        { durable: false },
      )
      arrive(lanes)
      return count
    },
    /** Takes back what waits in memory: of one message, or what `which` names, or all. */
    async withdraw(which: (batch: Batch) => boolean): Promise<void> {
      for (const lane of [...table.lanes.values()]) {
        const batches = table.takeAll(lane, which)
        if (batches.length === 0) continue
        lane.leave(batches[0]!)
        lane.tail = undefined
        await giveBack(batches)
        loader.want(lane)
        rest(lane)
      }
    },
    /** Other routes, sources, limits or rules: what is in memory is looked up again. */
    async reconfigure(next: SchedulerParts): Promise<void> {
      parts = next
      sites.forgive()
      dispatch.setPlaces(parts.places)
      for (const lane of table.lanes.values()) {
        lane.survey = undefined
        lane.destination = undefined
      }
      await this.withdraw(() => true)
      dispatch.wakeAll()
    },
    /** Somebody paused a provider: lanes that lead there stop. */
    pauseHosts() {
      for (const lane of table.lanes.values()) if (!lane.idle) pauseHosts(lane)
    },
    laneStates: (): LaneState[] =>
      [...table.lanes.values()]
        .filter((lane) => !lane.idle)
        .map(({ name, waiting, more, active, survey }) => ({
          lane: name,
          waiting,
          more,
          active,
          hosts: survey?.hosts ?? [],
        })),
    forgive() {
      sites.forgive()
      dispatch.wakeAll()
    },
    close() {
      open = false
      loader.close()
      dispatch.close()
    },
  }

  /** Whether new mail of this sender may have a lane in memory: where it is crowded only a new one, for which another was given up. */
  function mayFill(lane: Lane | undefined, sender: string): boolean {
    return !table.crowded || ((lane?.idle ?? true) && makeRoom(sender))
  }
  function wantsInto(lane: Lane, place: Place): boolean {
    if (lane.closing) return false
    if (!lane.loading && !lane.reaches(place)) return false
    const last = lane.batches.at(-1)
    return table.roomIn(lane) > 0 || (last !== undefined && comparePlaces(place, last) < 0)
  }
  function evict(lane: Lane): void {
    const batch = table.evict(lane)
    if (batch) void recorder.drop(batch.mail)
  }
}

/** Why it is held, for a list. */
export const heldBy = ({ id, reason = '' }: { readonly id: number; readonly reason?: string }): string =>
  `held by rule ${id}${reason === '' ? '' : `: ${reason}`}`
