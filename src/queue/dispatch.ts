// Who is tried next. Senders take turns, and the lanes of each; a lane gives its first batch whose sender may. A sender, and a
// lane, takes another place only while it has fewer than are free: whoever comes new finds one. A lane without a way
// stands aside until one of its sites or limits has room. Knows no store.

import type { Clock } from '../base/index.ts'
import type { Batch, TriedBatch } from './batch.ts'
import { createFifo, type Fifo } from './fifo.ts'
import type { Lane, Way } from './lane.ts'
import type { Limit } from './limit.ts'
import type { Feedback, Site } from './site.ts'

export interface Ended {
  readonly feedback: Feedback
  /** What failed. */
  readonly reason: string
  /** Nothing of the batch was said: it may go another way at once. */
  readonly unsaid: boolean
  /** Has it written down what came of the batch. Resolves when the place may be given to another. */
  settle(): Promise<void>
}

export interface DispatchOptions {
  /** Tries a batch and begins to write down what came of it; never rejects. */
  readonly run: (batch: TriedBatch) => Promise<Ended>
  /** Batches tried at once. */
  readonly places: number
  readonly clock: Clock
  /** A lane has given a batch, or one of it has ended. */
  readonly onMoved: (lane: Lane) => void
  /** A batch comes back into its lane. */
  readonly onRepeat: (lane: Lane, batch: Batch) => void
  /** All ways of a lane are dead; `site` for the shortest time. */
  readonly onDead: (lane: Lane, site: Site) => void
  /** A next hop takes nothing from an address of ours. */
  readonly onBlocked: (site: Site) => void
}

export interface Dispatch {
  readonly active: number
  /** The lane has something to give. */
  offer(lane: Lane): void
  /** Its ways are others now. */
  refresh(lane: Lane): void
  /** Sites were forgiven, or limits changed. */
  wakeAll(): void
  setPlaces(places: number): void
  /** No new batch starts from now on. */
  close(): void
  /** Resolves when nothing is tried any more. */
  drained(): Promise<void>
}

interface Sender {
  readonly key: string
  active: number
  /** Lanes that have something of his, each once. */
  readonly lanes: Fifo<Lane>
  listed: boolean
}
type Resource = Site | Limit

/** A batch is tried again at once so often, when it is turned away before it was said. */
const maxRepeats = 5
const maxLooks = 4
/** A sender's share of the free places. */
const share = 1

