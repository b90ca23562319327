// Who sent mail from outside, and what its recipients' domains want done when the author's domain disowns it. Asked in the door's thread,
// when the whole message is there.

import type { DmarcSetting, DomainPolicies, DomainSettings } from '../accounts/index.ts'
import { formatAddress } from '../address/index.ts'
import { canonicalIp, isLoopback } from '../base/index.ts'
import type { NewContent } from '../mail/index.ts'
import type { DmarcAnswer, Verification, Verifier } from '../mailauth/index.ts'
import type { Observer } from '../reports/index.ts'
import type { Blobs, ReadStore } from '../store/index.ts'
import { openParts } from './open-parts.ts'
import type { Arrival, CheckedContent, Envelope } from './types.ts'
import { refuse } from './verdict.ts'

export interface AuthenticationParts {
  readonly verifier: Verifier
  readonly policies: DomainPolicies
  readonly store: ReadStore & { readonly blobs: Pick<Blobs, 'read' | 'stream'> }
  /** Who counts what is judged, for the reports that domains ask for. */
  readonly observer?: Pick<Observer, 'see'>
}

/** Mail that somebody in here hands in, and what a local server has taken already, is not asked who it is. */
const isForeign = ({ kind, account, trusted, clientIp }: Arrival): boolean =>
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
  const settings = dmarc.record === undefined ? [] : await settingsOf(parts, envelope)
  const done = doneWith(dmarc, settings)
  observe(parts, known, envelope, { header, verification, settings, done })
  if (done === 'reject') return refuse('disowned', disownedWords(dmarc))
  return { arrival: done === 'none' ? known : { ...known, junk: disownedWords(dmarc) } }
}

/** Of the recipients' domains. */
function settingsOf({ store, policies }: AuthenticationParts, { to }: Envelope): Promise<DomainSettings[]> {
  const domains = new Set(to.map(({ address }) => address.domain))
  return store.read(async (tx) => {
    const found: DomainSettings[] = []
    for (const domain of domains) found.push((await policies.of(tx, domain))?.settings ?? {})
    return found
  })
}

type Done = 'none' | 'quarantine' | 'reject'

function doneWith({ result, policy = 'none' }: DmarcAnswer, settings: readonly DomainSettings[]): Done {
  if (result !== 'fail' || policy === 'none') return 'none'
  const wanted = mildest(settings)
  if (wanted === 'record') return 'none'
  return policy === 'reject' && wanted === 'enforce' ? 'reject' : 'quarantine'
}

/** Of several domains the mildest counts: nobody loses mail that his domain wants. */
function mildest(settings: readonly DomainSettings[]): DmarcSetting {
  const wanted = settings.map(({ dmarc = 'enforce' }) => dmarc)
  return wanted.includes('record') ? 'record' : wanted.includes('junk') ? 'junk' : 'enforce'
}

interface Seen {
  readonly header: Buffer
  readonly verification: Verification
  readonly settings: readonly DomainSettings[]
  readonly done: Done
}

/** Counts the message for its author's domain, unless a domain of its recipients wants nothing told. */
function observe(
  { observer }: AuthenticationParts,
  { clientIp: ip, receivedAt: at }: Arrival,
  { from, to }: Envelope,
  { header, verification, settings, done }: Seen,
): void {
  if (!observer || settings.length === 0 || settings.some(({ dmarcReports = true }) => !dmarcReports)) return
  const failures = settings.map(({ dmarcFailureReports = 'off' }) => dmarcFailureReports)
  observer.see({
    at,
    ip: canonicalIp(ip),
    envelopeFrom: from?.domain ?? '',
    envelopeTo: to.map(({ address }) => address.domain),
    verification,
    done,
    ...(!failures.includes('off') && {
      failure: { header, subject: !failures.includes('on'), mailFrom: from === null ? '' : formatAddress(from) },
    }),
  })
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
