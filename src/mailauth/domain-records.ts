// The records that a domain should have so that its mail comes and is believed: what to publish, and what is published now.

import { type Answer, type CaaRecord, type CaaResolver, caaAllows } from '../dns/index.ts'
import { isSameRecord } from './dkim-key.ts'
import { isStsHost, type StsPolicy } from './mtasts.ts'
import { checkSpf, isSpfRecord } from './spf/index.ts'

export interface DomainFacts {
  readonly domain: string
  /** Of the mail server. */
  readonly hostname: string
  readonly keys: readonly { readonly name: string; readonly record: string }[]
  /** `3 1 1 …` of the server's key, and of the one that comes next; absent: no TLSA is asked for. */
  readonly tlsa?: readonly string[]
  /** Who issues certificates for us and how names are proven to it; absent: no CAA is asked for. */
  readonly caa?: { readonly issuers: readonly string[]; readonly challenge: string }
  /** Services for people's mail programs, by the name that RFC 6186 gives them, with their ports. */
  readonly services: Readonly<Record<string, number>>
  /** The MTA-STS policy that we serve for it; absent: none. */
  readonly sts?: { readonly policy: StsPolicy; readonly text: string; readonly id: string }
}

export type RecordPurpose = 'MX' | 'SPF' | 'DKIM' | 'DMARC' | 'TLSRPT' | 'STS' | 'STS-HOST' | 'SRV' | 'TLSA' | 'CAA'
export interface WantedRecord {
  readonly purpose: RecordPurpose
  readonly name: string
  readonly type: 'MX' | 'TXT' | 'SRV' | 'TLSA' | 'CNAME' | 'CAA'
  /** As in a zone; of TXT without the quotes. */
  readonly value: string
  /** `needed`: without it mail does not come or is not believed. */
  readonly weight: 'needed' | 'recommended' | 'optional'
  readonly why: string
}

export interface CheckedRecord extends WantedRecord {
  /** `different`: something else stands there, and `found` says what. */
  readonly state: 'ok' | 'missing' | 'different' | 'unknown'
  readonly found: readonly string[]
  readonly remark?: string
}

export function wantedRecords(facts: DomainFacts): WantedRecord[] {
  const { domain, hostname, keys, tlsa = [], caa, services } = facts
  return [
    { purpose: 'MX', name: domain, type: 'MX', value: `10 ${hostname}.`, weight: 'needed', why: 'where its mail goes' },
    {
      purpose: 'SPF',
      name: domain,
      type: 'TXT',
      value: 'v=spf1 mx -all',
      weight: 'needed',
      why: 'who may send for it: its mail servers and nobody else',
    },
    ...keys.map(
      ({ name, record }): WantedRecord => ({
        purpose: 'DKIM',
        name,
        type: 'TXT',
        value: record,
        weight: 'needed',
        why: 'by which its signatures are verified',
      }),
    ),
    {
      purpose: 'DMARC',
      name: `_dmarc.${domain}`,
      type: 'TXT',
      value: `v=DMARC1; p=quarantine; rua=mailto:dmarc-reports@${domain}`,
      weight: 'needed',
      why: 'what others do with mail that is not from it; begin with p=none where others send for it too',
    },
    {
      purpose: 'TLSRPT',
      name: `_smtp._tls.${domain}`,
      type: 'TXT',
      value: `v=TLSRPTv1; rua=mailto:tls-reports@${domain}`,
      weight: 'recommended',
      why: 'where others report encryption that failed',
    },
    ...stsRecords(facts),
    ...Object.entries(services).map(
      ([service, port]): WantedRecord => ({
        purpose: 'SRV',
        name: `_${service}._tcp.${domain}`,
        type: 'SRV',
        value: port === 0 ? '0 0 0 .' : `0 1 ${port} ${hostname}.`,
        weight: 'recommended',
        why: port === 0 ? 'that this is not offered' : 'by which mail programs find the server',
      }),
    ),
    ...tlsa.map(
      (value, i): WantedRecord => ({
        purpose: 'TLSA',
        name: `_25._tcp.${hostname}`,
        type: 'TLSA',
        value,
        weight: 'optional',
        why:
          i === 0
            ? 'pins the key of the server, in a zone that is signed (DNSSEC) and nowhere else'
            : 'announces the key that comes next, beside the one before',
      }),
    ),
    // The host name may stand in another zone.
    ...(caa?.issuers[0] === undefined ? [] : [...new Set([domain, hostname])]).map(
      (name): WantedRecord => ({
        purpose: 'CAA',
        name,
        type: 'CAA',
        value: `0 issue "${caa!.issuers[0]}"`,
        weight: 'recommended',
        why: 'who alone may issue certificates for its names',
      }),
    ),
  ]
}

