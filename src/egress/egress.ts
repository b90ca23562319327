// The one HTTP client for what is fetched or posted on somebody's behalf. It resolves names through our own resolver and connects to the
// address that it has looked at; networks that are not public are refused, at every redirect anew; time and size are bounded.
// Keeps no connection, no cookie and no cache.

import { isIP } from 'node:net'
import { createSecureContext, getCACertificates, type SecureContext } from 'node:tls'
import { createAddressTest } from './addresses.ts'
import { exchange, hostOf } from './exchange.ts'
import { type Egress, EgressFault, type EgressOptions, type WebRequest, type WebResponse } from './types.ts'

/** Addresses of one name that are tried. */
const maxAddresses = 4
const maxUrl = 4_096
/** Followed with the same method and without a body, by a GET only. */
const redirects = new Set([301, 302, 303, 307, 308])
/** Told to nobody but whom they were meant for. */
const secrets = new Set(['authorization', 'cookie', 'proxy-authorization'])

/** TypeError when a network of `allow` is none. */
export function createEgress(options: EgressOptions): Egress {
  const { dns } = options
  let mayAsk = createAddressTest(options.allow ?? [])
  let { ca } = options
  let context: SecureContext | undefined

  /** With authorities of our own: made with the first request over TLS. */
  const contextFor = ({ protocol }: URL): SecureContext | undefined => {
    if (ca === undefined || protocol !== 'https:') return undefined
    context ??= createSecureContext({ ca: [...getCACertificates('default'), ca], minVersion: 'TLSv1.2' })
    return context
  }

  const addressesOf = async (url: URL): Promise<readonly string[]> => {
    const host = hostOf(url)
    const found = isIP(host) ? [host] : await resolve(dns, host)
    const usable = found.filter(mayAsk)
    if (usable.length > 0) return usable.slice(0, maxAddresses)
    throw new EgressFault('address', `${host} is in a network that is not asked (${found.slice(0, 3).join(', ')})`)
  }

  const ask = async (url: URL, request: WebRequest, signal: AbortSignal): Promise<WebResponse> => {
    let last: unknown
    for (const ip of await addressesOf(url)) {
      if (signal.aborted) throw signal.reason
      try {
        return await exchange({ url, ip, request, context: contextFor(url), signal })
      } catch (error) {
        last = error
        // What somebody may have heard is not said to somebody else too.
        if (!(error instanceof EgressFault) || !error.unheard) throw error
      }
    }
    throw last
  }

  const follow = async (request: WebRequest, signal: AbortSignal): Promise<WebResponse> => {
    let url = parseUrl(request.url, request.plain === true)
    let asked = request
    for (let left = request.method === 'POST' ? 0 : (request.redirects ?? 0); ; left--) {
      const answer = await ask(url, asked, signal)
      const to = answer.headers['location']
      if (!redirects.has(answer.status) || to === undefined || request.redirects === undefined) return answer
      if (left <= 0) throw new EgressFault('redirect', `${url.host} leads on once too often`)
      const next = parseUrl(to, request.plain === true, url)
      if (url.protocol === 'https:' && next.protocol !== 'https:')
        throw new EgressFault('redirect', `${url.host} leads out of TLS to ${next.host}`)
      if (next.origin !== url.origin) asked = { ...asked, headers: withoutSecrets(asked.headers) }
      url = next
    }
  }

  return {
    async fetch(request) {
      const stop = new AbortController()
      const late = new EgressFault(
        'timeout',
        `no whole answer from ${shortUrl(request.url)} within ${request.timeoutMs / 1000} s`,
      )
      const timer = setTimeout(() => stop.abort(late), request.timeoutMs)
      const ended = new Promise<never>((_, reject) => {
        stop.signal.addEventListener('abort', () => reject(late), { once: true })
      })
      ended.catch(() => {})
      try {
        return await Promise.race([follow(request, stop.signal), ended])
      } finally {
        clearTimeout(timer)
      }
    },
    reconfigure(next) {
      mayAsk = createAddressTest(next.allow ?? [])
      ca = next.ca
      context = undefined
    },
  }
}

/** IPv4 first: it is what most names of the web have everywhere. */
async function resolve(dns: EgressOptions['dns'], name: string): Promise<readonly string[]> {
  const host = name.endsWith('.') ? name.slice(0, -1) : name
  const answers = await Promise.all([dns.a(host), dns.aaaa(host)])
  const found = answers.flatMap((answer) => (answer.status === 'ok' ? answer.records : []))
  if (found.length > 0) return found
  const failed = answers.find((answer) => answer.status === 'failed')
  throw new EgressFault('name', `${host} has no address${failed?.status === 'failed' ? `: ${failed.reason}` : ''}`)
}

function parseUrl(text: string, plain: boolean, base?: URL): URL {
  const url = text.length <= maxUrl ? URL.parse(text, base) : null
  if (!url) throw new EgressFault('url', `${shortUrl(text)} is no URL`)
  if (url.protocol !== 'https:' && !(plain && url.protocol === 'http:'))
    throw new EgressFault('url', `${shortUrl(text)} is not asked: https it must be`)
  // A name before @ is there to deceive, or is a secret that does not belong into a URL.
  if (url.username !== '' || url.password !== '') throw new EgressFault('url', 'a URL with a user is not asked')
  return url
}

function withoutSecrets(headers: WebRequest['headers'] = {}): NonNullable<WebRequest['headers']> {
  return Object.fromEntries(Object.entries(headers).filter(([name]) => !secrets.has(name.toLowerCase())))
}

/** For people: without what may be secret in it. */
const shortUrl = (text: string): string => {
  const url = URL.parse(text.slice(0, maxUrl))
  return url ? `${url.protocol}//${url.host}${url.pathname}`.slice(0, 200) : JSON.stringify(text.slice(0, 100))
}
