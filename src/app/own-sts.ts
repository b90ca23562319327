// The MTA-STS policies that we serve for domains of ours, made of their settings. Serves nothing.

import type { DomainSettings } from '../accounts/index.ts'
import type { StsPolicy } from '../mailauth/index.ts'

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
