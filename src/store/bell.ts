// The bell: says that something changed, never what it was. Heard in the thread that wrote at once, in the others a turn later; when
// accounts change all the time, some milliseconds later.

import { BroadcastChannel } from 'node:worker_threads'
import type { AccountId, Log } from '../base/index.ts'
import type { Bell, Ring } from './types.ts'

export interface RingingBell extends Bell {
  ring(rings: readonly Ring[]): void
  close(): void
}

/** The bell of the store that writes: it tells its own thread and every listening bell of the same `name` in the process. */
export function createBell(name: string, log: Log): RingingBell {
  const channel = new BroadcastChannel(name)
  channel.unref()
  const local = createHearers(log)
  const afar = gather((rings) => channel.postMessage(rings))
  return {
    on: local.on,
    ring(rings) {
      if (rings.length === 0) return
      afar.ring(rings)
      local.tell(rings)
    },
    close() {
      afar.close()
      channel.close()
    },
  }
}

/** How long rings of accounts wait for others after one was told: under a rush each would wake every thread. */
const restMs = 20

/** Tells the first ring at once and what comes in the milliseconds after it together, each account once. Topics never wait. */
function gather(tell: (rings: readonly Ring[]) => void) {
  const accounts = new Map<AccountId, number>()
  let rest: NodeJS.Timeout | undefined
  const tellAll = (topics: readonly Ring[]) => {
    const rings: Ring[] = [...topics]
    for (const [account, modseq] of accounts) rings.push({ account, modseq })
    accounts.clear()
    if (rings.length > 0) tell(rings)
  }
  const wake = () => {
    rest = accounts.size > 0 ? setTimeout(wake, restMs).unref() : undefined
    tellAll([])
  }
  return {
    ring(rings: readonly Ring[]) {
      for (const ring of rings) if ('account' in ring) accounts.set(ring.account, ring.modseq)
      const topics = rings.filter((ring) => 'topic' in ring)
      if (rest && topics.length === 0) return
      tellAll(topics)
      rest ??= setTimeout(wake, restMs).unref()
    },
    close() {
      clearTimeout(rest)
      tellAll([])
    },
  }
}

/** The bell of a read-only store: hears the writing store of the same process, in whatever thread that is. */
export function listenBell(name: string, log: Log): Bell & { close(): void } {
  const channel = new BroadcastChannel(name)
  channel.unref()
  const local = createHearers(log)
  channel.onmessage = (event) => local.tell((event as { data: readonly Ring[] }).data)
  return { on: local.on, close: () => channel.close() }
}

function createHearers(log: Log) {
  const hearers = new Set<(ring: Ring) => void>()
  return {
    on(hear: (ring: Ring) => void) {
      // A hearer may be registered twice: each has its own way to stop.
      const own = (ring: Ring) => hear(ring)
      hearers.add(own)
      return () => void hearers.delete(own)
    },
    tell(rings: readonly Ring[]) {
      for (const ring of rings)
        for (const hear of hearers) {
          try {
            hear(ring)
          } catch (error) {
            log.error({ err: error }, 'a hearer of the bell failed')
          }
        }
    },
  }
}
