// What is demanded of TLS to the mail hosts of a domain: asks for what the world says of it, and has it decided (tls-policy.ts).
// Opens no connection to them.

import { createHash } from 'node:crypto'
import type { Clock } from '../base/index.ts'
import type { Answer, MxRecord, Resolver } from '../dns/index.ts'
import type { Dane } from '../mailauth/index.ts'
import type { Sts, StsPolicies } from './sts.ts'
import { decideTls, type TlsDemand, type TlsRefusal, type TlsWish, type TlsWord } from './tls-policy.ts'

export interface DemandOptions {
  readonly dns: Resolver
  /** Absent: no MTA-STS. */
  readonly sts?: Pick<StsPolicies, 'of'>
  /** What the operator says of a domain. */
  readonly wordOf: (domain: string) => TlsWord | undefined
  /** Of the hosts: TLSA records are those of a port. */
  readonly port: number
  readonly clock: Clock
}

/** What is demanded for one message at one host, and of what it was made. */
export interface HostDemand {
  readonly demand: TlsDemand | TlsRefusal
  readonly dane: Dane
  readonly sts: Sts
  /** The MTA-STS policy names the host. */
  readonly listed: boolean
  /** Names the usable TLSA records as a whole. */
  readonly records?: string
}

export interface DomainDemands {
  readonly sts: Sts
  at(host: string, wish: TlsWish): Promise<HostDemand>
}

export interface Demands {
  /** Of a domain whose mail goes by MX. Rejects when the store does. */
  of(domain: string): Promise<DomainDemands>
}

/** Loaded with the first mail that goes by MX: a start does not need it. */
const mailauth = () => import('../mailauth/index.ts')

/** A message of a busy domain costs no lookup; what changes in the DNS is seen after so long. */
const freshMs = 30_000
const maxKnown = 2_000
const none: Dane = { state: 'none' }

export function createDemands(options: DemandOptions): Demands {
  const { dns, sts: policies, clock } = options
  const known = new Map<string, { readonly demands: Promise<DomainDemands>; readonly until: number }>()

  const make = async (domain: string): Promise<DomainDemands> => {
    const [mx, sts, { isStsHost, lookUpDane }] = await Promise.all([
      dns.mx(domain),
      policies?.of(domain) ?? ({ state: 'none' } as const),
      mailauth(),
    ])
    const isNamed = toNameTest(domain, mx)
    const asked = new Map<string, Promise<Dane>>()
    const ask = (host: string): Promise<Dane> => {
      if (mx.status === 'failed')
        return Promise.resolve({
          state: 'failed',
          words: `no answer about the mail servers of ${domain}: ${mx.reason}`,
        })
      // RFC 7672 §2.2.1: of a host that anybody may have named, its own records say nothing.
      return isNamed(host) ? lookUpDane(dns, host, options.port) : Promise.resolve(none)
    }
    return {
      sts,
      async at(host, wish) {
        let asking = asked.get(host)
        if (!asking) asked.set(host, (asking = ask(host)))
        const dane = await asking
        const listed = sts.state === 'policy' && isStsHost(sts.policy, host)
        const facts = { domain, host, wish, word: options.wordOf(domain), dane, sts, listed, named: isNamed(host) }
        return { demand: decideTls(facts), dane, sts, listed, ...(dane.state === 'usable' && { records: toKey(dane) }) }
      },
    }
  }

  return {
    of(domain) {
      if (domain.startsWith('[')) return Promise.resolve(literal(options.wordOf(domain)))
      const found = known.get(domain)
      if (found && found.until > clock.monotonic()) return found.demands
      known.delete(domain)
      if (known.size >= maxKnown) known.delete(known.keys().next().value!)
      const demands = make(domain)
      known.set(domain, { demands, until: clock.monotonic() + freshMs })
      demands.catch(() => known.delete(domain))
      return demands
    },
  }
}

/** Which hosts are the domain's beyond doubt: those that a signed MX record names, and without MX record the domain itself. */
function toNameTest(domain: string, mx: Answer<MxRecord>): (host: string) => boolean {
  if (mx.status === 'failed') return () => false
  if (mx.status !== 'ok') return (host) => host === domain
  const hosts = new Set(mx.authentic ? mx.records.map(({ exchange }) => exchange.toLowerCase()) : [])
  return (host) => hosts.has(host)
}

/** The sender wrote the address itself; nobody publishes anything of it. */
function literal(word: TlsWord | undefined): DomainDemands {
  const sts: Sts = { state: 'none' }
  return {
    sts,
    async at(host, wish) {
      const facts = { domain: host, host, wish, word, dane: none, sts, listed: false, named: true }
      return { demand: decideTls(facts), dane: none, sts, listed: false }
    },
  }
}

const toKey = ({ base, records }: Extract<Dane, { records: unknown }>): string => {
  const text = records.map(({ usage, selector, matching, data }) => `${usage} ${selector} ${matching} ${data}`).sort()
  return createHash('sha256')
    .update([base, ...text].join('\n'))
    .digest('base64')
}
