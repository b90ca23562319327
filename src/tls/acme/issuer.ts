// One authority with our account there: checks, orders, plans, revokes. Loaded when the first certificate is due. Keeps no certificate.

import { X509Certificate } from 'node:crypto'
import { type Clock, Fault, type Log, type Sealer } from '../../base/index.ts'
import { type CaaResolver, createAuthority } from '../../dns/index.ts'
import type { Store } from '../../store/index.ts'
import { checkPair, createRequest, namesOf, renewalId } from '../request.ts'
import { type Account, makeAccount, openAccount } from './account.ts'
import { type CheckParts, checkNames } from './checks.ts'
import { createAcmeClient } from './client.ts'
import { createCloudflare, createRfc2136, type DnsProvider } from './dns-providers.ts'
import { orderCertificate, type Solver } from './order.ts'
import { type Life, planRenewal, type RenewalPlan } from './renewal.ts'
import { createDnsSolver, createDoorSolver } from './solvers.ts'
import { AcmeError, type AcmeSettings, type RevocationReason, revocationReasons, type Transport } from './types.ts'

export interface IssuerParts {
  readonly settings: AcmeSettings
  readonly store: Store
  readonly sealer: Sealer
  readonly transport: Transport
  readonly resolver: CaaResolver
  /** Recursive name servers; absent: those of the system. */
  readonly nameServers?: readonly string[]
  readonly hostname: string
  readonly addresses: () => readonly string[]
  readonly clock: Clock
  readonly log: Log
}

export interface Issuer {
  /** The chain, PEM, for the names and the key. `previous`: the chain that it takes the place of. Faults that name what is wrong. */
  issue(names: readonly string[], key: string, previous?: string): Promise<string>
  plan(life: Life): Promise<RenewalPlan>
  revoke(chain: string, reason: RevocationReason): Promise<void>
}

export function createIssuer(parts: IssuerParts): Issuer {
  const { settings, clock, transport } = parts
  const client = createAcmeClient({ url: settings.directory, transport, clock })
  const checks: CheckParts = parts
  const solver = createSolver(parts)
  /** With the account; when the authority forgot it, with it registered again. */
  const withAccount = async <T>(work: (account: Account) => Promise<T>): Promise<T> => {
    const account = await openAccount({ ...parts, client }, settings)
    try {
      return await work(account)
    } catch (error) {
      if (!(error instanceof AcmeError) || error.type !== 'accountDoesNotExist') throw error
      return work(await makeAccount({ ...parts, client }, settings, account.key))
    }
  }
  return {
    async issue(names, key, previous) {
      const { meta, renewalInfo } = await client.directory()
      const { profile } = settings
      if (profile !== undefined && meta.profiles.length > 0 && !meta.profiles.includes(profile))
        throw new Fault(
          'invalid',
          `acme.profile: ${settings.directory} has ${meta.profiles.join(', ')}, not ${profile}`,
        )
      return withAccount(async (account) => {
        await checkNames(checks, {
          names,
          challenge: settings.challenge,
          issuers: meta.caaIdentities,
          account: account.kid,
        })
        const replaces = previous === undefined || renewalInfo === undefined ? undefined : renewalId(previous)
        const order = {
          names,
          request: createRequest(names, key),
          ...(replaces !== undefined && { replaces }),
          ...(profile !== undefined && { profile }),
        }
        const chain = await orderCertificate({ client, signer: account, solver, clock }, order)
        checkIssued(chain, names, key)
        return chain
      })
    },
    plan: (life) => planRenewal(client, life, clock.now()),
    async revoke(chain, reason) {
      const { revokeCert } = await client.directory()
      if (revokeCert === undefined) throw new Fault('unsupported', `${settings.directory} revokes no certificates`)
      const certificate = new X509Certificate(chain).raw.toString('base64url')
      const payload = { certificate, reason: revocationReasons[reason] }
      await withAccount((account) => client.post(revokeCert, payload, account, 'revoking the certificate'))
    },
  }
}

/** What came must serve: an authority may err too. */
function checkIssued(chain: string, names: readonly string[], key: string): void {
  checkPair({ cert: chain, key })
  const has = new Set(namesOf(new X509Certificate(chain)))
  const missing = names.filter((name) => !has.has(name))
  if (missing.length > 0)
    throw new Fault('unavailable', `the authority left ${missing.join(', ')} out of the certificate`)
}

function createSolver(parts: IssuerParts): Solver {
  const { settings, store, clock, log, nameServers } = parts
  if (settings.challenge !== 'dns-01') return createDoorSolver(settings.challenge, store, clock)
  const authority = createAuthority({ clock, ...(nameServers && { servers: nameServers }) })
  const { dns } = settings
  if (!dns) throw new Fault('invalid', 'acme.challenge is dns-01: acme.dns must say who changes the zone')
  const provider: DnsProvider =
    dns.provider === 'cloudflare' ? createCloudflare(dns, parts.transport) : createRfc2136(dns, authority, clock)
  return createDnsSolver({ provider, authority, clock, log, ...(dns.servers && { servers: dns.servers }) })
}
