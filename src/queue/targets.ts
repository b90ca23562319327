// From a domain or a route to the addresses that are tried, in order, or to why there are none. Opens no connection.

import { randomInt } from 'node:crypto'
import { isIP } from 'node:net'
import type { Answer, Resolver } from '../dns/index.ts'
import type { Route } from './route.ts'

/** One address to connect to. */
export interface Target {
  readonly host: string
  readonly ip: string
  readonly port: number
  /** A local socket to connect to in place of the address. */
  readonly path?: string
  readonly lmtp: boolean
  readonly tls: Route['tls']
  readonly verify: boolean
  readonly auth?: Route['auth']
}

/** Why nothing can be tried. `status` is an enhanced code (RFC 3463). */
export interface Problem {
  readonly permanent: boolean
  readonly status: string
  readonly text: string
}
/** `hosts`: the names of all, best first, also of those that are not tried in this attempt. */
export type Found =
  | { readonly targets: readonly Target[]; readonly hosts: readonly string[] }
  | { readonly problem: Problem }

export interface TargetOptions {
  readonly dns: Resolver
  /** Lower-case host names and addresses under which we are reached. */
  readonly own: ReadonlySet<string>
  /** Port of servers found by MX; 25 but for tests. */
  readonly port: number
}

/** Addresses tried in one attempt: who has more will be met in the next (RFC 5321 §5.1 asks for at least two). */
const maxTargets = 10

interface Host {
  readonly name: string
  readonly preference: number
}
interface Place extends Host {
  readonly ip: string
}

export async function findTargets(options: TargetOptions, domain: string, route: Route | undefined): Promise<Found> {
  if (route) return routeTargets(options, route)
  if (domain.startsWith('[')) return literalTargets(options, domain)
  const found = await options.dns.mx(domain)
  if (found.status === 'failed')
    return later('4.4.3', `the name servers could not say where mail for ${domain} goes (${found.reason})`)
  // A mistyped domain is common and a name server that lies is not: who wrote the address learns it now, not in five days.
  if (found.status === 'nxdomain') return never('5.1.2', `the domain ${domain} does not exist`)
  // RFC 5321 §5.1: without MX the domain itself is the host.
  if (found.status !== 'ok') return hostTargets(options, domain, [{ name: domain, preference: 0 }])
  const records = found.records.map(({ exchange, preference }) => ({ name: exchange.toLowerCase(), preference }))
  // RFC 7505 §3: the one record says that the domain takes no mail. Beside others an empty name is a mistake of theirs.
  if (records.every(({ name }) => name === '')) return never('5.1.10', `the domain ${domain} does not accept mail`)
  return hostTargets(
    options,
    domain,
    records.filter(({ name }) => name !== ''),
  )
}

/** Hosts by preference, equal ones in random order, each with its addresses (RFC 5321 §5.1). */
async function hostTargets(options: TargetOptions, domain: string, hosts: readonly Host[]): Promise<Found> {
  const sorted = shuffle(hosts).sort((a, b) => a.preference - b.preference)
  const ownName = sorted.find(({ name }) => options.own.has(name))
  const better = sorted.filter(({ preference }) => preference < (ownName?.preference ?? Number.POSITIVE_INFINITY))
  if (ownName && better.length === 0)
    return never('5.4.6', `mail for ${domain} leads back to this server (${ownName.name})`)
  const answers = await Promise.all(better.slice(0, maxTargets).map((host) => addresses(options.dns, host)))
  const places = answers.flatMap(({ places }) => places)
  const ownPlace = places.find(({ ip }) => options.own.has(ip))
  const usable = places.filter(({ preference }) => preference < (ownPlace?.preference ?? Number.POSITIVE_INFINITY))
  if (usable.length > 0)
    return {
      targets: usable.slice(0, maxTargets).map((place) => mxTarget(options, place)),
      hosts: [...new Set([...usable].sort(byName).map(({ name }) => name))],
    }
  if (ownPlace) return never('5.4.6', `mail for ${domain} leads back to this server (${ownPlace.name}, ${ownPlace.ip})`)
  const failed = answers.find(({ failed }) => failed !== undefined)?.failed
  if (failed !== undefined)
    return later('4.4.3', `the name servers could not give an address for ${domain} (${failed})`)
  // RFC 5321 §5.1: MX records none of which is usable are an error.
  return never(
    '5.4.4',
    `no mail server of ${domain} has an address (${better
      .map(({ name }) => name)
      .slice(0, maxTargets)
      .join(', ')})`,
  )
}

