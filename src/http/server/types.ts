// What the web door asks of the house: how it is, and its figures.

/** The parts whose failure makes the server unfit for traffic. */
export type HealthPart = 'disk' | 'store' | 'core' | 'queue'

export interface Health {
  readonly status: 'ok' | 'failing'
  /** Every part with `ok`, or what is wrong with it. */
  readonly parts: Readonly<Partial<Record<HealthPart, string>>>
}

export interface HttpSources {
  health(): Promise<Health>
  /** Figures in Prometheus' text format. */
  metrics(): Promise<string>
  /** The MTA-STS policy that is served at this host; undefined: none. */
  stsPolicy?(host: string): Promise<string | undefined>
}
