// What the house asks of the DNS. One interface; the wire resolver and the zone of the tests answer it alike.

/** `ok` with records, or why there are none: the name does not exist, it has no such records, or nobody could say (retry). */
export type Answer<T> =
  | {
      readonly status: 'ok'
      readonly records: readonly T[]
      readonly ttl: number
      /** DNSSEC vouches for it, as a validating resolver on this machine says. */
      readonly authentic: boolean
      /** The name that has the records, when CNAMEs led to it. */
      readonly canonical?: string
    }
  | { readonly status: 'nxdomain' | 'nodata'; readonly authentic: boolean }
  | { readonly status: 'failed'; readonly reason: string }

export interface MxRecord {
  readonly preference: number
  /** Lower-case host without the final dot; the empty string is the null MX (RFC 7505). */
  readonly exchange: string
}

/** RFC 2782. `target` as `exchange` of an MX; the empty string: the service is not offered. */
export interface SrvRecord {
  readonly priority: number
  readonly weight: number
  readonly port: number
  readonly target: string
}

/** RFC 6698 §2.1; `data` in lower-case hexadecimal digits. */
export interface TlsaRecord {
  readonly usage: number
  readonly selector: number
  readonly matching: number
  readonly data: string
}

/** RFC 8659 §4.1: `issue`, `issuewild` or `iodef` with its value. */
export interface CaaRecord {
  readonly critical: boolean
  /** Lower case. */
  readonly tag: string
  readonly value: string
}

/** Names are A-labels without the final dot, any case. Never throws: an outage is an answer. */
export interface Resolver {
  mx(name: string): Promise<Answer<MxRecord>>
  a(name: string): Promise<Answer<string>>
  aaaa(name: string): Promise<Answer<string>>
  txt(name: string): Promise<Answer<string>>
  ptr(ip: string): Promise<Answer<string>>
  srv(name: string): Promise<Answer<SrvRecord>>
  tlsa(name: string): Promise<Answer<TlsaRecord>>
  close(): void
}

/** A resolver that also knows who may issue certificates. */
export interface CaaResolver extends Resolver {
  /** Of this name alone: who looks for the set that holds goes up the tree. */
  caa(name: string): Promise<Answer<CaaRecord>>
}
