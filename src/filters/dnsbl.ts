// Block and allow lists that are asked by DNS: the client's address, or the domains of a message. Each list that knows it adds its weight.
// What is cached, and for how long, is the resolver's business.

import { toAscii } from '../address/index.ts'
import { type Clock, createNetworkTest, Fault, type Log } from '../base/index.ts'
import { isAskable, type Resolver, toReverseName } from '../dns/index.ts'
import { fieldValue, parseAddressList, parseFields } from '../mime/index.ts'
import { type Breaker, createBreaker } from './breaker.ts'
import { toWords } from './headers.ts'
import type { Filter, FilterAction, FilterAnswer, FilterRequest } from './types.ts'

/** Four ranges, one for each octet. */
export type AnswerMask = readonly (readonly [least: number, most: number])[]

export interface DnsList {
  /** `zen.spamhaus.org`. */
  readonly zone: string
  /** What is looked up there. */
  readonly of: 'address' | 'domains'
  /** Answers that count; none: any below 127. */
  readonly answers: readonly AnswerMask[]
  /** What it adds to the score; below 0 it is an allow list. */
  readonly weight: number
}

export interface DnsblOptions {
  readonly lists: readonly DnsList[]
  /** Scores from which mail is junk, and refused; absent: never. */
  readonly junk?: number
  readonly reject?: number
  /** How long one list has: who is slow takes nothing from what the others say. */
  readonly timeoutMs: number
  readonly resolver: Pick<Resolver, 'a' | 'txt'>
  readonly clock: Clock
  readonly log: Log
}

/** Addresses that mean something else in every house: no list knows them. */
const isPrivate = createNetworkTest([
  '0.0.0.0/8',
  '10.0.0.0/8',
  '100.64.0.0/10',
  '127.0.0.0/8',
  '169.254.0.0/16',
  '172.16.0.0/12',
  '192.168.0.0/16',
  '::/127',
  'fc00::/7',
  'fe80::/10',
])

/** What one list says. */
type Finding =
  | { readonly kind: 'unlisted' }
  | { readonly kind: 'listed'; readonly name: string; readonly question: string; readonly answer: string }
  | { readonly kind: 'failed'; readonly reason: string }

interface Watched {
  readonly list: DnsList
  readonly breaker: Breaker
}

export function createDnsbl(options: DnsblOptions): Filter {
  const lists = options.lists.map((list) => ({ list, breaker: createBreaker(`dnsbl:${list.zone}`, options) }))
  const asksDomains = lists.some(({ list }) => list.of === 'domains')
  return {
    name: 'dnsbl',
    async check(request) {
      const domains = asksDomains ? await domainsOf(request) : []
      const addresses = isPrivate(request.ip) ? [] : [request.ip]
      const findings = await Promise.all(
        lists.map((one) => look(options, one, one.list.of === 'address' ? addresses : domains)),
      )
      return toAnswer(options, lists, findings)
    },
  }
}

/** Whether an answer of the list counts. */
function counts({ answers }: DnsList, ip: string): boolean {
  const octets = ip.split('.').map(Number)
  const within = (mask: AnswerMask) => mask.every(([least, most], i) => octets[i]! >= least && octets[i]! <= most)
  return answers.length === 0 || answers.some(within)
}

async function look(options: DnsblOptions, { list, breaker }: Watched, names: readonly string[]): Promise<Finding> {
  if (names.length === 0) return { kind: 'unlisted' }
  const refused = breaker.refuses()
  if (refused !== undefined) return { kind: 'failed', reason: refused }
  breaker.begin()
  const findings = await Promise.all(names.map((name) => lookUp(options, list, name)))
  const failed = findings.find(({ kind }) => kind === 'failed')
  breaker.done(failed?.kind === 'failed' ? failed.reason : undefined)
  return findings.find(({ kind }) => kind === 'listed') ?? failed ?? { kind: 'unlisted' }
}

