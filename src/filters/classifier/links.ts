// Where a message's links lead. Knows hosts and what they say of themselves; asks nobody.

import type { TokenSet } from './token-set.ts'

/** Hosts and domains that are told apart. */
const mostHosts = 40

/** Second labels that are no domain of anybody's in countries' zones. */
const shared: ReadonlySet<string> = new Set(['co', 'com', 'org', 'net', 'ac', 'gov', 'edu', 'ne', 'or', 'go'])

/** Hosts where a page costs nothing and nobody asks who makes it. */
const freeHosts: readonly string[] = (
  'blogspot.com weebly.com wixsite.com webflow.io github.io gitlab.io netlify.app vercel.app pages.dev workers.dev ' +
  'firebaseapp.com web.app r2.dev glitch.me repl.co herokuapp.com azurewebsites.net godaddysites.com square.site ' +
  'yolasite.com jimdosite.com wordpress.com sites.google.com docs.google.com forms.gle storage.googleapis.com ' +
  'sharepoint.com 000webhostapp.com duckdns.org ngrok.io ngrok.app trycloudflare.com ipfs.io carrd.co notion.site ' +
  'telegra.ph typeform.com jotform.com form.run webnode.page strikingly.com mystrikingly.com'
).split(' ')
const shorteners: ReadonlySet<string> = new Set(
  'bit.ly tinyurl.com t.co goo.gl ow.ly is.gd cutt.ly rb.gy shorturl.at rebrand.ly tiny.cc t.ly s.id lnkd.in v.gd bl.ink qrco.de'.split(
    ' ',
  ),
)

/** The domain that somebody registered, as far as it can be told without a list. */
export function registered(host: string): string {
  const labels = host.split('.')
  const count = labels.length > 2 && labels.at(-1)!.length === 2 && shared.has(labels.at(-2)!) ? 3 : 2
  return labels.slice(-count).join('.')
}

export const isFreeHost = (host: string): boolean => freeHosts.some((one) => host === one || host.endsWith(`.${one}`))

/** The host in an address of the web, lower case; '' when there is none. */
export function hostOf(url: string): string {
  const scheme = url.indexOf('://')
  if (scheme < 0 || scheme > 8) return ''
  let end = scheme + 3
  while (end < url.length && end < scheme + 300 && !'/?#\\'.includes(url[end]!)) end++
  const authority = url.slice(scheme + 3, end)
  const host = authority.slice(authority.lastIndexOf('@') + 1).toLowerCase()
  const colon = host.lastIndexOf(':')
  const bare = colon > 0 && !host.endsWith(']') ? host.slice(0, colon) : host
  return bare.endsWith('.') ? bare.slice(0, -1) : bare
}

const isHostName = (text: string): boolean => {
  const dot = text.lastIndexOf('.')
  if (dot < 1 || text.length - dot < 3 || text.length > 100) return false
  for (let i = 0; i < text.length; i++) {
    const c = text.charCodeAt(i) | 32
    if (!((c >= 97 && c <= 122) || (c >= 48 && c <= 57) || text[i] === '.' || text[i] === '-')) return false
  }
  return true
}

/** The host that the text of a link shows, when it looks like an address. */
export function shownHost(text: string): string {
  const trimmed = text.trim()
  if (trimmed === '' || trimmed.includes(' ')) return ''
  if (trimmed.includes('://')) return hostOf(trimmed)
  const slash = trimmed.indexOf('/')
  const host = (slash < 0 ? trimmed : trimmed.slice(0, slash)).toLowerCase()
  return isHostName(host) ? host : ''
}

export class Links {
  readonly #tokens: TokenSet
  readonly #hosts = new Set<string>()
  readonly #domains = new Set<string>()
  #count = 0
  #plain = 0

  constructor(tokens: TokenSet) {
    this.#tokens = tokens
  }

  /** `text`: what the reader of HTML sees of it. */
  add(url: string, text = ''): void {
    this.#count++
    if (url.startsWith('mailto:')) this.#tokens.fact('link:mail')
    const host = hostOf(url)
    if (host === '') return
    if (url.startsWith('http://')) this.#plain++
    const shown = shownHost(text)
    if (shown !== '' && registered(shown) !== registered(host)) this.#tokens.fact('link:text shows another host')
    this.#look(url)
    if (this.#hosts.has(host) || this.#hosts.size >= mostHosts) return
    this.#hosts.add(host)
    this.#host(host)
  }

  #look(url: string): void {
    const path = url.indexOf('/', url.indexOf('://') + 3)
    const authority = path < 0 ? url : url.slice(0, path)
    if (authority.includes('@')) this.#tokens.fact('link:user part')
    const port = authority.lastIndexOf(':')
    if (port > 6 && ascii09(authority.charCodeAt(port + 1))) this.#tokens.fact('link:port')
    if (path < 0) return
    const rest = url.slice(path, path + 200)
    if (rest.includes('@') || rest.includes('%40')) this.#tokens.fact('link:address within')
    for (const end of risky) if (rest.endsWith(end)) this.#tokens.fact(`link:to ${end}`)
    if (rest.includes('/wp-')) this.#tokens.fact('link:wp')
  }

  #host(host: string): void {
    const tokens = this.#tokens
    if (isIp(host)) {
      tokens.fact('link:ip')
      return
    }
    const domain = registered(host)
    this.#domains.add(domain)
    tokens.fact(`link:${domain}`)
    tokens.fact(`link:.${domain.slice(domain.lastIndexOf('.') + 1)}`)
    if (isFreeHost(host)) tokens.fact('link:free host')
    if (shorteners.has(domain)) tokens.fact('link:shortener')
    if (host.includes('xn--')) tokens.fact('link:idn')
    if (domain.indexOf('-') !== domain.lastIndexOf('-')) tokens.fact('link:hyphens')
    if (domain.length > 24) tokens.fact('link:long domain')
    let digits = 0
    for (let i = 0; i < domain.length; i++) if (ascii09(domain.charCodeAt(i))) digits++
    if (digits >= 2) tokens.fact('link:digits')
    if (host.split('.').length > 4) tokens.fact('link:deep')
  }

  /** What all of them together say, of a message from `from`. */
  end(from: string): void {
    const tokens = this.#tokens
    if (this.#count === 0) {
      tokens.fact('links:none')
      return
    }
    tokens.fact(`links:${this.#count < 2 ? '1' : this.#count < 5 ? 'few' : this.#count < 15 ? 'some' : 'many'}`)
    if (this.#plain > 0) tokens.fact('links:http')
    if (this.#domains.size === 0 || from === '') return
    const own = registered(from)
    if (!this.#domains.has(own)) tokens.fact('links:none of the sender')
    else tokens.fact(this.#domains.size === 1 ? 'links:all of the sender' : 'links:of the sender too')
  }
}

const risky = ['.exe', '.zip', '.js', '.scr', '.iso', '.php', '.html', '.apk', '.rar']
const ascii09 = (c: number): boolean => c >= 48 && c <= 57

function isIp(host: string): boolean {
  if (host.startsWith('[')) return true
  for (let i = 0; i < host.length; i++) if (!ascii09(host.charCodeAt(i)) && host[i] !== '.') return false
  return true
}
