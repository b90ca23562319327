// What reports say: of DMARC in the words of RFC 9990 (and 7489), of TLS in those of RFC 8460. Values only.

import type { TlsPolicyType } from '../mailauth/index.ts'

export type Disposition = 'none' | 'pass' | 'quarantine' | 'reject'
export type Aligned = 'pass' | 'fail'

/** Why something else was done than the policy asks. */
export interface OverrideReason {
  readonly type: string
  readonly comment?: string
}

export interface DkimLine {
  readonly domain: string
  /** Absent in reports of RFC 7489 only. */
  readonly selector?: string
  readonly result: string
  readonly human?: string
}

export interface SpfLine {
  readonly domain: string
  readonly scope?: string
  readonly result: string
  readonly human?: string
}

/** What many messages have in common: all of a `record` but how many they were. */
export interface DmarcLine {
  readonly sourceIp: string
  readonly disposition: Disposition
  /** Whether an aligned identifier passed. */
  readonly dkim: Aligned
  readonly spf: Aligned
  readonly reasons: readonly OverrideReason[]
  readonly headerFrom: string
  /** Empty: the null reverse-path. */
  readonly envelopeFrom?: string
  readonly envelopeTo?: string
  readonly dkimResults: readonly DkimLine[]
  readonly spfResults: readonly SpfLine[]
}

export interface DmarcRecord extends DmarcLine {
  readonly count: number
}

export type DomainPolicyWord = 'none' | 'quarantine' | 'reject'
export interface PolicyPublished {
  readonly domain: string
  readonly p: DomainPolicyWord
  readonly sp?: DomainPolicyWord
  readonly np?: DomainPolicyWord
  readonly adkim?: 'r' | 's'
  readonly aspf?: 'r' | 's'
  readonly fo?: string
  readonly testing?: boolean
  readonly method?: 'psl' | 'treewalk'
  /** Of RFC 7489 only. */
  readonly pct?: number
}

export interface ReportMetadata {
  readonly org: string
  readonly email: string
  readonly extraContact?: string
  readonly id: string
  /** Seconds since 1970, both inclusive. */
  readonly begin: number
  readonly end: number
  readonly errors: readonly string[]
  readonly generator?: string
}

export interface AggregateReport {
  readonly form: 'rfc7489' | 'rfc9990'
  readonly metadata: ReportMetadata
  readonly policy: PolicyPublished
  readonly records: readonly DmarcRecord[]
}

export interface TlsFailure {
  readonly type: string
  readonly sendingIp?: string
  readonly receivingMx?: string
  readonly receivingHelo?: string
  readonly receivingIp?: string
  readonly count: number
  readonly information?: string
  readonly reasonCode?: string
}

export interface TlsPolicyReport {
  readonly type: TlsPolicyType
  readonly strings: readonly string[]
  readonly domain: string
  readonly mx: readonly string[]
  readonly successes: number
  readonly failures: number
  readonly details: readonly TlsFailure[]
}

export interface TlsReport {
  readonly org: string
  /** Milliseconds since 1970. */
  readonly begin: number
  readonly end: number
  readonly contact?: string
  readonly id: string
  readonly policies: readonly TlsPolicyReport[]
}

/** A report that cannot be read, and why, for the log. */
export class MalformedReport extends Error {}
