// Who sent mail from outside, and what its recipients' domains want done when the author's domain disowns it. Asked in the door's thread,
// when the whole message is there.

import type { DmarcSetting, DomainPolicies } from '../accounts/index.ts'
import { isLoopback } from '../base/index.ts'
import type { NewContent } from '../mail/index.ts'
import type { DmarcAnswer, Verification, Verifier } from '../mailauth/index.ts'
import type { Blobs, ReadStore } from '../store/index.ts'
import { openParts } from './open-parts.ts'
import type { Arrival, CheckedContent, Envelope } from './types.ts'
import { refuse } from './verdict.ts'

export interface AuthenticationParts {
  readonly verifier: Verifier
  readonly policies: DomainPolicies
  readonly store: ReadStore & { readonly blobs: Pick<Blobs, 'read' | 'stream'> }
}

/** Mail that somebody in here hands in, and what a local server has taken already, is not asked who it is. */
export const isForeign = ({ kind, account, trusted, clientIp }: Arrival): boolean =>
  kind === 'mx' && account === undefined && trusted !== true && !isLoopback(clientIp)

export async function authenticate(
  parts: AuthenticationParts,
  arrival: Arrival,
  envelope: Envelope,
  content: NewContent,
): Promise<CheckedContent> {
  if (!isForeign(arrival)) return { arrival }
  const { clientIp: ip, helo } = arrival
  const { from } = envelope
  const sender = from === null ? '' : `${from.local}@${from.domain}`
  const { header, body } = await openParts(parts.store.blobs, content)
  const verification = await parts.verifier.verify({ ip, helo, sender, header, body: body() })
  const { dmarc } = verification
  const known = { ...arrival, verification }
  const wanted = dmarc.result === 'fail' ? await wantedOf(parts, envelope) : 'record'
  if (wanted === 'record' || dmarc.policy === 'none') return { arrival: known }
  if (dmarc.policy === 'reject' && wanted === 'enforce') return refuse('disowned', disownedWords(dmarc))
  return { arrival: { ...known, junk: disownedWords(dmarc) } }
}

/** Of several domains the mildest counts: nobody loses mail that his domain wants. */
async function wantedOf({ store, policies }: AuthenticationParts, { to }: Envelope): Promise<DmarcSetting> {
  const domains = new Set(to.map(({ address }) => address.domain))
  const wanted = await store.read(async (tx) => {
    const found: DmarcSetting[] = []
    for (const domain of domains) found.push((await policies.of(tx, domain))?.settings.dmarc ?? 'enforce')
    return found
  })
  return wanted.includes('record') ? 'record' : wanted.includes('junk') ? 'junk' : 'enforce'
}

function disownedWords({ from, policy }: DmarcAnswer): string {
  return `${from ?? 'the domain of From'} asks to ${policy} mail that does not pass DMARC, and this does not`
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
