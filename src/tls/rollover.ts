// Another key for a name that the DNS pins (DANE): it may serve once both keys have been announced for long enough. Asks, changes nothing.

import type { Clock } from '../base/index.ts'
import type { Resolver } from '../dns/index.ts'
import { toTlsaText } from './certificate-info.ts'

export interface RolloverParts {
  readonly resolver: Pick<Resolver, 'tlsa'>
  readonly clock: Clock
}

/** What a resolver somewhere may still believe (RFC 7671 §8.1: two TTLs), and at least so much: ours may have told us the rest of a TTL. */
const leastMs = 3_600_000

/** Whether the key may be used for the names, and since when it is announced at all. */
export async function isNextKeyAnnounced(
  { resolver, clock }: RolloverParts,
  names: readonly string[],
  nextKey: string,
  seenBefore: number | undefined,
): Promise<{ readonly ready: boolean; readonly seenAt?: number }> {
  const wanted = toTlsaText(nextKey)
  let waitMs = 0
  for (const name of names) {
    const answer = await resolver.tlsa(`_25._tcp.${name}`)
    if (answer.status === 'failed') return { ready: false, ...(seenBefore !== undefined && { seenAt: seenBefore }) }
    if (answer.status !== 'ok') continue
    const texts = answer.records.map(
      ({ usage, selector, matching, data }) => `${usage} ${selector} ${matching} ${data}`,
    )
    // Who pins an authority does not mind which key.
    if (!texts.some((text) => text.startsWith('3 '))) continue
    if (!texts.includes(wanted)) return { ready: false }
    waitMs = Math.max(waitMs, 2000 * answer.ttl, leastMs)
  }
  if (waitMs === 0) return { ready: true }
  const seenAt = seenBefore ?? clock.now()
  return { ready: clock.now() - seenAt >= waitMs, seenAt }
}
