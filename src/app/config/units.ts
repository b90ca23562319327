// The small languages of configuration values: sizes, durations, endpoints. Text in, numbers out, undefined when it is neither.

import { isIP } from 'node:net'

const sizes: Readonly<Record<string, number>> = { '': 1, k: 2 ** 10, m: 2 ** 20, g: 2 ** 30, t: 2 ** 40 }
const durations: Readonly<Record<string, number>> = { ms: 1, s: 1000, m: 60_000, h: 3_600_000, d: 86_400_000 }

/** Bytes: `52428800`, `50M`, `50MiB`, `1 GB` (all powers of 1,024). */
export function parseSize(text: string | number): number | undefined {
  const found = /^(\d+(?:\.\d+)?)\s*([kmgt]?)i?b?$/i.exec(String(text).trim())
  if (!found) return undefined
  const bytes = Math.round(Number(found[1]) * sizes[found[2]!.toLowerCase()]!)
  return Number.isSafeInteger(bytes) ? bytes : undefined
}

/** Milliseconds: `30s`, `15m`, `4h`, `5d`; a bare number counts seconds. */
export function parseDuration(text: string | number): number | undefined {
  const found = /^(\d+(?:\.\d+)?)\s*(ms|s|m|h|d)?$/.exec(String(text).trim())
  if (!found) return undefined
  const ms = Math.round(Number(found[1]) * durations[found[2] ?? 's']!)
  return Number.isSafeInteger(ms) ? ms : undefined
}

/** Where to listen. `host` is an IP address or `localhost`; `*` was given as `::`, which takes IPv4 too. */
export interface Endpoint {
  readonly host: string
  readonly port: number
}

/** `127.0.0.1:25`, `[::]:25`, `*:25`, `localhost:25`. */
export function parseEndpoint(text: string): Endpoint | undefined {
  const at = text.lastIndexOf(':')
  const portText = text.slice(at + 1)
  if (at < 1 || !/^\d{1,5}$/.test(portText)) return undefined
  const port = Number(portText)
  const name = text.slice(0, at)
  const host = name === '*' ? '::' : name.startsWith('[') && name.endsWith(']') ? name.slice(1, -1) : name
  const known = name.startsWith('[') ? isIP(host) === 6 : isIP(host) === 4 || host === '::' || host === 'localhost'
  return known && port <= 65_535 ? { host, port } : undefined
}

/** `127.0.0.1:25`, `[::1]:25`. */
export function formatEndpoint({ host, port }: Endpoint): string {
  return host.includes(':') ? `[${host}]:${port}` : `${host}:${port}`
}

/** A network as address and prefix length: `10.0.0.0/8`, `192.0.2.1`, `2001:db8::/32`. */
export function isNetwork(text: string): boolean {
  const [address = '', bits, more] = text.split('/')
  const family = isIP(address)
  if (family === 0 || more !== undefined) return false
  return bits === undefined || (/^\d{1,3}$/.test(bits) && Number(bits) <= (family === 4 ? 32 : 128))
}
