// Where a recipient's mail goes and from which of our addresses: the lane in which he waits. Asks nobody.

import { createHash } from 'node:crypto'
import type { Path } from '../address/index.ts'
import { localLane, type Recipient } from './batch.ts'
import { parseRoute, type Route, type Routes } from './route.ts'
import type { Rules } from './rules.ts'
import type { Sources } from './sources.ts'

export interface Destination {
  readonly lane: string
  /** Of the recipient; a route joins many. */
  readonly domain: string
  readonly route?: Route
  /** Of source addresses; empty: the system's choice. */
  readonly pool: string
}

export interface DestinationParts {
  readonly routes: Routes
  readonly sources: Sources
  readonly rules: Rules
}

/** What people said of this message or domain comes before the configuration. */
export function toDestination(
  { routes, sources, rules }: DestinationParts,
  sender: Path,
  { address, kind, params }: Pick<Recipient, 'address' | 'kind' | 'params'>,
): Destination {
  const { domain } = address
  if (kind === 'local') return { lane: localLane, domain, pool: '' }
  const given = params.route ?? rules.routeOf(domain)
  const route = given === undefined ? routes(domain) : given === '' ? undefined : readRoute(given)
  const pool = sources.poolOf(sender, address)
  const name = route ? nameOfRoute(route) : domain
  return { lane: pool === '' ? name : `${name} via ${pool}`, domain, pool, ...(route && { route }) }
}

/** The lane's name stands in the store and before people: it shows no password, and differs where routes differ in one. */
export function nameOfRoute({ name, key }: Route): string {
  if (key === name) return `>${name}`
  return `>${name} #${createHash('sha256').update(key).digest('hex').slice(0, 8)}`
}

const read = new Map<string, Route>()
const maxRead = 1_000

/** Routes that people gave: read when they were given, so they are right. */
function readRoute(text: string): Route {
  let route = read.get(text)
  if (!route) {
    if (read.size >= maxRead) read.clear()
    read.set(text, (route = parseRoute(text)))
  }
  return route
}
