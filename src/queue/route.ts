// Routes: where mail for a domain goes instead of its MX. Text of the configuration in, values out; asks nobody.

import { isIP } from 'node:net'
import { Fault } from '../base/index.ts'

/**
 * | pattern        | means                                        |
 * |----------------|----------------------------------------------|
 * | `a.test`       | this domain                                  |
 * | `.a.test`      | every domain below a.test                    |
 * | `*`            | everything else                              |
 *
 * | target                             | means                                                                     |
 * |------------------------------------|---------------------------------------------------------------------------|
 * | `host`, `host:port`                | SMTP, port 25; TLS when offered, not checked                              |
 * | `user:pass@host:port`              | port 587; TLS required and checked, unless the host is loopback           |
 * | `smtp://…?tls=required`            | STARTTLS or nothing, certificate checked (`insecure`: required, not checked; `none`: never) |
 * | `smtps://…`                        | TLS from the first byte, port 465, checked (`?tls=insecure`: not checked) |
 * | `lmtp:host:port`, `lmtp://…`       | LMTP                                                                      |
 * | `lmtp:unix:/path`                  | LMTP over a local socket                                                  |
 *
 * IPv6 stands in brackets; `%` escapes work in user and password (`%40` is @, `%3A` is :).
 */
export interface Route {
  /** Name or IP address. Looked up as A/AAAA, never as MX. */
  readonly host: string
  readonly port: number
  /** A local socket in place of host and port. */
  readonly path?: string
  readonly lmtp: boolean
  readonly tls: 'none' | 'opportunistic' | 'required' | 'implicit'
  readonly verify: boolean
  readonly auth?: { readonly user: string; readonly password: string }
  /** The target without credentials, for the log. */
  readonly name: string
  /** Equal only for routes equal in everything, credentials and TLS too: who shares it may share a connection. Not for the log. */
  readonly key: string
}

export type Routes = (domain: string) => Route | undefined

const ports = { smtp: 25, smtps: 465, lmtp: 24 }
const submissionPort = 587
const tlsWords = ['required', 'opportunistic', 'insecure', 'none'] as const

/** Reads the map pattern → target of `queue.routes`. Throws Fault `invalid` naming what is wrong. */
export function parseRoutes(map: { readonly [pattern: string]: string }): Routes {
  return parsePatterns(map, 'a route', parseRoute)
}

/** Reads a map from patterns, the table above; `what` names a value. Throws Fault `invalid` naming the pattern that is none. */
export function parsePatterns<V, T>(
  map: { readonly [pattern: string]: V },
  what: string,
  read: (value: V) => T,
): (domain: string) => T | undefined {
  const exact = new Map<string, T>()
  const below: { readonly suffix: string; readonly value: T }[] = []
  let rest: T | undefined
  for (const [pattern, target] of Object.entries(map)) {
    const value = read(target)
    const name = pattern.toLowerCase()
    if (name === '*') rest = value
    else if (name.startsWith('.') && name.length > 1) below.push({ suffix: name, value })
    else if (name !== '' && !name.startsWith('.') && !name.includes('*') && !name.includes('@')) exact.set(name, value)
    else throw new Fault('invalid', `${what} is for "a.example", ".a.example" or "*", not for "${pattern}"`)
  }
  // The longest suffix knows best.
  below.sort((a, b) => b.suffix.length - a.suffix.length)
  return (domain) => exact.get(domain) ?? below.find(({ suffix }) => domain.endsWith(suffix))?.value ?? rest
}

