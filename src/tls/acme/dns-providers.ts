// Who puts TXT records into the DNS for us: a name server that takes updates (RFC 2136), or Cloudflare's API. Knows not what for.

import { type Clock, Fault } from '../../base/index.ts'
import { type Authority, type TsigKey, update } from '../../dns/index.ts'
import type { Transport, WebResponse } from './types.ts'

export interface DnsProvider {
  add(name: string, value: string): Promise<void>
  /** Takes exactly this one away. */
  remove(name: string, value: string): Promise<void>
}

export interface Rfc2136Settings {
  /** Of the primary: `ip` or `ip:port`. */
  readonly server: string
  /** Absent: found by asking. */
  readonly zone?: string
  readonly key?: TsigKey
}

export function createRfc2136(settings: Rfc2136Settings, authority: Authority, clock: Clock): DnsProvider {
  const change = async (name: string, value: string, add: boolean) => {
    const { server, key } = settings
    const zone = settings.zone ?? (await authority.zoneOf(name))
    if (zone === undefined) throw new Fault('unavailable', `nobody says in which zone ${name} is: set acme.dns.zone`)
    await update({ server, zone, ...(key && { key }), name, value, add }, clock)
  }
  return { add: (name, value) => change(name, value, true), remove: (name, value) => change(name, value, false) }
}

export interface CloudflareSettings {
  /** An API token that may read zones and edit DNS. */
  readonly token: string
  readonly api: string
}

const recordTtl = 60

/** https://developers.cloudflare.com/api: zones by name, DNS records of a zone; every answer is {success, errors, result}. */
export function createCloudflare({ token, api }: CloudflareSettings, transport: Transport): DnsProvider {
  const ids = new Map<string, string>()
  const zones = new Map<string, string>()
  const call = async (method: 'GET' | 'POST' | 'DELETE', path: string, body?: object): Promise<unknown> => {
    const response = await transport({
      method,
      url: `${api}${path}`,
      headers: { authorization: `Bearer ${token}`, 'content-type': 'application/json', accept: 'application/json' },
      ...(body && { body: JSON.stringify(body) }),
    })
    return readResult(response, `${method} ${path}`)
  }
  /** The longest zone of the account that holds the name. */
  const zoneOf = async (name: string): Promise<string> => {
    for (let at = name; at.includes('.'); at = at.slice(at.indexOf('.') + 1)) {
      const kept = zones.get(at)
      if (kept !== undefined) return kept
      const id = firstId(await call('GET', `/zones?name=${encodeURIComponent(at)}&status=active`))
      if (id === undefined) continue
      zones.set(at, id)
      return id
    }
    throw new Fault('not-found', `Cloudflare: the token sees no zone that holds ${name}`)
  }
  return {
    async add(name, value) {
      const zone = await zoneOf(name)
      const record = { type: 'TXT', name, content: `"${value}"`, ttl: recordTtl }
      const made = await call('POST', `/zones/${zone}/dns_records`, record)
      const id = idOf(made)
      if (id === undefined) throw new Fault('unavailable', 'Cloudflare: the new record has no id')
      ids.set(`${name} ${value}`, `${zone} ${id}`)
    },
    async remove(name, value) {
      const [zone, id] = ids.get(`${name} ${value}`)?.split(' ') ?? []
      if (id === undefined) return
      await call('DELETE', `/zones/${zone}/dns_records/${id}`)
      ids.delete(`${name} ${value}`)
    },
  }
}

function readResult({ status, body }: WebResponse, about: string): unknown {
  const found = parse(body)
  if (status < 400 && found['success'] === true) return found['result']
  const errors = Array.isArray(found['errors']) ? (found['errors'] as { code?: unknown; message?: unknown }[]) : []
  const said = errors.slice(0, 5).map(({ code, message }) => `${String(message).slice(0, 300)} (${String(code)})`)
  const hint =
    status === 401 || status === 403 ? ': the token in acme.dns.token must be allowed Zone:Read and DNS:Edit' : ''
  const words = said.length > 0 ? said.join('; ') : `HTTP status ${status}`
  throw new Fault(status === 401 || status === 403 ? 'denied' : 'unavailable', `Cloudflare, ${about}: ${words}${hint}`)
}

function parse(body: Buffer): Readonly<{ [key: string]: unknown }> {
  try {
    const found: unknown = JSON.parse(body.toString('utf8'))
    return typeof found === 'object' && found !== null ? (found as { [key: string]: unknown }) : {}
  } catch {
    return {}
  }
}

function firstId(result: unknown): string | undefined {
  return Array.isArray(result) ? idOf(result[0]) : undefined
}

/** It becomes part of a path. */
function idOf(result: unknown): string | undefined {
  const id = typeof result === 'object' && result !== null && 'id' in result ? String(result.id) : ''
  return /^[A-Za-z0-9]{1,64}$/.test(id) ? id : undefined
}
