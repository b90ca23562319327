// Looks at a destination before mail is sent there: its hosts, and which of our addresses reach it. Sends nothing.

import { isIP } from 'node:net'
import type { Clock } from '../base/index.ts'
import { localLane, refusedLane } from './batch.ts'
import { nameOfRoute } from './destination.ts'
import { createFifo } from './fifo.ts'
import type { Lane, Survey, Way } from './lane.ts'
import type { Limits } from './limit.ts'
import { Site } from './site.ts'
import type { Source, Sources } from './sources.ts'
import { type Found, findTargets, type TargetOptions } from './targets.ts'

export interface SurveyOptions extends TargetOptions {
  readonly clock: Clock
  readonly sources: () => Sources
  readonly limits: () => Limits
  readonly sites: Sites
  /** The lane has a new survey. */
  readonly onKnown: (lane: Lane) => void
}

/** Asked again after so long; the resolver has the answers for as long as their owners allow. */
const fresh = 60_000
/** Without a new one, an old one is good for so long. */
const stale = 15 * 60_000
const maxAtOnce = 50

export interface Surveyor {
  /** Asks if what is known is old. The lane has a survey at once, or `onKnown` is called later. */
  look(lane: Lane): void
}

export function createSurveyor(options: SurveyOptions): Surveyor {
  const { clock, sites } = options
  const queue = createFifo<Lane>()
  let asking = 0

  const ask = async (lane: Lane) => {
    const { destination, name } = lane
    if (!destination) return
    if (name === localLane || name === refusedLane) {
      lane.survey = { at: clock.monotonic(), hosts: [], ways: [plainWay(sites.aside(name))] }
      return
    }
    const found = await findTargets(options, destination.domain, destination.route).catch(
      (error): Found => ({ problem: { permanent: false, status: '4.4.3', text: String(error) } }),
    )
    lane.survey = toSurvey(lane, found)
  }
  const toSurvey = (lane: Lane, found: Found): Survey => {
    const at = clock.monotonic()
    const { domain, route, pool } = lane.destination!
    if ('problem' in found) {
      // What is final is told to each sender by an attempt that needs no connection.
      const ways = found.problem.permanent ? [plainWay(sites.aside(lane.name))] : []
      return { at, hosts: [], ways, ...(!found.problem.permanent && { problem: found.problem.text }) }
    }
    const { hosts } = found
    const families = new Set(found.targets.map(({ ip }) => isIP(ip)))
    const limits = options.limits()
    const shared = limits.ofHosts(route ? undefined : domain, hosts)
    // Who has the same hosts shares what they bear.
    const next = route ? nameOfRoute(route) : hosts.join(' ')
    const usable = options
      .sources()
      .in(pool)
      .filter(({ address }) => address === '' || families.has(isIP(address)))
    if (usable.length === 0)
      return { at, hosts, ways: [], problem: `no address of the pool ${pool} can reach ${hosts[0] ?? domain}` }
    const ways = usable.map(
      (source): Way => ({
        source,
        site: sites.find(next, source),
        limits: [...shared, ...limits.ofSource(source.address)],
      }),
    )
    return { at, hosts, ways }
  }
  const run = () => {
    while (asking < maxAtOnce) {
      const lane = queue.shift()
      if (!lane) return
      asking++
      void ask(lane).finally(() => {
        asking--
        lane.surveying = false
        options.onKnown(lane)
        run()
      })
    }
  }
  return {
    look(lane) {
      const age = lane.survey ? clock.monotonic() - lane.survey.at : Number.POSITIVE_INFINITY
      if (age > stale || lane.survey?.problem !== undefined) lane.survey = undefined
      if (age < fresh && lane.survey) return
      if (lane.surveying || !lane.destination) return
      lane.surveying = true
      queue.push(lane)
      run()
    },
  }
}

const plainWay = (site: Site): Way => ({ source: { address: '' }, site, limits: [] })

/** All sites that are remembered. */
export interface Sites {
  readonly all: ReadonlyMap<string, Site>
  find(next: string, source: Source): Site
  /** One that learns nothing, for what needs no connection. */
  aside(name: string): Site
  forgive(): void
}

const maxSites = 20_000
/** What a site learned is worth something for so long. */
const keptMs = 3_600_000

export function createSites(clock: Clock, most: () => number): Sites {
  const all = new Map<string, Site>()
  const prune = () => {
    const old = clock.monotonic() - keptMs
    let over = all.size - maxSites * 0.9
    for (const [key, site] of all) {
      if (over <= 0) return
      if (site.active > 0 || (site.suspect && site.moved > old)) continue
      all.delete(key)
      over--
    }
  }
  return {
    all,
    find(next, { address }) {
      const key = `${next}\n${address}`
      let site = all.get(key)
      if (site) {
        // The oldest stand first.
        all.delete(key)
        all.set(key, site)
        return site
      }
      all.set(key, (site = new Site(next, address, clock, most)))
      if (all.size > maxSites) prune()
      return site
    },
    aside: (name) => new Site(name, '', clock, () => 20),
    forgive() {
      for (const site of all.values()) site.forgive()
    },
  }
}
