// Who sent mail from outside. Asked in the door's thread, when the whole message is there. What follows from it is judged in the core.

import { isLoopback } from '../base/index.ts'
import type { Verification, Verifier } from '../mailauth/index.ts'
import type { OpenMessage } from './open-parts.ts'
import type { Arrival, Envelope } from './types.ts'

/** Mail that somebody in here hands in, and what a local server has taken already, is not asked who it is. */
export const isForeign = ({ kind, account, trusted, clientIp }: Arrival): boolean =>
  kind === 'mx' && account === undefined && trusted !== true && !isLoopback(clientIp)

export async function authenticate(
  verifier: Verifier,
  arrival: Arrival,
  envelope: Envelope,
  message: OpenMessage,
): Promise<Arrival> {
  if (!isForeign(arrival)) return arrival
  const { clientIp: ip, helo } = arrival
  const { from } = envelope
  const sender = from === null ? '' : `${from.local}@${from.domain}`
  const { header, body } = await message.open()
  const verification = await verifier.verify({ ip, helo, sender, header, body: body() })
  return { ...arrival, verification }
}

/** What the timeline says of it. */
export function describeVerification({ spf, dkim, arc, dmarc, iprev }: Verification): string {
  const signatures = dkim.map(({ result, domain, reason }) => `${domain} ${result}${reason ? ` (${reason})` : ''}`)
  return [
    `SPF ${spf.result} (${spf.domain || 'no domain'}${spf.mechanism ? ` ${spf.mechanism}` : ''}${spf.problem ? `: ${spf.problem}` : ''})`,
    `DKIM ${signatures.join(', ') || 'none'}`,
    ...(arc.result === 'none' ? [] : [`ARC ${arc.result}`]),
    `DMARC ${dmarc.result}${dmarc.from ? ` (${dmarc.from}${dmarc.policy ? ` asks ${dmarc.policy}` : ''})` : ''}${dmarc.reason ? `: ${dmarc.reason}` : ''}`,
    `name ${iprev.name ?? iprev.result}`,
  ].join(' · ')
}
