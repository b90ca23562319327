// The resolver of the running server: asks recursive name servers over the wire, retries, follows CNAMEs, keeps answers.
// For DNSSEC it believes the AD bit of a server on this machine and of no other; it validates nothing itself.

import { type Clock, isLoopback } from '../base/index.ts'
import { createCache } from './cache.ts'
import { toCaa, toHost, toIp4, toIp6, toMx, toSrv, toText, toTlsa } from './records.ts'
import { toReverseName } from './reverse.ts'
import { parseServer, type Server, systemServers } from './servers.ts'
import { ask } from './transport.ts'
import type { Answer, CaaResolver } from './types.ts'
import { isAskable, isPlainName, type QueryType, toName } from './wire.ts'

export interface ResolverOptions {
  /** `ip` or `ip:port`; absent: those of /etc/resolv.conf. */
  readonly servers?: readonly string[]
  /** Of one try at one server; absent: 3,000. */
  readonly timeoutMs?: number
  readonly clock: Clock
  /** Somebody named the servers in our configuration: then even names reserved for tests are asked. Absent: whether `servers` is given. */
  readonly named?: boolean
  /** False: no server's AD bit is believed. */
  readonly dnssec?: boolean
}

const rounds = 2
const maxAliasQueries = 4
const second = 1000
/** No record is asked for again within 5 s, and none is believed for more than a day. */
const ttlBounds = { least: 5 * second, most: 86_400 * second }
/** RFC 2308 §5 lets us choose; a domain that was just set up should not wait longer for its mail. */
const negativeBounds = { least: 5 * second, most: 900 * second }
/** An outage is remembered briefly, so that a thousand messages do not each wait for the same silence (RFC 2308 §7). */
const failureMs = 5 * second
/** RFC 6761 §6: nobody on the net answers for these, and asking tells strangers what we test. */
const reserved = ['test', 'example', 'invalid', 'localhost']

type Raw = Answer<unknown>

/** Throws Fault `invalid` for a server that is no address; the resolver itself never throws. */
export function createResolver(options: ResolverOptions): CaaResolver {
  const { clock, timeoutMs = 3 * second, dnssec = true } = options
  const fixed = options.servers?.map(parseServer)
  const named = options.named ?? fixed !== undefined
  const cache = createCache<Raw>(clock)
  const waiting = new Map<string, Promise<Raw>>()
  let closed = false

  /** One question to each server in turn until one answers. */
  const askAll = async (name: string, type: QueryType) => {
    const servers: readonly Server[] = fixed ?? systemServers()
    let reason = 'no name server is configured'
    let refused = false
    for (let round = 0; round < rounds; round++)
      for (const server of servers) {
        if (closed) return 'the resolver is closed'
        const near = dnssec && isLoopback(server.ip)
        // What a validating server finds false is not asked of one that takes everything for true (downgrade by false answers).
        if (refused && !near) continue
        const reply = await ask({ server, name, type, timeoutMs, clock })
        if (typeof reply !== 'string' && reply.rcode !== 'failure' && reply.rcode !== 'format')
          // Whoever stands between us and a server elsewhere can set the bit as well as it can (RFC 7672 §2.1.3).
          return { ...reply, authentic: reply.authentic && near }
        if (near && typeof reply !== 'string' && reply.rcode === 'failure') refused = true
        reason = `${server.ip}: ${typeof reply === 'string' ? reply : 'the server could not answer'}`
      }
    return reason
  }

  const lookUp = async (name: string, type: QueryType): Promise<{ answer: Raw; keepMs: number }> => {
    let at = name
    let authentic = true
    let ttlMs = ttlBounds.most
    for (let step = 0; step < maxAliasQueries; step++) {
      const reply = await askAll(at, type)
      if (typeof reply === 'string')
        return { answer: { status: 'failed', reason: `${type} of ${at}: ${reply}` }, keepMs: failureMs }
      authentic &&= reply.authentic
      ttlMs = Math.min(ttlMs, reply.ttl * second)
      if (reply.records.length > 0) {
        const ttl = Math.round(ttlMs / second)
        const canonical = reply.canonical ?? (at === name ? undefined : at)
        const answer: Raw = { status: 'ok', records: reply.records, ttl, authentic, ...(canonical && { canonical }) }
        return { answer, keepMs: clamp(ttlMs, ttlBounds) }
      }
      if (reply.rcode === 'nxdomain')
        return { answer: { status: 'nxdomain', authentic }, keepMs: clamp(ttlMs, negativeBounds) }
      if (reply.alias === undefined || !isPlainName(reply.alias))
        return { answer: { status: 'nodata', authentic }, keepMs: clamp(ttlMs, negativeBounds) }
      at = reply.alias
    }
    return { answer: { status: 'failed', reason: `${type} of ${name}: too many aliases` }, keepMs: failureMs }
  }

  const resolve = (given: string, type: QueryType): Promise<Raw> => {
    const name = toName(given)
    if (!isAskable(name) || (!named && isReserved(name)))
      return Promise.resolve({ status: 'nxdomain', authentic: false })
    const key = `${type} ${name}`
    const known = cache.get(key)
    if (known) return Promise.resolve(known)
    const asked = waiting.get(key)
    if (asked) return asked
    const asking = lookUp(name, type)
      .then(({ answer, keepMs }) => {
        cache.set(key, answer, keepMs, weigh(answer))
        return answer
      })
      .catch((error: unknown): Raw => ({ status: 'failed', reason: String(error) }))
      .finally(() => waiting.delete(key))
    waiting.set(key, asking)
    return asking
  }

  return {
    mx: async (name) => convert(await resolve(name, 'MX'), toMx),
    a: async (name) => convert(await resolve(name, 'A'), toIp4),
    aaaa: async (name) => convert(await resolve(name, 'AAAA'), toIp6),
    txt: async (name) => convert(await resolve(name, 'TXT'), toText),
    async ptr(ip) {
      const name = toReverseName(ip)
      return name ? convert(await resolve(name, 'PTR'), toHost) : { status: 'nxdomain', authentic: false }
    },
    srv: async (name) => convert(await resolve(name, 'SRV'), toSrv),
    tlsa: async (name) => convert(await resolve(name, 'TLSA'), toTlsa),
    caa: async (name) => convert(await resolve(name, 'CAA'), toCaa),
    close() {
      closed = true
      cache.clear()
    },
  }
}

function convert<T>(answer: Raw, read: (data: unknown) => T | undefined): Answer<T> {
  if (answer.status !== 'ok') return answer
  const records = answer.records.map(read).filter((record) => record !== undefined)
  return records.length > 0 ? { ...answer, records } : { status: 'nodata', authentic: answer.authentic }
}

const isReserved = (name: string): boolean => reserved.includes(name.slice(name.lastIndexOf('.') + 1))

const clamp = (ms: number, { least, most }: { least: number; most: number }) => Math.min(Math.max(ms, least), most)

function weigh(answer: Raw): number {
  return answer.status === 'ok' ? JSON.stringify(answer.records).length : 0
}