/** RFC 8461 §3.1, §3.3. */
function stsRecords({ domain, hostname, sts }: DomainFacts): WantedRecord[] {
  if (!sts) return []
  return [
    {
      purpose: 'STS',
      name: `_mta-sts.${domain}`,
      type: 'TXT',
      value: `v=STSv1; id=${sts.id}`,
      weight: 'recommended',
      why: `announces the MTA-STS policy (${sts.policy.mode}); it changes with the policy`,
    },
    {
      purpose: 'STS-HOST',
      name: `mta-sts.${domain}`,
      type: 'CNAME',
      value: `${hostname}.`,
      weight: 'recommended',
      why: 'where others fetch it, over HTTPS on port 443, with a certificate for this name',
    },
  ]
}

/** What a check asks. */
export interface RecordSources {
  readonly resolver: CaaResolver
  /** The MTA-STS policy that the world gets for the domain, or in words why it gets none. Absent: nobody looks. */
  readonly fetchPolicy?: (domain: string) => Promise<{ readonly text: string } | { readonly problem: string }>
}

/** Asks for each of them. */
export function checkRecords(sources: RecordSources, facts: DomainFacts): Promise<CheckedRecord[]> {
  return Promise.all(wantedRecords(facts).map((wanted) => check(sources, facts, wanted)))
}

async function check(sources: RecordSources, facts: DomainFacts, wanted: WantedRecord): Promise<CheckedRecord> {
  const answer = await ask(sources.resolver, wanted)
  if (answer.status === 'failed') return { ...wanted, state: 'unknown', found: [], remark: answer.reason }
  const found = answer.status === 'ok' ? answer.records.filter((text) => belongs(wanted, text)) : []
  if (found.length === 0) return { ...wanted, state: 'missing', found }
  const remark = await judge(sources, facts, wanted, found)
  return remark === undefined ? { ...wanted, state: 'ok', found } : { ...wanted, state: 'different', found, remark }
}

/** What stands there, in the form of `value`. */
async function ask(resolver: CaaResolver, { type, name }: WantedRecord): Promise<Answer<string>> {
  switch (type) {
    case 'MX':
      return map(await resolver.mx(name), ({ preference, exchange }) => `${preference} ${exchange}.`)
    case 'TXT':
      return resolver.txt(name)
    case 'SRV':
      return map(
        await resolver.srv(name),
        ({ priority, weight, port, target }) => `${priority} ${weight} ${port} ${target}.`,
      )
    case 'CNAME':
      // What it leads to is what counts: an A record does as well.
      return merge(await Promise.all([resolver.a(name), resolver.aaaa(name)]))
    case 'TLSA':
      return map(
        await resolver.tlsa(name),
        ({ usage, selector, matching, data }) => `${usage} ${selector} ${matching} ${data}`,
      )
    case 'CAA':
      return map(await nearestCaa(resolver, name), formatCaa)
  }
}

function map<T>(answer: Answer<T>, read: (record: T) => string): Answer<string> {
  return answer.status === 'ok' ? { ...answer, records: answer.records.map(read) } : answer
}

/** What either says. */
function merge([one, other]: [Answer<string>, Answer<string>]): Answer<string> {
  if (one.status !== 'ok') return other.status === 'ok' ? other : one
  return other.status === 'ok' ? { ...one, records: [...one.records, ...other.records] } : one
}

/** The set that holds for a name is its own, or the nearest one above it (RFC 8659 §3). */
async function nearestCaa(resolver: CaaResolver, name: string): Promise<Answer<CaaRecord>> {
  const answer = await resolver.caa(name)
  const above = name.slice(name.indexOf('.') + 1)
  if (answer.status === 'ok' || answer.status === 'failed' || !name.includes('.')) return answer
  return nearestCaa(resolver, above)
}

const formatCaa = ({ critical, tag, value }: CaaRecord) => `${critical ? 128 : 0} ${tag} "${value}"`

function parseCaa(text: string): CaaRecord {
  const [flags = '', tag = '', ...rest] = text.split(' ')
  return { critical: flags === '128', tag, value: rest.join(' ').slice(1, -1) }
}