async function lookUp({ resolver, clock, timeoutMs }: DnsblOptions, list: DnsList, name: string): Promise<Finding> {
  const { zone } = list
  const question = `${toQuestion(name)}.${zone}`
  if (!isAskable(question)) return { kind: 'unlisted' }
  const answer = await inTime(clock, timeoutMs, resolver.a(question))
  if (answer === undefined) return { kind: 'failed', reason: `${zone} did not answer within ${timeoutMs / 1_000} s` }
  if (answer.status === 'failed') return { kind: 'failed', reason: `${zone}: ${answer.reason}` }
  if (answer.status !== 'ok') return { kind: 'unlisted' }
  const strange = answer.records.find(isRefusal)
  if (strange !== undefined)
    return { kind: 'failed', reason: `${zone} answers ${strange}, which says that it will not be asked in this way` }
  const found = answer.records.find((ip) => counts(list, ip))
  return found === undefined ? { kind: 'unlisted' } : { kind: 'listed', name, question, answer: found }
}

/** 127.255.255.0/24 stands for errors of the question, and what is not in 127.0.0.0/8 comes from somebody else than the list (RFC 5782 §2.1). */
const isRefusal = (ip: string): boolean => ip.startsWith('127.255.255.') || !ip.startsWith('127.')

/** An address backwards as lists want it (RFC 5782 §2.1, §2.4); a domain as it is. */
function toQuestion(name: string): string {
  const reverse = toReverseName(name)
  if (reverse === undefined) return name
  return reverse.slice(0, reverse.lastIndexOf('.', reverse.length - '.arpa'.length - 1))
}

async function inTime<T>(clock: Clock, ms: number, work: Promise<T>): Promise<T | undefined> {
  let cancel = () => {}
  const late = new Promise<undefined>((resolve) => {
    cancel = clock.after(ms, () => resolve(undefined))
  })
  return Promise.race([work, late]).finally(() => cancel())
}

/** The registered domains that a message shows: of its author, its envelope and its client. */
async function domainsOf({ from, helo, header, verification }: FilterRequest): Promise<readonly string[]> {
  const { getDomain } = await import('tldts')
  const shown = [from.slice(from.lastIndexOf('@') + 1), helo, verification?.dmarc.from ?? authorDomain(header)]
  const found = shown.flatMap((name) => {
    // Sites below a shared suffix are as many customers.
    const domain = name === undefined || name === '' ? null : getDomain(name, { allowPrivateDomains: true })
    return domain === null ? [] : [domain.toLowerCase()]
  })
  return [...new Set(found)]
}

function authorDomain(bytes: Uint8Array): string | undefined {
  const header = Buffer.from(bytes.buffer, bytes.byteOffset, bytes.length)
  const from = parseFields(header).find(({ name }) => name.toLowerCase() === 'from')
  const domain = from && parseAddressList(fieldValue(header, from)).find(({ domain }) => domain)?.domain
  return domain ? toAscii(domain) : undefined
}

async function toAnswer(
  options: DnsblOptions,
  lists: readonly Watched[],
  findings: readonly Finding[],
): Promise<FilterAnswer> {
  const failures = findings.flatMap((one) => (one.kind === 'failed' ? [one.reason] : []))
  if (failures.length === lists.length) throw new Fault('unavailable', failures[0] ?? 'there are no lists')
  let score = 0
  for (const [i, { kind }] of findings.entries()) if (kind === 'listed') score += lists[i]!.list.weight
  const { junk, reject } = options
  const refused = reject !== undefined && score >= reject
  const action: FilterAction = refused ? 'reject' : junk !== undefined && score >= junk ? 'junk' : 'accept'
  const threshold = refused ? reject : junk
  const words = findings.map(async (finding, i) => {
    const { zone, weight } = lists[i]!.list
    if (finding.kind === 'unlisted') return []
    if (finding.kind === 'failed') return [`not asked: ${finding.reason}`]
    const why = action === 'accept' || weight <= 0 ? '' : await explain(options, finding.question)
    return [`${zone} ${weight < 0 ? 'vouches for' : 'lists'} ${finding.name} (${finding.answer})${why && `: ${why}`}`]
  })
  return {
    action,
    score,
    ...(threshold !== undefined && { threshold }),
    reasons: (await Promise.all(words)).flat(),
    ...(action === 'junk' && { sure: false }),
  }
}

/** What the list says of it, often where to read more (RFC 5782 §2.1). */
async function explain({ resolver, clock, timeoutMs }: DnsblOptions, question: string): Promise<string> {
  const answer = await inTime(clock, timeoutMs, resolver.txt(question))
  return answer?.status === 'ok' ? toWords(answer.records[0] ?? '') : ''
}
