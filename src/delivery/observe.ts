// Mail that DMARC judged is counted for its author's domain, which may have asked to be told (RFC 9990, RFC 9991). In the door's thread.

import { type DmarcSetting, type DomainPolicies, type DomainSettings, settingsOfAll } from '../accounts/index.ts'
import { formatAddress } from '../address/index.ts'
import { canonicalIp } from '../base/index.ts'
import type { DmarcAnswer } from '../mailauth/index.ts'
import type { Observer } from '../reports/index.ts'
import type { ReadStore } from '../store/index.ts'
import type { OpenMessage } from './open-parts.ts'
import type { Arrival, Envelope } from './types.ts'

export interface ObservingParts {
  /** Who counts. */
  readonly observer: Pick<Observer, 'see'>
  readonly policies: DomainPolicies
  readonly store: ReadStore
}

/** Nothing is counted when a domain of the recipients wants nothing told. */
export async function observe(
  { observer, policies, store }: ObservingParts,
  { clientIp, receivedAt: at, verification }: Arrival,
  { from, to }: Envelope,
  message: OpenMessage,
): Promise<void> {
  if (verification?.dmarc.record === undefined) return
  const domains = to.map(({ address }) => address.domain)
  const settings = await store.read((tx) => settingsOfAll(policies, tx, domains))
  if (settings.length === 0 || settings.some(({ dmarcReports = true }) => !dmarcReports)) return
  const failures = settings.map(({ dmarcFailureReports = 'off' }) => dmarcFailureReports)
  const tells = verification.dmarc.result === 'fail' && !failures.includes('off')
  const { header } = tells ? await message.open() : {}
  observer.see({
    at,
    ip: canonicalIp(clientIp),
    envelopeFrom: from?.domain ?? '',
    envelopeTo: domains,
    verification,
    done: doneWith(verification.dmarc, settings),
    ...(header && {
      failure: { header, subject: !failures.includes('on'), mailFrom: from === null ? '' : formatAddress(from) },
    }),
  })
}

/** What is done with it for who has no wish of his own (RFC 9990 §3.1.1.10, disposition); of several domains the mildest counts. */
function doneWith(
  { result, policy = 'none' }: DmarcAnswer,
  settings: readonly DomainSettings[],
): 'none' | 'quarantine' | 'reject' {
  if (result !== 'fail' || policy === 'none') return 'none'
  const wanted = settings.map(({ dmarc = 'enforce' }) => dmarc)
  const mildest = (['record', 'junk', 'quarantine', 'enforce'] as const satisfies readonly DmarcSetting[]).find((one) =>
    wanted.includes(one),
  )
  if (mildest === 'record') return 'none'
  return policy === 'reject' && mildest === 'enforce' ? 'reject' : 'quarantine'
}