/** Reads one target; the table above. Errors never show the password. */
export function parseRoute(text: string): Route {
  const { scheme, rest } = splitScheme(text)
  if (scheme === 'lmtp' && rest.startsWith(localPrefix)) return localRoute(text, rest.slice(localPrefix.length))
  const [place = '', query] = cut(rest, rest.indexOf('?'))
  const at = place.lastIndexOf('@')
  const [host, portText] = splitHost(place.slice(at + 1))
  const shown = `${scheme === 'smtp' ? '' : `${scheme}://`}${place.slice(at + 1)}`
  const fail = (why: string): never => {
    throw new Fault('invalid', `the route target "${shown}" ${why}`)
  }
  if (host === '' || host.includes(' ') || host.includes('/'))
    fail('names no host: "host:port", "user:password@host:port"')
  const auth = at < 0 ? undefined : parseAuth(place.slice(0, at))
  if (at >= 0 && !auth) fail('has credentials that are not "user:password"')
  const usual = auth && scheme === 'smtp' ? submissionPort : ports[scheme]
  const port = portText === undefined ? usual : Number(portText)
  if (!Number.isInteger(port) || port < 1 || port > 65535) fail('has a port that is none')
  const word =
    query === undefined ? undefined : query.startsWith('tls=') ? query.slice(4) : fail('knows only the option "tls"')
  if (word !== undefined && !isTlsWord(word)) fail(`has a tls option that is none of ${tlsWords.join(', ')}`)
  const wanted = isTlsWord(word) ? word : auth && !isLoopback(host) ? 'required' : 'opportunistic'
  if (auth && !isLoopback(host) && (wanted === 'none' || wanted === 'opportunistic') && scheme !== 'smtps')
    fail('would send a password without TLS: use tls=required')
  return {
    host,
    port,
    lmtp: scheme === 'lmtp',
    ...toTls(scheme, wanted),
    ...(auth && { auth }),
    name: shown,
    key: text,
  }
}

const localPrefix = 'unix:'

/** A socket of this machine: nobody listens in between, so no TLS. */
function localRoute(text: string, path: string): Route {
  // A path that is longer does not fit into the system's address of a socket.
  if (!path.startsWith('/') || path.includes('?') || Buffer.byteLength(path) > 107)
    throw new Fault('invalid', `the route target "${text}" names no socket: "lmtp:unix:/run/dovecot/lmtp"`)
  return {
    host: 'localhost',
    port: 0,
    path,
    lmtp: true,
    tls: 'none',
    verify: false,
    name: `lmtp:unix:${path}`,
    key: text,
  }
}

type TlsWord = (typeof tlsWords)[number]
const isTlsWord = (word: string | undefined): word is TlsWord => tlsWords.some((known) => known === word)

function toTls(scheme: keyof typeof ports, word: TlsWord): Pick<Route, 'tls' | 'verify'> {
  if (scheme === 'smtps') return { tls: 'implicit', verify: word !== 'insecure' }
  if (word === 'insecure') return { tls: 'required', verify: false }
  return { tls: word, verify: word === 'required' }
}

function splitScheme(text: string): { scheme: keyof typeof ports; rest: string } {
  for (const scheme of ['smtp', 'smtps', 'lmtp'] as const) {
    if (text.startsWith(`${scheme}://`)) return { scheme, rest: text.slice(scheme.length + 3) }
    if (scheme === 'lmtp' && text.startsWith('lmtp:')) return { scheme, rest: text.slice(5) }
  }
  return { scheme: 'smtp', rest: text }
}

function splitHost(text: string): [host: string, port?: string] {
  if (text.startsWith('[')) {
    const [ip = '', tail = ''] = cut(text.slice(1), text.indexOf(']') - 1)
    return isIP(ip) === 6 ? (tail.startsWith(':') ? [ip, tail.slice(1)] : [ip]) : ['']
  }
  if (isIP(text) === 6) return [text]
  const [host = '', port] = cut(text, text.lastIndexOf(':'))
  return port === undefined ? [host] : [host.toLowerCase(), port]
}

function parseAuth(text: string): Route['auth'] {
  const [user, password] = cut(text, text.indexOf(':'))
  if (!user || password === undefined) return undefined
  try {
    return { user: decodeURIComponent(user), password: decodeURIComponent(password) }
  } catch {
    return undefined
  }
}

/** The text before and after the character at `at`; only the text when `at` is negative. */
function cut(text: string, at: number): [string, string?] {
  return at < 0 ? [text] : [text.slice(0, at), text.slice(at + 1)]
}

export function isLoopback(host: string): boolean {
  return host === 'localhost' || host === '::1' || (isIP(host) === 4 && host.startsWith('127.'))
}
