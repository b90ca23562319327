// One DNS question and its reply as bytes: builds the query, checks that a reply answers exactly it, and reads what it says.
// Knows no socket and no cache. A reply that cannot be read is `undefined`, never an error.

import { AUTHENTIC_DATA, decode, encode, RECURSION_DESIRED, type Answer as Record } from 'dns-packet'

export type QueryType = 'A' | 'AAAA' | 'MX' | 'TXT' | 'PTR' | 'SRV' | 'TLSA' | 'CAA' | 'CNAME' | 'NS' | 'SOA'

export interface Question {
  readonly id: number
  /** Lower case, no final dot. */
  readonly name: string
  readonly type: QueryType
}

export type Rcode = 'ok' | 'nxdomain' | 'format' | 'failure'

/** What a server said. `records` are the answers that the question led to, names along the CNAMEs followed. */
export interface Reply {
  readonly rcode: Rcode
  readonly truncated: boolean
  readonly authentic: boolean
  readonly records: readonly unknown[]
  /** Lowest TTL of the records and the CNAMEs before them; of a negative answer what its SOA allows (RFC 2308 §5). Seconds. */
  readonly ttl: number
  /** The end of a CNAME chain about which this reply says nothing more. */
  readonly alias?: string
  /** The end of a CNAME chain that has the records. */
  readonly canonical?: string
}

/** More records than this of one name are left out: nobody's mail needs them. */
export const maxRecords = 100
const maxSections = 1000
const maxAliases = 8
const headerSize = 12
/** What fits an unfragmented packet everywhere (RFC 6891 §6.2.5, DNS flag day 2020). */
export const udpPayload = 1232

/** A query that asks for recursion and says that it understands AD (RFC 6840 §5.7); with EDNS unless the server choked on it. */
export function formatQuery({ id, name, type }: Question, edns = true): Buffer {
  return encode({
    type: 'query',
    id,
    flags: RECURSION_DESIRED | AUTHENTIC_DATA,
    questions: [{ type, name }],
    additionals: edns
      ? [
          {
            type: 'OPT',
            name: '.',
            udpPayloadSize: udpPayload,
            extendedRcode: 0,
            ednsVersion: 0,
            flags: 0,
            flag_do: false,
            options: [],
          },
        ]
      : [],
  })
}

/** Reads a reply to `question`; undefined when it is no such reply: another id, name or type (a forgery or a latecomer), or broken. */
export function parseReply(bytes: Buffer, question: Question): Reply | undefined {
  if (bytes.length < headerSize || bytes.readUInt16BE(0) !== question.id) return undefined
  // Counts are believed only up to a bound: each costs an object before its bytes are looked at.
  const counts = [4, 6, 8, 10].map((at) => bytes.readUInt16BE(at))
  if (counts[0] !== 1 || counts.some((count) => count > maxSections)) return undefined
  try {
    const packet = decode(bytes)
    const asked = packet.questions?.[0]
    if (!packet.flag_qr || !asked || asked.type !== question.type || toName(asked.name) !== question.name)
      return undefined
    const status = { truncated: packet.flag_tc, authentic: packet.flag_ad, rcode: toRcode((packet.flags ?? 0) & 15) }
    return { ...status, ...follow(packet.answers ?? [], packet.authorities ?? [], question) }
  } catch {
    return undefined
  }
}

const rcodes: readonly Rcode[] = ['ok', 'format', 'failure', 'nxdomain', 'format']
const toRcode = (code: number): Rcode => rcodes[code] ?? 'failure'

/** Walks from the question's name along CNAMEs (RFC 1034 §3.6.2), each name once, to the records asked for. */
function follow(answers: readonly Record[], authorities: readonly Record[], { name, type }: Question) {
  let at = name
  let ttl = Number.POSITIVE_INFINITY
  let alias: string | undefined
  for (let step = 0; step <= maxAliases; step++) {
    const found = answers.filter((record) => record.type === type && toName(record.name) === at).slice(0, maxRecords)
    if (found.length > 0) {
      for (const record of found) ttl = Math.min(ttl, ttlOf(record))
      const records = found.map((record) => ('data' in record ? record.data : undefined))
      return { records, ttl, ...(at !== name && isPlainName(at) && { canonical: at }) }
    }
    const next = answers.find((record) => record.type === 'CNAME' && toName(record.name) === at)
    if (next?.type !== 'CNAME') break
    ttl = Math.min(ttl, ttlOf(next))
    alias = at = toName(next.data)
  }
  const soa = authorities.find((record) => record.type === 'SOA')
  if (alias !== undefined && !soa) return { records: [], ttl, alias }
  const negative = soa?.type === 'SOA' ? Math.min(ttlOf(soa), soa.data.minimum ?? 0) : 0
  return { records: [], ttl: Math.min(ttl, negative) }
}

// A TTL with the top bit set counts as zero (RFC 2181 §8).
function ttlOf(record: Record): number {
  const ttl = 'ttl' in record ? (record.ttl ?? 0) : 0
  return ttl > 0x7fffffff ? 0 : ttl
}

/** Lower case without the final dot; the root is the empty string. */
export function toName(text: string): string {
  const lower = text.toLowerCase()
  return lower.endsWith('.') ? lower.slice(0, -1) : lower
}

/** A name that can be asked: labels of 1–63 bytes, 253 in all, printable ASCII (macros of SPF make names of local parts). */
export function isAskable(name: string): boolean {
  return hasLabels(name, isPrintable)
}

/** A name that may be believed in an answer: such characters alone as separate nothing in any text that we write it into. */
export function isPlainName(name: string): boolean {
  return hasLabels(name, isPlain)
}

function hasLabels(name: string, isLabel: (label: string) => boolean): boolean {
  if (name.length === 0 || name.length > 253) return false
  return name.split('.').every((label) => label.length > 0 && label.length < 64 && isLabel(label))
}

function isPrintable(label: string): boolean {
  for (let i = 0; i < label.length; i++) if (label.charCodeAt(i) < 32 || label.charCodeAt(i) > 126) return false
  return true
}

function isPlain(label: string): boolean {
  for (let i = 0; i < label.length; i++) {
    const c = label.charCodeAt(i)
    const word = (c >= 48 && c <= 57) || (c >= 65 && c <= 90) || (c >= 97 && c <= 122)
    // `_` stands in service names, `/` in reverse zones of RFC 2317.
    if (!word && c !== 45 && c !== 95 && c !== 47) return false
  }
  return true
}
