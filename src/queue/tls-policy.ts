// What is demanded of TLS to one mail host: the wish of the message, the word of the operator, DANE, MTA-STS, and which goes before
// which. Pure; docs/tls-to-others.md has the same as a table.

import type { Dane, TlsOutcome, TlsPolicyType } from '../mailauth/index.ts'
import { parsePatterns } from './route.ts'
import type { Sts } from './sts.ts'

/** Of the sender: REQUIRETLS, `TLS-Required: No` (RFC 8689 §3, §5), or nothing. */
export type TlsWish = 'required' | 'optional' | 'none'

/**
 * Of the operator, for a domain (`queue.tls`). `none` and `may` stand above what the domain publishes; `encrypt` and `verify` are the least
 * that is asked for.
 */
export const tlsWords = ['none', 'may', 'encrypt', 'verify'] as const
export type TlsWord = (typeof tlsWords)[number]

/** Reads the map pattern → word of `queue.tls`; patterns as those of routes. Throws Fault `invalid` naming what is wrong. */
export const parseTlsWords = (map: {
  readonly [pattern: string]: TlsWord
}): ((domain: string) => TlsWord | undefined) => parsePatterns(map, 'a word about TLS', (word) => word)

/**
 * `none`: plaintext. `may`: TLS when it is offered, whoever it is. `encrypt`: TLS, whoever it is. `pkix`: TLS with a certificate that the
 * authorities vouch for, for the host's name. `dane`: TLS with a certificate that the TLSA records name.
 */
export type TlsLevel = 'none' | 'may' | 'encrypt' | 'pkix' | 'dane'

export interface TlsDemand {
  readonly level: TlsLevel
  /** Whose demand it is, for people. */
  readonly by: string
  /** The policy that reports speak of. */
  readonly policy: TlsPolicyType
}

/** The host may not have the message. */
export interface TlsRefusal {
  readonly refused: string
  /** Enhanced code (RFC 3463). */
  readonly status: string
  /** Nothing will change it but another message. */
  readonly permanent: boolean
  readonly policy: TlsPolicyType
  readonly outcome?: TlsOutcome
}

export interface TlsFacts {
  /** The recipient's. */
  readonly domain: string
  readonly host: string
  readonly wish: TlsWish
  readonly word?: TlsWord | undefined
  readonly dane: Dane
  readonly sts: Sts
  /** The MTA-STS policy names the host. */
  readonly listed: boolean
  /** DNSSEC vouches for the MX record that named the host, or no MX record did: it is the domain itself. */
  readonly named: boolean
}

/** RFC 8689 over the operator's word over DANE over MTA-STS (RFC 8461 §2) over TLS when it is offered (RFC 7435). */
export function decideTls(facts: TlsFacts): TlsDemand | TlsRefusal {
  const { domain, wish, word } = facts
  // RFC 8689 §4.2.1: what leads to the host must be beyond doubt; what the operator says of TLS does not make it so.
  if (wish === 'required' && !isVouchedFor(facts)) return refuseUnnamed(facts)
  const operator = word === undefined ? 'nobody' : `queue.tls of this server for ${domain}`
  if (word === 'none' || word === 'may') return { level: word, by: operator, policy: 'no-policy-found' }
  const least: TlsLevel = word === 'verify' ? 'pkix' : (word ?? 'may')
  const ours: TlsDemand = { level: least, by: operator, policy: 'no-policy-found' }
  // RFC 8689 §4.2.2: rather so than not at all; only what we demand ourselves remains.
  if (wish === 'optional') return ours
  return byDane(facts, ours) ?? bySts(facts, ours) ?? ours
}

/** RFC 7672 §2.2: where it speaks nobody else is heard, least of all when it fails. */
function byDane({ dane, host, word }: TlsFacts, ours: TlsDemand): TlsDemand | TlsRefusal | undefined {
  const policy = 'tlsa'
  switch (dane.state) {
    case 'none':
      return undefined
    case 'failed':
      return { refused: `${host}: ${dane.words}`, status: '4.7.5', permanent: false, policy, outcome: 'dnssec-invalid' }
    case 'unusable':
      // The operator asks for more than encryption.
      return { ...(word === 'verify' ? ours : { level: 'encrypt', by: `DANE of ${dane.base}` }), policy }
    case 'usable':
      return { level: 'dane', by: `DANE of ${dane.base}`, policy }
  }
}

function bySts({ host, domain, sts, listed }: TlsFacts, ours: TlsDemand): TlsDemand | TlsRefusal | undefined {
  if (sts.state !== 'policy' || sts.policy.mode === 'none') return undefined
  const policy = 'sts'
  // RFC 8461 §5: testing stops nothing.
  if (sts.policy.mode === 'testing') return { ...ours, policy }
  const refused = `the MTA-STS policy of ${domain} does not name ${host}`
  if (!listed) return { refused, status: '4.7.5', permanent: false, policy, outcome: 'validation-failure' }
  return { level: 'pkix', by: `the MTA-STS policy of ${domain}`, policy }
}

/** By DNSSEC, or by a policy that came over HTTPS: one that is tested names its hosts as well as one that is enforced. */
function isVouchedFor({ named, sts, listed }: TlsFacts): boolean {
  return named || (sts.state === 'policy' && sts.policy.mode !== 'none' && listed)
}

function refuseUnnamed({ host, domain, sts }: TlsFacts): TlsRefusal {
  const policy = 'no-policy-found'
  if (sts.state === 'failed')
    return {
      refused: `REQUIRETLS: the MTA-STS policy of ${domain} cannot be had: ${sts.words}`,
      status: '4.7.5',
      permanent: false,
      policy,
    }
  const refused = `REQUIRETLS support required: neither DNSSEC nor MTA-STS vouches that ${host} is a mail server of ${domain}`
  return { refused, status: '5.7.30', permanent: true, policy }
}

/** What a finished handshake has shown, and under which records it was judged. */
export interface TlsShown {
  /** Absent: no TLS. */
  readonly tls?: { readonly authorized: boolean; readonly flaw?: object }
  /** Of a certificate judged by DANE: the records. */
  readonly records?: string
}

/** Whether a connection, opened under whatever demand, keeps this one. `records` as of the connection. */
export function keepsDemand({ level }: TlsDemand, { tls, records }: TlsShown, wanted: string | undefined): boolean {
  switch (level) {
    case 'none':
      return tls === undefined
    case 'may':
      return true
    case 'encrypt':
      return tls !== undefined
    case 'pkix':
      return tls !== undefined && tls.flaw === undefined
    case 'dane':
      return tls !== undefined && records !== undefined && records === wanted
  }
}
