// Reads aggregate reports of DMARC: of RFC 9990, of RFC 7489, and as large receivers write them. What is wrong in a way that would make the
// numbers wrong is refused, what is only written otherwise is understood.

import { isIP } from 'node:net'
import { canonicalIp, oneLine } from '../base/index.ts'
import { dmarcNamespace } from './aggregate-format.ts'
import { reportLimits as limits } from './limits.ts'
import {
  type AggregateReport,
  type Aligned,
  type Disposition,
  type DkimLine,
  type DmarcRecord,
  type DomainPolicyWord,
  MalformedReport,
  type OverrideReason,
  type PolicyPublished,
  type ReportMetadata,
  type SpfLine,
} from './types.ts'
import { childOf, childrenOf, textOf, type XmlElement, XmlReader } from './xml.ts'

/** Children of the root that are read before others get their turn. */
const childrenAtOnce = 200

/** The report; MalformedReport says what is wrong with it. Lets others run from time to time. */
export async function parseAggregate(text: string): Promise<AggregateReport> {
  const xml = new XmlReader(text)
  if (xml.root !== 'feedback') throw new MalformedReport(`<${xml.root}> is no DMARC report`)
  let metadata: ReportMetadata | undefined
  let policy: PolicyPublished | undefined
  let version = ''
  const records: DmarcRecord[] = []
  let children = 0
  for (let child = xml.next(); child; child = xml.next()) {
    if (child.name === 'version') version = child.text
    else if (child.name === 'report_metadata') metadata = readMetadata(child)
    else if (child.name === 'policy_published') policy ??= readPolicy(child)
    else if (child.name === 'record') {
      if (records.length === limits.records) throw new MalformedReport(`it has more than ${limits.records} records`)
      records.push(readRecord(child))
    }
    if (++children > limits.children) throw new MalformedReport('it has too many elements')
    if (children % childrenAtOnce === 0) await new Promise((resolve) => setImmediate(resolve))
  }
  if (version !== '' && Number(version) > 1)
    throw new MalformedReport(`its version ${version.slice(0, 20)} is not known`)
  if (!metadata) throw new MalformedReport('report_metadata is missing')
  if (!policy) throw new MalformedReport('policy_published is missing')
  return { form: xml.namespace === dmarcNamespace ? 'rfc9990' : 'rfc7489', metadata, policy, records }
}

function readMetadata(element: XmlElement): ReportMetadata {
  const range = childOf(element, 'date_range')
  const id = value(element, 'report_id')
  if (id === '') throw new MalformedReport('report_id is missing')
  const [begin, end] = [readTime(range, 'begin'), readTime(range, 'end')]
  if (end < begin) throw new MalformedReport('it ends before it begins')
  const extraContact = words(element, 'extra_contact_info')
  const generator = words(element, 'generator')
  return {
    org: value(element, 'org_name'),
    email: value(element, 'email'),
    ...(extraContact && { extraContact }),
    id,
    begin,
    end,
    errors: childrenOf(element, 'error')
      .slice(0, limits.reasons)
      .map((error) => oneLine(error.text, limits.words))
      .filter(Boolean),
    ...(generator && { generator }),
  }
}

/** Seconds since 1970; some write milliseconds' fractions. */
function readTime(range: XmlElement | undefined, name: string): number {
  const text = textOf(range, name)
  const time = text === '' ? Number.NaN : Math.floor(Number(text))
  if (!(time >= 0 && time < 2 ** 37)) throw new MalformedReport(`date_range/${name} is no time`)
  return time
}

const policyWords: readonly DomainPolicyWord[] = ['none', 'quarantine', 'reject']
const dispositions: readonly Disposition[] = ['none', 'pass', 'quarantine', 'reject']

function readPolicy(element: XmlElement): PolicyPublished {
  const domain = toDomain(value(element, 'domain'))
  if (domain === '') throw new MalformedReport('policy_published/domain is missing')
  const policy = (name: string) => oneOf(policyWords, textOf(element, name))
  const [sp, np] = [policy('sp'), policy('np')]
  const alignment = (name: string) => oneOf(['r', 's'] as const, textOf(element, name))
  const [adkim, aspf] = [alignment('adkim'), alignment('aspf')]
  const testing = oneOf(['y', 'n'] as const, textOf(element, 'testing'))
  const method = oneOf(['psl', 'treewalk'] as const, textOf(element, 'discovery_method'))
  const pct = textOf(element, 'pct') === '' ? Number.NaN : Number(textOf(element, 'pct'))
  const fo = value(element, 'fo')
  return {
    domain,
    // RFC 9989 §4.7: what is not there, or not known, asks for nothing.
    p: policy('p') ?? 'none',
    ...(sp && { sp }),
    ...(np && { np }),
    ...(adkim && { adkim }),
    ...(aspf && { aspf }),
    ...(fo && { fo }),
    ...(testing && { testing: testing === 'y' }),
    ...(method && { method }),
    ...(pct >= 0 && pct <= 100 && { pct }),
  }
}