export function createDispatch(options: DispatchOptions): Dispatch {
  const { clock } = options
  let total = options.places
  let active = 0
  let closed = false
  let pumping = false
  let begun = 0
  const senders = new Map<string, Sender>()
  const ring = createFifo<Sender>()
  /** Which lanes a sender lists. */
  const listed = new Map<Lane, Set<string>>()
  /** Had as many places as they may. */
  let blocked: Sender[] = []
  const crowded: Lane[] = []
  const aside = new Map<Lane, readonly Resource[]>()
  const parked = new Map<Resource, Set<Lane>>()
  const timers = new Map<Resource, () => void>()
  const idle: (() => void)[] = []

  const free = () => total - active
  const mayHave = (held: number) => held < share * free()
  const maySend = (key: string) => mayHave(senders.get(key)?.active ?? 0)

  const senderOf = (key: string): Sender => {
    let sender = senders.get(key)
    if (!sender) senders.set(key, (sender = { key, active: 0, lanes: createFifo(), listed: false }))
    return sender
  }
  const enlist = (sender: Sender) => {
    if (sender.listed) return
    sender.listed = true
    ring.push(sender)
  }
  /** Puts the lane where its senders find it. */
  const list = (lane: Lane) => {
    if (lane.batches.length === 0 || lane.closing || !lane.survey || aside.has(lane)) return
    let names = listed.get(lane)
    if (!names) listed.set(lane, (names = new Set()))
    for (const key of lane.senders.keys()) {
      if (names.has(key)) continue
      names.add(key)
      const sender = senderOf(key)
      sender.lanes.push(lane)
      enlist(sender)
    }
  }
  const unlist = (lane: Lane, key: string) => {
    const names = listed.get(lane)
    names?.delete(key)
    if (names?.size === 0) listed.delete(lane)
  }

  const standAside = (lane: Lane, resources: readonly Resource[]) => {
    aside.set(lane, resources)
    for (const resource of resources) {
      const lanes = parked.get(resource)
      if (lanes) lanes.add(lane)
      else parked.set(resource, new Set([lane]))
    }
  }
  const comeBack = (lane: Lane) => {
    for (const resource of aside.get(lane) ?? []) {
      const lanes = parked.get(resource)
      lanes?.delete(lane)
      if (lanes?.size === 0) parked.delete(resource)
    }
    aside.delete(lane)
    list(lane)
  }
  /** One lane for the room that there is: it wakes the next when it is gone. One whose senders may not send does not count. */
  const wake = (resource: Resource) => {
    for (const lane of parked.get(resource) ?? []) {
      if (!hasRoom(resource)) return wakeLater(resource)
      comeBack(lane)
      for (const key of lane.senders.keys()) if (maySend(key)) return
    }
  }
  /** Only time makes room in it. A timer may fire a little early, and a connection may end before its minute does: then it is set again. */
  const wakeLater = (resource: Resource) => {
    const wait = waitOf(resource)
    if (wait === 0 || closed || timers.has(resource)) return
    const cancel = clock.after(Math.max(1, wait), () => {
      timers.delete(resource)
      wake(resource)
      pump()
    })
    timers.set(resource, cancel)
  }

  /** The way with least to do; each in turn when they are equal. Without one the lane stands aside. */
  const choose = (lane: Lane): Way | undefined => {
    const ways = lane.survey?.ways ?? []
    const full: Resource[] = []
    let best: Way | undefined
    let least = Number.POSITIVE_INFINITY
    // Lanes begin with different ways: most have one message, which would always take the first.
    const first = lane.rotation ?? begun++
    for (let i = 0; i < ways.length; i++) {
      const way = ways[(first + i) % ways.length]!
      if (way.site.deadForMs > 0) continue
      const tight = way.limits.find((limit) => !hasRoom(limit))
      // While others have room too, a way that may be alive again would never be tried: one message finds out.
      const load = way.site.suspect ? -1 : way.site.active
      if (tight || way.site.free <= 0) full.push(tight ?? way.site)
      else if (load < least) {
        best = way
        least = load
      }
    }
    lane.rotation = ways.length > 1 ? (first + 1) % ways.length : 0
    if (best) return best
    if (full.length === 0) {
      const dead = ways.map(({ site }) => site).sort((a, b) => a.deadForMs - b.deadForMs)[0]
      if (dead) options.onDead(lane, dead)
      return undefined
    }
    standAside(lane, full)
    for (const resource of full) wakeLater(resource)
    return undefined
  }

  const start = (lane: Lane, batch: Batch, way: Way) => {
    const sender = senderOf(batch.sender)
    active++
    sender.active++
    lane.active++
    way.site.begin()
    for (const limit of way.limits) limit.begin()
    const end = () => {
      active--
      sender.active--
      lane.active--
      for (const limit of way.limits) limit.end()
      if (active === 0) for (const resolve of idle.splice(0)) resolve()
      blocked = blocked.filter((one) => {
        if (!mayHave(one.active)) return true
        one.listed = false
        enlist(one)
        return false
      })
      // Each of them is listed anyway when one of its own ends: a few looks each time find who may sooner.
      for (let looks = active === 0 ? crowded.length : Math.min(crowded.length, maxLooks); looks > 0; looks--) uncrowd()
      forget(sender)
      if (way.site.deadForMs > 0) rouse(way.site)
      wake(way.site)
      for (const limit of way.limits) wake(limit)
      list(lane)
      options.onMoved(lane)
      pump()
    }
    const perConnection = Math.min(...way.limits.map(({ rule }) => rule.perConnection ?? Number.POSITIVE_INFINITY))
    const atOnce = way.limits.filter(({ rule }) => rule.connections !== undefined)
    const tried: TriedBatch = {
      ...batch,
      source: way.source,
      next: way.site.next,
      ...(Number.isFinite(perConnection) && { perConnection }),
      ...(atOnce.length > 0 && { atOnce }),
    }
    void options
      .run(tried)
      .then(({ feedback, reason, unsaid, settle }) => {
        const wasDead = way.site.deadForMs > 0
        way.site.end(feedback, reason)
        if (feedback === 'blocked' && !wasDead) options.onBlocked(way.site)
        if (!unsaid || !mayRepeat(lane, batch, feedback)) return settle()
        options.onRepeat(lane, { ...batch, repeats: (batch.repeats ?? 0) + 1 })
      })
      .finally(end)
  }
  const uncrowd = () => {
    const lane = crowded.shift()!
    lane.crowded = false
    list(lane)
  }
  /** The site is only busy, or another of our addresses may do. */
  const mayRepeat = (lane: Lane, { repeats = 0 }: Batch, feedback: Feedback): boolean => {
    const sites = (lane.survey?.ways ?? []).map(({ site }) => site)
    if (lane.closing) return false
    if (repeats < maxRepeats && sites.some(({ trusted }) => trusted)) return true
    // It is one address of ours that is turned away: each of the others may ask once.
    return feedback === 'blocked' && repeats < sites.length && sites.some(({ suspect }) => !suspect)
  }
  /** A site died: who waits for it alone learns it. */
  const rouse = (site: Site) => {
    for (const lane of [...(parked.get(site) ?? [])]) comeBack(lane)
  }
  const forget = (sender: Sender) => {
    if (sender.active === 0 && sender.lanes.length === 0 && !sender.listed) senders.delete(sender.key)
  }

  const step = (sender: Sender) => {
    if (!mayHave(sender.active)) {
      blocked.push(sender)
      return
    }
    sender.listed = false
    const lane = sender.lanes.shift()
    if (!lane) return forget(sender)
    unlist(lane, sender.key)
    if (sender.lanes.length > 0) enlist(sender)
    if (lane.senders.has(sender.key) && !lane.closing && lane.survey && !aside.has(lane)) give(lane, sender)
    forget(sender)
  }
  const give = (lane: Lane, sender: Sender) => {
    // What he may still take, he may not give to one slow destination.
    if (lane.active > 0 && lane.active >= share * free() - sender.active) {
      if (!lane.crowded) crowded.push(lane)
      lane.crowded = true
      return
    }
    const way = choose(lane)
    if (!way) return
    const batch = lane.takeFirst(maySend)
    if (batch) start(lane, batch, way)
    list(lane)
    // It may have been woken for room that is still there.
    wake(way.site)
    for (const limit of way.limits) wake(limit)
    options.onMoved(lane)
  }
  const pump = () => {
    if (pumping) return
    pumping = true
    while (!closed && free() > 0) {
      const sender = ring.shift()
      if (!sender) break
      step(sender)
    }
    pumping = false
  }

  return {
    get active() {
      return active
    },
    offer(lane) {
      list(lane)
      pump()
    },
    refresh(lane) {
      comeBack(lane)
      pump()
    },
    wakeAll() {
      for (const lane of [...aside.keys()]) comeBack(lane)
      pump()
    },
    setPlaces(places) {
      total = places
      for (const one of blocked.splice(0)) {
        one.listed = false
        enlist(one)
      }
      while (crowded.length > 0) uncrowd()
      pump()
    },
    close() {
      closed = true
      for (const cancel of timers.values()) cancel()
      timers.clear()
    },
    drained: () => (active === 0 ? Promise.resolve() : new Promise((resolve) => idle.push(resolve))),
  }
}

/** Milliseconds until time has made room; a site has none that only time makes. */
const waitOf = (resource: Resource): number => ('wait' in resource ? resource.wait : 0)

function hasRoom(resource: Resource): boolean {
  return resource.free > 0 && waitOf(resource) === 0
}
