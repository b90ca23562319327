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

/** Where a daemon listens. */
export type Place = { readonly host: string; readonly port: number } | { readonly path: string }

/** `127.0.0.1:3310`, `[::1]:3310`, `name:3310`, `tcp:…`, `/run/x.sock`, `unix:/run/x.sock`; undefined when it is none of them. */
export function parsePlace(text: string): Place | undefined {
  const plain = text.startsWith('unix:') || text.startsWith('tcp:') ? text.slice(text.indexOf(':') + 1) : text
  if (plain.startsWith('/')) return text.startsWith('tcp:') ? undefined : { path: plain }
  const colon = plain.lastIndexOf(':')
  const digits = plain.slice(colon + 1)
  const port = Number(digits)
  if (text.startsWith('unix:') || colon < 1 || !Number.isInteger(port) || port < 1 || port > 65_535) return undefined
  if (digits !== String(port)) return undefined
  const name = plain.slice(0, colon)
  const bracketed = name.startsWith('[') && name.endsWith(']')
  const host = bracketed ? name.slice(1, -1) : name
  const strange = [...host].some((char) => char <= ' ' || '/[]'.includes(char) || (char === ':' && !bracketed))
  return host === '' || strange ? undefined : { host, port }
}

type Range = readonly [least: number, most: number]

/** Answers of a DNS list as a range for each octet: `127.0.0.2`, `127.0.0.2-11`, `127.0.*.1`. */
export function parseAnswers(text: string): readonly Range[] | undefined {
  const octets = text.split('.')
  const ranges = octets.flatMap((octet) => parseOctet(octet) ?? [])
  return octets.length === 4 && ranges.length === 4 && octets[0] === '127' ? ranges : undefined
}

function parseOctet(text: string): [Range] | undefined {
  const found = /^(\d{1,3})(?:-(\d{1,3}))?$/.exec(text === '*' ? '0-255' : text)
  if (!found) return undefined
  const [least, most] = [Number(found[1]), Number(found[2] ?? found[1])]
  return least <= most && most <= 255 ? [[least, most]] : undefined
}
