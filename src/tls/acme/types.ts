// What the ACME client is told and what it says: requests as values, settings, problems. Opens no connection.

import { Fault, type FaultCode } from '../../base/index.ts'
import type { KeyType } from '../request.ts'
import type { CloudflareSettings, Rfc2136Settings } from './dns-providers.ts'

export interface WebRequest {
  readonly method: 'GET' | 'HEAD' | 'POST' | 'DELETE'
  /** https, or http to this machine. */
  readonly url: string
  readonly headers?: Readonly<Record<string, string>>
  readonly body?: string
}
export interface WebResponse {
  readonly status: number
  /** Names in lower case. */
  readonly headers: Readonly<Record<string, string>>
  readonly body: Buffer
}
/** One request and its answer, whatever its status; follows no redirect. Fault `unavailable` when there is none within its time and size. */
export type Transport = (request: WebRequest) => Promise<WebResponse>

export type ChallengeType = 'http-01' | 'tls-alpn-01' | 'dns-01'

export interface AcmeSettings {
  /** URL of the authority's directory. */
  readonly directory: string
  readonly email?: string
  readonly challenge: ChallengeType
  readonly keyType: KeyType
  /** A renewal keeps the key, so that what pins it stays true (TLSA 3 1 1). */
  readonly keepKey: boolean
  readonly profile?: string
  /** External account binding (RFC 8555 §7.3.4): `hmac` in base64url. */
  readonly eab?: { readonly kid: string; readonly hmac: string }
  /** Needed for `dns-01`. */
  readonly dns?: DnsSettings
  /** PEM of authorities to be trusted besides the usual ones, when ACME is spoken. */
  readonly ca?: string
  /** Further names of the first certificate, beside the host name. */
  readonly names: readonly string[]
  /** Whether the names that mail programs and senders look for in each domain get certificates too, once they lead here. */
  readonly domains: boolean
}

export type DnsSettings = { readonly servers?: readonly string[] } & (
  | ({ readonly provider: 'rfc2136' } & Rfc2136Settings)
  | ({ readonly provider: 'cloudflare' } & CloudflareSettings)
)

/** An authority's refusal, in words that name what to do. */
export class AcmeError extends Fault {
  /** The last part of `urn:ietf:params:acme:error:…`. */
  readonly type: string
  /** It wants to be left alone for so long, milliseconds. */
  readonly waitMs: number | undefined
  constructor(code: FaultCode, message: string, type: string, waitMs?: number) {
    super(code, message)
    this.type = type
    this.waitMs = waitMs
  }
}

/** RFC 5280 §5.3.1, as far as an authority takes them from us. */
export const revocationReasons = {
  unspecified: 0,
  keyCompromise: 1,
  affiliationChanged: 3,
  superseded: 4,
  cessationOfOperation: 5,
} as const
export type RevocationReason = keyof typeof revocationReasons
