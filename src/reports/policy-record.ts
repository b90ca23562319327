// What a domain asks of who judges its mail: the tags of a DMARC record (RFC 9989 §4.7) and of a TLSRPT record (RFC 8460 §3), and where reports go.

import { type Address, parseAddress } from '../address/index.ts'
import type { DomainPolicyWord, PolicyPublished } from './types.ts'

/** Tags by name. Of a name that stands twice the first counts. */
export function parseTags(record: string): ReadonlyMap<string, string> {
  const tags = new Map<string, string>()
  for (const piece of record.slice(0, maxRecord).split(';')) {
    const at = piece.indexOf('=')
    const name = piece.slice(0, Math.max(at, 0)).trim().toLowerCase()
    if (name !== '' && !tags.has(name)) tags.set(name, piece.slice(at + 1).trim())
  }
  return tags
}

const maxRecord = 4_096

/** Where a report may go. */
export type Destination =
  | { readonly kind: 'mail'; readonly address: Address; readonly maxBytes?: number }
  | { readonly kind: 'https'; readonly url: string }

/** Destinations of one record that are served: the RFCs want two at least. */
const maxDestinations = 5

/** The URIs of a `rua` or `ruf` tag that we can serve, each once, in order. `!10m` at the end is the most that the destination takes. */
export function parseDestinations(list: string): Destination[] {
  const found = new Map<string, Destination>()
  for (const piece of list.split(',')) {
    const destination = parseUri(piece.trim())
    if (destination && found.size < maxDestinations)
      found.set(
        destination.kind === 'mail' ? `${destination.address.local}@${destination.address.domain}` : destination.url,
        destination,
      )
  }
  return [...found.values()]
}

function parseUri(text: string): Destination | undefined {
  const lower = text.toLowerCase()
  if (lower.startsWith('https://')) return URL.canParse(text) ? { kind: 'https', url: text } : undefined
  if (!lower.startsWith('mailto:')) return undefined
  const query = text.indexOf('?')
  const bare = text.slice('mailto:'.length, query < 0 ? undefined : query)
  const mark = bare.lastIndexOf('!')
  const maxBytes = mark < 0 ? undefined : parseSizeLimit(bare.slice(mark + 1))
  const address = parseAddress(decodePercent(maxBytes === undefined ? bare : bare.slice(0, mark)))
  if (!address || address.domain === '') return undefined
  return { kind: 'mail', address, ...(maxBytes !== undefined && { maxBytes }) }
}

const units = 'kmgt'

/** `500`, `10m`: units of 1,024. */
function parseSizeLimit(text: string): number | undefined {
  const unit = units.indexOf(text.slice(-1).toLowerCase() || ' ')
  const digits = unit < 0 ? text : text.slice(0, -1)
  if (digits === '' || digits.length > 9) return undefined
  for (const c of digits) if (c < '0' || c > '9') return undefined
  return Number(digits) * 1024 ** (unit + 1)
}

function decodePercent(text: string): string {
  try {
    return decodeURIComponent(text)
  } catch {
    return text
  }
}

/** The policy as it is told in reports: what is not published has its default. */
export function toPublished(domain: string, record: string): PolicyPublished {
  const tags = parseTags(record)
  const policy = (name: string) => policyWord(tags.get(name))
  const p = policy('p') ?? 'none'
  const sp = policy('sp')
  const np = policy('np')
  return {
    domain,
    method: 'treewalk',
    p,
    sp: sp ?? p,
    np: np ?? sp ?? p,
    fo: tags.get('fo')?.slice(0, 20) || '0',
    adkim: tags.get('adkim')?.toLowerCase() === 's' ? 's' : 'r',
    aspf: tags.get('aspf')?.toLowerCase() === 's' ? 's' : 'r',
    testing: tags.get('t')?.toLowerCase() === 'y',
  }
}

function policyWord(text: string | undefined): DomainPolicyWord | undefined {
  const word = text?.toLowerCase()
  return word === 'none' || word === 'quarantine' || word === 'reject' ? word : undefined
}

/** RFC 8460 §3: the only record of its kind, or none. */
export function tlsDestinations(texts: readonly string[]): Destination[] {
  const records = texts.filter((text) => text.trimStart().toLowerCase().startsWith('v=tlsrptv1'))
  return records.length === 1 ? parseDestinations(parseTags(records[0]!).get('rua') ?? '') : []
}