const byName = (a: Host, b: Host): number => a.preference - b.preference || (a.name < b.name ? -1 : 1)

const mxTarget = ({ port }: TargetOptions, { name, ip }: Place): Target => ({
  host: name,
  ip,
  port,
  lmtp: false,
  tls: 'opportunistic',
  verify: false,
})

async function routeTargets({ dns }: TargetOptions, route: Route): Promise<Found> {
  const { host, port, path, lmtp, tls, verify, auth } = route
  if (path !== undefined) return { targets: [{ host, ip: '', port, path, lmtp, tls, verify }], hosts: [path] }
  const toTarget = (ip: string): Target => ({ host, ip, port, lmtp, tls, verify, auth })
  if (isIP(host)) return { targets: [toTarget(host)], hosts: [host] }
  // The system's own name needs no name server, and none is asked for it.
  if (host === 'localhost') return { targets: ['127.0.0.1', '::1'].map(toTarget), hosts: [host] }
  const { places, failed } = await addresses(dns, { name: host, preference: 0 })
  if (places.length > 0) return { targets: places.slice(0, maxTargets).map(({ ip }) => toTarget(ip)), hosts: [host] }
  // A route is the operator's: when it leads nowhere, that is to be mended here and no reason to return mail.
  return later('4.4.4', `the relay ${route.name} has no address${failed === undefined ? '' : ` (${failed})`}`)
}

/** RFC 5321 §4.1.3: `[192.0.2.1]`, `[IPv6:2001:db8::1]`. */
function literalTargets(options: TargetOptions, domain: string): Found {
  const inner = domain.slice(1, -1)
  const ip = inner.toLowerCase().startsWith('ipv6:') ? inner.slice(5) : inner
  if (!isIP(ip)) return never('5.1.2', `${domain} is not an address that mail can be sent to`)
  if (options.own.has(ip)) return never('5.4.6', `mail for ${domain} leads back to this server`)
  return { targets: [mxTarget(options, { name: domain, preference: 0, ip })], hosts: [domain] }
}

/** IPv4 stands before IPv6: of a machine's two addresses it is the one whose reverse name and SPF are usually in order. */
async function addresses(dns: Resolver, host: Host): Promise<{ places: readonly Place[]; failed?: string }> {
  if (isIP(host.name)) return { places: [{ ...host, ip: host.name }] }
  const [four, six] = await Promise.all([dns.a(host.name), dns.aaaa(host.name)])
  const places = [...ips(four), ...ips(six)].map((ip) => ({ ...host, ip }))
  const failed = four.status === 'failed' ? four.reason : six.status === 'failed' ? six.reason : undefined
  return failed === undefined ? { places } : { places, failed }
}

const ips = (answer: Answer<string>): readonly string[] => (answer.status === 'ok' ? shuffle(answer.records) : [])

function shuffle<T>(items: readonly T[]): T[] {
  const out = [...items]
  for (let i = out.length - 1; i > 0; i--) {
    const j = randomInt(i + 1)
    const kept = out[i]!
    out[i] = out[j]!
    out[j] = kept
  }
  return out
}

const later = (status: string, text: string): Found => ({ problem: { permanent: false, status, text } })
const never = (status: string, text: string): Found => ({ problem: { permanent: true, status, text } })