/** A name may have other texts too. */
function belongs({ purpose }: WantedRecord, text: string): boolean {
  if (purpose === 'SPF') return isSpfRecord(text)
  if (purpose === 'DMARC') return text.trimStart().toLowerCase().startsWith('v=dmarc1')
  if (purpose === 'TLSRPT') return text.trimStart().toLowerCase().startsWith('v=tlsrptv1')
  if (purpose === 'STS') return text.startsWith('v=STSv1')
  return true
}

/** What is wrong with what was found; undefined when it does its work. */
async function judge(
  sources: RecordSources,
  facts: DomainFacts,
  { purpose, value }: WantedRecord,
  found: readonly string[],
): Promise<string | undefined> {
  const { hostname } = facts
  const { resolver } = sources
  switch (purpose) {
    case 'MX':
      return found.some((text) => text.split(' ')[1] === `${hostname.toLowerCase()}.`)
        ? undefined
        : `mail goes elsewhere: no MX is ${hostname}`
    case 'SPF':
      return found.length > 1 ? 'there may be only one' : judgeSpf(resolver, facts)
    case 'DKIM':
      return found.some((text) => isSameRecord(text, value)) ? undefined : 'another key stands there'
    case 'DMARC':
    case 'TLSRPT':
      return found.length > 1 ? 'there may be only one' : undefined
    case 'STS':
      if (found.length > 1) return 'there may be only one: others see none now'
      return found[0] === value
        ? judgeStsHosts(resolver, facts)
        : 'it announces another policy: others keep the one that they have'
    case 'STS-HOST':
      return judgeStsPolicy(sources, facts)
    case 'SRV':
      return found.some((text) => text.split(' ').slice(2).join(' ') === value.split(' ').slice(2).join(' '))
        ? undefined
        : 'it leads elsewhere'
    case 'TLSA':
      if (found.includes(value)) return undefined
      return value === facts.tlsa?.[0]
        ? 'it pins another key: servers that look at it will not deliver here'
        : 'the next key is not announced yet'
    case 'CAA':
      return judgeCaa(facts, found.map(parseCaa))
  }
}

function judgeCaa({ caa }: DomainFacts, records: readonly CaaRecord[]): string | undefined {
  if (!caa) return undefined
  const allowed = caaAllows(records, { issuers: caa.issuers, wildcard: false, method: caa.challenge })
  return allowed ? undefined : `${caa.issuers[0]} may not issue: certificates will not be renewed`
}

/** Whether this server may send for the domain, from each address that its name has. */
async function judgeSpf(resolver: CaaResolver, { domain, hostname }: DomainFacts): Promise<string | undefined> {
  const found = await Promise.all([resolver.a(hostname), resolver.aaaa(hostname)])
  const addresses = found.flatMap((answer) => (answer.status === 'ok' ? answer.records : []))
  if (addresses.length === 0) return `${hostname} has no address, so nobody can tell whether it may send`
  for (const ip of addresses) {
    const question = { ip, sender: `postmaster@${domain}`, helo: hostname, receiver: hostname, now: 0 }
    const { result, problem } = await checkSpf(resolver, question)
    if (result !== 'pass') return `${ip} of ${hostname} may not send: ${result}${problem ? ` (${problem})` : ''}`
  }
  return undefined
}

/** A policy that leaves out a mail server keeps mail from it. */
async function judgeStsHosts(resolver: CaaResolver, { domain, sts }: DomainFacts): Promise<string | undefined> {
  const mx = await resolver.mx(domain)
  const hosts = mx.status === 'ok' ? mx.records.map(({ exchange }) => exchange) : []
  const missing = hosts.filter((host) => sts && sts.policy.mode !== 'none' && !isStsHost(sts.policy, host))
  return missing.length === 0
    ? undefined
    : `the policy does not name ${missing.join(', ')}: posthorn domain set ${domain} mtaStsMx=${missing.join(',')}`
}

async function judgeStsPolicy(
  { fetchPolicy }: RecordSources,
  { domain, sts }: DomainFacts,
): Promise<string | undefined> {
  const found = await fetchPolicy?.(domain)
  if (!found) return undefined
  if ('problem' in found) return `others cannot fetch the policy: ${found.problem}`
  return found.text === sts?.text ? undefined : 'another policy is served there'
}
