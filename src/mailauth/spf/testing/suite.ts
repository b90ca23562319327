// The test suite of openspf.org as it stands in the corpus, and a resolver that answers from the zone of one scenario.

import { readFileSync } from 'node:fs'
import { join } from 'node:path'
import { parseAllDocuments } from 'yaml'
import { type Answer, type MxRecord, type Resolver, toReverseName } from '../../../dns/index.ts'

type Entry = 'TIMEOUT' | Readonly<Record<string, unknown>>
export interface Scenario {
  readonly description: string
  readonly tests: Readonly<
    Record<
      string,
      {
        readonly helo: string
        readonly host: string
        readonly mailfrom: string
        readonly result: string | readonly string[]
        readonly explanation?: string
      }
    >
  >
  readonly zonedata: Readonly<Record<string, readonly Entry[]>>
}

const file = join(import.meta.dirname, '../../../../test/corpus/spf/rfc7208-tests.yml')
export const scenarios = parseAllDocuments(readFileSync(file, 'utf8')).map((document) => document.toJS() as Scenario)

/** Records of type SPF stand for TXT where no TXT is given, as the suite asks of those who read it. */
export function suiteResolver(zone: Scenario['zonedata']): Resolver {
  const names = new Map(Object.entries(zone).map(([name, entries]) => [name.toLowerCase(), entries]))
  const find = <T>(name: string, type: string, read: (value: unknown) => T): Answer<T> => {
    let at = name.toLowerCase()
    for (let step = 0; step < 8; step++) {
      const entries = names.get(at)
      if (!entries) return { status: 'nxdomain', authentic: false }
      const records = entries.filter((entry) => entry !== 'TIMEOUT')
      const wanted = type === 'TXT' && !records.some((entry) => 'TXT' in entry) ? 'SPF' : type
      const found = records.flatMap((entry) => (wanted in entry && entry[wanted] !== 'NONE' ? [entry[wanted]] : []))
      if (found.length > 0) return { status: 'ok', records: found.map(read), ttl: 60, authentic: false }
      if (entries.includes('TIMEOUT')) return { status: 'failed', reason: 'no answer' }
      const alias = records.find((entry) => 'CNAME' in entry)
      if (!alias) return { status: 'nodata', authentic: false }
      at = String(alias['CNAME']).toLowerCase()
    }
    return { status: 'failed', reason: 'aliases in a circle' }
  }
  const toText = (value: unknown) => (Array.isArray(value) ? value.join('') : String(value))
  const toMx = (value: unknown): MxRecord => {
    const [preference, exchange] = value as [number, string]
    return { preference, exchange: exchange.toLowerCase() }
  }
  const toName = (value: unknown) => String(value).toLowerCase()
  return {
    mx: async (name) => find(name, 'MX', toMx),
    a: async (name) => find(name, 'A', String),
    aaaa: async (name) => find(name, 'AAAA', String),
    txt: async (name) => find(name, 'TXT', toText),
    ptr: async (ip) => find(toReverseName(ip) ?? '', 'PTR', toName),
    srv: async () => ({ status: 'nodata', authentic: false }),
    tlsa: async () => ({ status: 'nodata', authentic: false }),
    close() {},
  }
}
