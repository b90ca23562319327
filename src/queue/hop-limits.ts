// What a host takes in one transaction and one session (RFC 9422), and recipients divided accordingly. Only arithmetic.

import type { Recipient } from './batch.ts'

export interface HopLimits {
  /** Recipients of a transaction. */
  readonly recipients: number
  /** Different domains among them. */
  readonly domains: number
  /** Transactions of a session. */
  readonly messages: number
}

const names: { readonly [name: string]: keyof HopLimits } = {
  RCPTMAX: 'recipients',
  RCPTDOMAINMAX: 'domains',
  MAILMAX: 'messages',
}
const maxDigits = 6

/** Reads the argument of LIMITS (RFC 9422 §4); what is absent, unknown or no number from 1 on limits nothing. */
export function readHopLimits(extensions: ReadonlyMap<string, string>): HopLimits {
  const none = Number.POSITIVE_INFINITY
  const limits = { recipients: none, domains: none, messages: none }
  for (const word of (extensions.get('LIMITS') ?? '').split(' ')) {
    const at = word.indexOf('=')
    const name = names[word.slice(0, Math.max(at, 0)).toUpperCase()]
    const value = word.length - at - 1 <= maxDigits ? Number(word.slice(at + 1)) : 0
    if (name && Number.isInteger(value) && value > 0) limits[name] = value
  }
  return limits
}

/** The recipients of the next transaction: as many of the first ones as the limits allow. */
export function takeGroup(
  recipients: readonly Recipient[],
  { recipients: most, domains }: HopLimits,
): readonly Recipient[] {
  const seen = new Set<string>()
  let count = 0
  for (const { address } of recipients) {
    seen.add(address.domain)
    if (count === most || seen.size > domains) break
    count++
  }
  return recipients.slice(0, count)
}
