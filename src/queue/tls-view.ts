// What is asked of TLS to the mail hosts of a domain, for people. Decides nothing: it asks as a message would.

import type { Demands } from './demands.ts'
import type { Route } from './route.ts'
import type { Sts } from './sts.ts'
import { findTargets, type TargetOptions } from './targets.ts'
import type { TlsLevel } from './tls-policy.ts'

export interface TlsView {
  readonly domain: string
  /** Mail goes by this route, which says itself what it asks of TLS: nothing that the domain publishes counts. */
  readonly route?: string
  /** Why nothing can be sent there now. */
  readonly problem?: string
  /** `none`, `failed` (announced, and it cannot be had), or the mode of the policy. */
  readonly sts: 'none' | 'failed' | 'enforce' | 'testing' | 'off'
  /** Best first. */
  readonly hosts: readonly HostView[]
}
export interface HostView {
  readonly host: string
  /** Absent: it gets nothing, and `by` says why. */
  readonly level?: TlsLevel
  readonly by: string
}

export async function viewTls(
  { targets, demands }: { readonly targets: TargetOptions; readonly demands: Demands },
  domain: string,
  route: Route | undefined,
): Promise<TlsView> {
  if (route) return { domain, route: route.name, sts: 'none', hosts: [] }
  const [found, security] = await Promise.all([findTargets(targets, domain, undefined), demands.of(domain)])
  if ('problem' in found) return { domain, problem: found.problem.text, sts: wordOf(security.sts), hosts: [] }
  const hosts = await Promise.all(
    found.hosts.map(async (host): Promise<HostView> => {
      const { demand } = await security.at(host, 'none')
      if ('refused' in demand) return { host, by: demand.refused }
      return { host, level: demand.level, by: demand.by }
    }),
  )
  return { domain, sts: wordOf(security.sts), hosts }
}

const wordOf = (sts: Sts): TlsView['sts'] =>
  sts.state !== 'policy' ? sts.state : sts.policy.mode === 'none' ? 'off' : sts.policy.mode
