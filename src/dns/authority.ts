// Asks the servers of a zone themselves: where a zone begins, who serves it, and whether a record has arrived there. Keeps nothing.

import type { Clock } from '../base/index.ts'
import { toHost, toIp4, toIp6, toText } from './records.ts'
import { parseServer, type Server, systemServers } from './servers.ts'
import { ask } from './transport.ts'
import { isAskable, type QueryType, type Reply, toName } from './wire.ts'

export interface Authority {
  /** Where the aliases of a name lead; the name itself when it has none. */
  follow(name: string): Promise<string>
  /** The zone that holds a name; undefined when nobody says. */
  zoneOf(name: string): Promise<string | undefined>
  /** Addresses of the servers of a zone. */
  serversOf(zone: string): Promise<readonly string[]>
  /** Whether the server (`ip` or `ip:port`) has this text at the name; in words why it cannot be told. */
  shows(server: string, name: string, text: string): Promise<boolean | string>
}

const timeoutMs = 3_000
const maxAliases = 8
const maxServers = 16

/** `servers`: recursive ones, `ip` or `ip:port`; absent: those of the system. Fault `invalid` for one that is no address. */
export function createAuthority({
  servers,
  clock,
}: {
  readonly servers?: readonly string[]
  readonly clock: Clock
}): Authority {
  const recursive = servers?.map(parseServer)
  const askOne = (server: Server, name: string, type: QueryType) => ask({ server, name, type, timeoutMs, clock })
  const askAny = async (name: string, type: QueryType): Promise<Reply | undefined> => {
    if (!isAskable(name)) return undefined
    for (const server of recursive ?? systemServers()) {
      const reply = await askOne(server, name, type)
      if (typeof reply !== 'string' && (reply.rcode === 'ok' || reply.rcode === 'nxdomain')) return reply
    }
    return undefined
  }
  const records = async <T>(name: string, type: QueryType, read: (data: unknown) => T | undefined): Promise<T[]> =>
    ((await askAny(name, type))?.records ?? []).flatMap((data) => read(data) ?? [])
  return {
    async follow(name) {
      let at = toName(name)
      for (let step = 0; step < maxAliases; step++) {
        const [next] = await records(at, 'CNAME', toHost)
        if (next === undefined) return at
        at = next
      }
      return at
    },
    async zoneOf(name) {
      for (let at = toName(name); at !== ''; at = at.includes('.') ? at.slice(at.indexOf('.') + 1) : '') {
        const reply = await askAny(at, 'SOA')
        if (reply && reply.records.length > 0) return at
      }
      return undefined
    },
    async serversOf(zone) {
      const names = (await records(zone, 'NS', toHost)).slice(0, maxServers)
      const addresses = await Promise.all(
        names.map(async (name) => [...(await records(name, 'A', toIp4)), ...(await records(name, 'AAAA', toIp6))]),
      )
      return [...new Set(addresses.flat())].slice(0, maxServers)
    },
    async shows(server, name, text) {
      const reply = await askOne(parseServer(server), toName(name), 'TXT')
      if (typeof reply === 'string') return reply
      if (reply.rcode === 'failure' || reply.rcode === 'format') return 'the server could not answer'
      return reply.records.some((data) => toText(data) === text)
    },
  }
}
