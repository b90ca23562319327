// What the web door asks of the house: how it is, and its figures.

/** The parts whose failure makes the server unfit for traffic. */
export type HealthPart = 'disk' | 'store' | 'core' | 'queue'

export interface Health {
  readonly status: 'ok' | 'failing'
  /** Every part with `ok`, or what is wrong with it. */
  readonly parts: Readonly<Partial<Record<HealthPart, string>>>
}

/** Whether a request is answered, or when it may come again. */
export type Admission = { readonly ok: true } | { readonly ok: false; readonly retryMs: number }

export interface HttpSources {
  /** Counts one request of an address that shows no token; absent: nobody is counted. /health is not asked about. */
  admit?(ip: string): Promise<Admission>
  health(): Promise<Health>
  /** Figures in Prometheus' text format. */
  metrics(): Promise<string>
}
