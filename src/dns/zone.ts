// A zone as text, and a resolver that answers from it: the fake for tests and for the development world. Lines are
// `name [TTL] [IN] TYPE value`, names absolute; `name SERVFAIL` and `name TIMEOUT` break a name; `*.name` stands for any; after
// `name SIGNED` DNSSEC vouches for the name and all below it.

import { Fault } from '../base/index.ts'
import { toReverseName } from './reverse.ts'
import type { Answer, CaaRecord, CaaResolver, MxRecord, SrvRecord, TlsaRecord } from './types.ts'
import { toName } from './wire.ts'

export type ZoneType = 'A' | 'AAAA' | 'MX' | 'TXT' | 'PTR' | 'CNAME' | 'SRV' | 'TLSA' | 'CAA' | 'NS' | 'SOA'
export interface ZoneRecord {
  readonly name: string
  readonly ttl: number
  readonly type: ZoneType
  readonly value: string | MxRecord | SrvRecord | TlsaRecord | CaaRecord
}
export type ZoneAnswer =
  /** CNAMEs on the way first. */
  | {
      readonly status: 'ok' | 'nodata' | 'nxdomain'
      readonly records: readonly ZoneRecord[]
      readonly authentic: boolean
    }
  | { readonly status: 'servfail' | 'timeout' }
type Found = Extract<ZoneAnswer, { status: 'servfail' | 'timeout' }> | Omit<Extract<ZoneAnswer, Securable>, 'authentic'>
interface Securable {
  readonly authentic: boolean
}
export interface Zone {
  find(name: string, type: string): ZoneAnswer
}

const types: readonly string[] = [
  'A',
  'AAAA',
  'MX',
  'TXT',
  'PTR',
  'CNAME',
  'SRV',
  'TLSA',
  'CAA',
  'NS',
  'SOA',
] satisfies ZoneType[]
const defaultTtl = 300
const maxAliases = 8

/** Reads a zone; `;` begins a comment outside quotes. Throws Fault `invalid` naming the line. */
export function parseZone(text: string): Zone {
  const records: ZoneRecord[] = []
  const broken = new Map<string, 'servfail' | 'timeout'>()
  const signed: string[] = []
  for (const line of text.split('\n')) {
    const words = toWords(line)
    const [first, ...rest] = words
    if (first === undefined) continue
    const name = toName(first)
    const ttl = isNumber(rest[0]) ? Number(rest.shift()) : defaultTtl
    if (rest[0]?.toUpperCase() === 'IN') rest.shift()
    const type = rest.shift()?.toUpperCase() ?? ''
    if (type === 'SIGNED') signed.push(name)
    else if (type === 'SERVFAIL' || type === 'TIMEOUT') broken.set(name, type === 'SERVFAIL' ? 'servfail' : 'timeout')
    else if (isType(type) && rest.length > 0) records.push({ name, ttl, type, value: toValue(type, rest) })
    else throw new Fault('invalid', `a zone line is "name [TTL] [IN] TYPE value", not "${line.trim()}"`)
  }
  const isSigned = (name: string) => signed.some((top) => name === top || name.endsWith(`.${top}`))
  return {
    find(asked, type) {
      const name = toName(asked)
      const found = find(records, broken, name, type)
      if (!('records' in found)) return found
      const aliases = found.records.filter((record) => record.type === 'CNAME').map(({ value }) => String(value))
      return { ...found, authentic: [name, ...aliases].every(isSigned) }
    },
  }
}

const isType = (word: string): word is ZoneType => types.includes(word)
const isNumber = (word: string | undefined): boolean => word !== undefined && word !== '' && !Number.isNaN(Number(word))

function toValue(type: ZoneType, words: readonly string[]): ZoneRecord['value'] {
  if (type === 'MX') return { preference: Number(words[0]), exchange: toName(words[1] ?? '') }
  if (type === 'TXT') return words.join('')
  if (type === 'CAA') return { critical: words[0] === '128', tag: words[1]!.toLowerCase(), value: words[2] ?? '' }
  const [first, second, third] = words.map(Number)
  if (type === 'SRV') return { priority: first!, weight: second!, port: third!, target: toName(words[3] ?? '') }
  if (type === 'TLSA')
    return { usage: first!, selector: second!, matching: third!, data: words.slice(3).join('').toLowerCase() }
  return type === 'A' || type === 'AAAA' ? words[0]! : toName(words[0]!)
}

function toWords(line: string): string[] {
  const words: string[] = []
  let word: string | undefined
  let quoted = false
  for (const c of line) {
    if (quoted && c !== '"') word += c
    else if (c === '"') {
      quoted = !quoted
      word ??= ''
    } else if (c === ';') break
    else if (c === ' ' || c === '\t' || c === '\r') {
      if (word !== undefined) words.push(word)
      word = undefined
    } else word = (word ?? '') + c
  }
  return word === undefined ? words : [...words, word]
}

function find(
  records: readonly ZoneRecord[],
  broken: ReadonlyMap<string, 'servfail' | 'timeout'>,
  name: string,
  type: string,
): Found {
  const chain: ZoneRecord[] = []
  let at = name
  for (let step = 0; step <= maxAliases; step++) {
    const failure = broken.get(at)
    if (failure) return { status: failure }
    const here = named(records, at)
    const found = here.filter((record) => record.type === type)
    if (found.length > 0) return { status: 'ok', records: [...chain, ...found] }
    const alias = here.find((record) => record.type === 'CNAME')
    if (!alias || typeof alias.value !== 'string') {
      const exists = here.length > 0 || records.some((record) => record.name.endsWith(`.${at}`))
      return { status: exists ? 'nodata' : 'nxdomain', records: chain }
    }
    chain.push(alias)
    at = alias.value
  }
  return { status: 'servfail' }
}

/** Records of a name, or of the wildcard of its parent, given the asked name. */
function named(records: readonly ZoneRecord[], name: string): readonly ZoneRecord[] {
  const exact = records.filter((record) => record.name === name)
  if (exact.length > 0) return exact
  const parent = name.slice(name.indexOf('.') + 1)
  return records.filter((record) => record.name === `*.${parent}`).map((record) => ({ ...record, name }))
}

/** Answers from a zone text at once, without a network. */
export function zoneResolver(text: string): CaaResolver {
  const zone = parseZone(text)
  const answer = <T>(name: string, type: ZoneType): Promise<Answer<T>> =>
    Promise.resolve(toAnswer<T>(zone.find(name, type), type))
  return {
    mx: (name) => answer(name, 'MX'),
    a: (name) => answer(name, 'A'),
    aaaa: (name) => answer(name, 'AAAA'),
    txt: (name) => answer(name, 'TXT'),
    ptr: (ip) => answer(toReverseName(ip) ?? '', 'PTR'),
    srv: (name) => answer(name, 'SRV'),
    tlsa: (name) => answer(name, 'TLSA'),
    caa: (name) => answer(name, 'CAA'),
    close() {},
  }
}

function toAnswer<T>(found: ZoneAnswer, type: ZoneType): Answer<T> {
  if (!('records' in found))
    return { status: 'failed', reason: found.status === 'timeout' ? 'no answer' : 'the server could not answer' }
  const { status, authentic } = found
  if (status !== 'ok') return { status, authentic }
  const ttl = Math.min(...found.records.map((record) => record.ttl))
  const records = found.records.filter((record) => record.type === type).map((record) => record.value as T)
  const canonical = found.records.findLast((record) => record.type === 'CNAME' && type !== 'CNAME')?.value
  return { status: 'ok', records, ttl, authentic, ...(typeof canonical === 'string' && { canonical }) }
}
