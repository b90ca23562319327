// What the web door asks of the house: how it is, and its figures.

import type { SecureContextOptions } from 'node:tls'

/** The parts whose failure makes the server unfit for traffic. */
export type HealthPart = 'disk' | 'store' | 'core' | 'queue'

export interface Health {
  /** Remarks do not make it fail. */
  readonly status: 'ok' | 'failing'
  /** Every part with `ok`, or what is wrong with it. */
  readonly parts: Readonly<Partial<Record<HealthPart, string>>>
  /** What somebody should see to while all works: by part, in words. */
  readonly remarks?: Readonly<Record<string, string>>
}

/** Whether a request is answered, or when it may come again. */
export type Admission = { readonly ok: true } | { readonly ok: false; readonly retryMs: number }

export interface HttpSources {
  /** Counts one request of an address that shows no token; absent: nobody is counted. /health is not asked about. */
  admit?(ip: string): Promise<Admission>
  /** What an authority is answered that asks for proof by this token (HTTP-01); undefined: nobody asked for any. */
  challenge?(token: string): string | undefined
  /** The certificate that proves a name to an authority (TLS-ALPN-01). */
  challengeCertificate?(name: string): SecureContextOptions | undefined
  health(): Promise<Health>
  /** Figures in Prometheus' text format. */
  metrics(): Promise<string>
  /** The MTA-STS policy that is served at this host; undefined: none. */
  stsPolicy?(host: string): Promise<string | undefined>
}
