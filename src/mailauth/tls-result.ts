// What came of TLS with another server, for the reports that domains ask for (RFC 8460 §4). Values only.

/** RFC 8460 §4.3, and what went well. */
export const tlsOutcomes = [
  'success',
  'starttls-not-supported',
  'certificate-host-mismatch',
  'certificate-not-trusted',
  'certificate-expired',
  'validation-failure',
  'tlsa-invalid',
  'dnssec-invalid',
  'dane-required',
  'sts-policy-fetch-error',
  'sts-policy-invalid',
  'sts-webpki-invalid',
] as const
export type TlsOutcome = (typeof tlsOutcomes)[number]
export type TlsPolicyType = 'tlsa' | 'sts' | 'no-policy-found'

/** Of one session, or of one try to have a policy. */
export interface TlsResult {
  /** The domain that the mail was for: it is the one that asks for reports. */
  readonly domain: string
  readonly policyType: TlsPolicyType
  /** The TLSA records, or the lines of the policy. */
  readonly policyStrings: readonly string[]
  /** The `mx` patterns of an MTA-STS policy. */
  readonly mxPatterns: readonly string[]
  readonly outcome: TlsOutcome
  readonly sendingIp?: string
  readonly receivingMx?: string
  readonly receivingIp?: string
  /** More of the failure, in words. */
  readonly reasonCode?: string
  /** Milliseconds since 1970. */
  readonly at: number
}
