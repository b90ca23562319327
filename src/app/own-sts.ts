// The MTA-STS policies that we serve for domains of ours, made of their settings. Serves nothing.

import type { DomainPolicies, DomainSettings } from '../accounts/index.ts'
import { toAscii } from '../address/index.ts'
import type { StsPolicy } from '../mailauth/index.ts'
import type { ReadStore } from '../store/index.ts'

export interface OwnSts {
  readonly policy: StsPolicy
  readonly text: string
  /** Of the record that announces it. */
  readonly id: string
}

const day = 86_400
/** While it is tested it may change soon; what is enforced should outlast who keeps others from asking again (RFC 8461 §10.2). */
const maxAge = { enforce: 14 * day, testing: day, none: day }

/** Undefined when the domain's settings ask for none. Others are to find this server, and whom the settings name. */
export async function ownStsPolicy(
  { mtaSts: mode, mtaStsMx = [] }: DomainSettings,
  hostname: string,
): Promise<OwnSts | undefined> {
  if (mode === undefined) return undefined
  const { formatStsPolicy } = await import('../mailauth/index.ts')
  const mx = [...new Set([hostname.toLowerCase(), ...mtaStsMx])]
  const policy: StsPolicy = { mode, maxAge: maxAge[mode], mx }
  return { policy, ...formatStsPolicy(policy) }
}

const hostPrefix = 'mta-sts.'

/** Their text, by the host at which others ask for them (RFC 8461 §3.3); undefined: there is none. */
export function ownStsPolicies(store: ReadStore, policies: DomainPolicies, hostname: string) {
  return async (host: string): Promise<string | undefined> => {
    const domain = host.toLowerCase().startsWith(hostPrefix) ? toAscii(host.slice(hostPrefix.length)) : undefined
    if (domain === undefined) return undefined
    const found = await store.read((tx) => policies.of(tx, domain))
    return found && (await ownStsPolicy(found.settings, hostname))?.text
  }
}
