// Where a daemon listens: an address and port, or a local socket. Text in, value out.

import { Fault } from '../base/index.ts'

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

/** Fault `invalid` names what was given. */
export function toPlace(text: string): Place {
  const place = parsePlace(text)
  if (!place) throw new Fault('invalid', `${text} is neither host:port nor the path of a socket`)
  return place
}

export function formatPlace(place: Place): string {
  if ('path' in place) return place.path
  return place.host.includes(':') ? `[${place.host}]:${place.port}` : `${place.host}:${place.port}`
}