function readRecord(element: XmlElement): DmarcRecord {
  const row = childOf(element, 'row')
  const evaluated = childOf(row, 'policy_evaluated')
  // Drafts of RFC 7489 called it so.
  const identifiers = childOf(element, 'identifiers') ?? childOf(element, 'identities')
  const results = childOf(element, 'auth_results')
  const ip = textOf(row, 'source_ip')
  if (isIP(ip) === 0) throw new MalformedReport('a record has no source_ip')
  const envelopeFrom = childOf(identifiers, 'envelope_from')
  const envelopeTo = toDomain(value(identifiers, 'envelope_to'))
  return {
    sourceIp: canonicalIp(ip),
    count: readCount(textOf(row, 'count')),
    disposition: readDisposition(textOf(evaluated, 'disposition')),
    dkim: readAligned(textOf(evaluated, 'dkim')),
    spf: readAligned(textOf(evaluated, 'spf')),
    reasons: childrenOf(evaluated, 'reason').slice(0, limits.reasons).flatMap(readReason),
    headerFrom: toDomain(value(identifiers, 'header_from')),
    ...(envelopeFrom && { envelopeFrom: toDomain(value(identifiers, 'envelope_from')) }),
    ...(envelopeTo && { envelopeTo }),
    dkimResults: childrenOf(results, 'dkim').slice(0, limits.results).map(readDkim),
    spfResults: childrenOf(results, 'spf').slice(0, limits.results).map(readSpf),
  }
}

function readCount(text: string): number {
  const count = text === '' ? Number.NaN : Number(text)
  if (!Number.isSafeInteger(count) || count < 0 || count > 1e12) throw new MalformedReport('a record has no count')
  return count
}

function readDisposition(text: string): Disposition {
  const found = oneOf(dispositions, text)
  if (found === undefined) throw new MalformedReport('a record has no disposition')
  return found
}

/** What is not said to have passed has not. */
const readAligned = (text: string): Aligned => (text.toLowerCase() === 'pass' ? 'pass' : 'fail')

function readReason(element: XmlElement): OverrideReason[] {
  const type = value(element, 'type').toLowerCase()
  const comment = words(element, 'comment')
  return type === '' ? [] : [{ type, ...(comment && { comment }) }]
}

function readDkim(element: XmlElement): DkimLine {
  const selector = value(element, 'selector')
  const human = words(element, 'human_result')
  return {
    domain: toDomain(value(element, 'domain')),
    ...(selector && { selector }),
    result: readResult(textOf(element, 'result')),
    ...(human && { human }),
  }
}

function readSpf(element: XmlElement): SpfLine {
  const scope = oneOf(['mfrom', 'helo'] as const, textOf(element, 'scope'))
  const human = words(element, 'human_result')
  return {
    domain: toDomain(value(element, 'domain')),
    ...(scope && { scope }),
    result: readResult(textOf(element, 'result')),
    ...(human && { human }),
  }
}

const resultWords = ['none', 'pass', 'fail', 'policy', 'neutral', 'softfail', 'temperror', 'permerror'] as const
/** As older software writes them (RFC 7489 §C). */
const olderWords: Readonly<Record<string, string>> = {
  hardfail: 'fail',
  unknown: 'temperror',
  error: 'permerror',
  invalid: 'permerror',
}

/** RFC 8601 §2.7; what nobody knows says nothing. */
function readResult(text: string): string {
  const word = text.toLowerCase()
  return oneOf(resultWords, word) ?? (Object.hasOwn(olderWords, word) ? olderWords[word]! : 'none')
}

function oneOf<T extends string>(words: readonly T[], text: string): T | undefined {
  const word = text.toLowerCase()
  return words.find((one) => one === word)
}

const value = (element: XmlElement | undefined, name: string): string => oneLine(textOf(element, name), limits.value)
const words = (element: XmlElement | undefined, name: string): string => oneLine(textOf(element, name), limits.words)

function toDomain(text: string): string {
  const lower = text.toLowerCase()
  return lower.endsWith('.') ? lower.slice(0, -1) : lower
}
