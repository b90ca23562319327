// All filters of an installation, made from its settings: who is asked at once and who in turn.

import { type Clock, isFault, type Log } from '../base/index.ts'
import type { Resolver } from '../dns/index.ts'
import { type AskOptions, type AskParts, ask, type Guarded, guard, teach } from './ask.ts'
import { createClamAv } from './clamav.ts'
import { createDnsbl, type DnsList } from './dnsbl.ts'
import { createMilter } from './milter.ts'
import type { Place } from './place.ts'
import { createRspamd } from './rspamd.ts'
import { createSpamAssassin } from './spamassassin.ts'
import type { Filter, FilterRequest, FilterResult, Lesson, Readable } from './types.ts'

/** As the configuration names them: durations in ms, sizes in bytes. What has no address is off. */
interface DaemonSettings {
  readonly address?: Place | undefined
  readonly timeout: number
  readonly onFailure: AskOptions['onFailure']
  readonly connections: number
  readonly maxSize: number
  readonly submissions: boolean
}
export interface FilterSettings {
  readonly clamav: DaemonSettings & { readonly action: 'tag' | 'junk' | 'quarantine' | 'reject' }
  readonly spamassassin: DaemonSettings & {
    readonly user?: string | undefined
    readonly junk?: number | undefined
    readonly reject?: number | undefined
  }
  readonly rspamd: DaemonSettings & {
    readonly controller?: Place | undefined
    readonly password?: string | undefined
    readonly reject: 'reject' | 'quarantine' | 'junk'
  }
  /** In the order in which they are asked. */
  readonly milters: readonly (DaemonSettings & { readonly name: string; readonly address: Place })[]
  readonly dnsbl: {
    readonly lists: readonly DnsList[]
    readonly timeout: number
    readonly onFailure: AskOptions['onFailure']
    readonly junk?: number | undefined
    readonly reject?: number | undefined
  }
}

export interface FilterParts extends AskParts {
  /** Filters of the house itself, which are no daemons; each is asked beside all others. */
  readonly own?: readonly { readonly filter: Filter; readonly options: AskOptions }[]
  readonly clock: Clock
  readonly log: Log
  readonly resolver: Resolver
  readonly hostname: string
}

export interface Filters {
  /** One result for each filter that had to be asked. Rejects only with the reason of `signal`. */
  ask(request: FilterRequest, signal?: AbortSignal): Promise<readonly FilterResult[]>
  /** Teaches all that learn. Rejects when one of them could not be asked: it may be done again, what is known stays known. */
  learn(lesson: Lesson, message: Readable): Promise<void>
}

/** Fault `invalid` names what in the settings means nothing. Opens no connection. */
export function createFilters(settings: FilterSettings, parts: FilterParts): Filters {
  const lanes = createLanes(settings, parts)
  return {
    ask: (request, signal) => ask(parts, lanes, request, signal),
    async learn(lesson, message) {
      const taught = await Promise.allSettled(lanes.flat().map((guarded) => teach(parts, guarded, lesson, message)))
      // What a filter will never learn is no reason to try again.
      for (const one of taught) if (one.status === 'rejected' && !isFault(one.reason, 'invalid')) throw one.reason
    },
  }
}

const noLimit = Number.MAX_SAFE_INTEGER

function createLanes(settings: FilterSettings, parts: FilterParts): (readonly Guarded[])[] {
  const { clamav, spamassassin, rspamd, milters, dnsbl } = settings
  const { hostname, clock, own = [] } = parts
  const lanes: (readonly Guarded[])[] = own.map(({ filter, options }) => [guard(filter, options, parts)])
  if (clamav.address !== undefined) {
    const filter = createClamAv({ place: clamav.address, action: clamav.action })
    lanes.push([guard(filter, toOptions(clamav), parts)])
  }
  if (spamassassin.address !== undefined) {
    const { user, junk, reject } = spamassassin
    const filter = createSpamAssassin({ place: spamassassin.address, hostname, clock, user, junk, reject })
    lanes.push([guard(filter, toOptions(spamassassin), parts)])
  }
  if (rspamd.address !== undefined) {
    const { controller, password, reject } = rspamd
    const filter = createRspamd({ place: rspamd.address, controller, password, reject, hostname })
    lanes.push([guard(filter, toOptions(rspamd), parts)])
  }
  if (dnsbl.lists.length > 0) {
    const { lists, timeout, onFailure, junk, reject } = dnsbl
    const filter = createDnsbl({ ...parts, lists, junk, reject, timeoutMs: timeout })
    // Each list keeps its own time; an explanation may come after it.
    const options = { timeoutMs: 2 * timeout + 1_000, onFailure, connections: 1_000, maxSize: noLimit, inside: false }
    lanes.push([guard(filter, options, parts)])
  }
  // One sees what those before it have put on top of the message.
  lanes.push(
    milters.map((milter) => {
      const filter = createMilter({ name: milter.name, place: milter.address, hostname })
      return guard(filter, toOptions(milter), parts)
    }),
  )
  return lanes
}

function toOptions({ timeout, onFailure, connections, maxSize, submissions }: DaemonSettings): AskOptions {
  return { timeoutMs: timeout, onFailure, connections, maxSize, inside: submissions }
}
